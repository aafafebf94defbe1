from __future__ import annotations

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from hypothesis import given
from hypothesis import strategies as st

from bus.kafka.producer import REQUEST_BYTES_MAX
from bus.model.record import Headers
from bus.model.verdict import Quarantined, Reason
from bus.provision.topic_plan import INBOUND_BYTES_MAX, SET_ASIDE_BYTES_MAX
from bus.wire.headers import headers_bytes, quarantine_headers
from bus.wire.original import PACKED, name_as_sent, received, sendable
from bus.wire.release import ReleasedRecord, release_headers
from tests.factories import AGENCY, DATASET, Raw

FRAME_BYTES = 61
"""Of a Kafka batch."""


def varint_bytes(number: int) -> int:
    """Of Kafka's signed numbers."""
    zigzag = number << 1 if number >= 0 else 1
    return max(1, -(-zigzag.bit_length() // 7))


def inbound_bytes(raw: Raw) -> int:
    """Tell the least that Kafka's batch of this record alone takes, whatever its header names."""
    fields = [raw.key, raw.value]
    for name, value in raw.headers:
        fields += [name_as_sent(name), value]
    sizes = [-1 if one is None else len(one) for one in fields]
    numbers = varint_bytes(len(raw.headers)) + sum(map(varint_bytes, sizes))
    return FRAME_BYTES + numbers + sum(max(size, 0) for size in sizes)


def outbound_bytes(raw: Raw, headers: list[tuple[str, bytes]]) -> int:
    size_bytes: int = DefaultRecordBatchBuilder.estimate_size_in_bytes(raw.key, raw.value, headers)
    return size_bytes


def set_aside(raw: Raw) -> list[tuple[str, bytes]]:
    """Headers in quarantine, with the longest reasons that a record so large can have."""
    verdict = Quarantined(
        raw=raw,
        agency=AGENCY,
        dataset=DATASET,
        reason=max(Reason, key=len),
        path="bus_supersedes",
    )
    return quarantine_headers(verdict, 2**31, 2**31)


def released(raw: Raw) -> list[tuple[str, bytes]]:
    record = ReleasedRecord(
        topic=raw.topic,
        partition=raw.partition,
        offset=raw.offset,
        timestamp=raw.timestamp,
        key=raw.key,
        value=raw.value,
        headers=raw.headers,
        attempt=2**31,
        catalogue=2**31,
    )
    return release_headers(record)


name_texts = (
    st.binary(max_size=200).map(lambda name: name.decode(errors="surrogateescape"))
    | st.text(max_size=50)
    | st.just(PACKED)
)
header_lists = st.lists(st.tuples(name_texts, st.binary(max_size=300) | st.none()), max_size=20)


@given(header_lists)
def test_what_any_client_can_write_comes_back_as_it_was_sent(headers: Headers) -> None:
    written = sendable(headers)
    for name, _ in written:
        name.encode()
    assert received(written) == list(headers)


@given(header_lists, st.binary(max_size=300) | st.none())
def test_packing_never_makes_a_record_larger_but_for_its_own_name(
    headers: Headers, value: bytes | None
) -> None:
    raw = Raw(value=value, headers=headers)
    allowance = len(PACKED) + 40
    assert outbound_bytes(raw, sendable(headers)) <= inbound_bytes(raw) + allowance


ODD = "\udcff"
ROOM = INBOUND_BYTES_MAX - FRAME_BYTES


@pytest.mark.parametrize(
    "raw",
    [
        Raw(headers=[(ODD * (ROOM - 16), b"")]),
        Raw(headers=[("x" * (ROOM - 16), b"")]),
        Raw(headers=[(ODD, b"")] * (ROOM // 3 - 16)),
        Raw(headers=[("", b"")] * (ROOM // 2 - 16)),
        Raw(headers=[(PACKED, b"")] * (ROOM // 14 - 16)),
        Raw(headers=[(ODD, bytes(ROOM - 24))]),
        Raw(key=bytes(ROOM - 24), headers=[(ODD, b"")]),
        Raw(value=bytes(ROOM - 24), headers=[(ODD, b"")]),
    ],
    ids=["long-odd", "long", "many-odd", "many-empty", "forged", "header", "key", "value"],
)
def test_whatever_the_broker_took_fits_quarantine_and_release(raw: Raw) -> None:
    size_bytes = inbound_bytes(raw)
    assert 0 <= INBOUND_BYTES_MAX - size_bytes < 300, "as large as a record can be"
    for headers in (set_aside(raw), released(raw)):
        assert outbound_bytes(raw, headers) <= min(SET_ASIDE_BYTES_MAX, REQUEST_BYTES_MAX)


def test_header_sizes_are_those_of_the_bytes_that_were_sent() -> None:
    headers = [("имя", b"v"), (ODD, b""), ("x", b"12")]
    assert headers_bytes(headers) == 7 + 1 + 3
