"""A connector on the whole path: what a real bus adds to what the kit proves on a played one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import psycopg
import pytest

from bus.client import BatchSigner, MappedRow, SourceRow
from bus.errors import Fenced, Unavailable
from bus.model.verdict import Reason
from bus.wiring import Installation
from connectors import NOT_HERE, Bad, Cell, Context, Item, Json, Kind, Row, Source, SourceConfig
from connectors.door import BusDoor
from connectors.reading import source_row
from connectors.runner import Runner, Totals
from tests.factories import DATASET, SYSTEM, VALID
from tests.flow import path
from tests.flow.conftest import put_in_force

SENT_WITHIN_S = 0.5
ANSWERED_WITHIN_S = 60
SCHOOL = cast("Mapping[str, Cell]", VALID)
FIRST, SECOND, THIRD = "Школа № 1", "Школа № 2", "Школа № 3"


@dataclass(slots=True)
class Events:
    """A log of a source, and how many of its items are given before the process ends."""

    connector: str
    items: Sequence[Row | Bad]
    fails_after: int | None = None


class EventSource(Source[SourceConfig]):
    """Gives a list of events; a position is the number of those that were given before."""

    Config = SourceConfig
    kind = Kind.LOG

    def __init__(self, events: Events) -> None:
        context = Context(connector="c", spool=Path(), clock=now, sleep=asyncio.sleep)
        super().__init__(SourceConfig(), context)
        self._events = events

    async def read(self, position: Json) -> AsyncIterator[Item]:
        for number, item in enumerate(self._events.items):
            if number == self._events.fails_after:
                await asyncio.sleep(SENT_WITHIN_S)  # what was given lies in the log by then
                raise RuntimeError("the process ends here")
            if number >= (position or 0):
                await asyncio.sleep(0)
                yield replace(item, position=number + 1) if item.position is None else item


def now() -> datetime:
    return datetime.now(UTC)


def row(key: str, name: str, position: Json = None, place: str = "") -> Row:
    """Make an event; with None for a position, it is the source's own."""
    cells: dict[str, Cell] = {**SCHOOL, "registry_number": f"connector-{key}", "short_name": name}
    return Row(cells, position, place or f"row {key}")


def door(installation: Installation, connector: str, home: Path | None = None) -> BusDoor:
    credentials = installation.credentials(SYSTEM)
    return BusDoor(
        cluster=installation.cluster_with(credentials),
        home=home or installation.home,
        system=SYSTEM,
        dataset=DATASET,
        connector=connector,
        version="1",
        signer=BatchSigner(credentials.key_id, credentials.private_key),
        clock=now,
    )


async def run(installation: Installation, events: Events, home: Path | None = None) -> Totals:
    totals = Totals()
    runner = Runner(
        connector=events.connector,
        make_source=lambda: EventSource(events),
        door=door(installation, events.connector, home),
        told=totals,
        stopping=asyncio.Event(),
    )
    await runner.run(follow=False)
    return totals


def in_fund(installation: Installation, key: str) -> tuple[int, str]:
    """Versions of an entry, and its name now."""
    name = f"connector-{key}"
    with psycopg.connect(installation.fund_dsn()) as session:
        versions = session.execute(
            f'SELECT count(*) FROM history."{DATASET}" WHERE key = %s', [name]
        ).fetchone()
        current = session.execute(
            f'SELECT short_name FROM current."{DATASET}" WHERE key = %s', [name]
        ).fetchone()
    assert versions is not None
    assert current is not None
    return int(versions[0]), str(current[0])


def set_aside(installation: Installation) -> list[str]:
    """States of the rows that could not be read."""
    with psycopg.connect(installation.fund_dsn()) as session:
        found = session.execute(
            "SELECT state FROM bus.quarantine WHERE reason = %s ORDER BY state",
            [Reason.ROW_UNREADABLE],
        )
        return [str(state) for (state,) in found]


async def test_rows_told_behind_the_kept_position_are_not_told_again(own: Installation) -> None:
    """A name that changes and changes back is what a replay without memory doubles."""
    await put_in_force(own)
    items = [
        row("a", FIRST),
        row("a", SECOND, NOT_HERE),
        row("a", FIRST, NOT_HERE),
        row("b", FIRST),
    ]
    with pytest.raises(RuntimeError):
        await run(own, Events("changes", items, fails_after=3))
    again = await run(own, Events("changes", items))
    assert (again.sent, again.repeats) == (1, 3)
    async with path.supervised(own):
        await path.settled(own)
    assert in_fund(own, "a") == (3, FIRST)
    assert in_fund(own, "b") == (1, FIRST)


async def test_a_later_start_elsewhere_fences_the_earlier_one(
    own: Installation, tmp_path: Path
) -> None:
    await put_in_force(own)
    earlier = door(own, "fenced")
    async with earlier:
        async with door(own, "fenced", tmp_path) as later:
            await later.keep(7)
        with pytest.raises(Fenced, match="started anew elsewhere"):
            await earlier.keep(6)
    async with door(own, "fenced", tmp_path) as next_one:
        assert next_one.position == 7


async def test_a_version_that_another_publisher_took_is_noticed_and_the_row_sent_again(
    own: Installation, tmp_path: Path
) -> None:
    await put_in_force(own)
    items = [row("c", FIRST)]
    await run(own, Events("taken", items))
    async with door(own, "taken") as slow:
        items.append(row("c", SECOND))
        assert (await run(own, Events("taken", items), tmp_path)).sent == 1
        items.append(row("c", THIRD))
        with pytest.raises(Unavailable, match="stands in the log with other content"):
            await slow.publish(given([items[-1]]))
    assert (await run(own, Events("taken", items))).sent == 1
    async with path.supervised(own):
        await path.settled(own)
    assert in_fund(own, "c")[1] == THIRD


async def test_a_row_that_cannot_be_read_is_set_aside_and_answered_by_the_mended_one(
    own: Installation,
) -> None:
    await put_in_force(own)
    bad = Bad("63-7;Школа;шестьсот", "a number is expected", "schools.csv:7", "places", None)
    cells: dict[str, Cell] = {**SCHOOL, "registry_number": "connector-e", "places": "сорок"}
    items: list[Row | Bad] = [bad, Row(cells, None, "schools.csv:8")]
    async with path.supervised(own):
        totals = await run(own, Events("unreadable", items))
        assert (totals.sent, totals.unreadable) == (2, 2)
        await path.settled(own)
        assert set_aside(own) == ["open", "open"]
        items.append(row("d", FIRST, place="schools.csv:7"))
        assert (await run(own, Events("unreadable", items))).unreadable == 0
        await path.settled(own)
        async with asyncio.timeout(ANSWERED_WITHIN_S):
            while set_aside(own) != ["open", "resolved"]:
                await asyncio.sleep(0.5)
    assert in_fund(own, "d") == (1, FIRST)


def source_row_of(item: Row) -> SourceRow:
    fitted = source_row(
        item, lambda cells: MappedRow(number=0, values=cells), event="0" * 16, place=item.place
    )
    assert fitted is not None
    return fitted


async def given(items: Sequence[Row]) -> AsyncIterator[SourceRow]:
    for one in items:
        yield source_row_of(one)
