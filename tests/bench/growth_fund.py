"""A fund of many rows: reading one entry, its past, and adding to it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final, cast

from psycopg import sql
from psycopg.conninfo import make_conninfo

from bus.fund.asof import AsOf
from bus.fund.past import PastReader
from bus.fund.reader import FundReader
from bus.fund.store import FundStore
from bus.fund.tables import apply_tables
from bus.local import reset, up
from bus.postgres.session import Session, connect
from bus.settings import Settings
from bus.wiring import Installation
from tests.bench.figures import percentiles, rounded, spread
from tests.bench.fund_rows import (
    CURRENT,
    HISTORY,
    LAYOUT,
    Rows,
    batches_of,
    rows_of,
    types_of,
)
from tests.bench.options import Options, say
from tests.fund.samples import PLACE, SAMARA, SCHOOLS

ROWS: Final = 10_000_000
QUICK_ROWS: Final = 100_000
READS: Final = 3_000
TRANSACTION: Final = 8_000
ROUNDS: Final = 12
WARM_UP: Final = 2
READ_P99_MS: Final = 5
INSERT_RATIO: Final = 0.85
_AT_ONCE: Final = 1_000_000
_SEED: Final = 5
_EMPTY: Final = "bench_empty"
_PATIENT: Final = {
    "statement_timeout": "0",
    "maintenance_work_mem": "1GB",
    "max_parallel_maintenance_workers": "2",
}
_LAYOUTS: Final = MappingProxyType({SCHOOLS: LAYOUT})


async def grown_fund(options: Options) -> dict[str, Any]:
    """Fill a fund, read from it at random, and let it take turns with an empty one."""
    home, rows = options.home / "growth-fund", QUICK_ROWS if options.quick else ROWS
    await asyncio.to_thread(up, home)
    try:
        dsn = Installation(Settings(home=home)).fund_dsn()
        session = await connect(dsn, "bench", _PATIENT)
        began_s = time.monotonic()
        try:
            await apply_tables(session, _LAYOUTS)
            await _fill(session, rows)
            filled_s = time.monotonic() - began_s
            await session.execute(f"CREATE DATABASE {_EMPTY}")
            found = {"rows": rows, "filled_s": rounded(filled_s, 0), **await _reads(dsn, rows)}
            return {**found, **await _inserts(dsn, rows), "targets": _targets()}
        finally:
            await session.close()
    finally:
        await asyncio.to_thread(reset, home)


def _targets() -> dict[str, Any]:
    return {"read_p99_ms": READ_P99_MS, "insert_to_empty": INSERT_RATIO}


async def _fill(session: Session, rows: int) -> None:
    """Lay rows into history and current entries, numbers 0 to `rows`, all with one content."""
    history, current = rows_of(batches_of(0, 1), LAYOUT)
    await _fill_table(session, "history", history, dict(HISTORY), rows)
    await _fill_table(session, "current", current, {**CURRENT, **types_of(LAYOUT)}, rows)
    say("growth: vacuum")
    await session.execute("VACUUM (ANALYZE, FREEZE) history.schools")
    await session.execute("VACUUM (ANALYZE, FREEZE) current.schools")
    await session.execute("CHECKPOINT")


async def _fill_table(
    session: Session, schema: str, one: Rows, columns: dict[str, str], rows: int
) -> None:
    """Fill one table without its indexes, and make those anew."""
    table = sql.Identifier(schema, "schools")
    of_number = {
        "key": "n::text",
        "registry_number": "n::text",
        "record_id": "md5(n::text)",
        "bus_in": "'in.education-samara.schools/0/' || n",
        "accepted_offset": "n",
    }
    constants = dict(zip(columns, one[0], strict=True))
    selected = [
        sql.SQL(of_number[name]) if name in of_number
        # Why typed: a parameter of a SELECT has no column to take its type from.
        else sql.SQL("{}::{}").format(sql.Placeholder(name), sql.SQL(type_))
        for name, type_ in columns.items()
    ]  # fmt: skip
    statement = sql.SQL(
        "INSERT INTO {} ({}) SELECT {} FROM generate_series(%(first)s::int8, %(last)s::int8) AS n"
    ).format(
        table,
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", ").join(selected),
    )
    keys = await _dropped_keys(session, schema)
    for first in range(0, rows, _AT_ONCE):
        last = min(first + _AT_ONCE, rows) - 1
        await session.execute(statement, {**constants, "first": first, "last": last})
        say(f"growth: {last + 1:,} rows of {schema}")
    for name, definition in keys:
        say(f"growth: index {name}")
        added = sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}").format(
            table, sql.Identifier(name), sql.SQL(cast("Any", definition))
        )
        await session.execute(added)


async def _dropped_keys(session: Session, schema: str) -> list[tuple[str, str]]:
    """Drop the keys of a table; give their names and definitions."""
    found = await session.execute(
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE conrelid = %(table)s::regclass AND contype IN ('p', 'u')",
        {"table": f"{schema}.schools"},
    )
    keys = cast("list[tuple[str, str]]", await found.fetchall())
    for name, _ in keys:
        dropped = sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(
            sql.Identifier(schema, "schools"), sql.Identifier(name)
        )
        await session.execute(dropped)
    return keys


async def _reads(dsn: str, rows: int) -> dict[str, Any]:
    """Read entries at random: what stands, and what stood by either time."""
    say("growth: reading at random")
    reader, past = await FundReader.open(dsn, _LAYOUTS), await PastReader.open(dsn, _LAYOUTS)
    try:
        now = await past.now()
        long_ago = now - timedelta(days=3_650)

        async def get(key: str) -> bool:
            return await reader.get(SCHOOLS, SAMARA, key) is not None

        async def recorded(key: str) -> bool:
            question = AsOf(recorded=now, agency=SAMARA, key=key, limit=1)
            return bool((await past.as_of(SCHOOLS, question)).rows)

        async def valid(key: str) -> bool:
            question = AsOf(recorded=now, valid=long_ago, agency=SAMARA, key=key, limit=1)
            return not (await past.as_of(SCHOOLS, question)).rows

        reads = {"get_ms": get, "as_of_recorded_ms": recorded, "as_of_valid_ms": valid}
        return {name: percentiles(await _timed(read, rows), 2) for name, read in reads.items()}
    finally:
        await past.close()
        await reader.close()


async def _timed(read: Callable[[str], Awaitable[bool]], rows: int) -> list[float]:
    chance, times_ms = random.Random(_SEED), list[float]()
    for _ in range(READS):
        key = str(chance.randrange(rows))
        began = time.perf_counter()
        if not await read(key):
            raise AssertionError("an entry is not as it was laid into the fund")
        times_ms.append((time.perf_counter() - began) * 1_000)
    return times_ms


async def _inserts(dsn: str, rows: int) -> dict[str, Any]:
    """Let the full fund and an empty one take the same new entries in turn."""
    say("growth: adding, in turn with an empty fund")
    empty_dsn = make_conninfo(dsn, dbname=_EMPTY)
    session = await connect(empty_dsn, "bench")
    await apply_tables(session, _LAYOUTS)
    await session.close()
    stores = {
        "full": await FundStore.open(dsn, _LAYOUTS),
        "empty": await FundStore.open(empty_dsn, _LAYOUTS),
    }
    rates: dict[str, list[float]] = {name: [] for name in stores}
    for store in stores.values():
        await store.positions({PLACE: 0})
    for number in range(WARM_UP + ROUNDS):
        at = number * TRANSACTION
        batches = batches_of(rows + at, TRANSACTION, offset=at)
        # Why turned: what comes second finds the machine busy with the first one's writing.
        for name in sorted(stores, reverse=bool(number % 2)):
            began = time.perf_counter()
            await stores[name].apply(batches)
            if number >= WARM_UP:
                rates[name].append(TRANSACTION / (time.perf_counter() - began))
    for store in stores.values():
        await store.close()
    ratios = [full / empty for full, empty in zip(rates["full"], rates["empty"], strict=True)]
    return {
        "inserts_per_s": spread(rates["full"]),
        "inserts_of_empty_per_s": spread(rates["empty"]),
        "insert_to_empty": spread(ratios, 2),
    }
