"""Reading what a first load holds from the data fund: versions in the order of their entries."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeAlias, cast

from bus.fund.batch import FUND_CONSUMER
from bus.fund.entries import tables_of
from bus.model.identifiers import AgencyCode, DatasetCode, RecordId, SystemCode
from bus.model.record import Envelope, Lane, Operation
from bus.postgres.queries import Queries
from bus.postgres.session import Session, translated
from bus.texts import message
from bus.wire import topics
from bus.wire.header_forms import as_sent
from bus.wire.load_page import EntryVersion, HeldGroup
from bus.wire.topics import Position, parse_position

QUERIES: Final = Queries.load("bus.gateway", "fund_versions")
PAGE_RECORDS_MAX: Final = 1_000
PAGE_VALUES_BYTES_MAX: Final = 4 * 1024 * 1024
"""A page ends with the record that passes it."""
_Begun: TypeAlias = tuple[int, int, str | None, list[str]]
FROM_THE_START: Final = EntryVersion(agency="", key="", version=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class FundVersion:
    """One accepted version as the fund keeps it, in history or held."""

    key: str
    envelope: Envelope
    value: bytes = field(repr=False)
    inbound: Position
    """Of the provider's record."""
    catalogue: int
    appended_ms: int
    """In the accepted topic, milliseconds since 1970 UTC."""
    partition: int
    """Of the accepted topic, as is the offset."""
    offset: int

    @property
    def place(self) -> EntryVersion:
        """Its place in the order of a load."""
        return EntryVersion(
            agency=self.envelope.agency, key=self.key, version=self.envelope.version
        )


async def fund_positions(session: Session, dataset: DatasetCode, partitions: int) -> list[int]:
    """Tell how far the fund has read each partition of a dataset's accepted topic.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    named = {"consumer": FUND_CONSUMER, "topic": topics.accepted(dataset)}
    async with translated(message("doing.fund.positions")):
        rows = await (await session.execute(QUERIES.get("positions"), named)).fetchall()
    found = cast("dict[int, int]", dict(cast("list[tuple[int, int]]", rows)))
    return [found.get(partition, 0) for partition in range(partitions)]


async def fund_begun(
    session: Session, dataset: DatasetCode, partitions: int
) -> tuple[list[int], tuple[HeldGroup, ...]]:
    """Tell how far the fund has read, and which groups it holds at that very moment.

    Returns: Positions by partition, and groups of which every record lies below them.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    accepted = topics.accepted(dataset)
    named = {"consumer": FUND_CONSUMER, "topic": accepted, "dataset": dataset}
    async with translated(message("doing.fund.positions")):
        rows = await (await session.execute(QUERIES.get("begun"), named)).fetchall()
    positions, groups = [0] * partitions, []
    for partition, following, group, record_ids in cast("list[_Begun]", rows):
        if group is None:
            positions[partition] = following
        else:
            members = tuple(map(RecordId, record_ids))
            groups.append(HeldGroup(id=group.partition("/")[0], record_ids=members))
    return positions, tuple(groups)


async def read_versions(
    session: Session, dataset: DatasetCode, positions: Sequence[int], after: EntryVersion
) -> list[FundVersion]:
    """Read the next versions whose accepted record lies below some positions.

    Both tables are read by one statement, so that a held version which joins its history in the
    meantime is found once. Which versions there are depends on the positions alone, but for held
    ones that were refused for their age.

    Args:
        session: On the data fund.
        dataset: Of the load.
        positions: By partition of the accepted topic.
        after: Where the page before ended.

    Returns: In order; none at the end.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    named = {
        "positions": list(positions),
        "agency": after.agency,
        "key": after.key,
        "version": after.version,
        "limit": PAGE_RECORDS_MAX,
        "bytes": PAGE_VALUES_BYTES_MAX,
    }
    return await _versions(session, "page", dataset, named)


async def read_together(
    session: Session,
    dataset: DatasetCode,
    positions: Sequence[int],
    record_ids: Collection[RecordId],
) -> list[FundVersion]:
    """Read the members of a group that was held when a load began, wherever they are now.

    Args:
        session: On the data fund.
        dataset: Of the load.
        positions: By partition of the accepted topic.
        record_ids: Of the members.

    Returns: In their order; none where the fund refused them since.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    named = {"positions": list(positions), "record_ids": list(record_ids)}
    return await _versions(session, "together", dataset, named)


async def _versions(
    session: Session, query: str, dataset: DatasetCode, named: Mapping[str, object]
) -> list[FundVersion]:
    async with (
        translated(message("doing.gateway.first_load", dataset=dataset)),
        session.cursor(binary=True) as cursor,
    ):
        statement = QUERIES.get(query, **tables_of(dataset))
        await cursor.execute(statement, {**named, "dataset": dataset})
        return [version_of(row) for row in await cursor.fetchall()]


async def contained(
    session: Session,
    dataset: DatasetCode,
    positions: Sequence[int],
    record_ids: Collection[RecordId],
) -> frozenset[RecordId]:
    """Tell which of some records are in the load that these positions name.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    named = {
        "dataset": dataset,
        "positions": list(positions),
        "record_ids": list(record_ids),
    }
    async with translated(message("doing.gateway.first_load", dataset=dataset)):
        statement = QUERIES.get("contained", **tables_of(dataset))
        rows = await (await session.execute(statement, named)).fetchall()
    return frozenset(RecordId(str(record_id)) for (record_id,) in rows)


def version_of(row: Sequence[object]) -> FundVersion:
    """Read a version from a row with the columns of the queries, in their order."""
    texts, numbers = cast("tuple[str, ...]", row), cast("tuple[int, ...]", row)
    supersedes = cast("str | None", row[5])
    envelope = Envelope(
        record_id=RecordId(texts[3]),
        agency=AgencyCode(texts[0]),
        system=SystemCode(texts[10]),
        event_time=as_sent(cast("datetime", row[8])),
        schema_id=numbers[6],
        operation=Operation(texts[4]),
        version=numbers[2],
        supersedes=None if supersedes is None else RecordId(supersedes),
        lane=Lane(texts[11]),
        resolves=None,
    )
    return FundVersion(
        key=texts[1],
        envelope=envelope,
        value=cast("bytes", row[7]),
        inbound=parse_position(texts[12]),
        catalogue=numbers[13],
        appended_ms=numbers[9],
        partition=numbers[14],
        offset=numbers[15],
    )
