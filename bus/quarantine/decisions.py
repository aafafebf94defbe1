"""Deciding on records in quarantine: every decision is recorded before it takes effect.

Source: ADR-0012.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Final, Self, cast

import psycopg
from psycopg.types.json import Jsonb

from bus.errors import DocumentError
from bus.model.identifiers import DatasetCode
from bus.model.record import GROUP_RECORDS_MAX
from bus.postgres.queries import Queries
from bus.postgres.session import Session, connect, translated
from bus.quarantine.decision import Decision, DecisionKind, Grounds, Selection, place_of
from bus.quarantine.entry import QuarantineState
from bus.quarantine.rehearsal import WaitingEntry
from bus.quarantine.sweep import START, Place
from bus.texts import finding_at, message
from bus.wire.release import ReleasedRecord

QUERIES: Final = Queries.load("bus.quarantine", "decisions")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PATIENCE: Final = {
    "lock_timeout": "60s",
    "statement_timeout": "120s",
    "idle_in_transaction_session_timeout": "30s",
}
"""A person waits for another's decision rather than being told to try again."""


class DecisionStore:
    """One session that decides; decisions of several follow one another."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @classmethod
    async def open(cls, dsn: str) -> Self:
        """Connect.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        return cls(await connect(dsn, "bus quarantine decisions", _PATIENCE))

    async def close(self) -> None:
        """End the session."""
        await self._session.close()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Keep other decisions waiting; a process that dies lets go.

        Raises:
            Unavailable: Another decision holds on for a minute.
        """
        async with translated(message("doing.quarantine.waiting")):
            await self._session.execute(QUERIES.get("lock"))
        try:
            yield
        finally:
            with suppress(psycopg.OperationalError):  # a session that ended has let go
                await self._session.execute(QUERIES.get("unlock"))

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Do what follows whole or not at all; entries that were read stay as they are."""
        async with translated(message("doing.quarantine.table")), self._session.transaction():
            yield

    async def page(self, selection: Selection, after: Place, limit: int) -> list[WaitingEntry]:
        """Read entries that may be decided on, whole correction groups, in order of place.

        Args:
            selection: Which; a group is read whole where any of its members is selected.
            after: Place behind which to read on; `START` at first.
            limit: Entries, but for members that complete a group.
        """
        named = {
            **dict(zip(("topic", "partition", "offset"), after, strict=True)),
            **_columns([(one.topic, one.partition, one.offset) for one in selection.places or ()]),
            "agency": selection.agency,
            "dataset": selection.dataset,
            "reason": selection.reason,
            "rule": selection.rule,
            "limit": limit,
        }
        if selection.places is None:
            named["topics"] = None
        found = await (await self._session.execute(QUERIES.get("page"), named)).fetchall()
        entries = {entry.place: entry for entry in map(_waiting, found)}
        groups = {
            (one.place[0], one.place[1], one.group_first, one.group_id)
            for one in entries.values()
            if one.group_first is not None
        }
        if groups:
            entries.update({one.place: one for one in await self._members(sorted(groups))})
        return [entries[place] for place in sorted(entries) if place > after]

    async def _members(
        self, groups: Sequence[tuple[str, int, int | None, str | None]]
    ) -> list[WaitingEntry]:
        firsts = [first or 0 for _, _, first, _ in groups]
        named = {
            "topics": [topic for topic, *_ in groups],
            "partitions": [partition for _, partition, *_ in groups],
            "firsts": firsts,
            "lasts": [first + GROUP_RECORDS_MAX - 1 for first in firsts],
            "groups": [group_id for *_, group_id in groups],
        }
        rows = await (await self._session.execute(QUERIES.get("members"), named)).fetchall()
        return list(map(_waiting, rows))

    async def record(
        self, kind: DecisionKind, grounds: Grounds, selection: Selection, catalogue: int | None
    ) -> int:
        """Record a decision; `decided` says about which entries it came to be.

        Returns:
            Its number.
        """
        named = {
            "kind": kind.value,
            "by": grounds.by,
            "second": grounds.second,
            "because": grounds.because,
            "selection": Jsonb(dict(selection.described())),
            "catalogue": catalogue,
        }
        async with translated(message("doing.quarantine.decision")):
            row = await (await self._session.execute(QUERIES.get("decide"), named)).fetchone()
        assert row is not None
        return cast("int", row[0])

    async def decided(self, decision: int, places: Sequence[Place]) -> None:
        """Note which entries a decision is about."""
        named = {**_columns(places), "decision": decision}
        await self._session.execute(QUERIES.get("note_decided"), named)

    async def begin_release(self, records: Sequence[ReleasedRecord]) -> None:
        """Mark entries as on their way, each with the attempt that it is sent with."""
        await self._session.execute(QUERIES.get("begin_release"), _attempts(records))

    async def finish_release(self, records: Sequence[ReleasedRecord]) -> None:
        """Mark entries as released, once all in-sync replicas have them.

        One that was refused again in the meantime stays open with its new reasons.
        """
        async with translated(message("doing.quarantine.table")):
            await self._session.execute(QUERIES.get("finish_release"), _attempts(records))

    async def discard(self, ids: Sequence[str], grounds: Grounds) -> tuple[str, ...]:
        """Discard entries with their correction groups, all or none.

        Args:
            ids: Quarantine ids.
            grounds: With a second person.

        Returns:
            The ids that are discarded now.

        Raises:
            DocumentError: One of them is not open.
            Unavailable: PostgreSQL does not answer.
        """
        selection = Selection(ids=tuple(dict.fromkeys(ids)))
        wanted = {(one.topic, one.partition, one.offset) for one in selection.places or ()}
        async with self.alone(), self.transaction():
            entries = await self.page(selection, START, len(wanted))
            open_ones = [one.place for one in entries if one.state is QuarantineState.OPEN]
            _demand_open(wanted, {one.place: one.state for one in entries})
            await self.record_discard(open_ones, grounds, selection)
        return tuple(map(_id, open_ones))

    async def record_discard(
        self, places: Sequence[Place], grounds: Grounds, selection: Selection
    ) -> None:
        """Record a discard and do it, within the caller's transaction, which is alone."""
        number = await self.record(DecisionKind.DISCARD, grounds, selection, None)
        await self.decided(number, places)
        await self._session.execute(QUERIES.get("discard"), _columns(places))

    async def record_reveal(self, quarantine_id: str, grounds: Grounds) -> int:
        """Record that a person is about to see an entry's personal data.

        Returns:
            The decision's number.
        """
        place = place_of(quarantine_id)
        selection = Selection(ids=(quarantine_id,))
        async with self.transaction():
            number = await self.record(DecisionKind.REVEAL, grounds, selection, None)
            await self.decided(number, [(place.topic, place.partition, place.offset)])
        return number

    async def decisions_of(self, quarantine_id: str) -> tuple[Decision, ...]:
        """Tell the decisions about an entry, oldest first."""
        async with translated(message("doing.quarantine.decisions")):
            found = await self._session.execute(QUERIES.get("decisions_of"), _place(quarantine_id))
            return tuple(map(_decision, await found.fetchall()))

    async def resolved_by(self, quarantine_id: str) -> str | None:
        """Tell the id of the record in the fund that resolves this entry."""
        async with translated(message("doing.quarantine.resolutions")):
            found = await self._session.execute(QUERIES.get("resolved_by"), _place(quarantine_id))
            row = await found.fetchone()
        return None if row is None else str(row[0])


def _demand_open(wanted: set[Place], states: dict[Place, QuarantineState]) -> None:
    findings = [
        finding_at(
            _id(place),
            "error.quarantine.closed",
            state=states.get(place) or message("error.quarantine.not_open"),
        )
        for place in sorted({*wanted, *states})
        if states.get(place) is not QuarantineState.OPEN
    ]
    if findings:
        raise DocumentError(message("error.quarantine.nothing_discarded"), findings)


def _columns(places: Sequence[Place]) -> dict[str, object]:
    return {
        "topics": [topic for topic, _, _ in places],
        "partitions": [partition for _, partition, _ in places],
        "offsets": [offset for _, _, offset in places],
    }


def _attempts(records: Sequence[ReleasedRecord]) -> dict[str, object]:
    places = [(one.topic, one.partition, one.offset) for one in records]
    return {**_columns(places), "attempts": [one.attempt for one in records]}


def _place(quarantine_id: str) -> dict[str, object]:
    place = place_of(quarantine_id)
    return {"topic": place.topic, "partition": place.partition, "offset": place.offset}


def _id(place: Place) -> str:
    return "/".join(map(str, place))


def _waiting(row: tuple[object, ...]) -> WaitingEntry:
    topic, partition, offset, dataset, by_fund, state, attempt, group_id, first, *rest = row
    key, names, values, value, appended_at = rest
    pairs = zip(cast("list[bytes]", names), cast("list[bytes]", values), strict=True)
    return WaitingEntry(
        record=ReleasedRecord(
            topic=cast("str", topic),
            partition=cast("int", partition),
            offset=cast("int", offset),
            timestamp=(cast("datetime", appended_at) - _EPOCH) // timedelta(milliseconds=1),
            key=cast("bytes | None", key),
            value=cast("bytes | None", value),
            headers=[(name.decode(errors="surrogateescape"), text) for name, text in pairs],
            attempt=cast("int", attempt),
            catalogue=0,
        ),
        dataset=cast("DatasetCode", dataset),
        fund_decides=bool(by_fund),
        state=QuarantineState(str(state)),
        group_id=cast("str | None", group_id),
        group_first=cast("int | None", first),
    )


def _decision(row: tuple[object, ...]) -> Decision:
    number, kind, by, second, because, decided_at, catalogue, count = row
    return Decision(
        number=cast("int", number),
        kind=DecisionKind(str(kind)),
        by=str(by),
        second=cast("str | None", second),
        because=str(because),
        decided_at=cast("datetime", decided_at),
        catalogue=cast("int | None", catalogue),
        count=cast("int", count),
    )
