"""Writing entries into the quarantine table, from enforcement's topic and from the fund."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from bus.model.verdict import Severity, Stage, Violation
from bus.postgres.queries import Queries
from bus.postgres.session import Session
from bus.quarantine.entry import QuarantineEntry, QuarantineState
from bus.wire.headers import group_of
from bus.wire.original import name_as_sent

QUERIES: Final = Queries.load("bus.quarantine", "rows")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TYPES: Final = (
    *("text", "int4", "int8", "text", "text", "text", "text", "text", "jsonb", "text[]"),
    *("int8", "text", "bytea", "bytea[]", "bytea[]", "bytea", "timestamptz", "int4"),
    *("text", "int8", "text"),
)


async def create_quarantine(session: Session) -> None:
    """Create the quarantine table where it is missing."""
    await session.execute(QUERIES.get("create"))


async def insert_entries(session: Session, entries: Sequence[QuarantineEntry]) -> frozenset[str]:
    """Write entries within the caller's transaction; one that is there already stays as it is.

    Two exceptions. The answer to a release, which names its attempt, opens the entry again with
    the new reasons; what was set aside before that release comes too late to. And an entry of the
    fund replaces enforcement's of the same inbound record, which was accepted after all, in a
    crash during a catalogue swap, and then refused by the fund.

    Of an entry that was erased no bytes are kept, and its row is discarded at once (ADR-0027).

    Args:
        session: With an open transaction.
        entries: An inbound record may stand twice; the first of its latest attempt counts.

    Returns:
        The ids of those that were written.
    """
    distinct: dict[str, QuarantineEntry] = {}
    for entry in entries:
        if entry.id not in distinct or entry.attempt > distinct[entry.id].attempt:
            distinct[entry.id] = entry
    if not distinct:
        return frozenset()
    await session.execute(QUERIES.get("stage"))
    async with session.cursor() as cursor:
        async with cursor.copy(QUERIES.get("copy")) as copy:
            copy.set_types(_TYPES)
            for entry in distinct.values():
                await copy.write_row(_row(entry))
        await cursor.execute(QUERIES.get("empty_erased"))
        await cursor.execute(QUERIES.get("insert"))
        written = await cursor.fetchall()
    return frozenset(f"{topic}/{partition}/{offset}" for topic, partition, offset in written)


def _row(entry: QuarantineEntry) -> tuple[object, ...]:
    group = group_of(entry.headers)
    return (
        entry.topic,
        entry.partition,
        entry.offset,
        entry.agency,
        entry.dataset,
        entry.reason,
        Stage.FUND if entry.refused_by_fund else entry.reason.stage,
        _storable(entry.path),
        [_violation(violation) for violation in entry.violations],
        [v.rule for v in entry.violations if v.severity is Severity.QUARANTINE],
        entry.catalogue,
        entry.record_id,
        entry.key,
        [name_as_sent(name) for name, _ in entry.headers],
        [value for _, value in entry.headers],
        entry.value,
        _EPOCH + timedelta(milliseconds=entry.appended_ms),
        entry.attempt,
        None if group is None else group.id,
        None if group is None else entry.offset - group.index,
        # The provider reads enforcement's quarantine topic; what the fund refuses must be told.
        None if entry.refused_by_fund else QuarantineState.OPEN.value,
    )


def _violation(violation: Violation) -> dict[str, str]:
    return {"rule": violation.rule, "path": violation.path, "severity": violation.severity}


def _storable(path: str) -> str:
    """Replace what PostgreSQL's text can't hold: a path may be a header's name, thus anything."""
    return path.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
