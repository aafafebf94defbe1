from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.errors import InvariantBroken
from bus.model.verdict import Quarantined, Reason
from bus.quarantine.reading import parse_entry
from bus.wire.headers import quarantine_headers
from bus.wire.original import PACKED
from bus.wire.release import ReleasedRecord, Run, release_headers, runs_of, unwrap
from tests.factories import AGENCY, DATASET, SOURCE, Raw, one_signed

RELEASE = f"release.{AGENCY}"


def released(raw: Raw, attempt: int = 1) -> Raw:
    """Put a record into quarantine and back: what lies in the release topic then."""
    verdict = Quarantined(raw=raw, agency=AGENCY, dataset=DATASET, reason=Reason.UNSIGNED)
    entry = parse_entry(replace(raw, headers=quarantine_headers(verdict, 7)))
    record = ReleasedRecord(
        topic=raw.topic,
        partition=raw.partition,
        offset=raw.offset,
        timestamp=raw.timestamp,
        key=raw.key,
        value=raw.value,
        headers=entry.headers,
        attempt=attempt,
        catalogue=8,
    )
    return replace(raw, topic=RELEASE, offset=0, timestamp=1, headers=release_headers(record))


names = (
    st.text(max_size=8) | st.just("n\udcff") | st.sampled_from(["bus_in", "bus_attempt", PACKED])
)


@given(
    st.lists(st.tuples(names, st.binary(max_size=8) | st.none())),
    st.binary() | st.none(),
    st.integers(1, 9),
)
def test_enforcement_sees_a_released_record_as_it_lay_in_its_inbound_topic(
    headers: list[tuple[str, bytes]], value: bytes | None, attempt: int
) -> None:
    raw = replace(one_signed(), headers=headers, value=value)
    seen = unwrap(released(raw, attempt))
    assert (seen.topic, seen.partition, seen.offset) == (raw.topic, raw.partition, raw.offset)
    assert (seen.timestamp, seen.key, seen.value) == (raw.timestamp, raw.key, raw.value)
    assert list(seen.headers) == list(raw.headers)
    assert (seen.attempt, seen.catalogue) == (attempt, 8)


def test_what_the_bus_did_not_release_stops_the_worker() -> None:
    good = released(one_signed())
    unwrap(good)
    for foreign in (
        replace(good, headers=[]),
        replace(good, headers=good.headers[:-1]),
        replace(good, headers=[*good.headers[:-1], ("bus_attempt", b"x")]),
        replace(good, headers=[*good.headers[:-4], ("bus_in", b"\xff"), *good.headers[-3:]]),
        replace(good, headers=[(PACKED, b"\x09x"), *good.headers[-4:]]),
        replace(good, topic="release.tax-samara"),
        replace(good, partition=good.partition + 1),
    ):
        with pytest.raises(InvariantBroken, match="bus access diff"):
            unwrap(foreign)


def test_records_are_judged_in_runs_of_one_inbound_partition_and_one_attempt() -> None:
    first, second = one_signed(offset=4), one_signed(offset=9)
    other = replace(first, topic=f"in.{AGENCY}.other")
    runs = runs_of(
        RELEASE, [released(one) for one in (first, second, other)] + [released(first, 2)]
    )
    assert [(run.topic, run.attempt, len(run.records)) for run in runs] == [
        (str(SOURCE), 1, 2),
        (other.topic, 1, 1),
        (str(SOURCE), 2, 1),
    ]
    inbound = [first, second]
    assert runs_of(str(SOURCE), inbound) == [
        Run(topic=str(SOURCE), attempt=0, catalogue=0, released_ms=0, records=inbound)
    ]


def test_a_run_knows_when_its_newest_record_was_released() -> None:
    at_5, at_9 = (replace(released(one_signed()), timestamp=at_ms) for at_ms in (5, 9))
    (run,) = runs_of(RELEASE, [at_5, at_9])
    assert run.released_ms == at_9.timestamp
    assert {record.timestamp for record in run.records} == {one_signed().timestamp}
