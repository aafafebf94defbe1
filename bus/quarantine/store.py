"""The quarantine table's keeper: fills it from enforcement's topics and tells what is in it."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Final, Self, cast

from bus.model.identifiers import AgencyCode, DatasetCode, RecordId
from bus.model.record import Headers
from bus.model.verdict import Reason, Severity, Violation
from bus.postgres.positions import Span, TopicPartition, coalesce, fenced, read_positions
from bus.postgres.queries import Queries
from bus.postgres.session import Session, connect, translated
from bus.quarantine.decision import place_of
from bus.quarantine.entry import QuarantineEntry, QuarantineState
from bus.quarantine.receipt import Receipt
from bus.quarantine.rows import insert_entries
from bus.quarantine.sweep import START, Place, Swept, sweep
from bus.texts import message
from bus.wire.topics import parse_position

QUERIES: Final = Queries.load("bus.quarantine", "store")
DECISIONS: Final = Queries.load("bus.quarantine", "decisions")
_CONSUMER: Final = "quarantine"
CAUSES_MAX: Final = 200
"""Causes that one listing shows; narrow the filter for more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineBatch:
    """A run of one quarantine partition, [start, end), in positions of that topic."""

    topic: str
    partition: int
    start: int
    end: int
    entries: Sequence[QuarantineEntry]

    @property
    def span(self) -> Span:
        """The offsets that it passes over."""
        return Span(topic=self.topic, partition=self.partition, start=self.start, end=self.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineFilter:
    """What to list; None: any."""

    agency: AgencyCode | None = None
    dataset: DatasetCode | None = None
    reason: Reason | None = None
    state: QuarantineState | None = QuarantineState.OPEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Records in quarantine for one and the same cause: what a person mends at once."""

    agency: AgencyCode
    dataset: DatasetCode
    reason: Reason
    path: str
    rules: tuple[str, ...]
    """Ids of the rules broken, where the reason is `rule_violated`."""
    count: int
    first_at: datetime
    last_at: datetime
    """Append times of the oldest and the newest."""
    example: str
    """Quarantine id of the newest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineDetail:
    """One record in quarantine, without its bytes."""

    id: str
    agency: AgencyCode
    dataset: DatasetCode
    reason: Reason
    path: str
    violations: tuple[Violation, ...]
    catalogue: int
    record_id: RecordId | None
    appended_at: datetime
    recorded_at: datetime
    state: QuarantineState
    state_at: datetime
    attempt: int
    """How often it was released."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """A record's original bytes, for a release; not for screens or logs."""

    key: bytes | None = field(repr=False)
    headers: Headers = field(repr=False)
    value: bytes | None = field(repr=False)


class QuarantineStore:
    """One session on the quarantine table; `bus.fund.tables` makes it."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @classmethod
    async def open(cls, dsn: str, *, settings: Mapping[str, str] = MappingProxyType({})) -> Self:
        """Connect.

        Args:
            dsn: Of the fund's database.
            settings: As `bus.postgres.session.connect`.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        return cls(await connect(dsn, f"bus {_CONSUMER}", settings))

    async def close(self) -> None:
        """End the session."""
        await self._session.close()

    async def positions(self, starts: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """Tell where to read on in each partition (as `FundStore.positions`)."""
        return await read_positions(self._session, _CONSUMER, starts)

    async def apply(self, batches: Sequence[QuarantineBatch]) -> int:
        """Write entries and positions in one transaction.

        Returns:
            Entries that are new; the others enforcement delivered twice.

        Raises:
            Fenced: Another worker owns a partition; nothing is written.
            Unavailable: PostgreSQL failed; whether the batch was written, the positions tell.
        """
        spans = coalesce([batch.span for batch in batches])
        entries = [entry for batch in batches for entry in batch.entries]
        written = await fenced(
            self._session, _CONSUMER, spans, lambda: insert_entries(self._session, entries)
        )
        return len(written)

    async def causes(self, wanted: QuarantineFilter) -> tuple[Cause, ...]:
        """List what is in quarantine by cause, the most frequent first, at most `CAUSES_MAX`.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        named = {
            "agency": wanted.agency,
            "dataset": wanted.dataset,
            "reason": wanted.reason,
            "state": wanted.state,
            "limit": CAUSES_MAX,
        }
        async with translated(message("doing.quarantine.table")):
            rows = await (await self._session.execute(QUERIES.get("causes"), named)).fetchall()
        return tuple(map(_cause, rows))

    async def show(self, quarantine_id: str) -> QuarantineDetail | None:
        """Tell all about one record but its bytes; None where there is none of this id.

        Raises:
            DocumentError: The id is not of the form `topic/partition/offset`.
            Unavailable: PostgreSQL does not answer.
        """
        row = await self._one("show", quarantine_id)
        return None if row is None else _detail(quarantine_id, row)

    async def original(self, quarantine_id: str) -> Original | None:
        """Give one record's bytes as the provider sent them.

        Raises: as `show`.
        """
        row = await self._one("original", quarantine_id)
        if row is None:
            return None
        key, names, values, value = row
        pairs = zip(cast("list[bytes]", names), cast("list[bytes]", values), strict=True)
        return Original(
            key=cast("bytes | None", key),
            headers=[(name.decode(errors="surrogateescape"), text) for name, text in pairs],
            value=cast("bytes | None", value),
        )

    async def sweep(self, datasets: Container[DatasetCode], after: Place = START) -> Swept:
        """Close entries of one page that the fund has settled (see `bus.quarantine.sweep`).

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        async with translated(message("doing.quarantine.table")):
            return await sweep(self._session, datasets, after)

    async def untold(self, limit: int) -> tuple[Receipt, ...]:
        """Read what providers have not been told yet, oldest first."""
        async with translated(message("doing.quarantine.receipts")):
            rows = await self._session.execute(DECISIONS.get("untold"), {"limit": limit})
            return tuple(map(_receipt, await rows.fetchall()))

    async def told(self, receipts: Sequence[Receipt]) -> None:
        """Note what providers know now, once the receipts are acknowledged."""
        places = [parse_position(receipt.quarantine_id) for receipt in receipts]
        named = {
            "topics": [place.topic for place in places],
            "partitions": [place.partition for place in places],
            "offsets": [place.offset for place in places],
            "states": [receipt.state.value for receipt in receipts],
        }
        async with translated(message("doing.quarantine.receipts")):
            await self._session.execute(DECISIONS.get("told"), named)

    async def _one(self, name: str, quarantine_id: str) -> tuple[object, ...] | None:
        place = place_of(quarantine_id)
        named = {"topic": place.topic, "partition": place.partition, "offset": place.offset}
        async with translated(message("doing.quarantine.table")):
            return await (await self._session.execute(QUERIES.get(name), named)).fetchone()


def _cause(row: tuple[object, ...]) -> Cause:
    agency, dataset, reason, path, rules, count, first_at, last_at, example = row
    return Cause(
        agency=cast("AgencyCode", agency),
        dataset=cast("DatasetCode", dataset),
        reason=Reason(str(reason)),
        path=str(path),
        rules=tuple(cast("list[str]", rules)),
        count=cast("int", count),
        first_at=cast("datetime", first_at),
        last_at=cast("datetime", last_at),
        example=str(example),
    )


def _receipt(row: tuple[object, ...]) -> Receipt:
    topic, partition, offset, agency, dataset, state, state_at, reason, path, rules, *rest = row
    attempt, record_id, because = rest
    return Receipt(
        quarantine_id=f"{topic}/{partition}/{offset}",
        agency=cast("AgencyCode", agency),
        dataset=cast("DatasetCode", dataset),
        state=QuarantineState(str(state)),
        state_at=cast("datetime", state_at),
        reason=Reason(str(reason)),
        path=str(path),
        rules=tuple(cast("list[str]", rules)),
        attempt=cast("int", attempt),
        record_id=cast("RecordId | None", record_id),
        because=cast("str | None", because),
    )


def _detail(quarantine_id: str, row: tuple[object, ...]) -> QuarantineDetail:
    agency, dataset, reason, path, violations, catalogue, record_id, *rest = row
    appended_at, recorded_at, state, state_at, attempt = rest
    return QuarantineDetail(
        id=quarantine_id,
        agency=cast("AgencyCode", agency),
        dataset=cast("DatasetCode", dataset),
        reason=Reason(str(reason)),
        path=str(path),
        violations=tuple(
            Violation(rule=one["rule"], path=one["path"], severity=Severity(one["severity"]))
            for one in cast("list[dict[str, str]]", violations)
        ),
        catalogue=cast("int", catalogue),
        record_id=cast("RecordId | None", record_id),
        appended_at=cast("datetime", appended_at),
        recorded_at=cast("datetime", recorded_at),
        state=QuarantineState(str(state)),
        state_at=cast("datetime", state_at),
        attempt=cast("int", attempt),
    )
