"""Counting what became of records, by the accepted partition they stand in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from bus.errors import InvariantBroken
from bus.fund.batch import Arrival
from bus.fund.stored import WaitingVersion
from bus.postgres.positions import TopicPartition
from bus.postgres.queries import Queries
from bus.postgres.session import Session

QUERIES: Final = Queries.load("bus.fund", "rows")


@dataclass(slots=True)
class Account:
    """Changes of one transaction, which the table refuses if they break the conservation law."""

    records: Counter[TopicPartition] = field(default_factory=Counter)
    history: Counter[TopicPartition] = field(default_factory=Counter)
    repeats: Counter[TopicPartition] = field(default_factory=Counter)
    refused: Counter[TopicPartition] = field(default_factory=Counter)
    held: Counter[TopicPartition] = field(default_factory=Counter)

    async def post(self, session: Session) -> None:
        """Add the changes to the kept counters, within the caller's transaction.

        Raises:
            InvariantBroken: A partition has no counters: its positions were never asked for.
        """
        columns: Mapping[str, Counter[TopicPartition]] = {
            "records": self.records,
            "history": self.history,
            "repeats": self.repeats,
            "refused": self.refused,
            "held": self.held,
        }
        places = sorted({place for column in columns.values() for place in column})
        named: dict[str, object] = {
            name: [column[place] for place in places] for name, column in columns.items()
        }
        named["topics"] = [topic for topic, _ in places]
        named["partitions"] = [partition for _, partition in places]
        updated = await session.execute(QUERIES.get("count"), named)
        if updated.rowcount != len(places):
            raise InvariantBroken(
                f"counters of {len(places) - updated.rowcount} of {places} are missing; "
                "ask FundStore.positions for a partition before applying its batches"
            )


async def open_counters(session: Session, places: Iterable[TopicPartition]) -> None:
    """Begin the account of partitions that have none."""
    wanted = list(places)
    named = {"topics": [topic for topic, _ in wanted], "partitions": [part for _, part in wanted]}
    await session.execute(QUERIES.get("open_counters"), named)


def tally(arrivals: Iterable[Arrival | WaitingVersion]) -> Counter[TopicPartition]:
    """Count records by accepted partition."""
    return Counter(arrival.place for arrival in arrivals)
