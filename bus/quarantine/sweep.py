"""Closing entries that the fund has settled, page by page: there may be a million open ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, cast

from psycopg import sql

from bus.model.identifiers import DatasetCode
from bus.postgres.queries import Queries
from bus.postgres.session import Session

QUERIES: Final = Queries.load("bus.quarantine", "decisions")
SWEPT_AT_ONCE: Final = 2_000
Place: TypeAlias = tuple[str, int, int]
START: Final[Place] = ("", 0, -1)
"""Before every place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What became of one page."""

    closed: int
    next_after: Place | None
    """Where to go on; None: it was the last page."""


async def sweep(session: Session, datasets: Container[DatasetCode], after: Place) -> Swept:
    """Look at a page of undecided entries, and close those that the fund has settled.

    An entry is superseded where its inbound record is in the history after all: a crash and a
    catalogue swap gave one record two outcomes, and accepted wins. By the same sign a release that
    was stopped after it was sent is completed. An entry is resolved where a record of the fund
    names it as answered (header `bus_resolves`) and was accepted after the entry was appended.

    Args:
        session: Without a transaction: people decide on the same entries meanwhile.
        datasets: Those that have a history.
        after: Place behind which to look.
    """
    named = dict(zip(("topic", "partition", "offset"), after, strict=True))
    found = await session.execute(QUERIES.get("undecided"), {**named, "limit": SWEPT_AT_ONCE})
    rows = cast("list[tuple[str, int, int, DatasetCode]]", await found.fetchall())
    if not rows:
        return Swept(closed=0, next_after=None)
    of_dataset: dict[DatasetCode, list[Place]] = defaultdict(list)
    for *place, dataset in rows:
        of_dataset[dataset].append(cast("Place", tuple(place)))
    closed = 0
    for dataset, places in of_dataset.items():
        if dataset in datasets:
            history = sql.Identifier("history", dataset)
            statement = QUERIES.get("close_superseded", history=history)
            closed += (await session.execute(statement, _columns(places))).rowcount
    everywhere = [place for places in of_dataset.values() for place in places]
    statement = QUERIES.get("close_resolved")
    closed += (await session.execute(statement, _columns(everywhere))).rowcount
    last = rows[-1][:3]
    return Swept(closed=closed, next_after=last if len(rows) == SWEPT_AT_ONCE else None)


def _columns(places: Sequence[Place]) -> dict[str, object]:
    topics, partitions, offsets = zip(*places, strict=True)
    return {"topics": list(topics), "partitions": list(partitions), "offsets": list(offsets)}
