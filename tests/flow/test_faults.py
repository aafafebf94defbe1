"""Nothing moves before it is durable, and who is told to stop ends, whatever is gone.

Killed and frozen workers are tried by `tests/chaos`.
"""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress

from bus.agents.worker import STOP_TIMEOUT_S
from bus.local import read_engines, up
from bus.local.layout import Layout
from bus.supervise.role import Role
from bus.wire import topics
from bus.wiring import Installation
from tests.factories import AGENCY, DATASET
from tests.flow import path
from tests.proxy import HoldProduce, KafkaLinks

IN = topics.inbound(AGENCY, DATASET)


async def counted(installation: Installation) -> tuple[int, int]:
    found = await path.verified(installation)
    return path.accepted_of(found, IN), path.quarantined_of(found, IN)


async def test_no_position_moves_while_the_outputs_are_held_and_a_kill_then_loses_nothing(
    installation: Installation,
) -> None:
    count = 500
    before = await counted(installation)
    engines = read_engines(installation.home)
    assert engines is not None
    layout = Layout.of(installation.home)
    links = KafkaLinks(
        {1: int(engines.kafka_bootstrap.rpartition(":")[2])},
        layout.broker_pem_file,
        engines.kafka_ca_file,
    )
    async with links.running():
        through_proxy = {
            "BUS_KAFKA__BOOTSTRAP": links.bootstrap,
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
            links.apply(HoldProduce())
            await path.publish(installation, path.rows("held", count))
            async with asyncio.timeout(30):
                while not links.counters.held:
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


async def test_a_worker_that_is_told_to_stop_while_it_starts_ends_though_no_broker_answers(
    installation: Installation,
) -> None:
    engines = read_engines(installation.home)
    assert engines is not None
    met = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        met.set()
        with suppress(ConnectionError):
            await reader.read()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as silent:
        port = silent.sockets[0].getsockname()[1]
        nobody = {
            "BUS_KAFKA__BOOTSTRAP": f"127.0.0.1:{port}",
            "BUS_KAFKA__CA_FILE": str(engines.kafka_ca_file),
            "BUS_KAFKA__ADMIN_USER": engines.kafka_admin_user,
            "BUS_KAFKA__ADMIN_PASSWORD_FILE": str(engines.kafka_admin_password_file),
        }
        with path.worker(installation, Role.ENFORCE, nobody) as process:
            await asyncio.wait_for(met.wait(), 30)
            process.terminate()
            await asyncio.to_thread(process.wait, STOP_TIMEOUT_S + 3)
