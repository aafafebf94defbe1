from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.model.identifiers import AgencyCode, DatasetCode, SystemCode
from bus.model.record import Envelope, Group, Lane, Operation
from bus.model.verdict import Reason
from bus.wire.headers import (
    REQUIRED,
    SIGNED,
    Flaw,
    compose,
    event_time_ms,
    format_time,
    parse_envelope,
)
from bus.wire.record_id import record_id

AGENCY, DATASET, SYSTEM = AgencyCode("edu"), DatasetCode("schools"), SystemCode("edu-registry")
KEY = "12-7"


def envelope(
    *,
    operation: Operation = Operation.CREATE,
    version: int = 1,
    lane: Lane = Lane.LIVE,
    event_time: str = "2026-03-01T09:30:00Z",
    resolves: str | None = None,
    group: Group | None = None,
) -> Envelope:
    return Envelope(
        record_id=record_id(AGENCY, DATASET, KEY, version, operation),
        agency=AGENCY,
        system=SYSTEM,
        event_time=event_time,
        schema_id=7,
        operation=operation,
        version=version,
        supersedes=None
        if operation is Operation.CREATE
        else record_id(AGENCY, DATASET, KEY, version - 1, Operation.CREATE),
        lane=lane,
        resolves=resolves,
        group=group,
    )


def parse(headers: list[tuple[str, bytes]], key: bytes = KEY.encode()) -> Envelope | Flaw:
    return parse_envelope(headers, agency=AGENCY, dataset=DATASET, key=key)


def changed(name: str, value: bytes | None) -> list[tuple[str, bytes]]:
    headers = [pair for pair in compose(envelope(), DATASET) if pair[0] != name]
    return headers if value is None else [*headers, (name, value)]


@given(
    st.sampled_from(Operation),
    st.integers(2, 2**63 - 1),
    st.sampled_from(Lane),
    st.none() | st.just("in.edu.schools/3/15"),
    st.none() | st.just(Group(id="0123456789abcdef", index=63, size=64)),
)
def test_composed_headers_are_parsed_as_they_were(
    operation: Operation, version: int, lane: Lane, resolves: str | None, group: Group | None
) -> None:
    sent = envelope(operation=operation, version=version, lane=lane, resolves=resolves, group=group)
    assert parse(compose(sent, DATASET)) == sent


def test_the_header_list_is_the_agreed_one() -> None:
    assert [name for name, _ in compose(envelope(), DATASET)] == [
        "ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_dataschema",
        "content-type", "bus_op", "bus_version", "bus_lane",
    ]  # fmt: skip
    assert set(REQUIRED) <= set(SIGNED)


@pytest.mark.parametrize("name", REQUIRED)
def test_each_required_header_is_missed_by_name(name: str) -> None:
    assert parse(changed(name, None)) == Flaw(reason=Reason.HEADER_MISSING, header=name)


@pytest.mark.parametrize("name", SIGNED)
def test_a_doubled_header_is_refused(name: str) -> None:
    headers = compose(
        envelope(
            resolves="in.a.b/0/1",
            operation=Operation.CORRECT,
            version=2,
            group=Group(id="0" * 16, index=0, size=2),
        ),
        DATASET,
    )
    twice = [*headers, (name, b"x")]
    assert parse(twice) == Flaw(reason=Reason.HEADER_DOUBLED, header=name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ce_specversion", b"0.3"),
        ("ce_type", b"registry.schools.correct"),
        ("ce_time", b"2026-03-01 09:30:00"),
        ("ce_time", b"2026-02-30T09:30:00Z"),
        ("ce_time", b"2026-03-01T09:30:00+03:00"),
        ("ce_dataschema", b"7"),
        ("ce_dataschema", b"urn:bus:schema:0"),
        ("content-type", b"application/json"),
        ("bus_op", b"delete"),
        ("bus_version", b"0"),
        ("bus_version", b"9223372036854775808"),
        ("bus_version", b"1.0"),
        ("bus_lane", b"fast"),
        ("bus_resolves", b"somewhere"),
        ("bus_supersedes", b"0" * 32),  # a create supersedes nothing
        ("bus_in", b"in.edu.schools/0/0"),  # the bus's own
        ("bus_group", b""),
        ("bus_group", b"0123456789abcdef/0/1"),
        ("bus_group", b"0123456789abcdef/0/65"),
        ("bus_group", b"0123456789abcdef/2/2"),
        ("bus_group", b"0123456789abcdef/00/2"),
        ("bus_group", b"0123456789ABCDEF/0/2"),
        ("ce_id", b"\xff"),
    ],
)
def test_a_malformed_header_is_named(name: str, value: bytes) -> None:
    assert parse(changed(name, value)) == Flaw(reason=Reason.HEADER_MALFORMED, header=name)


def test_a_source_of_another_agency_is_foreign() -> None:
    assert parse(changed("ce_source", b"urn:bus:tax:edu-registry")) == Flaw(
        reason=Reason.FOREIGN_SOURCE, header="ce_source"
    )


@pytest.mark.parametrize(("name", "value"), [("ce_id", b"0" * 32), ("bus_version", b"2")])
def test_an_id_that_is_not_the_derived_one_is_refused(name: str, value: bytes) -> None:
    assert parse(changed(name, value)) == Flaw(reason=Reason.RECORD_ID_MISMATCH, header="ce_id")


def test_a_correction_without_a_predecessor_is_malformed() -> None:
    headers = compose(envelope(operation=Operation.CORRECT, version=2), DATASET)
    assert parse([pair for pair in headers if pair[0] != "bus_supersedes"]) == Flaw(
        reason=Reason.HEADER_MALFORMED, header="bus_supersedes"
    )


def test_a_record_id_is_the_published_one() -> None:
    # A golden value: ids must never change, repeats are known by them.
    assert record_id("edu", "schools", "12-7", 1, "create") == "2cae45d91ba5a1722fdb33af7d94ee3e"


@given(st.integers(0, 4_102_444_800_000))
def test_a_formatted_time_is_read_back(instant_ms: int) -> None:
    assert event_time_ms(format_time(instant_ms)) == instant_ms
