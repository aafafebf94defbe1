from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime

import psutil
import pytest

from bus.client import Publisher, RowGiven, Subscriber, outlet
from bus.errors import Unavailable
from bus.local import up
from bus.model.identifiers import SystemCode
from bus.model.verdict import Reason
from tests.client.conftest import Installation
from tests.client.publishing import rows
from tests.factories import DATASET, ROOT, SYSTEM, VALID

HEALTH = SystemCode("health-analytics")
COUNT = 3_000

Open = Callable[[], AbstractAsyncContextManager[Publisher]]


@pytest.fixture
def opening(installation: Installation) -> Open:
    return lambda: Publisher.open(
        installation.cluster(SYSTEM),
        home=installation.home,
        system=SYSTEM,
        dataset=DATASET,
        signer=installation.signer(SYSTEM),
        clock=lambda: datetime.now(UTC),
        send_broken=True,
    )


@pytest.fixture
def enforcement(installation: Installation) -> Iterator[None]:
    """The real agent in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bus.agents.worker", "enforce", "0"],
        cwd=ROOT,
        env={**os.environ, "BUS_HOME": str(installation.home)},
        stdin=subprocess.PIPE,
    )
    yield
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(30) == 0


@pytest.mark.usefixtures("enforcement")
async def test_published_rows_are_judged_and_reach_the_consumer_who_may_have_them(
    installation: Installation, opening: Open
) -> None:
    given = [
        {**row, "oktmo": "36701305", "kind": "castle" if number % 100 == 0 else "school"}
        for number, row in enumerate(rows(COUNT))
    ]
    async with opening() as publisher:
        report = await publisher.publish(given)
        outcome = await publisher.outcome(timeout_s=60)
    assert report.sent == COUNT
    assert (outcome.accepted, outcome.pending) == (COUNT - COUNT // 100, 0)
    assert outcome.quarantined == {Reason.RULE_VIOLATED: COUNT // 100}
    async with Subscriber.open(
        installation.cluster(HEALTH),
        system=HEALTH,
        dataset=DATASET,
        clock=lambda: datetime.now(UTC),
        follow=False,
    ) as subscriber:
        received = [record.key async for record in subscriber if record.key.startswith("63-")]
    wanted = [f"63-{number:06d}" for number in range(COUNT) if number % 100]
    assert sorted(received) == wanted


async def test_a_broker_that_dies_is_told_and_the_next_run_sends_the_rest(
    installation: Installation, opening: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlet, "ACKNOWLEDGEMENT_S", 3.0)
    pid = installation.engines.kafka_pid

    async def given(*, deadly: bool) -> AsyncIterator[RowGiven]:
        for number in range(2_000):
            yield {**VALID, "registry_number": f"b-{number}"}
            if deadly and number == 1_000:
                await asyncio.sleep(0.5)
                os.kill(pid, signal.SIGKILL)
                psutil.wait_procs([psutil.Process(pid)], timeout=5)

    with pytest.raises(Unavailable, match="publish the same rows again"):
        async with opening() as publisher:
            await publisher.publish(given(deadly=True))
    await asyncio.to_thread(up, installation.home)
    async with opening() as publisher:
        report = await publisher.publish(given(deadly=False))
    assert report.sent + report.repeats == 2_000
    assert report.repeats >= 1_000
    assert report.sent > 0
