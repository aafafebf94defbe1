"""`make conformance`: sources that ship, on a real bus, their runners killed at moments of chance.

    python -m tests.connectors.conformance [KIND...] [--kills 8] [--seed 1]

The conformance kit kills at every step of a bus that is played. Here the bus is real: Kafka,
workers, the fund; the runner is `bus connector run` in a process of its own, killed by SIGKILL
while rows are written, changed and removed in the source. In the end the fund holds what the source
holds. The last line is one JSON object; exit code 1 where a source differs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import psycopg
import yaml
from pydantic import SecretStr

from bus.local import reset, up
from bus.wiring import Installation
from connectors.documents import SOURCES, TWINS, kinds
from connectors.kit.twin import NotOffered, Twin
from tests.factories import DATASET, SYSTEM
from tests.flow import path
from tests.flow.conftest import enrolled_at, put_in_force

SETTLED_S: Final = 90.0
_LIFE_S: Final = (1.5, 4.0)
_MAPPING: Final = {
    "registry_number": {"column": "number"},
    "full_name": {"column": "name"},
    "short_name": {"column": "name"},
    "kind": {"constant": "school"},
    "oktmo": {"constant": "36701000"},
    "address": {"constant": "443001, г. Самара"},
    "director": {"constant": "Образцова Анна"},
    "places": {"constant": 600},
}


def main(arguments: list[str]) -> int:
    """Run the kinds that are asked for; give the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.connectors.conformance", description=__doc__
    )
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=", ".join(kinds(TWINS)))
    parser.add_argument("--kills", type=int, default=8, help="of the runner of each kind")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    chosen = given.kinds or [kind for kind in kinds(TWINS) if kind in kinds(SOURCES)]
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        home = Path(folder) / "home"
        up(home)
        try:
            found = asyncio.run(_all(enrolled_at(home), chosen, given.kills, given.seed))
        finally:
            reset(home)
    sys.stdout.write(json.dumps(found, ensure_ascii=False) + "\n")
    return int(any(one["differs"] for one in found.values()))


async def _all(
    installation: Installation, chosen: list[str], kills: int, seed: int
) -> dict[str, dict[str, Any]]:
    await put_in_force(installation)
    found = {}
    async with path.supervised(installation):
        for number, kind in enumerate(chosen):
            chance = random.Random(f"{seed} {kind}")
            twin: Twin = kinds(TWINS)[kind].load()()
            async with twin:
                found[kind] = await _one(installation, kind, number, twin, kills, chance)
            _say(f"{kind}: {found[kind]}")
    return found


async def _one(
    installation: Installation,
    kind: str,
    number: int,
    twin: Twin,
    kills: int,
    chance: random.Random,
) -> dict[str, Any]:
    name, prefix = f"conformance-{kind}", f"{number:02d}-"
    _write_documents(installation.home, name, kind, twin)
    changing = asyncio.ensure_future(_change(twin, prefix, chance))
    killed = 0
    try:
        for _ in range(kills):
            runner = _start(installation, name)
            await asyncio.sleep(chance.uniform(*_LIFE_S))
            if runner.poll() is None:
                runner.send_signal(signal.SIGKILL)
                killed += 1
            runner.wait()
    finally:
        changing.cancel()
        with suppress(asyncio.CancelledError):
            await changing
    runner = _start(installation, name)
    try:
        differs = await _settled(installation, prefix, twin)
    finally:
        runner.terminate()
        runner.wait()
    return {"kills": killed, "rows": len(twin.rows), "differs": differs}


def _write_documents(home: Path, name: str, kind: str, twin: Twin) -> None:
    folder = home / "connectors"
    folder.mkdir(exist_ok=True)
    config = {}
    for field, value in twin.config:
        if value is None:
            continue
        plain = value.get_secret_value() if isinstance(value, SecretStr) else value
        config[field] = json.loads(json.dumps(plain, default=_plain))
    document = {
        "connector": name,
        "source": kind,
        "system": SYSTEM,
        "dataset": DATASET,
        "mapping": f"{name}.mapping.yaml",
        "again_s": 0.2,
        "config": config,
    }
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(document, allow_unicode=True))
    (folder / f"{name}.mapping.yaml").write_text(
        yaml.safe_dump({"fields": _MAPPING}, allow_unicode=True), encoding="utf-8"
    )


def _plain(value: object) -> object:
    """Write what pydantic holds as a document does."""
    dump = getattr(value, "model_dump", None)
    return dump(mode="json") if dump is not None else str(value)


def _start(installation: Installation, name: str) -> subprocess.Popen[bytes]:
    log = installation.home / "log" / f"{name}.log"
    log.parent.mkdir(exist_ok=True)
    environment = {**os.environ, "BUS_HOME": str(installation.home)}
    with log.open("ab") as file:
        return subprocess.Popen(
            [str(Path(sys.executable).with_name("bus")), "connector", "run", name],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env=environment,
        )


async def _change(twin: Twin, prefix: str, chance: random.Random) -> None:
    """Write, change and remove rows until it is enough."""
    number = 0
    while True:
        number += 1
        rows = {f"{prefix}{number:05d}": "первая"}
        if twin.rows and chance.random() < 0.5:
            rows[chance.choice(sorted(twin.rows))] = chance.choice(["первая", "вторая"])
        await twin.put(rows)
        if number % 10 == 0:
            with suppress(NotOffered):
                together = {f"{prefix}{number:05d}-{part}": "вместе" for part in range(5)}
                await twin.put_together(together)
        if number % 25 == 0:
            with suppress(NotOffered):
                await twin.remove(chance.choice(sorted(twin.rows)))
        await asyncio.sleep(chance.uniform(0.01, 0.08))


async def _settled(installation: Installation, prefix: str, twin: Twin) -> list[str]:
    """Wait until the fund holds what the source holds; gives the keys that differ."""
    deadline_s = time.monotonic() + SETTLED_S
    while True:
        held = _held(installation, prefix)
        wanted = {str(row[twin.key]): str(row["name"]) for row in twin.rows.values()}
        differs = sorted(
            key for key in held.keys() | wanted.keys() if held.get(key) != wanted.get(key)
        )
        if not differs or time.monotonic() > deadline_s:
            return differs[:20]
        await asyncio.sleep(0.5)


def _held(installation: Installation, prefix: str) -> Mapping[str, str]:
    with psycopg.connect(installation.fund_dsn()) as session:
        found = session.execute(
            f'SELECT key, short_name FROM current."{DATASET}"'
            " WHERE key LIKE %s AND ceased_at IS NULL",
            [f"{prefix}%"],
        )
        return {str(key): str(name) for key, name in found}


def _say(words: str) -> None:
    sys.stderr.write(f"conformance: {words}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
