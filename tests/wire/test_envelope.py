from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.model.identifiers import AgencyCode, DatasetCode, SystemCode
from bus.model.record import Envelope, Group, Lane, Operation
from bus.model.verdict import Reason
from bus.wire import envelope as reading
from bus.wire.envelope import Flaw, arrange, parse_envelope, read_envelope
from bus.wire.headers import compose, event_time_ms
from bus.wire.record_id import record_id

AGENCY, DATASET = AgencyCode("edu"), DatasetCode("schools")
KEY = "12-7"
TIME = "2026-03-01T09:30:00.250Z"
VALUES = [
    None, b"", b"\xff", b"1", b"0", b"01", b"1.0", b"2", b"9223372036854775808", b"\xd9\xa1",
    b"create", b"correct", b"live", b"backfill", b"registry.schools.correct",
    b"urn:bus:edu:other", b"urn:bus:tax:edu-registry", b"urn:bus:schema:8", b"urn:bus:schema:0",
    b"2026-02-30T09:30:00Z", b"2026-03-01T09:30:00,5Z", b"in.edu.schools/3/15",
    b"0123456789abcdef/1/2", b"0" * 32,
]  # fmt: skip
NAMES = ["traceparent", "x", "bus_in", "\udcff", "Ж"]


def sound(dice: Random) -> list[tuple[str, bytes]]:
    operation = dice.choice(list(Operation))
    version = 1 if operation is Operation.CREATE else 2
    return compose(
        Envelope(
            record_id=record_id(AGENCY, DATASET, KEY, version, operation),
            agency=AGENCY,
            system=SystemCode("edu-registry"),
            event_time=TIME,
            schema_id=7,
            operation=operation,
            version=version,
            supersedes=None
            if operation is Operation.CREATE
            else record_id(AGENCY, DATASET, KEY, 1, Operation.CREATE),
            lane=dice.choice(list(Lane)),
            resolves=dice.choice((None, "in.edu.schools/3/15")),
            group=dice.choice((None, Group(id="0" * 16, index=0, size=2))),
        ),
        DATASET,
    )


def spoiled(dice: Random) -> list[tuple[str, bytes | None]]:
    headers: list[tuple[str, bytes | None]] = [*sound(dice)]
    for _ in range(dice.randrange(3)):
        place = dice.randrange(len(headers))
        name, value = headers[place]
        match dice.randrange(5):
            case 0:
                del headers[place]
            case 1:
                headers.append((name, value))
            case 2:
                headers.append((dice.choice(NAMES), b""))
            case 3:
                dice.shuffle(headers)
            case _:
                headers[place] = (name, dice.choice(VALUES))
    return headers


def parse(
    headers: list[tuple[str, bytes]], agency: AgencyCode = AGENCY, dataset: DatasetCode = DATASET
) -> Envelope | Flaw:
    return parse_envelope(headers, agency=agency, dataset=dataset, key=KEY.encode())


@given(st.randoms(use_true_random=False))
@settings(max_examples=300)
def test_what_was_read_before_changes_no_reading(dice: Random) -> None:
    records = [spoiled(dice) for _ in range(6)]
    remembering = [parse(headers) for headers in records]  # type: ignore[arg-type]
    for headers, read in zip(records, remembering, strict=True):
        reading._remembered_kind.cache_clear()
        assert parse(headers) == read  # type: ignore[arg-type]


@given(st.randoms(use_true_random=False))
@settings(max_examples=300)
def test_an_envelope_is_read_exactly_where_no_header_has_a_flaw(dice: Random) -> None:
    headers = spoiled(dice)
    flaw = reading._first_flaw(
        headers,  # type: ignore[arg-type]
        agency=AGENCY,
        dataset=DATASET,
        key=KEY.encode(),
    )
    read = parse(headers)  # type: ignore[arg-type]
    assert isinstance(read, Envelope) if flaw is None else read == flaw


@pytest.mark.parametrize("name", ["bus_supersedes", "bus_resolves", "bus_group"])
def test_a_header_without_a_value_is_not_an_absent_one(name: str) -> None:
    made = map(sound, map(Random, range(99)))
    create = next(headers for headers in made if ("bus_op", b"create") in headers)
    kept = [pair for pair in create if pair[0] not in ("bus_resolves", "bus_group")]
    assert isinstance(parse(kept), Envelope)
    valueless: list[tuple[str, bytes | None]] = [*kept, (name, None)]
    assert parse(valueless) == Flaw(  # type: ignore[arg-type]
        reason=Reason.HEADER_MALFORMED, header=name
    )


def test_headers_read_for_one_topic_say_nothing_for_another() -> None:
    headers = sound(Random(1))
    assert isinstance(parse(headers), Envelope)
    assert parse(headers, agency=AgencyCode("tax")) == Flaw(
        reason=Reason.FOREIGN_SOURCE, header="ce_source"
    )
    assert parse(headers, dataset=DatasetCode("pupils")) == Flaw(
        reason=Reason.HEADER_MALFORMED, header="ce_type"
    )
    assert isinstance(parse(headers), Envelope)


@pytest.mark.parametrize(("later_ms", "is_flaw"), [(-1, True), (0, False)])
def test_an_event_time_behind_the_latest_is_a_flaw(later_ms: int, *, is_flaw: bool) -> None:
    at_ms = event_time_ms(TIME)
    assert at_ms is not None
    read = read_envelope(
        arrange(sound(Random(2))),
        agency=AGENCY,
        dataset=DATASET,
        key=KEY.encode(),
        latest_ms=at_ms + later_ms,
    )
    in_future = Flaw(reason=Reason.EVENT_TIME_IN_FUTURE, header="ce_time")
    assert (read == in_future) == is_flaw


def test_senders_that_vary_their_values_do_not_fill_the_memory() -> None:
    headers = dict(sound(Random(3)))
    for number in range(2_000):
        headers["ce_source"] = b"urn:bus:edu:system-%d" % number
        read = parse(list(headers.items()))
        assert isinstance(read, Envelope)
        assert read.system == f"system-{number}"
    assert reading._remembered_kind.cache_info().currsize <= 512
