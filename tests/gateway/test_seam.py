"""A view's seam where enforcement stopped between its outputs: each order of them, by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from bus.catalogue.parties import BUS
from bus.client import BatchSigner, DeliveredRecord
from bus.enforce.judge import judge
from bus.gateway import beginning
from bus.gateway.process import serving
from bus.kafka.producer import BatchProducer
from bus.kafka.scan import offsets, read_whole, topic_partitions
from bus.route.plan import plan
from bus.supervise.role import Role
from bus.wire import topics
from bus.wire.delivery import Delivery
from bus.wire.signature import SignatureChecker
from bus.wiring import Installation
from tests.factories import SOURCE
from tests.flow import path
from tests.flow.test_first_load import HEALTH, institution, publish, received

SEEN_FIRST, ACCEPTED_FIRST, TOGETHER = "seen-first", "accepted-first", "together"
COUNT = 12


async def outputs(installation: Installation) -> list[Delivery]:
    """Judge and plan what lies in the in-topic, and send nothing."""
    cluster, snapshot = installation.cluster_as(BUS), await path.snapshot_of(installation)
    places = await topic_partitions(cluster, [str(SOURCE)])
    ends = {place: end for place, (_, end) in (await offsets(cluster, places)).items()}
    records = [record async for record in read_whole(cluster, ends)]
    verdicts = [
        verdict
        for partition in {record.partition for record in records}
        for verdict in judge(
            [record for record in records if record.partition == partition],
            source=SOURCE,
            snapshot=snapshot,
            checker=SignatureChecker(),
        )
    ]
    credentials = installation.credentials(BUS)
    signer = BatchSigner(credentials.key_id, credentials.private_key)
    return plan(verdicts, snapshot=snapshot, signer=signer)


def chosen(deliveries: Sequence[Delivery], topic: str, *prefixes: str) -> list[Delivery]:
    return [
        one
        for one in deliveries
        if one.topic.startswith(topic) and (one.key or b"").decode().startswith(prefixes)
    ]


async def test_every_record_comes_once_whichever_of_its_outputs_was_durable_when_a_load_began(
    installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with path.supervised(installation):
        await path.settled(installation)  # what a test before may have left unjudged
    # Nobody judges here under an older catalogue, so there is nothing to wait for.
    monkeypatch.setattr(beginning, "NOTICED_WITHIN_MS", 0)
    keys = (SEEN_FIRST, ACCEPTED_FIRST, TOGETHER)
    given = [
        {**institution(key, number), "oktmo": "36701000"} for key in keys for number in range(COUNT)
    ]
    await publish(installation, HEALTH, given)
    planned = await outputs(installation)
    accepted = topics.accepted(HEALTH.dataset)
    found: list[DeliveredRecord] = []
    async with (
        serving(installation),
        BatchProducer(installation.cluster_as(BUS), client_id="bus.seam") as producer,
    ):
        await producer.deliver(chosen(planned, "view.", SEEN_FIRST, TOGETHER))
        await producer.deliver(chosen(planned, accepted, ACCEPTED_FIRST, TOGETHER))
        memory = tmp_path / "memory"
        with path.worker(installation, Role.FUND):
            records = received(installation, HEALTH, memory, load=True)
            # The others are of tests before, whose records the fund holds as well.
            found += [record async for record in records if record.key.startswith(keys)]
        assert {record.key.rpartition("-")[0] for record in found} == set(keys)
        # The rest of the outputs, as a worker writes them that takes over what is not committed.
        await producer.deliver(chosen(planned, accepted, SEEN_FIRST))
        await producer.deliver(chosen(planned, "view.", ACCEPTED_FIRST, TOGETHER))
        records = received(installation, HEALTH, memory, load=False)
        found += [record async for record in records if record.key.startswith(keys)]
    assert Counter(record.key for record in found) == {
        f"{key}-{number}": 1 for key in keys for number in range(COUNT)
    }
