"""Faults of a live bus: who is told what by the real Prometheus, how often, and when it is over."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from bus.local import up
from bus.local.choices import read_choices
from bus.local.database import stop_database
from bus.local.layout import Layout
from bus.wiring import Installation
from tests.deploy.hurry import HURRY, SCRAPED_S
from tests.deploy.scene import (
    CONNECTOR,
    PROMISED_H,
    TAX,
    Scene,
    at_work,
    enforcing,
    organisation,
)
from tests.deploy.seconds import MEASURED_INTO, Fault, note
from tests.deploy.tools import Tools
from tests.deploy.watched import Told
from tests.factories import DATASET, VALID
from tests.flow import path
from tests.flow.conftest import put_in_force
from tests.flow.test_first_load import Row, publish
from tests.proxy import HoldProduce

KEPT_S: Final = 300 / HURRY
"""For how long an alert is kept up when its cause is no more to be seen."""
FEW: Final = 5
"""Records that may come late, or be wrong, without an alert of their own."""


def fires(receiver: str, alert: str, about: str) -> Told:
    return Told(receiver=receiver, alert=alert, status="firing", about=about)


def over(told: Told) -> Told:
    return Told(receiver=told.receiver, alert=told.alert, status="resolved", about=told.about)


def rows(prefix: str, **changed: object) -> list[Row]:
    return [{**VALID, "registry_number": f"{prefix}-{one}", **changed} for one in range(FEW)]


async def test_each_fault_is_told_once_to_its_audience_and_ends_by_itself(
    enrolled: Installation, tools: Tools, tmp_path: Path
) -> None:
    async with at_work(enrolled, tools, tmp_path) as scene:
        await providers_fail(scene)
        await the_bus_fails(scene)
    if into := os.environ.get(MEASURED_INTO):
        note(scene.told_s, Path(into))


async def providers_fail(scene: Scene) -> None:
    """Let a source stop, a dataset go stale and a rule fail, all at once; then mend it."""
    down = fires("connector-urgent", "ConnectorDown", scene.instance(f"connector-{CONNECTOR}"))
    stale = fires("steward", "DatasetStale", TAX.dataset)
    newly = fires("steward", "RuleNewlyBroken", DATASET)
    before = len(scene.watch.told)

    await publish(scene.installation, TAX, [organisation("last", 0)])
    stale_s = time.monotonic() + 2 * PROMISED_H * 3600
    gone, gone_s = scene.exports.rename(scene.exports.with_name("gone")), time.monotonic()
    await path.publish(scene.installation, rows("wrong", inn="6317000001"))
    broken_s = time.monotonic()
    await scene.until_told(down, stale, newly)
    scene.took(Fault.SOURCE_STOPS, gone_s, down)
    scene.took(Fault.DATASET_GOES_STALE, stale_s, stale)
    scene.took(Fault.RULE_FAILS, broken_s, newly)

    gone.rename(scene.exports)
    enough = asyncio.Event()
    sending = asyncio.create_task(publish(scene.installation, TAX, again(enough)))
    await scene.until_told(over(stale))
    await asyncio.gather(
        put_in_force(scene.installation), scene.until_told(over(down), over(newly))
    )
    enough.set()
    await sending
    assert scene.heard(before) == dict.fromkeys(
        (down, stale, newly, over(down), over(stale), over(newly)), 1
    )


async def again(enough: asyncio.Event) -> AsyncIterator[Row]:
    """Send what was promised, until it is not promised so often any more."""
    number = 0
    while not enough.is_set():
        number += 1
        yield organisation("again", number)
        await asyncio.sleep(1)


async def the_bus_fails(scene: Scene) -> None:
    """Let the fund go down, then kill a worker that is ill; mend both."""
    enforce, fund = scene.instance("enforce-0"), scene.instance("fund-0")
    ill = fires("operator-urgent", "WorkerIll", enforce)
    dead = fires("operator-urgent", "TargetDown", enforce)
    away = fires("operator-urgent", "TargetDown", fund)
    before = len(scene.watch.told)

    layout = Layout.of(scene.installation.home)
    choices = read_choices(layout)
    assert choices is not None
    await asyncio.to_thread(stop_database, layout, choices)
    stopped_s = time.monotonic()
    await path.publish(scene.installation, rows("fund-away"))
    await scene.until_told(away)
    scene.took(Fault.FUND_GOES_DOWN, stopped_s, away)
    await asyncio.to_thread(up, scene.installation.home)

    scene.links.apply(HoldProduce())
    await path.publish(scene.installation, rows("held-back"))
    await scene.until_told(ill, over(away))
    scene.enforcement.close()
    killed_s, killed = time.monotonic(), len(scene.watch.told)
    await scene.until_told(dead)
    scene.took(Fault.WORKER_IS_KILLED, killed_s, dead)
    # Long enough for what only the dead worker told to end, and for a letter about it.
    await asyncio.sleep(KEPT_S + 3 * SCRAPED_S)
    assert "WorkerIll" not in await asyncio.to_thread(scene.watch.firing)
    assert scene.heard(killed) == {dead: 1}

    scene.links.lift()
    with enforcing(scene.installation, scene.links):
        await scene.until_told(over(dead))
        heard = scene.heard(before)
        # It ended while it was held back, and may be told as ended beside what held it back.
        assert heard.pop(over(ill), 1) == 1
        assert heard == dict.fromkeys((away, over(away), ill, dead, over(dead)), 1)
