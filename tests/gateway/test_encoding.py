from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.catalogue.snapshot import build_snapshot
from bus.contracts.encode import decoder
from bus.enforce.judge import judge
from bus.gateway.encoding import RecordEncoding, Sender, Trace, encode_records, parse_records
from bus.gateway.problems import Problem
from bus.model.identifiers import KeyId
from bus.model.verdict import Accepted, Quarantined, Reason
from bus.texts import Language
from bus.wire.delivery import Delivery, sign
from bus.wire.record_id import record_id
from bus.wire.signature import BatchSigner, SignatureChecker
from tests.factories import (
    AGENCY,
    APPENDED_MS,
    DATASET,
    SEEDS,
    SOURCE,
    SYSTEM,
    VALID,
    Raw,
    region,
    signing_key,
)

DELEGATED = KeyId("edu-registry.gateway-1")
SNAPSHOT = build_snapshot(
    region(
        signing_key("edu-registry"),
        signing_key("edu-registry", key_id=DELEGATED, is_delegated=True),
    ),
    7,
)
SENDER = Sender(source=SOURCE, system=SYSTEM, dataset=DATASET)
ENCODING = RecordEncoding.of(SNAPSHOT, DATASET)
NOW = datetime(2026, 3, 31, 20, tzinfo=UTC)
UNTRACED = Trace(share=0.0)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def record(
    *, op: str = "create", version: int = 1, value: object = VALID, **more: object
) -> object:
    return {"op": op, "version": version, "value": value, **more}


def encoded(*records: object) -> list[Delivery]:
    given = parse_records(json.dumps({"records": records}).encode())
    return encode_records(
        given, SENDER, ENCODING, partition_of=lambda _: 2, now=NOW, trace=UNTRACED
    )


def refused(body: bytes) -> Problem:
    with pytest.raises(Problem) as caught:
        encode_records(
            parse_records(body), SENDER, ENCODING, partition_of=lambda _: 2, now=NOW, trace=UNTRACED
        )
    return caught.value


def errors(problem: Problem) -> dict[str, str]:
    content = problem.content(Language.EN)
    listed = content["errors"]
    assert isinstance(listed, list)
    return {one["path"]: one["expected"] for one in listed}


def judged(delivery: Delivery) -> Accepted | Quarantined:
    raw = Raw(
        timestamp=APPENDED_MS, key=delivery.key, value=delivery.value, headers=delivery.headers
    )
    (verdict,) = judge([raw], source=SOURCE, snapshot=SNAPSHOT, checker=SignatureChecker())
    return verdict


def test_what_is_encoded_and_signed_with_the_delegated_key_is_accepted() -> None:
    (delivery,) = encoded(record())
    sign([delivery], BatchSigner(DELEGATED, SEEDS["edu-registry"]))
    verdict = judged(delivery)
    assert isinstance(verdict, Accepted)
    assert verdict.envelope.record_id == record_id(
        AGENCY, DATASET, str(VALID["registry_number"]), 1, "create"
    )
    assert b"edu-registry.gateway-1" in dict(delivery.headers)["bus_sig"]
    values = decoder(SNAPSHOT.region.contracts[DATASET].newest.schema)(delivery.value or b"")
    assert values.items() >= dict(VALID).items()


def test_a_rule_is_enforcements_to_judge() -> None:
    (delivery,) = encoded(record(value={**VALID, "inn": "6317000001"}))
    sign([delivery], BatchSigner(DELEGATED, SEEDS["edu-registry"]))
    verdict = judged(delivery)
    assert isinstance(verdict, Quarantined)
    assert verdict.reason is Reason.RULE_VIOLATED


def test_everything_that_can_not_be_written_is_told_at_once_and_no_value() -> None:
    secret = "Смирнова-Тайная"
    problem = refused(
        json.dumps(
            {
                "records": [
                    record(value={**VALID, "places": secret, "director": 5}),
                    record(op="correct", version=2),
                    record(value={**VALID, "registry_number": "a\0b"}),
                ]
            }
        ).encode()
    )
    assert (problem.status, problem.code) == (422, "not_encodable")
    assert errors(problem).keys() == {
        "records.0.value.places",
        "records.0.value.director",
        "records.1.supersedes",
        "records.2.value.registry_number",
    }
    for language in Language:
        assert secret not in str(problem.content(language))


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({"op": "remove"}, "records.0.op"),
        ({"version": 0}, "records.0.version"),
        ({"version": 2**63}, "records.0.version"),
        ({"version": "1"}, "records.0.version"),
        ({"version": True}, "records.0.version"),
        ({"agency": "health-samara"}, "records.0.agency"),
        ({"event_time": "2026-03-01T00:00:00"}, "records.0.event_time"),
        ({"event_time": "0001-01-01T00:00:00+14:00"}, "records.0.event_time"),
        ({"supersedes": "' OR 1=1 --"}, "records.0.supersedes"),
        ({"resolves": "in.a.b/1/1; DROP TABLE"}, "records.0.resolves"),
        ({"value": []}, "records.0.value"),
    ],
)
def test_a_member_that_is_not_as_it_has_to_be_is_named(
    changed: Mapping[str, object], path: str
) -> None:
    given = {**record(), **changed}  # type: ignore[dict-item]
    problem = refused(json.dumps({"records": [given]}).encode())
    assert (problem.status, problem.code) == (422, "not_encodable")
    assert path in errors(problem)


@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"[" * 100_000, b'{"records": [', b'{"a": "\\ud800"}', b"NaN"]
)
def test_what_is_no_json_is_told_so(body: bytes) -> None:
    problem = refused(body)
    assert problem.status in {400, 422}
    for language in Language:
        assert problem.content(language)["next_step"]


@given(st.dictionaries(st.sampled_from([*VALID, "inn", "opened_on", "x"]), JSON, max_size=12))
def test_whatever_json_is_given_is_encoded_or_refused_with_words(value: object) -> None:
    try:
        told: Problem | Delivery = encoded(record(value=value))[0]
    except Problem as problem:
        told = problem
    if isinstance(told, Delivery):
        assert told.value
        return
    assert told.status == 422
    for language in Language:
        assert told.content(language)["errors"]
