"""What the fund has for a data request: versions, found by key, by search, or as of a moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

import psycopg
from psycopg import sql

from bus.fund.asof import AsOf
from bus.fund.batch import FUND_CONSUMER
from bus.fund.entries import tables_of
from bus.fund.layout import DatasetLayout
from bus.fund.past import PastReader
from bus.fund.past_answer import answer
from bus.fund.search import condition, parameters
from bus.gateway.fund_versions import FundVersion, version_of
from bus.gateway.problems import Problem
from bus.kafka.cluster import Cluster
from bus.model.identifiers import AgencyCode, DatasetCode, RecordId
from bus.postgres.queries import Queries
from bus.postgres.session import Session, translated
from bus.texts import message

QUERIES: Final = Queries.load("bus.gateway", "stood")
CANDIDATES_MAX: Final = 100
"""Entries of a provider that one search may meet, those among them that the asker may not see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stood:
    """One version, and when the fund took it in."""

    version: FundVersion
    recorded_at: datetime
    stands: bool
    """Whether it is what stands now of its entry, and has not ceased."""


async def standing(
    session: Session, dataset: DatasetCode, agency: AgencyCode, key: str
) -> list[Stood]:
    """Read what stands of one entry; nothing where nothing does.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    return await _read(session, "standing", dataset, {"agency": agency, "key": key})


async def found_by(
    session: Session, layout: DatasetLayout, agency: AgencyCode, wanted: Mapping[str, str]
) -> list[Stood]:
    """Read what stands of the entries whose fields are equal to what is wanted.

    Args:
        session: On the data fund.
        layout: Of the dataset.
        agency: The provider.
        wanted: Searchable field → text.

    Raises:
        Problem: A text is no value of its field, or more than `CANDIDATES_MAX` entries are equal.
        Unavailable: PostgreSQL does not answer.
    """
    named = {"agency": agency, "limit": CANDIDATES_MAX + 1, **parameters(wanted)}
    try:
        found = await _read(
            session, "found", layout.dataset, named, condition=condition(layout, wanted)
        )
    except psycopg.DataError as problem:
        fields = ", ".join(sorted(wanted))
        raise Problem(422, "search_value", fields=fields) from problem
    if len(found) > CANDIDATES_MAX:
        raise Problem(409, "search_too_wide", count=CANDIDATES_MAX)
    return found


async def stood_at(
    session: Session, cluster: Cluster, layout: DatasetLayout, question: AsOf
) -> list[Stood]:
    """Read what stood of one entry at a moment.

    Raises:
        DocumentError: The moment lies in the future.
        Unavailable: The fund is not complete up to it, or an engine does not answer.
    """
    past = PastReader(session, {layout.dataset: layout}, FUND_CONSUMER)
    told = await answer(past, cluster, layout.dataset, question, counting=False, incomplete=False)
    return await recorded(session, layout.dataset, [row.record_id for row in told.rows])


async def recorded(
    session: Session, dataset: DatasetCode, record_ids: Sequence[RecordId]
) -> list[Stood]:
    """Read versions by their ids.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    return await _read(session, "recorded", dataset, {"record_ids": list(record_ids)})


async def _read(
    session: Session,
    query: str,
    dataset: DatasetCode,
    named: Mapping[str, object],
    **fills: sql.Composable,
) -> list[Stood]:
    statement = QUERIES.get(query, **tables_of(dataset), **fills)
    async with (
        translated(message("doing.fund.reading", dataset=dataset)),
        session.cursor(binary=True) as cursor,
    ):
        await cursor.execute(statement, dict(named))
        rows = await cursor.fetchall()
    return [
        Stood(
            version=version_of(columns),
            recorded_at=cast("datetime", at),
            stands=cast("bool", stands),
        )
        for *columns, at, stands in rows
    ]
