"""No answer holds a field or a row that the agreement's view would not give, or lacks one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bus.catalogue.agreement import Agreement, Condition, ConditionOperator
from bus.catalogue.granted import Grant
from bus.catalogue.schemas import complete_lock
from bus.catalogue.snapshot import Snapshot, build_snapshot, locked_schema_id
from bus.catalogue.views import view_of
from bus.client.delivered import as_text
from bus.client.rows import PreparedRow, RowEncoder
from bus.client.subscription import feed_of
from bus.contracts.contract import SchemaVersion, VersionSource
from bus.contracts.encode import decoder
from bus.gateway.cutting import loaded_records
from bus.gateway.fund_versions import FundVersion
from bus.model.identifiers import AgencyCode
from bus.model.record import Envelope, Lane, Operation
from bus.requests.asked import request_name
from bus.requests.judging import Unfit, judge_answer
from bus.requests.request import DataRequest
from bus.requests.state import RequestState
from bus.wire.record_id import record_id
from bus.wire.topics import Position
from tests.contracts.schemas_and_values import framed, scalar_fields, typed_records
from tests.factories import AGENCY, APPENDED_MS, SYSTEM, signer
from tests.fund import samples
from tests.requests.ground import HEALTH, NOON, REGION
from tests.requests.test_asking import AGREED

OTHER = AgencyCode("education-tolyatti")
THINGS = samples.SCHOOLS
FAR_TOO_LATE = 2**53
OPERATORS = (ConditionOperator.EQUALS, ConditionOperator.ONE_OF, ConditionOperator.PREFIX)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A contract, an agreement on it, and records that meet the contract."""

    schema: Mapping[str, Any]
    agreement: Agreement
    records: Sequence[Mapping[str, object]]


def text_of(value: object) -> str | None:
    match value:
        case bool():
            return str(value).lower()
        case str() | int():
            return str(value)
    return None


@st.composite
def cases(draw: st.DrawFn) -> Case:
    typed = draw(typed_records())
    records = draw(st.lists(typed.values, min_size=1, max_size=4))
    names = [field["name"] for field in typed.schema["fields"]]
    fields = draw(st.none() | st.lists(st.sampled_from(names), min_size=1, unique=True).map(tuple))
    rows = []
    for name in sorted(scalar_fields(typed.schema)):
        texts = [text for one in records if (text := text_of(one[name]))]
        if texts and draw(st.sampled_from([False, True])):
            op = draw(st.sampled_from(OPERATORS))
            value = draw(st.sampled_from(texts))
            value = value[:1] if op is ConditionOperator.PREFIX else value
            rows.append(Condition(field=name, op=op, values=(value,)))
    agreement = replace(
        AGREED,
        dataset=THINGS,
        providers=draw(st.sampled_from([None, (AGENCY,), (OTHER,)])),
        fields=fields,
        rows=tuple(rows),
    )
    return Case(schema=typed.schema, agreement=agreement, records=records)


def snapshot_of(case: Case) -> Snapshot:
    version = SchemaVersion(number=1, schema=case.schema, rules=(), accepted_until=None)
    contract = replace(
        samples.contract(samples.FIELDS_V1), key_field="key", schema_versions=(version,)
    )
    region = replace(REGION, contracts={THINGS: contract}, agreements=(case.agreement,))
    return build_snapshot(replace(region, lock=complete_lock(region)), 9)


def given_by(case: Case, whole: Mapping[str, object]) -> list[dict[str, object]]:
    """Say what an agreement gives of a record, without any code of the bus."""
    agreement = case.agreement
    if agreement.providers is not None and AGENCY not in agreement.providers:
        return []
    for row in agreement.rows:
        text = text_of(whole[row.field])
        starts = row.op is ConditionOperator.PREFIX
        fits = text is not None and (text.startswith(row.values) if starts else text in row.values)
        if not fits:
            return []
    kept = whole if agreement.fields is None else agreement.fields
    return [{name: value for name, value in whole.items() if name in kept}]


def request_for(case: Case, key: str) -> DataRequest:
    request_id = uuid4()
    return DataRequest(
        id=request_name(HEALTH, request_id),
        system=HEALTH,
        request_id=request_id,
        digest=b"",
        consumer=case.agreement.consumer,
        agency=AGENCY,
        dataset=THINGS,
        key=key,
        search=None,
        recorded=None,
        valid=None,
        agreement=case.agreement.id,
        view=None,
        state=RequestState.ASKED,
        reason=None,
        asked_at=NOON,
        settled_at=None,
    )


def version_of(snapshot: Snapshot, value: bytes, key: str, number: int) -> FundVersion:
    envelope = Envelope(
        record_id=record_id(AGENCY, THINGS, key, 1, Operation.CREATE),
        agency=AGENCY,
        system=SYSTEM,
        event_time="2026-03-01T00:00:00Z",
        schema_id=locked_schema_id(snapshot.region, THINGS, 1),
        operation=Operation.CREATE,
        version=1,
        supersedes=None,
        lane=Lane.LIVE,
        resolves=None,
    )
    return FundVersion(
        key=key,
        envelope=envelope,
        value=value,
        inbound=Position(topic=f"in.{AGENCY}.{THINGS}", partition=0, offset=number),
        catalogue=9,
        appended_ms=APPENDED_MS,
        partition=0,
        offset=number,
    )


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_an_answer_is_what_the_agreement_gives_and_nothing_more(case: Case) -> None:
    snapshot = snapshot_of(case)
    region = snapshot.region
    view = view_of(case.agreement, region.contracts[THINGS])
    projection = snapshot.cut_of(view)
    decoders = feed_of(region, THINGS, Grant(topic="t", view=view, agreements=())).decoders
    schema_id = locked_schema_id(region, THINGS, 1)
    read_whole = decoder(case.schema)

    def read(value: bytes) -> dict[str, object]:
        return decoders[int.from_bytes(value[1:5], "big")](value)

    for number, record in enumerate(case.records):
        value = b"\0" + schema_id.to_bytes(4, "big") + framed(case.schema, record)[5:]
        key, whole = str(record["key"]), read_whole(value)
        expected = given_by(case, whole)
        from_fund = loaded_records(
            [version_of(snapshot, value, key, number)],
            dataset=THINGS,
            topic="answer.x",
            projection=projection,
            is_open=lambda _: True,
            snapshot=snapshot,
            signer=signer("bus"),
        )
        assert [read(one.value) for one in from_fund] == expected
        written = json.loads(json.dumps(record, default=as_text))
        by_hand = judge_answer(
            [written],
            request=request_for(case, key),
            by=SYSTEM,
            projection=projection,
            snapshot=snapshot,
            now_ms=APPENDED_MS,
        )
        assert not isinstance(by_hand, Unfit), [str(one) for one in by_hand.findings]
        assert [read(one.value) for one in by_hand] == expected


def test_a_field_left_out_of_an_answer_by_hand_is_what_it_is_when_left_out_of_a_row() -> None:
    fields = [
        {"name": "key", "type": "string"},
        {"name": "note", "type": ["string", "null"], "default": "none said"},
        {"name": "kind", "type": "string", "default": "day"},
        {"name": "scan", "type": "bytes", "default": "AA=="},
        {"name": "closed", "type": ["null", "int"], "default": None},
    ]
    case = Case(
        schema={"type": "record", "name": "R", "fields": fields},
        agreement=replace(AGREED, dataset=THINGS, fields=None, rows=(), providers=(AGENCY,)),
        records=(),
    )
    snapshot = snapshot_of(case)
    contract = replace(snapshot.region.contracts[THINGS], version_source=VersionSource.PUBLISHER)
    row = {"key": "1", "scan": b"\1"}
    published = RowEncoder(contract, locked_schema_id(snapshot.region, THINGS, 1)).prepare(row, 1)
    answered = judge_answer(
        [{"key": "1", "scan": "AQ=="}],
        request=request_for(case, "1"),
        by=SYSTEM,
        projection=snapshot.cut_of(view_of(case.agreement, snapshot.region.contracts[THINGS])),
        snapshot=snapshot,
        now_ms=APPENDED_MS,
    )
    assert isinstance(published, PreparedRow)
    assert not isinstance(answered, Unfit)
    read = decoder(case.schema)
    assert [read(one.value) for one in answered] == [read(published.value)]


def test_an_agreement_that_closed_shows_no_answer_by_hand() -> None:
    case = Case(
        schema={"type": "record", "name": "R", "fields": [{"name": "key", "type": "string"}]},
        agreement=replace(AGREED, dataset=THINGS, fields=("key",), rows=(), providers=None),
        records=(),
    )
    snapshot = snapshot_of(case)
    view = view_of(case.agreement, snapshot.region.contracts[THINGS])
    for now_ms, shown in ((APPENDED_MS, 1), (FAR_TOO_LATE, 0)):
        judged = judge_answer(
            [{"key": "1"}],
            request=request_for(case, "1"),
            by=SYSTEM,
            projection=snapshot.cut_of(view),
            snapshot=snapshot,
            now_ms=now_ms,
        )
        assert not isinstance(judged, Unfit)
        assert len(judged) == shown
