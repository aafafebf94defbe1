"""Reading the data fund's past: as of a moment, and what still waits to join it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Self, cast

from bus.contracts.yaml_document import some_of
from bus.errors import DocumentError
from bus.fund.asof import (
    QUERIES,
    AsOf,
    AsOfCount,
    AsOfPage,
    count_as_of,
    page_as_of,
    settled_at,
)
from bus.fund.layout import DatasetLayout, Layouts
from bus.model.identifiers import AgencyCode, DatasetCode, RecordId
from bus.model.record import Operation
from bus.postgres.positions import TopicPartition
from bus.postgres.session import Session, connect, translated
from bus.texts import message

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRow:
    """A record that waits for the version that it supersedes, or with its group for another's."""

    dataset: DatasetCode
    agency: AgencyCode
    key: str
    version: int
    operation: Operation
    record_id: RecordId
    supersedes: RecordId | None
    accepted_at: datetime
    bus_in: str
    group: str | None
    """Header `bus_group`, where it came in a group."""


class PastReader:
    """A session for questions about the past; any number beside the workers."""

    def __init__(self, session: Session, layouts: Layouts, consumer: str) -> None:
        self._session = session
        self._layouts = layouts
        self._consumer = consumer

    @classmethod
    async def open(cls, dsn: str, layouts: Layouts, *, consumer: str = "fund") -> Self:
        """Connect.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        return cls(await connect(dsn, "bus reader"), layouts, consumer)

    async def close(self) -> None:
        """End the session."""
        await self._session.close()

    async def now(self) -> datetime:
        """Give the present by the fund's clock; see `bus.fund.asof.settled_at`."""
        async with translated(message("doing.fund.clock")):
            return await settled_at(self._session)

    async def as_of(self, dataset: DatasetCode, question: AsOf) -> AsOfPage:
        """Read what stood of a dataset; `recorded` must not lie behind what `now` gave.

        Raises:
            DocumentError: No contract describes the dataset.
            Unavailable: PostgreSQL does not answer.
        """
        layout = self._layout(dataset)
        async with translated(message("doing.fund.reading", dataset=dataset)):
            return await page_as_of(self._session, layout, question)

    async def count_as_of(self, dataset: DatasetCode, question: AsOf) -> AsOfCount:
        """Count what stood of a dataset, by reading its whole history.

        Raises: as `as_of`.
        """
        layout = self._layout(dataset)
        async with translated(message("doing.fund.reading", dataset=dataset)):
            return await count_as_of(self._session, layout, question)

    async def held(self, dataset: DatasetCode | None, limit: int) -> tuple[HeldRow, ...]:
        """Read records that wait for the version that they supersede, oldest first.

        Args:
            dataset: None: of all.
            limit: Rows at most.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        named = {"dataset": dataset, "limit": limit}
        async with translated(message("doing.fund.held")):
            rows = await self._session.execute(QUERIES.get("held"), named)
            return tuple(map(_held_row, await rows.fetchall()))

    async def positions(self, topic: str) -> dict[int, int]:
        """Tell up to which offset the fund has read each partition of a topic.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        named = {"consumer": self._consumer, "topic": topic}
        async with translated(message("doing.fund.positions")):
            rows = await self._session.execute(QUERIES.get("positions"), named)
            return {
                cast("int", partition): cast("int", offset)
                for partition, offset in await rows.fetchall()
            }

    async def all_positions(self) -> dict[TopicPartition, int]:
        """Tell the same of every topic.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        async with translated(message("doing.fund.positions")):
            rows = await self._session.execute(
                QUERIES.get("all_positions"), {"consumer": self._consumer}
            )
            return {
                (str(topic), cast("int", partition)): cast("int", offset)
                for topic, partition, offset in await rows.fetchall()
            }

    async def note_complete(self, datasets: Collection[DatasetCode], before: datetime) -> None:
        """Keep, for readers by SQL, the moment before which datasets are complete.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        named = {"datasets": sorted(datasets), "before": before}
        async with translated(message("doing.fund.watermarks")):
            await self._session.execute(QUERIES.get("note_complete"), named)

    def _layout(self, dataset: DatasetCode) -> DatasetLayout:
        layout = self._layouts.get(dataset)
        if layout is None:
            raise DocumentError(
                message("error.fund.no_contract", dataset=dataset, known=some_of(self._layouts))
            )
        return layout


def _held_row(row: tuple[object, ...]) -> HeldRow:
    dataset, agency, key, version, operation, record_id, supersedes, appended_ms, *rest = row
    bus_in, group = rest
    return HeldRow(
        dataset=DatasetCode(str(dataset)),
        agency=AgencyCode(str(agency)),
        key=str(key),
        version=cast("int", version),
        operation=Operation(str(operation)),
        record_id=RecordId(str(record_id)),
        supersedes=cast("RecordId | None", supersedes),
        accepted_at=_EPOCH + timedelta(milliseconds=cast("int", appended_ms)),
        bus_in=str(bus_in),
        group=cast("str | None", group),
    )
