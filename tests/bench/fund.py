"""The fund's writer against plain COPYs of the same rows, in one process.

Records have 25 fields and are new entries, as a first load has them; a transaction takes 8,000, as
the fund agent groups them under load. Apply writes two rows for each, history with the signed bytes
and current with typed columns, and the fence and counters with them. It is held against a COPY of
the same rows into tables without indexes, in one transaction, and against a COPY of the typed rows
alone; both are given rows ready made, without decoding, reading or merging. All three take turns.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from bus.fund.batch import FundBatch
from bus.fund.layout import DatasetLayout
from bus.fund.store import FundStore
from bus.fund.tables import apply_tables
from bus.local import reset, up
from bus.postgres.session import Session, connect
from bus.settings import Settings
from bus.wiring import Installation
from tests.bench.figures import rounded, spread
from tests.bench.fund_rows import CURRENT, HISTORY, LAYOUT, batches_of, copy, rows_of, types_of
from tests.bench.options import Options, say
from tests.fund.samples import PLACE, SCHOOLS

TRANSACTION: Final = 8_000
ROUNDS: Final = 20
QUICK: Final = 5
WARM_UP: Final = 2
"""Rounds that are not counted."""
FLOOR: Final = 0.2


async def run(options: Options) -> dict[str, Any]:
    """Measure on an empty fund of its own."""
    home = options.home / "fund"
    await asyncio.to_thread(up, home)
    try:
        dsn = Installation(Settings(home=home)).fund_dsn()
        say("fund: apply and COPY, taking turns")
        return await measure(dsn, QUICK if options.quick else ROUNDS)
    finally:
        await asyncio.to_thread(reset, home)


async def measure(dsn: str, rounds: int) -> dict[str, Any]:
    """Let apply and both COPYs take turns in an empty database."""
    layouts = MappingProxyType({SCHOOLS: LAYOUT})
    session = await connect(dsn, "bench")
    await apply_tables(session, layouts)
    store = await FundStore.open(dsn, layouts)
    try:
        await store.positions({PLACE: 0})
        for kind in ("history", "current"):
            plain = f"CREATE TABLE plain_{kind} (LIKE {kind}.schools INCLUDING DEFAULTS)"
            await session.execute(plain)
        times: dict[str, list[float]] = {}
        for number in range(WARM_UP + rounds):
            batches = batches_of(number * TRANSACTION, TRANSACTION)
            for name, work in _works(store, session, batches).items():
                began = time.perf_counter()
                await work()
                if number >= WARM_UP:
                    times.setdefault(name, []).append(time.perf_counter() - began)
    finally:
        await store.close()
        await session.close()
    return _figures(times)


def _works(
    store: FundStore, session: Session, batches: Sequence[FundBatch]
) -> Mapping[str, Callable[[], Awaitable[object]]]:
    """Prepare what takes turns for one transaction's records."""
    history, current = rows_of(batches, LAYOUT)

    async def copy_both() -> None:
        async with session.transaction():
            await copy(session, "plain_history", history, HISTORY)
            await copy(session, "plain_current", current, current_columns(LAYOUT))

    async def copy_current() -> None:
        async with session.transaction():
            await copy(session, "plain_current", current, current_columns(LAYOUT))

    return {
        "apply": lambda: store.apply(batches),
        "copy_both": copy_both,
        "copy_current": copy_current,
    }


def current_columns(layout: DatasetLayout) -> Mapping[str, str]:
    """Name the columns of a row of current entries, with their types."""
    return {**CURRENT, **types_of(layout)}


def _figures(times: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    rates = {name: [TRANSACTION / taken for taken in of] for name, of in times.items()}

    def ratio(limit: str) -> dict[str, Any]:
        return spread(
            [own / other for own, other in zip(rates["apply"], rates[limit], strict=True)], 3
        )

    return {
        "records_per_transaction": TRANSACTION,
        "apply_per_s": spread(rates["apply"]),
        "copy_same_rows_per_s": spread(rates["copy_both"]),
        "copy_current_rows_per_s": spread(rates["copy_current"]),
        "ratio": ratio("copy_both"),
        "ratio_to_current_rows_alone": ratio("copy_current"),
        "floor": rounded(FLOOR, 1),
    }
