"""Nothing lost and nothing doubled while workers are killed, held and frozen."""

from __future__ import annotations

import asyncio
import os
import random
import signal

import pytest

from bus.agents.role import Role
from bus.agents.supervisor import Slot
from bus.agents.worker import STOP_TIMEOUT_S
from bus.local import read_engines, up
from bus.local.layout import Layout
from bus.wire import topics
from bus.wiring import Installation
from tests.factories import AGENCY, DATASET
from tests.flow import path
from tests.flow.broker_proxy import BrokerProxy

IN = topics.inbound(AGENCY, DATASET)


async def counted(installation: Installation) -> tuple[int, int]:
    found = await path.verified(installation)
    return path.accepted_of(found, IN), path.quarantined_of(found, IN)


@pytest.mark.parametrize("role", list(Role))
async def test_a_worker_killed_again_and_again_in_a_publication_loses_and_doubles_nothing(
    installation: Installation, role: Role
) -> None:
    count = 4_000
    before = await counted(installation)
    given = path.rows(f"killed-{role}", count)
    async with path.supervised(installation) as supervisor:
        publication = asyncio.create_task(
            path.publish(installation, path.paced(given, seconds=6.0, count=count))
        )
        chance = random.Random(7)
        kills = 0
        while not publication.done():
            await asyncio.sleep(chance.uniform(0.4, 1.6))
            process = supervisor.processes.get(Slot(role=role, number=0))
            if process is not None and process.returncode is None:
                os.kill(process.pid, signal.SIGKILL)
                kills += 1
        report = await publication
        await path.settled(installation)
    assert kills >= 3
    assert report.sent == count
    found = await path.verified(installation)
    assert found.holds, found
    assert path.accepted_of(found, IN) - before[0] == count - path.broken(count)
    assert path.quarantined_of(found, IN) - before[1] == path.broken(count)


async def test_no_position_moves_while_the_outputs_are_held_and_a_kill_then_loses_nothing(
    installation: Installation,
) -> None:
    count = 500
    before = await counted(installation)
    engines = read_engines(installation.home)
    assert engines is not None
    layout = Layout.of(installation.home)
    proxy = BrokerProxy(
        int(engines.kafka_bootstrap.rpartition(":")[2]),
        layout.broker_pem_file,
        engines.kafka_ca_file,
    )
    async with proxy.running():
        through_proxy = {
            "BUS_KAFKA__BOOTSTRAP": f"127.0.0.1:{proxy.port}",
            "BUS_KAFKA__CA_FILE": str(engines.kafka_ca_file),
            "BUS_KAFKA__ADMIN_USER": engines.kafka_admin_user,
            "BUS_KAFKA__ADMIN_PASSWORD_FILE": str(engines.kafka_admin_password_file),
        }
        with path.worker(installation, Role.ENFORCE, through_proxy) as process:
            await path.publish(installation, path.rows("before-hold", 100))
            async with asyncio.timeout(30):
                while await path.committed(installation, IN) < sum(before) + 100:
                    await asyncio.sleep(0.1)
            at_hold = await path.committed(installation, IN)
            proxy.hold_produce()
            await path.publish(installation, path.rows("held", count))
            async with asyncio.timeout(30):
                while not proxy.held:
                    await asyncio.sleep(0.05)
            # Twenty commit intervals: a position that follows anything but the outputs would move.
            await asyncio.sleep(2.0)
            assert await path.committed(installation, IN) == at_hold
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
    async with path.supervised(installation):
        await path.settled(installation)
    found = await path.verified(installation)
    assert found.holds, found
    assert path.accepted_of(found, IN) - before[0] == (count + 100) - path.broken(
        count
    ) - path.broken(100)


async def test_a_worker_frozen_longer_than_its_session_is_replaced_and_does_no_harm_after(
    installation: Installation,
) -> None:
    count = 6_000
    before = await counted(installation)
    given = path.rows("frozen", count)
    async with path.supervised(installation, workers_per_role=2) as supervisor:
        publication = asyncio.create_task(
            path.publish(installation, path.paced(given, seconds=12.0, count=count))
        )
        await asyncio.sleep(4.0)
        frozen = [
            supervisor.processes[Slot(role=role, number=0)].pid
            for role in (Role.ENFORCE, Role.FUND, Role.QUARANTINE)
        ]
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(9.0)
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
        report = await publication
        await path.settled(installation)
    assert report.sent == count
    found = await path.verified(installation)
    assert found.holds, found
    assert path.accepted_of(found, IN) - before[0] == count - path.broken(count)


async def test_a_worker_that_is_told_to_stop_ends_though_its_broker_is_gone(
    installation: Installation,
) -> None:
    engines = read_engines(installation.home)
    assert engines is not None
    with path.worker(installation, Role.FUND) as process:
        async with asyncio.timeout(30):
            while f"pid={process.pid}" not in path.log_of(installation, "fund-lone"):
                await asyncio.sleep(0.1)
        os.kill(engines.kafka_pid, signal.SIGKILL)
        await asyncio.sleep(1.0)
        process.terminate()
        process.wait(STOP_TIMEOUT_S + 3)
    await asyncio.to_thread(up, installation.home)
    async with path.supervised(installation):
        await path.settled(installation)
    assert (await path.verified(installation)).holds
