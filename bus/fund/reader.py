"""Reading the data fund: one entry, its history, and the account of every partition."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Final, Self, cast

from psycopg.rows import dict_row

from bus.contracts.yaml_document import some_of
from bus.errors import DocumentError
from bus.fund.batch import FUND_CONSUMER, Counters
from bus.fund.columns import OWN_COLUMNS
from bus.fund.entries import tables_of
from bus.fund.layout import Layouts
from bus.model.identifiers import AgencyCode, DatasetCode, RecordId, SystemCode
from bus.model.record import Lane, Operation
from bus.postgres.positions import TopicPartition
from bus.postgres.queries import Queries
from bus.postgres.session import Session, connect, translated
from bus.texts import message

QUERIES: Final = Queries.load("bus.fund", "reader")
RECOUNT_TIMEOUT_S: Final = 600
"""For each table, which is read whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FundRow:
    """What stands now of one registry entry."""

    agency: AgencyCode
    dataset: DatasetCode
    key: str
    version: int
    record_id: RecordId
    operation: Operation
    event_time: datetime
    ceased_at: datetime | None
    """Event time of the cease in force; None: the entry is alive."""
    recorded_at: datetime
    doubted_since: datetime | None
    """Its signing key may have been another's from then on (`bus.fund.doubt`); None: no doubt."""
    values: Mapping[str, object] = field(repr=False)
    """Field → value, typed as its column is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRow:
    """One accepted version of one registry entry."""

    version: int
    record_id: RecordId
    operation: Operation
    supersedes: RecordId | None
    schema_id: int
    value: bytes = field(repr=False)
    """Framed Avro exactly as signed."""
    event_time: datetime
    appended_at: datetime
    recorded_at: datetime
    system: SystemCode
    lane: Lane
    bus_in: str
    catalogue: int
    accepted: str
    """`topic/partition/offset` in the accepted topic."""
    doubted_since: datetime | None
    """As in `FundRow`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Sizes of one dataset."""

    history: int
    """Accepted versions."""
    current: int
    """Entries that stand, ceased ones among them."""


class FundReader:
    """A session for reading; any number beside the workers."""

    def __init__(self, session: Session, layouts: Layouts) -> None:
        self._session = session
        self._layouts = layouts

    @classmethod
    async def open(cls, dsn: str, layouts: Layouts) -> Self:
        """Connect.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        return cls(await connect(dsn, "bus reader"), layouts)

    async def close(self) -> None:
        """End the session."""
        await self._session.close()

    def adopt(self, layouts: Layouts) -> None:
        """Know a new catalogue's datasets."""
        self._layouts = layouts

    async def get(self, dataset: DatasetCode, agency: AgencyCode, key: str) -> FundRow | None:
        """Read what stands of one entry; None where nothing does.

        Raises:
            DocumentError: No contract describes the dataset.
            Unavailable: PostgreSQL does not answer.
        """
        rows = await self._entry_rows("current", dataset, agency, key)
        if not rows:
            return None
        row = rows[0]
        doubted_since = cast("datetime | None", row.pop("doubted_since"))
        values = {name: value for name, value in row.items() if name not in OWN_COLUMNS}
        return FundRow(
            agency=agency,
            dataset=dataset,
            key=key,
            version=cast("int", row["version"]),
            record_id=cast("RecordId", row["record_id"]),
            operation=Operation(str(row["operation"])),
            event_time=cast("datetime", row["event_time"]),
            ceased_at=cast("datetime | None", row["ceased_at"]),
            recorded_at=cast("datetime", row["recorded_at"]),
            doubted_since=doubted_since,
            values=MappingProxyType(values),
        )

    async def history(
        self, dataset: DatasetCode, agency: AgencyCode, key: str
    ) -> tuple[HistoryRow, ...]:
        """Read every accepted version of one entry, lowest first.

        Raises: as `get`.
        """
        rows = await self._entry_rows("history", dataset, agency, key)
        return tuple(map(_history_row, rows))

    async def count(self, dataset: DatasetCode) -> Count:
        """Count versions and entries of a dataset, by reading both tables.

        Raises: as `get`.
        """
        (row,) = await self._rows("count", dataset)
        return Count(history=cast("int", row["history"]), current=cast("int", row["current"]))

    async def counters(self) -> tuple[Counters, ...]:
        """Read the account of every partition as it is kept.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        async with translated(message("doing.fund.counters")):
            rows = await self._session.execute(QUERIES.get("counters"), {"consumer": FUND_CONSUMER})
            return tuple(_counters(row) for row in await rows.fetchall())

    async def recount(self) -> tuple[Counters, ...]:
        """Read the same account from the rows themselves, at one moment.

        Only repeats leave no row and are taken from the kept counters, so `difference` is zero
        exactly where the rows agree with the law.

        Raises:
            Unavailable: PostgreSQL does not answer in time: the tables are read whole.
        """
        async with translated(message("doing.fund.recount")), self._session.transaction():
            await self._session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            await self._session.execute(f"SET LOCAL statement_timeout = '{RECOUNT_TIMEOUT_S}s'")
            kept = await self.counters()
            history = Counter[TopicPartition]()
            for dataset in self._layouts:
                history.update(await self._by_place("rows_by_place", dataset))
            held = await self._by_place("held_by_place")
            refused = await self._by_place("refused_by_place")
        return tuple(
            replace(one, history=history[place], held=held[place], refused=refused[place])
            for one in kept
            for place in [(one.topic, one.partition)]
        )

    async def _by_place(
        self, name: str, dataset: DatasetCode | None = None
    ) -> Counter[TopicPartition]:
        tables = {} if dataset is None else tables_of(dataset)
        named = None if dataset is None else {"dataset": dataset}
        rows = await self._session.execute(QUERIES.get(name, **tables), named)
        return Counter(
            {
                (str(topic), cast("int", partition)): cast("int", count)
                for topic, partition, count in await rows.fetchall()
            }
        )

    async def _entry_rows(
        self, name: str, dataset: DatasetCode, agency: AgencyCode, key: str
    ) -> list[dict[str, object]]:
        return await self._rows(name, dataset, {"agency": agency, "key": key})

    async def _rows(
        self, name: str, dataset: DatasetCode, named: Mapping[str, object] | None = None
    ) -> list[dict[str, object]]:
        if dataset not in self._layouts:
            raise DocumentError(
                message("error.fund.no_contract", dataset=dataset, known=some_of(self._layouts))
            )
        async with (
            translated(message("doing.fund.reading", dataset=dataset)),
            self._session.cursor(row_factory=dict_row) as cursor,
        ):
            await cursor.execute(QUERIES.get(name, **tables_of(dataset)), named)
            return await cursor.fetchall()


def _history_row(row: Mapping[str, object]) -> HistoryRow:
    return HistoryRow(
        version=cast("int", row["version"]),
        record_id=cast("RecordId", row["record_id"]),
        operation=Operation(str(row["operation"])),
        supersedes=cast("RecordId | None", row["supersedes"]),
        schema_id=cast("int", row["schema_id"]),
        value=cast("bytes", row["value"]),
        event_time=cast("datetime", row["event_time"]),
        appended_at=cast("datetime", row["appended_at"]),
        recorded_at=cast("datetime", row["recorded_at"]),
        system=cast("SystemCode", row["system"]),
        lane=Lane(str(row["lane"])),
        bus_in=str(row["bus_in"]),
        catalogue=cast("int", row["catalogue"]),
        accepted=f"{row['accepted_topic']}/{row['accepted_partition']}/{row['accepted_offset']}",
        doubted_since=cast("datetime | None", row["doubted_since"]),
    )


def _counters(row: tuple[object, ...]) -> Counters:
    topic, *numbers = row
    partition, first, following, records, history, repeats, refused, held = map(
        int, cast("list[int]", numbers)
    )
    return Counters(
        topic=str(topic),
        partition=partition,
        first_offset=first,
        next_offset=following,
        records=records,
        history=history,
        repeats=repeats,
        refused=refused,
        held=held,
    )
