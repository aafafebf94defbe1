"""What history that is loaded beside them does to live records.

`python -m tests.connectors.backfill_lane [--rate N]` runs a connector against a real bus, in turns
without and with history on its way, and measures each live row from the moment at which the source
had it until a consumer has the record. It prints one line of JSON, and exits 1 where the 99th
percentile more than doubles.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles
from typing import Final, cast

from bus.client import SourceRow, Subscriber
from bus.local import reset, up
from bus.wiring import Installation
from connectors import Cell, Context, Item, Json, Kind, Row, Source, SourceConfig
from connectors.pace import Rate
from connectors.reading import Fit, source_row
from connectors.runner import Runner, Totals
from connectors.running import HISTORY_ROWS_PER_S
from tests.factories import VALID
from tests.flow import path
from tests.flow.conftest import enrolled_at, put_in_force
from tests.flow.test_connector import door
from tests.flow.test_first_load import HEALTH

LIVE_PER_S: Final = 50
TURN_S: Final = 15.0
SETTLING_S: Final = 3.0


@dataclass(kw_only=True)
class Turns:
    """What is measured now."""

    has_history: bool = False
    history_rows: int = 0
    sent_s: dict[str, tuple[float, bool]] = field(default_factory=dict)
    """When the source had a live row, and whether history was on its way."""
    took_s: dict[bool, list[float]] = field(default_factory=lambda: {False: [], True: []})


def cells(key: str) -> dict[str, Cell]:
    """An institution that the consumer may see."""
    return {**cast("Mapping[str, Cell]", VALID), "registry_number": key, "oktmo": "36701000"}


class Live(Source[SourceConfig]):
    """A row every now and then, for ever."""

    Config = SourceConfig
    kind = Kind.LOG
    turns: Turns

    async def read(self, position: Json) -> AsyncIterator[Item]:
        number = position or 0
        while True:
            number += 1
            await asyncio.sleep(1 / LIVE_PER_S)
            key = f"lane-live-{number}"
            self.turns.sent_s[key] = (time.monotonic(), self.turns.has_history)
            yield Row(cells(key), number)


async def history(turns: Turns, fit: Fit, rate: float | None) -> AsyncIterator[SourceRow]:
    """Rows of history for as long as the turn has any."""
    pace = Rate(rate, time=asyncio.get_running_loop().time)
    while turns.has_history:
        await pace.turn()
        turns.history_rows += 1
        key = f"lane-past-{turns.history_rows}"
        row = Row(cells(key), 0)
        event = f"{turns.history_rows:016x}"
        made = source_row(row, fit, event=event, place=key, is_history=True)
        if made is not None:
            yield made


async def receive(installation: Installation, turns: Turns) -> None:
    """Note when a consumer has each live record."""
    async with Subscriber.open(
        installation.cluster_as(HEALTH.system),
        system=HEALTH.system,
        dataset=HEALTH.dataset,
        clock=lambda: datetime.now(UTC),
        from_beginning=True,
    ) as subscriber:
        async for record in subscriber:
            if (sent := turns.sent_s.pop(record.key, None)) is not None:
                turns.took_s[sent[1]].append(time.monotonic() - sent[0])


async def measured(
    installation: Installation, rate: float | None, repeats: int
) -> dict[str, object]:
    await put_in_force(installation)
    turns = Turns()
    Live.turns = turns
    reached = door(installation, "lane")
    stopping = asyncio.Event()
    ratios, p99s = [], []
    context = Context(
        connector="lane", spool=Path(), clock=lambda: datetime.now(UTC), sleep=asyncio.sleep
    )

    def asked(_: Source[SourceConfig]) -> AsyncIterator[SourceRow] | None:
        return history(turns, reached.fit, rate) if turns.has_history else None

    async with path.supervised(installation):
        running = asyncio.create_task(
            Runner(
                connector="lane",
                make_source=lambda: Live(SourceConfig(), context),
                door=reached,
                told=Totals(),
                stopping=stopping,
                history=asked,
            ).run()
        )
        receiving = asyncio.create_task(receive(installation, turns))
        await asyncio.sleep(TURN_S)
        started_s = time.monotonic()
        with_history_s = 0.0
        for _ in range(repeats):
            found = []
            for has_history in (False, True):
                turns.has_history = has_history
                turns.took_s = {False: [], True: []}
                await asyncio.sleep(TURN_S)
                found.append(quantiles(turns.took_s[has_history], n=100)[98])
                with_history_s += TURN_S * has_history
                turns.has_history = False
                await asyncio.sleep(SETTLING_S)
                if running.done():
                    await running
            ratios.append(found[1] / found[0])
            p99s.append(found)
            _say(f"p99 {found[0] * 1000:.0f} ms alone, {found[1] * 1000:.0f} ms beside history")
        stopping.set()
        await running
        receiving.cancel()
        with suppress(asyncio.CancelledError):
            await receiving
    return {
        "live_per_s": LIVE_PER_S,
        "history_rows": turns.history_rows,
        "history_per_s": round(turns.history_rows / with_history_s),
        "p99_alone_ms": round(median(one for one, _ in p99s) * 1000),
        "p99_beside_ms": round(median(two for _, two in p99s) * 1000),
        "ratio": round(median(ratios), 2),
        "ratios": [round(one, 2) for one in ratios],
        "seconds": round(time.monotonic() - started_s),
    }


def _say(words: str) -> None:
    sys.stderr.write(f"backfill lane: {words}\n")
    sys.stderr.flush()


def main(arguments: list[str]) -> int:
    """Measure; give the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.connectors.backfill_lane", description=__doc__
    )
    parser.add_argument("--rate", type=float, default=HISTORY_ROWS_PER_S, help="0: no limit")
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="backfill-lane-") as folder:
        home = Path(folder) / "home"
        up(home)
        try:
            found = asyncio.run(measured(enrolled_at(home), given.rate or None, given.repeats))
        finally:
            reset(home)
    sys.stdout.write(json.dumps(found) + "\n")
    return int(float(str(found["ratio"])) > 2)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
