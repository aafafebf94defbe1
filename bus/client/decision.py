"""What is sent for one row: nothing, a create or a correction. Pure.

The publisher's memory of a registry entry is its list of versions as they lie in the log. A
version *stands* until the bus refuses it; one that follows a refused version *hangs*: the data
fund holds it back for a predecessor that will not come, so it counts as if it were refused too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum, unique

from bus.model.identifiers import RecordId
from bus.model.record import Operation


@unique
class Standing(StrEnum):
    """What a later version may make of this one."""

    STANDS = "stands"
    """Accepted, or not judged yet: the next version supersedes it."""
    REFUSED = "refused"
    """In quarantine."""
    HANGS = "hangs"
    """It supersedes a version that was refused, or one that hangs itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownVersion:
    """One version of a registry entry that the publisher has sent."""

    version: int
    record_id: RecordId
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


def decide(known: Sequence[KnownVersion], fingerprint: bytes) -> Next | Repeat:
    """Number a row by the publisher's own memory.

    A row equal to the newest version repeats it, refused or not: the same row would be refused
    again. Any other follows the newest version that stands, and is a create where none does.

    Args:
        known: Versions of the row's entry, newest first, at least to the newest that stands.
        fingerprint: Of the row's value.
    """
    if not known:
        return Next(version=1, operation=Operation.CREATE, supersedes=None, resolves=None)
    newest = known[0]
    if newest.fingerprint == fingerprint and newest.standing is not Standing.HANGS:
        return Repeat()
    return _following(known, newest.version + 1)


def decide_numbered(
    known: Sequence[KnownVersion], fingerprint: bytes, version: int
) -> Next | Repeat | VersionTaken:
    """Place a row that brings its version number from the source.

    A late older version follows the newest standing one below it, so that it joins the history.

    Args:
        known: All versions of the row's entry, newest first.
        fingerprint: Of the row's value.
        version: From the source, 1 to 2**63-1.
    """
    for sent in known:
        if sent.version == version:
            is_same = sent.fingerprint == fingerprint
            return Repeat() if is_same else VersionTaken(version=version)
    return _following([sent for sent in known if sent.version < version], version)


def _following(earlier: Sequence[KnownVersion], version: int) -> Next:
    resolves: str | None = None
    for sent in earlier:
        if sent.standing is Standing.STANDS:
            return Next(
                version=version,
                operation=Operation.CORRECT,
                supersedes=sent.record_id,
                resolves=resolves,
            )
        resolves = resolves or sent.quarantine_id
    return Next(version=version, operation=Operation.CREATE, supersedes=None, resolves=resolves)
