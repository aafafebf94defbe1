"""Rows whose transactions end late: how many a poller at the head gets, and how many `id > last`.

`python -m tests.connectors.late_commits` prints one line of JSON, and exits 1 where a row is lost.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from psycopg import AsyncConnection
from psycopg.sql import SQL
from pydantic import SecretStr

from connectors.kit.twin import CANARY
from connectors.source import Context, Item, Row
from connectors.sources.postgres_table import PostgresTable
from connectors.sources.postgres_table_config import PostgresTableConfig
from connectors.twins.postgres_table import PostgresTableTwin
from connectors.twins.table_engine import engine

WRITERS = 8
OPEN_S_MAX = 0.02
POLL_S = 0.004
TABLE = """
    CREATE TABLE {schema}.event (id bigserial PRIMARY KEY, name text,
        updated timestamptz NOT NULL DEFAULT now());
    ALTER SEQUENCE {schema}.event_id_seq CACHE 4;
    CREATE INDEX ON {schema}.event (updated);
    GRANT SELECT ON {schema}.event TO reader"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    rows: int
    delivered: int
    naive_delivered: int
    seconds: float


async def write(twin: PostgresTableTwin, writer: int, rows: int) -> None:
    """Write rows one by one, each in a transaction that is open for a while on both sides of it."""
    chance = random.Random(writer)
    insert = twin.query(SQL("INSERT INTO {schema}.event (name) VALUES (%s)"))
    async with await AsyncConnection.connect(engine().dsn, autocommit=True) as session:
        done = 0
        while done < rows:
            async with session.transaction(force_rollback=chance.random() < 0.02) as one:
                await session.execute("SELECT now()")  # the transaction's time is drawn
                await asyncio.sleep(chance.uniform(0, OPEN_S_MAX / 2))
                await session.execute(insert, [f"row {writer}/{done}"])
                await asyncio.sleep(chance.uniform(0, OPEN_S_MAX / 2))
            done += 0 if one.force_rollback else 1


async def poll_naively(twin: PostgresTableTwin, found: set[int], ended: asyncio.Event) -> None:
    """Poll by `id > last`, as is done everywhere."""
    query = twin.query(SQL("SELECT id FROM {schema}.event WHERE id > %s ORDER BY id"))
    last = 0
    async with await AsyncConnection.connect(engine().dsn, autocommit=True) as session:
        while True:
            is_last = ended.is_set()
            for (number,) in await (await session.execute(query, [last])).fetchall():
                found.add(number)
                last = number
            if is_last:
                return
            await asyncio.sleep(POLL_S)


async def poll(config: PostgresTableConfig, found: list[int], ended: asyncio.Event) -> None:
    """Poll by the source that ships, from each of its positions on by a new object."""
    position = None
    context = Context(
        connector="late", spool=Path(), clock=lambda: datetime.now(UTC), sleep=asyncio.sleep
    )
    while True:
        is_last = ended.is_set()
        async with aclosing(as_generator(PostgresTable(config, context).read(position))) as items:
            async for item in items:
                position = json.loads(json.dumps(item.position))
                if isinstance(item, Row):
                    found.append(int(str(item.cells["id"])))
        if is_last:
            return
        await asyncio.sleep(POLL_S)


def as_generator(items: AsyncIterator[Item]) -> AsyncGenerator[Item, None]:
    """Say what a source's reading is, so that it can be closed."""
    assert isinstance(items, AsyncGenerator)
    return items


async def count(rows: int) -> Counted:
    """Let writers and both pollers work at once, and count."""
    async with PostgresTableTwin() as twin:
        with twin.connect() as session:
            session.execute(twin.query(SQL(TABLE)))
            config = PostgresTableConfig(
                dsn=twin.config.dsn,
                password=SecretStr(CANARY),
                table=f"{twin.schema}.event",
                cursor=("updated",),
            )
            naive, right, ended = set[int](), list[int](), asyncio.Event()
            began = time.monotonic()
            async with asyncio.TaskGroup() as pollers:
                pollers.create_task(poll_naively(twin, naive, ended))
                pollers.create_task(poll(config, right, ended))
                share = [rows // WRITERS + (one < rows % WRITERS) for one in range(WRITERS)]
                await asyncio.gather(*(write(twin, *one) for one in enumerate(share)))
                ended.set()
            seconds = time.monotonic() - began
            query = twin.query(SQL("SELECT id FROM {schema}.event"))
            there = {number for (number,) in session.execute(query)}
        assert len(there) == rows, "each writer wrote its share"
        return Counted(
            rows=rows,
            delivered=len(there & set(right)),
            naive_delivered=len(there & naive),
            seconds=round(seconds, 1),
        )


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    counted = asyncio.run(count(parser.parse_args(arguments).rows))
    sys.stdout.write(json.dumps(asdict(counted)) + "\n")
    return 0 if counted.delivered == counted.rows else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
