"""What stands in the fund's database now: undecided quarantine, held records, rows by dataset."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

from bus.model.identifiers import AgencyCode, DatasetCode
from bus.model.verdict import Reason
from bus.observe import series
from bus.observe.board import Board
from bus.postgres.queries import Queries
from bus.postgres.session import Session, connect, translated
from bus.texts import message
from bus.wire import topics

QUERIES: Final = Queries.load("bus.observe", "standing")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCause:
    """Undecided records of one provider's dataset with one reason."""

    agency: AgencyCode
    dataset: DatasetCode
    reason: Reason
    records: int
    oldest_at: datetime
    """Append time of the oldest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRecords:
    """Records of one dataset that wait for their predecessor."""

    dataset: DatasetCode
    records: int
    oldest_at: datetime
    """Acceptance of the oldest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FundedDataset:
    """What the fund has made of one dataset's accepted records; `records` is the sum."""

    dataset: DatasetCode
    records: int
    history: int
    repeats: int
    refused: int
    held: int
    quarantined: int
    """Records of the dataset that ever came into quarantine, the fund's refusals among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """All of it, at one moment."""

    open: tuple[OpenCause, ...]
    """The most frequent first."""
    held: tuple[HeldRecords, ...]
    datasets: tuple[FundedDataset, ...]


async def read_standing(dsn: str) -> Standing:
    """Read it all.

    Args:
        dsn: Of the data fund.

    Raises:
        Unavailable: PostgreSQL does not answer.
        InvariantBroken: Its tables were not applied.
    """
    session = await connect(dsn, "bus standing")
    try:
        async with translated(message("doing.observe.standing")), session.transaction():
            await session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            return await _read(session)
    finally:
        await session.close()


async def _read(session: Session) -> Standing:
    rows = {
        name: await (await session.execute(QUERIES.get(name))).fetchall()
        for name in ("open", "held", "funded", "quarantined")
    }
    quarantined = {str(dataset): cast("int", count) for dataset, count in rows["quarantined"]}
    funded = {
        topics.dataset_of_accepted(str(topic)): cast("list[int]", counts)
        for topic, *counts in rows["funded"]
    }
    names = sorted(funded.keys() | quarantined.keys())
    return Standing(
        open=tuple(
            OpenCause(
                agency=cast("AgencyCode", agency),
                dataset=cast("DatasetCode", dataset),
                reason=Reason(str(reason)),
                records=cast("int", count),
                oldest_at=cast("datetime", oldest),
            )
            for agency, dataset, reason, count, oldest in rows["open"]
        ),
        held=tuple(
            HeldRecords(
                dataset=cast("DatasetCode", dataset),
                records=cast("int", count),
                oldest_at=cast("datetime", oldest),
            )
            for dataset, count, oldest in rows["held"]
        ),
        datasets=tuple(
            _funded(DatasetCode(name), funded.get(DatasetCode(name), [0] * 5), quarantined)
            for name in names
        ),
    )


def _funded(dataset: DatasetCode, counts: list[int], quarantined: dict[str, int]) -> FundedDataset:
    records, history, repeats, refused, held = counts
    return FundedDataset(
        dataset=dataset,
        records=records,
        history=history,
        repeats=repeats,
        refused=refused,
        held=held,
        quarantined=quarantined.get(dataset, 0),
    )


def show_standing(standing: Standing, board: Board) -> None:
    """Set the gauges; what is no more stands at 0, so that an alert on it ends."""
    causes = {(one.agency, one.dataset, one.reason): one for one in standing.open}
    board.replace(series.OPEN, {key: one.records for key, one in causes.items()}, gone=0)
    board.replace(
        series.OPEN_OLDEST,
        {key: one.oldest_at.timestamp() for key, one in causes.items()},
        gone=None,
    )
    held = {(one.dataset,): one for one in standing.held}
    board.replace(series.HELD, {key: one.records for key, one in held.items()}, gone=0)
    board.replace(
        series.HELD_OLDEST,
        {key: one.oldest_at.timestamp() for key, one in held.items()},
        gone=None,
    )
