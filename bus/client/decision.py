"""What is sent for one row: nothing, or the next version of its entry. Pure.

The publisher's memory of a registry entry is its list of versions as they lie in the log. A
version *stands* until the bus refuses it; one that follows a refused version *hangs*: the data
fund holds it back for a predecessor that will not come, so it counts as if it were refused too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum, unique
from itertools import takewhile
from typing import Final, TypeAlias

from bus.model.identifiers import RecordId
from bus.model.record import Operation


@unique
class Standing(StrEnum):
    """What a later version may make of this one."""

    STANDS = "stands"
    """Accepted, at once or after a release, or not judged yet: the next version supersedes it."""
    REFUSED = "refused"
    """In quarantine."""
    HANGS = "hangs"
    """It supersedes a version that was refused, or one that hangs itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownVersion:
    """One version of a registry entry that the publisher has sent."""

    version: int
    record_id: RecordId
    operation: Operation
    supersedes: RecordId | None
    fingerprint: bytes
    """SHA-256 of the framed value: equal where schema and content are equal."""
    standing: Standing
    quarantine_id: str | None
    """`topic/partition/offset` of the inbound record, where it was refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """The version to send."""

    version: int
    operation: Operation
    supersedes: RecordId | None
    """None for a create."""
    resolves: str | None
    """Quarantine id of the newest refused version that this one answers."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """The row is known already; nothing is sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionTaken:
    """The row brings a version number that was sent before with other content."""

    version: int


@dataclass(frozen=True, slots=True)
class NothingStands:
    """The row annuls or ceases an entry of which no version stands."""


Decision: TypeAlias = Next | Repeat | NothingStands
_ENDINGS: Final = frozenset({Operation.ANNUL, Operation.CEASE})


def decide(
    known: Sequence[KnownVersion], fingerprint: bytes, operation: Operation | None = None
) -> Decision:
    """Number a row by the publisher's own memory.

    A row equal to the newest version repeats it, refused or not: the same row would be refused
    again. Any other follows the newest version that stands, and is a create where none does.
    After an annulment the newest version is the one that it uncovered.

    Args:
        known: Versions of the row's entry, newest first, at least to the newest that stands.
        fingerprint: Of the row's value.
        operation: What the row says of itself; None: that its values are so.
    """
    if _is_said(known, fingerprint, operation):
        return Repeat()
    return _following(known, known[0].version + 1 if known else 1, operation)


def decide_numbered(
    known: Sequence[KnownVersion],
    fingerprint: bytes,
    version: int,
    operation: Operation | None = None,
) -> Decision | VersionTaken:
    """Place a row that brings its version number from the source.

    A late older version follows the newest standing one below it, so that it joins the history.

    Args:
        known: All versions of the row's entry, newest first.
        fingerprint: Of the row's value.
        version: From the source, 1 to 2**63-1.
        operation: What the row says of itself; None: that its values are so.
    """
    for sent in known:
        if sent.version == version:
            is_same = sent.fingerprint == fingerprint and _ending(sent.operation) == _ending(
                operation
            )
            return Repeat() if is_same else VersionTaken(version=version)
    return _following([sent for sent in known if sent.version < version], version, operation)


def standing(known: Iterable[KnownVersion]) -> KnownVersion | None:
    """Find the version that stands, among versions newest first."""
    annulled: set[RecordId | None] = set()
    for sent in known:
        if sent.standing is not Standing.STANDS or sent.record_id in annulled:
            continue
        if sent.operation is not Operation.ANNUL:
            return sent
        annulled.add(sent.supersedes)
    return None


def _is_said(
    known: Sequence[KnownVersion], fingerprint: bytes, operation: Operation | None
) -> bool:
    """Tell whether the row says what was said last."""
    if operation in _ENDINGS:
        return _is_ended(known, fingerprint, operation)
    newest = next(
        (one for one in known if one.standing is Standing.STANDS or not _ending(one.operation)),
        None,
    )
    if newest is not None and newest.operation is Operation.ANNUL:
        newest = standing(known)
    if newest is None or newest.standing is Standing.HANGS:
        return False
    is_reopened = operation is Operation.CREATE and newest.operation is Operation.CEASE
    return newest.fingerprint == fingerprint and not is_reopened


def _is_ended(
    known: Sequence[KnownVersion], fingerprint: bytes, operation: Operation | None
) -> bool:
    """Look for the same annulment or cease since a version came to stand that it does not touch."""
    annulled: set[RecordId | None] = set()
    for sent in known:
        if sent.record_id in annulled:
            continue
        is_same = sent.operation is operation and sent.fingerprint == fingerprint
        if is_same and sent.standing is not Standing.HANGS:
            return True
        if sent.standing is Standing.STANDS:
            if sent.operation is not Operation.ANNUL:
                return False
            annulled.add(sent.supersedes)
    return False


def _ending(operation: Operation | None) -> Operation | None:
    """Reduce an operation to what a row says of itself: annulled, ceased, or only its values."""
    return operation if operation in _ENDINGS else None


def _following(
    earlier: Sequence[KnownVersion], version: int, operation: Operation | None
) -> Next | NothingStands:
    before = standing(earlier)
    refused = takewhile(lambda sent: sent.standing is not Standing.STANDS, earlier)
    resolves = next((sent.quarantine_id for sent in refused if sent.quarantine_id), None)
    if before is None and operation in _ENDINGS:
        return NothingStands()
    is_reopened = operation is Operation.CREATE and (
        before is not None and before.operation is Operation.CEASE
    )
    if before is None or is_reopened:
        return Next(version=version, operation=Operation.CREATE, supersedes=None, resolves=resolves)
    return Next(
        version=version,
        operation=_ending(operation) or Operation.CORRECT,
        supersedes=before.record_id,
        resolves=resolves,
    )
