"""The bytes that are signed, held against a file, and how decisions are written and read."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import permutations
from pathlib import Path
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from bus.catalogue.agreement import Agreement, Condition, ConditionOperator
from bus.catalogue.agreement_text import render_decisions
from bus.catalogue.decision import Decision, DecisionKind, Side, is_signed_by, signed, statement
from bus.catalogue.region import decisions_of
from bus.catalogue.shapes import DecisionsShape
from bus.catalogue.terms import terms_digest, terms_statement
from bus.contracts.rules import Text
from bus.contracts.yaml_document import read_yaml
from bus.model.identifiers import AgencyCode, DatasetCode, KeyId, SystemCode
from tests.catalogue.deciding import both_approve, the_agreement
from tests.catalogue.linting import lint
from tests.catalogue.small_region import drafted_region, planted, small_region

GOLDEN: Final = json.loads(
    Path(__file__).with_name("agreement_decision.json").read_text(encoding="utf-8")
)
SEED: Final = bytes(range(32))
LIMITED: Final = Agreement(
    id="health-shelters",
    providers=(AgencyCode("civil-large"), AgencyCode("civil-small")),
    consumer=AgencyCode("health-small"),
    systems=(SystemCode("health-maps"), SystemCode("health-desk")),
    dataset=DatasetCode("shelters"),
    fields=("oktmo", "number", "address"),
    rows=(
        Condition(field="oktmo", op=ConditionOperator.TERRITORY, values=("36740000", "36701000")),
        Condition(field="number", op=ConditionOperator.EQUALS, values=('№ "7"\\',)),
    ),
    history_from=date(2026, 3, 1),
    purpose=Text(ru="Планирование", en="Planning"),
    legal_basis="Закон о гражданской обороне",
    valid_from=date(2026, 2, 1),
    valid_to=date(2027, 12, 31),
)
WHOLE: Final = replace(LIMITED, providers=None, fields=None, rows=(), history_from=None)
APPROVAL: Final = Decision(
    agreement="health-shelters",
    side=Side.PROVIDER,
    number=2,
    kind=DecisionKind.APPROVE,
    by="Начальник отдела «убежищ»",
    on=date(2026, 1, 10),
    key_id=KeyId("shelter-list.1"),
    terms=terms_digest(LIMITED),
    fields={"oktmo": "0123456789abcdef" * 2, "address": "fedcba9876543210" * 2},
)
SUSPENSION: Final = Decision(
    agreement="health-shelters",
    side=Side.CONSUMER,
    number=1,
    kind=DecisionKind.SUSPEND,
    by="Head",
    on=date(2026, 5, 1),
    key_id=KeyId("health-maps.1"),
    at=datetime(2026, 5, 2, 9, 0, 7, tzinfo=UTC),
)
REFUSAL: Final = replace(APPROVAL, kind=DecisionKind.REFUSE, why="Слишком много полей: 3")


def test_terms_are_the_bytes_of_the_file() -> None:
    for name, agreement in (("limited", LIMITED), ("whole", WHOLE)):
        golden = GOLDEN["terms"][name]
        assert terms_statement(agreement) == golden["bytes"].encode()
        assert terms_digest(agreement) == golden["sha256"]


def test_a_decision_s_bytes_and_signature_are_those_of_the_file() -> None:
    for name, decision in (("approval", APPROVAL), ("refusal", REFUSAL), ("rest", SUSPENSION)):
        golden = GOLDEN["decisions"][name]
        assert statement(decision) == golden["bytes"].encode()
        assert signed(decision, SEED).signature.hex() == golden["signature"]


def test_what_a_contract_says_of_its_fields_is_the_digests_of_the_file() -> None:
    approval = the_agreement(both_approve(drafted_region())).decisions[0].decision
    assert approval.fields == GOLDEN["meanings"]


def test_order_and_repetition_are_no_terms() -> None:
    for fields in permutations(("oktmo", "number", "address", "number")):
        assert terms_digest(replace(LIMITED, fields=fields)) == terms_digest(LIMITED)
    for rows in permutations(LIMITED.rows * 2):
        assert terms_digest(replace(LIMITED, rows=rows)) == terms_digest(LIMITED)


WORD: Final = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1)
DAY: Final = st.dates(date(2026, 1, 1), date(2027, 12, 31))
ROW: Final = st.builds(
    lambda field, op, values: Condition(field=field, op=op, values=tuple(values)),
    st.sampled_from(["number", "oktmo"]),
    st.sampled_from(ConditionOperator),
    st.lists(WORD, min_size=1, max_size=3),
)
EDITS: Final = st.one_of(
    st.fixed_dictionaries({"id": st.sampled_from(["health-shelter", "health-shelters2"])}),
    st.fixed_dictionaries({"providers": st.none() | st.lists(WORD, max_size=2).map(tuple)}),
    st.fixed_dictionaries({"consumer": WORD}),
    st.fixed_dictionaries({"systems": st.lists(WORD, max_size=2).map(tuple)}),
    st.fixed_dictionaries({"dataset": WORD}),
    st.fixed_dictionaries({"fields": st.none() | st.lists(WORD, max_size=4).map(tuple)}),
    st.fixed_dictionaries({"rows": st.lists(ROW, max_size=3).map(tuple)}),
    st.fixed_dictionaries({"history_from": st.none() | DAY}),
    st.fixed_dictionaries({"purpose": st.builds(Text, ru=WORD, en=WORD)}),
    st.fixed_dictionaries({"legal_basis": WORD}),
    st.fixed_dictionaries({"valid_from": DAY}),
    st.fixed_dictionaries({"valid_to": DAY}),
)


def meaning(agreement: Agreement) -> object:
    """Give the terms as sets, without any text between them."""
    rows = {(row.field, row.op, frozenset(row.values)) for row in agreement.rows}
    named = None if agreement.fields is None else frozenset(agreement.fields)
    sets = (frozenset(agreement.systems), named, frozenset(rows))
    bare = replace(agreement, systems=(), fields=None, rows=())
    return sets, bare


@given(EDITS, EDITS)
def test_terms_have_one_digest_exactly_when_they_mean_one_thing(
    one: dict[str, object], other: dict[str, object]
) -> None:
    first = replace(LIMITED, **one)  # type: ignore[arg-type]
    second = replace(LIMITED, **other)  # type: ignore[arg-type]
    assert (terms_digest(first) == terms_digest(second)) == (meaning(first) == meaning(second))


MOMENT: Final = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
)
POST: Final = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1).filter(
    lambda text: text == text.strip()
)
FIELDS: Final = st.dictionaries(
    st.from_regex(r"[A-Za-z_][A-Za-z0-9_]*", fullmatch=True),
    st.binary(min_size=16, max_size=16).map(bytes.hex),
    max_size=3,
)
DECISIONS: Final = st.one_of(
    st.builds(replace, st.just(APPROVAL), number=st.just(1), by=POST, on=DAY, fields=FIELDS),
    st.builds(replace, st.just(REFUSAL), number=st.just(1), by=POST, why=POST, fields=FIELDS),
    st.builds(
        replace,
        st.just(SUSPENSION),
        side=st.just(Side.PROVIDER),
        kind=st.sampled_from([DecisionKind.SUSPEND, DecisionKind.RESUME, DecisionKind.END]),
        by=POST,
        at=MOMENT,
    ),
)


@given(DECISIONS)
def test_a_decision_written_and_read_is_the_same_and_stays_signed(decision: Decision) -> None:
    public = Ed25519PrivateKey.from_private_bytes(SEED).public_key().public_bytes_raw()
    one = signed(decision, SEED)
    document = read_yaml("d.yaml", render_decisions([one, replace(one, number=2)]))
    read = decisions_of(DecisionsShape.model_validate(document.value))
    assert read == (one, replace(one, number=2))
    assert is_signed_by(read[0], public)
    assert not is_signed_by(read[1], public), "its place is part of what is signed"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("    terms: ", "    at: 2026-01-01T00:00:00Z\n    terms: ", "fields terms, and no other"),
        ("decision: approve", "decision: end", "at, and no other"),
        ("decision: approve", "decision: refuse", "fields terms why, and no other"),
        ("    terms: ", "    trems: ", "Did you mean `terms`?"),
    ],
)
def test_a_decision_has_what_belongs_to_it_and_nothing_else(
    old: str, new: str, expected: str
) -> None:
    path = "decisions/health-shelters.provider.yaml"
    findings = lint(planted(small_region(), path, old, new))
    assert expected in " ".join(map(str, findings))


def test_a_file_of_decisions_is_named_by_agreement_and_side() -> None:
    documents = small_region()
    content = documents.pop("decisions/health-shelters.provider.yaml")
    findings = lint({**documents, "decisions/health-shelters.yaml": content})
    assert [one.expected for one in findings] == ["`health-shelters`, as the file is named"]


def test_decisions_on_an_agreement_that_is_gone_are_no_fault() -> None:
    documents = small_region()
    del documents["agreements/health-shelters.yaml"]
    assert lint(documents) == ()
