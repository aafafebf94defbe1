"""Records that a client can send and no agency should: nothing stops, nothing leaks."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from dataclasses import replace

import aiokafka.producer.message_accumulator as accumulator
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.record.util import calc_crc32c

from bus.catalogue.parties import BUS
from bus.client import BatchSigner
from bus.kafka.scan import offsets, read_whole, topic_partitions
from bus.wire import topics
from bus.wire.headers import format_time
from bus.wiring import Installation
from tests.factories import AGENCY, DATASET, SYSTEM, Raw, signed, unsigned
from tests.flow import path

IN = topics.inbound(AGENCY, DATASET)
CRC_AT = 17
CRC_FROM = 21


async def send(installation: Installation, records: Sequence[Raw], **options: object) -> None:
    cluster = installation.cluster_as(SYSTEM)
    async with AIOKafkaProducer(**cluster.aiokafka_options(), **options) as producer:
        for record in records:
            await producer.send_and_wait(
                IN, key=record.key, value=record.value, headers=list(record.headers), partition=0
            )


def with_own_key(installation: Installation, raws: Sequence[Raw]) -> list[Raw]:
    credentials = installation.credentials(SYSTEM)
    return signed(raws, BatchSigner(credentials.key_id, credentials.private_key))


@pytest.fixture
def names_not_utf_8(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write header name `abcabc` as bytes that are no UTF-8, which no Python client would."""
    build = accumulator.BatchBuilder._build

    def spoiled(self: accumulator.BatchBuilder) -> bytes:
        batch = bytearray(build(self))
        at = batch.find(b"abcabc")
        if at >= 0:
            batch[at : at + 6] = b"\xff\xfe\xfa\xff\xfe\xfa"
            struct.pack_into(">I", batch, CRC_AT, calc_crc32c(bytes(batch[CRC_FROM:])))
            self._buffer = bytes(batch)
        return bytes(batch)

    monkeypatch.setattr(accumulator.BatchBuilder, "_build", spoiled)


async def test_hostile_records_stop_no_worker_and_leak_into_no_view(
    installation: Installation, names_not_utf_8: None
) -> None:
    (good,) = with_own_key(
        installation,
        [unsigned(key="hostile-1", oktmo="36701000", event_time=format_time(1_775_000_000_000))],
    )
    hostile = [
        replace(good, headers=[*good.headers, ("abcabc", b"x")]),
        replace(good, headers=[*good.headers, ("x-note", b"\xff\xfe")]),
        replace(good, headers=[*good.headers, ("x-director", "Иванов".encode())]),
        replace(good, key=b"k" * 3_000),
        # As large as the broker takes; an odd name is in each, so no client could send it on so.
        replace(good, headers=[("abcabc" + "n" * 1_040_000, b"")]),
        replace(good, headers=[("abcabc", b""), *[("n", b"")] * 340_000]),
        replace(
            good, key=random.Random(7).randbytes(1_040_000), headers=[("abcabc", b"")], value=b""
        ),
    ]
    async with path.supervised(installation) as supervisor:
        await send(installation, hostile, enable_idempotence=False)
        with pytest.raises(KafkaError):
            await send(
                installation,
                [replace(good, value=bytes(30 * 1024 * 1024))],
                compression_type="gzip",
                max_request_size=64 * 1024 * 1024,
                enable_idempotence=False,
            )
        await path.publish(installation, path.rows("after-hostile", 40))
        await path.settled(installation)
        assert supervisor.restarts == 0
    found = await path.verified(installation)
    assert found.holds, found
    cluster = installation.cluster_as(BUS)
    views = await offsets(cluster, await topic_partitions(cluster, ["view.", "accepted."]))
    ends = {place: end for place, (_, end) in views.items()}
    names = {name async for record in read_whole(cluster, ends) for name, _ in record.headers}
    assert {"bus_sig", "ce_id"} <= names
    assert not names & {"x-note", "x-director"}
