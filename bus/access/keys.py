"""A system's signing keys over time: the next one, and one that must not sign any more.

A key's document, `keys/<key>.yaml`, is what the catalogue trusts; both acts change documents only,
and are in force when the catalogue has been applied. No document is ever removed: what a key
signed is proved for as long as it is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bus.access.credentials import (
    USED_AFTER,
    key_id_of,
    key_numbers,
    public_key_file,
    public_key_numbers,
    read_public_key,
)
from bus.access.enrol import make_key
from bus.catalogue.documents import render_key
from bus.catalogue.parties import SigningKey
from bus.errors import DocumentError
from bus.model.identifiers import KeyId, SystemCode
from bus.process.replacing import replace_file
from bus.texts import message


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """A new key beside the one that signs now."""

    former: KeyId
    former_until: datetime
    """It may sign until then, excluded."""
    key_id: KeyId
    used_from: datetime
    """Programs that start from then on sign with it; until then the catalogue must know it."""


def rotate(home: Path, system: SystemCode, moment: datetime, overlap: timedelta) -> Rotation:
    """Make a system's next key, and let the present one end later.

    Args:
        home: Folder of the installation that has the system's secrets.
        system: Enrolled there.
        moment: Aware; the new key is valid from it.
        overlap: For so long both keys may sign, so that running programs have time to start anew.

    Raises:
        DocumentError: The system is not enrolled here, or its newest key is not in use yet.
    """
    numbers = key_numbers(home, system)
    if not numbers:
        raise DocumentError(message("error.access.no_key_here", system=system, home=home))
    former = _document(home, key_id_of(system, numbers[-1]))
    if former.valid_from + USED_AFTER > moment:
        told = {"key": former.key_id, "at": former.valid_from + USED_AFTER}
        raise DocumentError(message("error.access.key_not_used_yet", **told))
    until = moment + overlap
    if former.valid_to is not None:
        until = min(until, former.valid_to)
    number = max([*numbers, *public_key_numbers(home, system)]) + 1
    make_key(home, system, number, valid_from=moment)
    _write(home, replace(former, valid_to=until))
    return Rotation(
        former=former.key_id,
        former_until=until,
        key_id=key_id_of(system, number),
        used_from=moment + USED_AFTER,
    )


def revoke(home: Path, key_id: KeyId, since: datetime) -> SigningKey:
    """Let nothing count any more that a key signed since a moment.

    Args:
        home: Folder of the installation whose documents are applied.
        key_id: Of any system of the region, or of the bus.
        since: Aware; where an earlier moment is written already, that stays.

    Returns: The key as its document says now.

    Raises:
        DocumentError: There is no such document.
    """
    key = _document(home, key_id)
    earliest = since if key.revoked_at is None else min(since, key.revoked_at)
    revoked = replace(key, revoked_at=earliest)
    _write(home, revoked)
    return revoked


def end(home: Path, system: SystemCode, moment: datetime) -> tuple[KeyId, ...]:
    """Let a system sign nothing from a moment on; what it signed before stays proved.

    Args:
        home: Folder of the installation whose documents are applied.
        system: Whose keys, those that the gateway holds among them.
        moment: Aware.

    Returns: Names of the keys that end with it; not those that had ended before.
    """
    ended = []
    for key in keys_of(home):
        ends = [one for one in (key.valid_to, key.revoked_at) if one is not None]
        if key.system == system and moment < min(ends, default=datetime.max.replace(tzinfo=UTC)):
            _write(home, replace(key, valid_to=moment))
            ended.append(key.key_id)
    return tuple(ended)


def keys_of(home: Path) -> Iterator[SigningKey]:
    """Read every key's document, ascending by file name."""
    for path in sorted((home / "keys").glob("*.yaml")):
        yield read_public_key(path)


def _document(home: Path, key_id: KeyId) -> SigningKey:
    path = public_key_file(home, key_id)
    if not path.exists():
        known = ", ".join(sorted(one.stem for one in path.parent.glob("*.yaml")))
        raise DocumentError(message("error.access.no_such_key", key=key_id, known=known or "-"))
    return read_public_key(path)


def _write(home: Path, key: SigningKey) -> None:
    replace_file(public_key_file(home, key.key_id), render_key(key))
