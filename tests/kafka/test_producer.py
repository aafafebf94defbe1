from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random
from typing import cast

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from bus.errors import InvariantBroken
from bus.kafka import closing as module
from bus.kafka.cluster import Cluster
from bus.kafka.producer import BatchProducer
from bus.model.record import Group
from bus.wire.delivery import Delivery

LIMIT = 4_000
GROUP_LIMIT = 480 * 1024


class Wire:
    """Stands where aiokafka connects; keeps what would be sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, int, list[bytes], int]] = []

    def create_batch(self) -> BatchBuilder:
        return BatchBuilder(GROUP_LIMIT, 0)

    async def send_batch(self, batch: BatchBuilder, topic: str, *, partition: int) -> object:
        assert batch.closed()
        content = bytes(batch._build())
        keys = [record.key for record in MemoryRecords(content).next_batch()]
        self.sent.append((topic, partition, keys, len(content)))
        return None


def sent(deliveries: list[Delivery]) -> list[tuple[str, int, list[bytes], int]]:
    nobody = Cluster(bootstrap="", ca_file=Path(), principal="", password="")
    producer, wire = BatchProducer(nobody, "test", batch_bytes=LIMIT), Wire()
    producer._producer = cast("AIOKafkaProducer", wire)
    assert len(asyncio.run(producer.send(deliveries))) == len(wire.sent)
    return wire.sent


def delivery(
    number: int, size: int, *, group: Group | None = None, topic: str = "accepted.a"
) -> Delivery:
    return Delivery(
        topic=topic,
        partition=number % 2,
        key=b"%d" % number,
        value=bytes(size),
        headers=[("a", b"b"), ("bus_in", b"in.a.b/0/%d" % number)],
        group=group,
    )


def members(index: int, size_bytes: int, size: int = 3) -> list[Delivery]:
    return [
        delivery(2 * (index + place), size_bytes, group=Group(id="0" * 16, index=place, size=size))
        for place in range(size)
    ]


@pytest.mark.parametrize("seed", range(5))
def test_records_go_in_order_in_batches_as_full_as_they_may_be(seed: int) -> None:
    dice = Random(seed)
    topics = ("accepted.a", "view.b")
    given = [
        delivery(n, dice.choice((0, 50, 700, 3_900)), topic=dice.choice(topics)) for n in range(300)
    ]
    batches = sent(given)
    for topic in topics:
        for partition in (0, 1):
            mine = [batch for batch in batches if batch[:2] == (topic, partition)]
            wanted = [one.key for one in given if (one.topic, one.partition) == (topic, partition)]
            assert [key for _, _, keys, _ in mine for key in keys] == wanted
    assert all(size <= LIMIT for *_, size in batches)
    assert len(batches) < sum(len(one.value or b"") + 90 for one in given) / LIMIT * 2


def test_a_record_larger_than_a_batch_goes_alone() -> None:
    batches = sent([delivery(0, 10), delivery(2, 3 * LIMIT), delivery(4, 10)])
    assert [keys for _, _, keys, _ in batches] == [[b"0"], [b"2"], [b"4"]]


def test_a_group_is_not_divided_though_it_is_larger_than_a_batch() -> None:
    batches = sent([delivery(0, 3_000), *members(1, 2_000), delivery(8, 10)])
    assert [keys for _, _, keys, _ in batches] == [[b"0"], [b"2", b"4", b"6"], [b"8"]]


def test_a_group_that_fits_into_no_batch_is_a_fault_of_whoever_planned_it() -> None:
    with pytest.raises(InvariantBroken, match="larger than one Kafka batch"):
        sent(members(0, GROUP_LIMIT // 2))


class _StuckSender:
    """As aiokafka's, whose first cancellation only makes it wait for what it sends."""

    def __init__(self) -> None:
        self.sender_task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        sending = asyncio.create_task(asyncio.Event().wait())
        try:
            await asyncio.wait({sending})
        except asyncio.CancelledError:
            await sending


class _StuckProducer:
    """As aiokafka's, whose stop waits for its sender or for all that waits to be sent."""

    def __init__(self) -> None:
        self.client = self
        self._sender = _StuckSender()

    async def close(self) -> None:
        """Be closed, as the client."""

    async def stop(self) -> None:
        await asyncio.wait({self._sender.sender_task})


async def test_a_producer_stops_though_its_sender_waits_for_news_of_a_cluster_that_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_STOP_S", 0.05)
    stuck = BatchProducer(cast("Cluster", None), client_id="stuck")
    stuck._producer = cast("AIOKafkaProducer", _StuckProducer())
    async with asyncio.timeout(10):
        await stuck.stop()
