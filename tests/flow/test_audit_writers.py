"""The audit log of enforcement: whole after faults, and no tampering with it passes."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not in its __all__
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from bus.audit import standalone
from bus.audit.log import export
from bus.audit.standalone import Unsound
from bus.kafka.administration import connect_admin
from bus.provision.topic_apply import read_topics
from bus.provision.topic_plan import CONTROL_BYTES_MAX
from bus.supervise.role import Role
from bus.wire import topics
from bus.wiring import Installation
from tests.factories import AGENCY, DATASET
from tests.flow import path
from tests.flow.audit_bench import Bench
from tests.flow.audit_tampering import TAMPERINGS, Log

TAMPERED = 1_000
IN = topics.inbound(AGENCY, DATASET)


async def test_a_real_log_is_sound_and_none_of_a_thousand_tamperings_of_it_passes(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with path.supervised(bench.installation):
        for part in range(3):
            await path.publish(bench.installation, path.rows(f"tampered-{part}", 60))
            await path.settled(bench.installation)
            await bench.sign()
    found = await bench.examine(tmp_path)
    assert found.holds, found
    assert found.batches
    file = tmp_path / "exported.jsonl"
    await export(bench.notary.cluster, file)
    keys = await bench.keys()
    whole = Log.read(file)
    assert whole.verify(keys)["is_sound"]
    # Why: the same few signatures, whose check is slow on purpose of being plain, a thousand times.
    monkeypatch.setattr(standalone, "is_signed", cache(standalone.is_signed))
    chance = random.Random(20261129)
    for number in range(TAMPERED):
        log = whole.copy()
        tamper = TAMPERINGS[number % len(TAMPERINGS)]
        tamper(log, chance, bench.seals.signer)
        with pytest.raises(Unsound):
            log.verify(keys)
        assert log != whole


async def test_a_writer_that_is_killed_in_the_middle_leaves_a_log_that_holds(
    bench: Bench, tmp_path: Path
) -> None:
    count, seconds = 1_500, 3.0
    given = path.paced(path.rows("killed", count), seconds, count)
    publishing = asyncio.create_task(path.publish(bench.installation, given))
    kills = 0
    while not publishing.done():
        before = await path.committed(bench.installation, IN)
        with path.worker(bench.installation, Role.ENFORCE) as process:
            async with asyncio.timeout(30):
                while not publishing.done() and before == await path.committed(
                    bench.installation, IN
                ):
                    await asyncio.sleep(0.02)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
        await bench.sign()
    await publishing
    async with path.supervised(bench.installation):
        await path.settled(bench.installation)
    await bench.sign()
    assert kills
    found = await bench.examine(tmp_path)
    assert found.holds, found
    assert (await path.verified(bench.installation)).holds


async def test_a_worker_stops_while_the_audit_topic_takes_nothing_and_nothing_is_lost(
    bench: Bench, tmp_path: Path
) -> None:
    async with path.supervised(bench.installation):
        await path.settled(bench.installation)  # what other tests have left unjudged
    before = await path.verified(bench.installation)
    at = (path.accepted_of(before, IN), path.quarantined_of(before, IN))
    count = 200
    with path.worker(bench.installation, Role.ENFORCE) as process:
        await path.publish(bench.installation, path.rows("audit-up", 50))
        async with asyncio.timeout(30):
            while await path.committed(bench.installation, IN) < sum(at) + 50:
                await asyncio.sleep(0.1)
        held = await path.committed(bench.installation, IN)
        with audit_topic_away(bench.installation):
            await path.publish(bench.installation, path.rows("audit-down", count))
            await asyncio.to_thread(process.wait, 30)
            assert process.returncode
            assert await path.committed(bench.installation, IN) == held
    async with path.supervised(bench.installation):
        await path.settled(bench.installation)
    await bench.sign()
    after = await path.verified(bench.installation)
    assert after.holds, after
    accepted = path.accepted_of(after, IN) - at[0]
    assert accepted == 50 + count - path.broken(50) - path.broken(count)
    found = await bench.examine(tmp_path)
    assert found.holds, found


@contextmanager
def audit_topic_away(installation: Installation) -> Iterator[None]:
    """Let the broker refuse whatever goes to the audit topic, and nothing else.

    Why by size: with one broker its copy is always in sync, however many are demanded.
    """
    admin = connect_admin(installation.cluster_as_admin())

    def limit(size_bytes: int) -> None:
        entry = ConfigEntry(
            "max.message.bytes", str(size_bytes), incremental_operation=AlterConfigOpType.SET
        )
        resource = ConfigResource(ResourceType.TOPIC, topics.AUDIT, incremental_configs=[entry])
        for answer in admin.client.incremental_alter_configs([resource]).values():
            answer.result(20)
        while read_topics(admin)[topics.AUDIT].config["max.message.bytes"] != str(size_bytes):
            time.sleep(0.05)

    limit(1)
    try:
        yield
    finally:
        limit(CONTROL_BYTES_MAX)
