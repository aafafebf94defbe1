from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from bus.client.outlet import LINGER_S, Outlet, size_bytes_of
from bus.kafka.cluster import Cluster
from bus.kafka.producer import BatchProducer
from bus.wire.delivery import Delivery
from bus.wire.signature import BATCH_LEAVES_MAX
from tests.factories import one_signed, signed, signer, unsigned

UNREACHED = Cluster(bootstrap="127.0.0.1:1", ca_file=Path("ca.pem"), principal="x", password="x")

HASHES = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}
"""What murmur2 gives in Kafka's Java client, by its own tests."""


@pytest.mark.parametrize("partitions", [1, 4, 7])
@pytest.mark.parametrize("key", HASHES)
def test_a_key_goes_to_the_partition_that_kafkas_java_client_chooses(
    key: bytes, partitions: int
) -> None:
    producer = BatchProducer(UNREACHED, "unused")
    outlet = Outlet(producer, signer(), range(partitions), "publishing")
    assert outlet.partition_of(key) == (HASHES[key] & 0x7FFFFFFF) % partitions


def test_the_size_reckoned_before_signing_covers_the_signature() -> None:
    whole = signed([unsigned(key=f"63-{number}") for number in range(BATCH_LEAVES_MAX)])[5]
    bare = one_signed(key="63-5").headers[:-1]
    delivery = Delivery(
        topic=whole.topic, partition=0, key=whole.key, value=whole.value, headers=list(bare)
    )
    carried = len(whole.key or b"") + len(whole.value or b"")
    carried += sum(len(name) + len(value) + 4 for name, value in whole.headers)
    assert carried + 32 <= size_bytes_of(delivery)


class Noting(BatchProducer):
    """Notes which partitions it is given at once, and has it durable at once."""

    def __init__(self) -> None:
        super().__init__(UNREACHED, "unused")
        self.sent: list[int] = []
        self.sent_when_others_ran: list[int] = []

    async def send(self, deliveries: Sequence[Delivery]) -> list[asyncio.Future[object]]:
        self.sent.append(deliveries[0].partition)
        note = self.sent_when_others_ran.append
        asyncio.get_running_loop().call_soon(lambda: note(len(self.sent)))
        done: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return [done]


async def test_what_waits_travels_with_the_batch_that_is_due() -> None:
    producer = Noting()
    outlet = Outlet(producer, signer(), range(4), "publishing")
    first, second = (
        Delivery(topic="in.a.b", partition=partition, key=b"1", value=b"1", headers=[])
        for partition in (2, 0)
    )
    await outlet.add(first)
    await outlet.send_due()
    assert not producer.sent
    await asyncio.sleep(LINGER_S * 2)
    await outlet.add(second)
    await outlet.send_due()
    assert producer.sent == [0, 2]
    await asyncio.sleep(0)
    assert producer.sent_when_others_ran == [2, 2], "the producer has all before it sends any"
    await outlet.settle()
    assert len(producer.sent) == 2
