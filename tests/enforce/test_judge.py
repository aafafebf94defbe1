from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.catalogue.parties import SigningKey
from bus.catalogue.snapshot import Snapshot, build_snapshot
from bus.enforce.judge import judge
from bus.model.identifiers import DatasetCode, KeyId, SystemCode
from bus.model.record import Operation
from bus.model.verdict import Accepted, Quarantined, Reason, Verdict
from bus.wire import topics
from bus.wire.signature import BatchSigner, SignatureChecker
from tests import factories
from tests.factories import APPENDED_MS, Raw, one_signed, signed, unsigned


def judged(
    *raws: Raw, under: Snapshot | None = None, source: topics.Inbound = factories.SOURCE
) -> list[Verdict]:
    return judge(
        raws, source=source, snapshot=under or factories.snapshot(), checker=SignatureChecker()
    )


def reason(raw: Raw, under: Snapshot | None = None) -> tuple[Reason, str]:
    (verdict,) = judged(raw, under=under)
    assert isinstance(verdict, Quarantined), verdict
    return verdict.reason, verdict.path


def with_header(raw: Raw, name: str, value: bytes | None) -> Raw:
    kept = [pair for pair in raw.headers if pair[0] != name]
    return replace(raw, headers=kept if value is None else [*kept, (name, value)])


def test_headers_that_weigh_nothing_are_counted() -> None:
    """128 are taken, of which no name may stand twice; a record may hold half a million."""
    raw = one_signed()
    rest = 128 - len(raw.headers)
    assert isinstance(judged(replace(raw, headers=[*raw.headers, *nameless(rest)]))[0], Accepted)
    too_many = replace(raw, headers=[*raw.headers, *nameless(rest + 1)])
    assert reason(too_many) == (Reason.HEADERS_TOO_LARGE, "headers")


def nameless(count: int) -> list[tuple[str, bytes]]:
    return [(f"x{number}", b"") for number in range(count)]


def test_a_sound_record_is_accepted_with_its_envelope_and_fields_located() -> None:
    raw = one_signed()
    (verdict,) = judged(raw)
    assert isinstance(verdict, Accepted)
    assert raw.value is not None
    spans = verdict.examined.spans
    assert raw.value[: spans[0]] == b"\0\0\0\0\1"
    assert spans[-1] == len(raw.value)
    assert verdict.examined.wanted == {"oktmo": "36701000"}
    assert verdict.envelope.system == factories.SYSTEM


def test_no_value_of_a_record_stands_in_what_is_told_of_its_verdict() -> None:
    accepted, refused = judged(*signed([unsigned(), unsigned(key="63-2", places=-1)]))
    assert (type(accepted), type(refused)) == (Accepted, Quarantined)
    for verdict in (accepted, refused):
        told = repr(verdict)
        assert not any(part in told for part in ("36701000", "Садовая", "Смирнова", "b'", "spans"))


@pytest.mark.parametrize("value", [None, b""])
def test_a_record_without_a_value_is_no_deletion(value: bytes | None) -> None:
    assert reason(replace(one_signed(), value=value)) == (Reason.EMPTY_VALUE, "value")


def test_a_value_is_carried_up_to_the_limit_and_not_a_byte_more() -> None:
    at_limit = one_signed(value=b"\0" * 262_144)
    assert reason(at_limit) == (Reason.SCHEMA_UNKNOWN, "value")
    assert reason(one_signed(value=b"\0" * 262_145)) == (Reason.VALUE_TOO_LARGE, "value")


def test_headers_over_16_kib_are_too_large() -> None:
    raw = one_signed()
    large = replace(raw, headers=[*raw.headers, ("x", b"." * 16_384)])
    assert reason(large) == (Reason.HEADERS_TOO_LARGE, "headers")


def test_a_record_without_a_key_is_set_aside() -> None:
    assert reason(replace(one_signed(), key=None)) == (Reason.KEY_MISMATCH, "key")


def test_a_key_that_differs_from_the_key_field_is_set_aside() -> None:
    value = factories.encoded({**factories.VALID, "registry_number": "63-0002"})
    assert reason(one_signed(value=value)) == (Reason.KEY_MISMATCH, "registry_number")


def test_a_missing_header_is_named() -> None:
    assert reason(with_header(one_signed(), "bus_version", None)) == (
        Reason.HEADER_MISSING,
        "bus_version",
    )


def test_an_unsigned_record_is_set_aside() -> None:
    assert reason(unsigned()) == (Reason.UNSIGNED, "bus_sig")


def test_a_garbled_signature_is_invalid() -> None:
    assert reason(with_header(one_signed(), "bus_sig", b"x")) == (
        Reason.SIGNATURE_INVALID,
        "bus_sig",
    )


def test_a_key_that_nobody_knows_is_unknown() -> None:
    stranger = BatchSigner(KeyId("edu-registry.9"), b"\x09" * 32)
    assert reason(signed([unsigned()], stranger)[0])[0] is Reason.KEY_UNKNOWN


def test_a_key_of_another_agency_is_foreign() -> None:
    assert reason(signed([unsigned()], factories.signer("egrul-feed"))[0])[0] is Reason.KEY_FOREIGN


@pytest.mark.parametrize(
    "key",
    [
        factories.signing_key("edu-registry", valid_from=datetime(2027, 1, 1, tzinfo=UTC)),
        factories.signing_key("edu-registry", valid_to=datetime(2026, 2, 1, tzinfo=UTC)),
        factories.signing_key("edu-registry", revoked_at=datetime(2026, 2, 1, tzinfo=UTC)),
    ],
    ids=["not yet", "no more", "revoked"],
)
def test_a_key_counts_only_in_its_time(key: SigningKey) -> None:
    under = build_snapshot(factories.region(key), 8)
    assert reason(one_signed(), under)[0] is Reason.KEY_NOT_VALID


def test_a_key_is_good_for_what_was_appended_before_its_revocation() -> None:
    key = factories.signing_key(
        "edu-registry", revoked_at=datetime.fromtimestamp(APPENDED_MS / 1000 + 1, UTC)
    )
    (verdict,) = judged(one_signed(), under=build_snapshot(factories.region(key), 8))
    assert isinstance(verdict, Accepted)


def test_an_event_five_minutes_ahead_is_believed_and_one_later_is_not() -> None:
    ahead = datetime.fromtimestamp(APPENDED_MS / 1000 + 300, UTC).isoformat()
    later = datetime.fromtimestamp(APPENDED_MS / 1000 + 301, UTC).isoformat()
    (verdict,) = judged(one_signed(event_time=ahead.replace("+00:00", "Z")))
    assert isinstance(verdict, Accepted)
    assert reason(one_signed(event_time=later.replace("+00:00", "Z"))) == (
        Reason.EVENT_TIME_IN_FUTURE,
        "ce_time",
    )


def test_a_row_that_is_none_is_told_as_such_once_its_signature_is_good() -> None:
    row = one_signed(value=b'{"row": "a;b"}', is_unreadable_row=True)
    assert reason(row) == (Reason.ROW_UNREADABLE, "value")
    changed = replace(row, value=b'{"row": "a;c"}')
    assert reason(changed) == (Reason.SIGNATURE_INVALID, "bus_sig")


def test_a_value_without_a_frame_is_unframed() -> None:
    assert reason(one_signed(value=b'{"a": 1}')) == (Reason.UNFRAMED, "value")


def test_a_schema_that_no_contract_has_is_unknown() -> None:
    value = factories.encoded(factories.VALID, schema_id=999)
    assert reason(one_signed(value=value)) == (Reason.SCHEMA_UNKNOWN, "value")


def test_a_schema_of_another_dataset_is_foreign() -> None:
    organisations = factories.snapshot().region.lock.get("organisations", 1)
    assert organisations is not None
    value = factories.encoded(factories.VALID, schema_id=organisations.id)
    assert reason(one_signed(value=value)) == (Reason.SCHEMA_FOREIGN, "value")


def test_a_header_that_names_another_schema_than_the_frame_is_malformed() -> None:
    assert reason(one_signed(schema_id=2)) == (Reason.HEADER_MALFORMED, "ce_dataschema")


def test_an_expired_schema_version_is_refused_from_its_end_on() -> None:
    snapshot = factories.snapshot()
    until = replace(snapshot.schemas[1], accepted_until_ms=APPENDED_MS)
    under = replace(snapshot, schemas={**snapshot.schemas, 1: until})
    assert reason(one_signed(), under) == (Reason.SCHEMA_EXPIRED, "value")
    (verdict,) = judged(replace(one_signed(), timestamp=APPENDED_MS - 1), under=under)
    assert isinstance(verdict, Accepted)


def test_an_operation_outside_the_contract_is_refused() -> None:
    snapshot = factories.snapshot()
    only_create = replace(snapshot.schemas[1], operations=frozenset({Operation.CREATE}))
    under = replace(snapshot, schemas={**snapshot.schemas, 1: only_create})
    first = unsigned()
    record_id = dict(first.headers)["ce_id"].decode()
    correction = one_signed(operation=Operation.CORRECT, version=2, supersedes=record_id)
    assert reason(correction, under) == (Reason.OPERATION_NOT_ALLOWED, "bus_op")


def test_cut_and_padded_values_are_told_apart() -> None:
    value = factories.encoded(factories.VALID)
    assert reason(one_signed(value=value[:-1]))[0] is Reason.MALFORMED_AVRO
    assert reason(one_signed(value=value + b"\0"))[0] is Reason.TRAILING_BYTES


def test_every_broken_rule_is_told_at_once() -> None:
    (verdict,) = judged(one_signed(inn="6317000001", kind="unheard-of", full_name=" "))
    assert isinstance(verdict, Quarantined)
    assert verdict.reason is Reason.RULE_VIOLATED
    assert {violation.path for violation in verdict.violations} >= {"inn", "kind", "full_name"}


def test_a_topic_of_a_dataset_without_a_contract_accepts_nothing() -> None:
    foreign = topics.Inbound(agency=factories.AGENCY, dataset=DatasetCode("unheard-of"))
    (verdict,) = judged(one_signed(), source=foreign)
    assert isinstance(verdict, Quarantined)
    assert verdict.reason is Reason.NO_CONTRACT


def test_a_key_is_carried_up_to_512_bytes_and_not_a_byte_more() -> None:
    assert reason(replace(one_signed(), key=b"k" * 512))[0] is Reason.RECORD_ID_MISMATCH
    assert reason(replace(one_signed(), key=b"k" * 513)) == (Reason.KEY_TOO_LARGE, "key")


def test_a_header_name_that_is_not_utf_8_is_malformed() -> None:
    name = b"x-\xff".decode(errors="surrogateescape")
    raw = one_signed()
    odd = replace(raw, headers=[*raw.headers, (name, b"x")])
    assert reason(odd) == (Reason.HEADER_MALFORMED, "other")


def test_a_text_too_long_to_be_searched_breaks_its_pattern() -> None:
    (verdict,) = judged(one_signed(email="a@" + "." * 120_000))
    assert isinstance(verdict, Accepted)  # the rule observes
    assert "email-form" in {violation.rule for violation in verdict.examined.violations}


def test_bad_records_leave_their_neighbours_alone() -> None:
    raws = signed([unsigned(offset=offset, key=f"63-{offset}") for offset in range(8)])
    raws[3] = replace(raws[3], value=(raws[3].value or b"") + b"\0")
    raws[5] = with_header(raws[5], "bus_sig", None)
    verdicts = judged(*raws)
    assert [isinstance(verdict, Accepted) for verdict in verdicts] == [
        place not in {3, 5} for place in range(8)
    ]
    assert [verdict.raw for verdict in verdicts] == list(raws)


def changed_byte(raw: Raw, place: int, mask: int) -> Raw:
    """Change one byte of key, value or a header's value, counted through all of them."""
    assert raw.key is not None
    assert raw.value is not None
    parts = [raw.key, raw.value, *(value for _, value in raw.headers)]
    for number, part in enumerate(parts):
        if place < len(part):
            parts[number] = part[:place] + bytes([part[place] ^ mask]) + part[place + 1 :]
            break
        place -= len(part)
    names = [name for name, _ in raw.headers]
    return replace(
        raw, key=parts[0], value=parts[1], headers=list(zip(names, parts[2:], strict=True))
    )


ONE_OF_FIVE: Sequence[Raw] = signed([unsigned(key=f"63-{n}", offset=n) for n in range(5)])
TARGET = ONE_OF_FIVE[2]
BYTES = len(TARGET.key or b"") + len(TARGET.value or b"") + sum(len(v) for _, v in TARGET.headers)


@given(st.integers(0, BYTES - 1), st.integers(1, 255))
@settings(max_examples=1000)
def test_any_changed_byte_is_refused(place: int, mask: int) -> None:
    batch = [*ONE_OF_FIVE[:2], changed_byte(TARGET, place, mask), *ONE_OF_FIVE[3:]]
    verdicts = judged(*batch)
    assert [isinstance(verdict, Accepted) for verdict in verdicts] == [
        True,
        True,
        False,
        True,
        True,
    ]


def test_the_system_in_the_source_must_own_the_key() -> None:
    other = with_header(unsigned(), "ce_source", f"urn:bus:{factories.AGENCY}:other".encode())
    assert SystemCode("other") != factories.SYSTEM
    assert reason(signed([other])[0])[0] is Reason.KEY_FOREIGN
