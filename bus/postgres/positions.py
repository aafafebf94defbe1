"""Positions in Kafka, kept beside what was written for them, in the same transaction.

Whoever moves a position from the offset at which its work began owns the partition. A worker that
was replaced without knowing it finds the position moved: it is fenced, and has written nothing.

Source: design of the bus, ADR-0002.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar

import psycopg

from bus.errors import Fenced, InvariantBroken, Unavailable
from bus.postgres.queries import Queries
from bus.postgres.session import Session, translated
from bus.texts import message

logger = logging.getLogger(__name__)

TopicPartition: TypeAlias = tuple[str, int]
Done = TypeVar("Done")

QUERIES: Final = Queries.load("bus.postgres", "positions")


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A run of offsets of one partition: from `start`, up to and without `end`."""

    topic: str
    partition: int
    start: int
    end: int

    @property
    def place(self) -> TopicPartition:
        """The partition."""
        return (self.topic, self.partition)


class Blocked(Unavailable):
    """Another session holds the position's row and does not come to an end."""


async def create_positions(session: Session) -> None:
    """Create the schema `bus` and the table of positions where they are missing."""
    await session.execute(QUERIES.get("create"))


async def read_positions(
    session: Session, consumer: str, starts: Mapping[TopicPartition, int]
) -> dict[TopicPartition, int]:
    """Tell where `consumer` reads on in each partition.

    Args:
        session: An open session.
        consumer: Whose positions: `fund`, `quarantine`.
        starts: Partition → first offset to read where no position is kept yet.
    """
    named = {
        "consumer": consumer,
        "topics": [topic for topic, _ in starts],
        "partitions": [partition for _, partition in starts],
        "starts": list(starts.values()),
    }
    async with translated(message("doing.postgres.positions", consumer=consumer)):
        await session.execute(QUERIES.get("add"), named)
        rows = await (await session.execute(QUERIES.get("read"), named)).fetchall()
    return {(str(topic), int(str(part))): int(str(offset)) for topic, part, offset in rows}


def coalesce(spans: Sequence[Span]) -> list[Span]:
    """Join the spans of each partition, which must follow one another without a gap.

    Raises:
        InvariantBroken: They don't, or a span ends before it starts.
    """
    joined: dict[TopicPartition, Span] = {}
    for span in spans:
        before = joined.get(span.place)
        expected = span.start if before is None else before.end
        if span.start != expected or span.end < span.start:
            raise InvariantBroken(
                f"{span.topic}/{span.partition}: batch {span.start} to {span.end} where "
                f"{expected} was expected to begin; the transport must deliver without gaps"
            )
        start = span.start if before is None else before.start
        joined[span.place] = Span(
            topic=span.topic, partition=span.partition, start=start, end=span.end
        )
    return list(joined.values())


async def fenced(
    session: Session, consumer: str, spans: Sequence[Span], work: Callable[[], Awaitable[Done]]
) -> Done:
    """Do `work` and move the positions over `spans`, all or nothing.

    A session that blocks the positions longer than the lock's time limit belongs to a frozen
    worker: PostgreSQL itself ends one that idles in a transaction, but not one that stopped in
    the middle of a COPY. It is ended here, and the work is tried once more.

    Args:
        session: Autocommit, without an open transaction.
        consumer: Whose positions.
        spans: At most one for each partition (`coalesce`).
        work: Writes through the same session; may run twice.

    Raises:
        Fenced: Another worker has moved a position; nothing is written.
        Unavailable: PostgreSQL is gone or blocked; nothing is written, unless the answer to the
            commit was lost. The positions tell which.
    """
    try:
        return await _attempt(session, consumer, spans, work)
    except Blocked:
        async with translated(message("doing.postgres.evict", consumer=consumer)):
            evicted = await session.execute(QUERIES.get("evict"), _named(consumer, spans))
        logger.warning("positions.evicted consumer=%s sessions=%d", consumer, evicted.rowcount)
        return await _attempt(session, consumer, spans, work)


async def _attempt(
    session: Session, consumer: str, spans: Sequence[Span], work: Callable[[], Awaitable[Done]]
) -> Done:
    async with (
        translated(message("doing.postgres.batch", consumer=consumer)),
        session.transaction(),
    ):
        async with _blocked_told(consumer):
            moved = await session.execute(QUERIES.get("move"), _named(consumer, spans))
        if moved.rowcount != len(spans):
            raise Fenced(
                f"{consumer}: {len(spans) - moved.rowcount} of {len(spans)} positions are not "
                f"where this worker began ({', '.join(map(_words, spans))}): another worker has "
                "moved them. Stop; a restarted worker reads on from the kept positions."
            )
        return await work()


@asynccontextmanager
async def _blocked_told(consumer: str) -> AsyncIterator[None]:
    try:
        yield
    except psycopg.errors.LockNotAvailable:
        raise Blocked(
            f"positions of {consumer} are locked by another session: a frozen worker? "
            "Look in pg_stat_activity; start again once it is gone."
        ) from None


def _named(consumer: str, spans: Sequence[Span]) -> dict[str, object]:
    return {
        "consumer": consumer,
        "topics": [span.topic for span in spans],
        "partitions": [span.partition for span in spans],
        "starts": [span.start for span in spans],
        "ends": [span.end for span in spans],
    }


def _words(span: Span) -> str:
    return f"{span.topic}/{span.partition} at {span.start}"
