"""What both sides' decisions come to: what holds, what falls, and what nobody can forge."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.catalogue.agreement import AgreementState, Standing
from bus.catalogue.decision import Decision, DecisionKind, Proof, Side
from bus.catalogue.lint_decision import unapproved
from bus.catalogue.region import parse_region
from bus.catalogue.signing import decisions_of_side
from bus.catalogue.views import drafted_views_of, views_of
from tests.catalogue.deciding import (
    AGREEMENT_ID,
    DAY,
    KEYS,
    SUMMER,
    both_approve,
    decide,
    key,
    path_of,
    the_agreement,
    with_decisions,
)
from tests.catalogue.linting import lint
from tests.catalogue.small_region import AGREEMENT, CONTRACT, SCHEMA, drafted_region, planted

DRAFTED = drafted_region()
APPROVED = both_approve(DRAFTED)


def state(documents: dict[str, bytes], moment: datetime = SUMMER) -> AgreementState:
    return the_agreement(documents).state_at(moment)


def standings(documents: dict[str, bytes]) -> tuple[Standing, Standing]:
    one = the_agreement(documents)
    return one.provider_consent.standing, one.consumer_consent.standing


def test_a_draft_grants_nothing_and_keeps_nothing_from_being_applied() -> None:
    assert state(DRAFTED) is AgreementState.DRAFT
    assert lint(DRAFTED) == ()
    region = parse_region(DRAFTED)
    assert views_of(region) == ()
    assert len(drafted_views_of(region)) == 1, "its schema has an id already"


def test_one_approval_is_none_and_two_are_in_force() -> None:
    by_one = decide(DRAFTED, Side.PROVIDER, DecisionKind.APPROVE)
    assert state(by_one) is AgreementState.DRAFT
    assert not the_agreement(by_one).is_approved
    assert views_of(parse_region(by_one)) == ()
    assert state(APPROVED) is AgreementState.IN_FORCE
    assert len(views_of(parse_region(APPROVED))) == 1
    assert lint(APPROVED) == ()


def test_an_approval_counts_from_its_day() -> None:
    late = both_approve(DRAFTED, on=date(2026, 5, 1))
    day = datetime(2026, 5, 1, tzinfo=UTC)
    assert state(late, day - timedelta(seconds=1)) is AgreementState.DRAFT
    assert state(late, day) is AgreementState.IN_FORCE


def test_before_its_term_an_approved_agreement_is_to_come_and_after_it_any_has_ended() -> None:
    assert state(APPROVED, datetime(2026, 1, 31, tzinfo=UTC)) is AgreementState.TO_COME
    assert state(APPROVED, datetime(2028, 1, 1, tzinfo=UTC)) is AgreementState.ENDED
    assert state(DRAFTED, datetime(2028, 1, 1, tzinfo=UTC)) is AgreementState.ENDED


OWN_SYSTEM = ("systems: [health-maps]", "systems: [shelter-list]")
TERMS = (
    ("consumer: health-small\n", "consumer: civil-small\n", OWN_SYSTEM),
    ("providers: [civil-small]\n", "", None),
    ("fields: [number, address, oktmo]\n", "fields: [number, address]\n", None),
    ("fields: [number, address, oktmo]\n", "", None),
    ('values: ["36701"]', 'values: ["36701", "36740"]', None),
    ("op: prefix", "op: territory", None),
    ('rows:\n  - {field: oktmo, op: prefix, values: ["36701"]}\n', "", None),
    ("ru: Планирование", "ru: Планирование мест", None),
    ("en: Planning", "en: Planning of places", None),
    ("legal_basis: Закон о", "legal_basis: Указ о", None),
    ("valid_from: 2026-02-01", "valid_from: 2026-01-31", None),
    ("valid_to: 2027-12-31", "valid_to: 2028-12-31", None),
    ("valid_to: 2027-12-31", "valid_to: 2027-12-31\nhistory_from: 2026-02-01", None),
)


@pytest.mark.parametrize(("old", "new", "also"), TERMS)
def test_any_edit_of_any_term_voids_both_approvals(
    old: str, new: str, also: tuple[str, str] | None
) -> None:
    changed = planted(APPROVED, AGREEMENT, old, new)
    if also is not None:
        changed = planted(changed, AGREEMENT, *also)
    assert not the_agreement(changed).is_approved
    if also is None:
        assert standings(changed) == (Standing.TERMS_CHANGED, Standing.TERMS_CHANGED)
        assert state(changed) is AgreementState.TO_APPROVE
        assert state(both_approve(changed)) is AgreementState.IN_FORCE, "renewed, by both"
        assert state(both_approve(changed)) is AgreementState.IN_FORCE
    assert views_of(parse_region(changed)) == ()


ORDERS = st.permutations(["number", "address", "oktmo", "closed_on"])


@given(ORDERS, st.permutations(["36701", "36740", "36702"]), st.booleans())
def test_the_order_in_which_terms_are_written_is_no_term(
    fields: list[str], values: list[str], has_remark: bool
) -> None:
    def written(fields: list[str], values: list[str]) -> dict[str, bytes]:
        named = planted(DRAFTED, AGREEMENT, "[number, address, oktmo]", f"[{', '.join(fields)}]")
        quoted = ", ".join(f'"{value}"' for value in values)
        return planted(named, AGREEMENT, '["36701"]', f"[{quoted}]")

    approved = both_approve(written(sorted(fields), sorted(values)))
    other = {**approved, AGREEMENT: written(fields, values)[AGREEMENT]}
    if has_remark:
        other[AGREEMENT] = b"# a remark\n" + other[AGREEMENT]
    assert the_agreement(other).is_approved


def test_going_back_to_former_terms_asks_again_for_the_last_word_counts() -> None:
    changed = planted(APPROVED, AGREEMENT, "valid_to: 2027", "valid_to: 2028")
    approved_anew = both_approve(changed)
    back = {**approved_anew, AGREEMENT: APPROVED[AGREEMENT]}
    assert state(back) is AgreementState.TO_APPROVE


KEEPER = '    {"name": "keeper"'
ADDRESS = '{"name": "address", "type": "string"}'
OPTIONAL = '{"name": "address", "type": ["null", "string"], "default": null}'
OKTMO = "businessName: Код ОКТМО\n        logicalType: string\n        classification: "
UNRELATED = (
    ("businessName: Открыто", "businessName: Открыто с", CONTRACT),
    ("classification: personal", "classification: restricted", CONTRACT),
    ("status: active", "status: deprecated", CONTRACT),
    ("version: 1.0.0", "version: 1.0.1", CONTRACT),
    ("minimum: 5", "minimum: 6", CONTRACT),
    ("name: Начальник отдела убежищ", "name: Начальник управления убежищ", CONTRACT),
    ('"name": "Shelter",', '"name": "Shelter", "doc": "A shelter.",', SCHEMA),
    (KEEPER, '    {"doc": "Post.", "name": "keeper"', SCHEMA),
)


@pytest.mark.parametrize(("old", "new", "path"), UNRELATED)
def test_an_edit_of_the_contract_beside_the_agreed_fields_voids_none(
    old: str, new: str, path: str
) -> None:
    changed = planted(APPROVED, path, old, new)
    assert standings(changed) == (Standing.GIVEN, Standing.GIVEN)


TITLE = "businessName: Адрес"
TOUCHING = (
    (TITLE, f"{TITLE} входа", CONTRACT, "address"),
    (TITLE, f"{TITLE}\n        description: Вход", CONTRACT, "address"),
    (f"{OKTMO}public", f"{OKTMO}internal", CONTRACT, "oktmo"),
    (ADDRESS, OPTIONAL, SCHEMA, "address"),
    (ADDRESS, f'{ADDRESS[:-1]}, "doc": "Of the entrance."}}', SCHEMA, "address"),
    ('{"name": "number", "type": "string"}', '{"name": "number", "type": "int"}', SCHEMA, "number"),
)


@pytest.mark.parametrize(("old", "new", "path", "field"), TOUCHING)
def test_an_edit_of_an_agreed_field_in_the_contract_asks_both_sides(
    old: str, new: str, path: str, field: str
) -> None:
    changed = planted(APPROVED, path, old, new)
    one = the_agreement(changed)
    assert (one.provider_consent.standing, one.provider_consent.changed) == (
        Standing.CONTRACT_CHANGED,
        (field,),
    )
    assert one.consumer_consent == one.provider_consent
    assert state(changed) is AgreementState.TO_APPROVE
    assert state(both_approve(changed)) is AgreementState.IN_FORCE


def test_a_field_that_rows_are_chosen_by_is_agreed_on_though_it_is_not_granted() -> None:
    hidden = planted(DRAFTED, AGREEMENT, "[number, address, oktmo]", "[number, address]")
    approved = both_approve(hidden)
    assert state(approved) is AgreementState.IN_FORCE
    changed = planted(approved, CONTRACT, "businessName: Код ОКТМО", "businessName: Код района")
    assert the_agreement(changed).provider_consent.changed == ("oktmo",)


def second_version(documents: dict[str, bytes], old: str, new: str) -> dict[str, bytes]:
    """Add a schema version that differs from the first in one place."""
    text = documents[SCHEMA].decode()
    assert text.count(old) == 1
    return {**documents, SCHEMA.replace("v1", "v2"): text.replace(old, new).encode()}


def test_a_new_version_of_the_schema_asks_only_where_it_touches_an_agreed_field() -> None:
    beside = second_version(
        APPROVED, KEEPER, f'    {{"name": "phone", "type": "string"}},\n{KEEPER}'
    )
    assert standings(beside) == (Standing.GIVEN, Standing.GIVEN)
    without = second_version(APPROVED, '    {"name": "address", "type": "string"},\n', "")
    assert the_agreement(without).provider_consent.changed == ("address",)


WHOLE = planted(DRAFTED, AGREEMENT, "fields: [number, address, oktmo]\n", "")


@pytest.mark.parametrize(
    ("classification", "expected"),
    [
        ("public", Standing.GIVEN),
        ("internal", Standing.GIVEN),
        ("restricted", Standing.CONTRACT_CHANGED),
        ("personal", Standing.CONTRACT_CHANGED),
    ],
)
def test_an_agreement_on_all_fields_grants_a_new_one_unless_it_is_sensitive(
    classification: str, expected: Standing
) -> None:
    approved = both_approve(WHOLE)
    described = planted(
        approved,
        CONTRACT,
        "      - name: keeper\n",
        "      - name: phone\n        businessName: Телефон\n        logicalType: string\n"
        f"        classification: {classification}\n      - name: keeper\n",
    )
    new = second_version(described, KEEPER, f'    {{"name": "phone", "type": "string"}},\n{KEEPER}')
    assert standings(new) == (expected, expected)


def test_a_refusal_stands_until_terms_or_contract_change() -> None:
    refused = decide(APPROVED, Side.PROVIDER, DecisionKind.REFUSE)
    assert state(refused) is AgreementState.REFUSED
    changed = planted(refused, AGREEMENT, "valid_to: 2027", "valid_to: 2026")
    assert state(changed) is AgreementState.TO_APPROVE
    assert state(both_approve(changed)) is AgreementState.IN_FORCE
    never = decide(DRAFTED, Side.PROVIDER, DecisionKind.REFUSE)
    assert state(planted(never, AGREEMENT, "valid_to: 2027", "valid_to: 2026")) is (
        AgreementState.DRAFT
    )
    assert state(decide(refused, Side.PROVIDER, DecisionKind.APPROVE)) is AgreementState.IN_FORCE


MORNING = datetime(2026, 6, 1, 9, tzinfo=UTC)
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def test_each_side_resumes_what_it_suspended_and_not_what_the_other_did() -> None:
    rests = decide(APPROVED, Side.PROVIDER, DecisionKind.SUSPEND, at=MORNING)
    assert state(rests, MORNING) is AgreementState.SUSPENDED
    by_other = decide(rests, Side.CONSUMER, DecisionKind.RESUME, at=NOON)
    assert state(by_other, NOON) is AgreementState.SUSPENDED
    goes_on = decide(rests, Side.PROVIDER, DecisionKind.RESUME, at=NOON)
    assert state(goes_on, NOON - timedelta(seconds=1)) is AgreementState.SUSPENDED
    assert state(goes_on, NOON) is AgreementState.IN_FORCE
    both = decide(goes_on, Side.CONSUMER, DecisionKind.SUSPEND, at=MORNING)
    assert state(both, NOON) is AgreementState.SUSPENDED


def test_the_earliest_end_counts_whoever_decided_it() -> None:
    one = decide(APPROVED, Side.PROVIDER, DecisionKind.END, at=NOON)
    two = decide(one, Side.CONSUMER, DecisionKind.END, at=MORNING)
    assert the_agreement(two).ends_at == MORNING
    assert state(two, MORNING) is AgreementState.ENDED


# --- nobody can forge


def proofs(documents: dict[str, bytes], side: Side) -> list[Proof]:
    return [one.proof for one in the_agreement(documents).decisions if one.decision.side is side]


def test_another_agency_can_not_approve_for_a_side() -> None:
    half = decide(DRAFTED, Side.PROVIDER, DecisionKind.APPROVE)
    forged = decide(half, Side.CONSUMER, DecisionKind.APPROVE, by_key=KEYS[Side.PROVIDER])
    assert proofs(forged, Side.CONSUMER) == [Proof.FOREIGN_KEY]
    assert state(forged) is AgreementState.DRAFT
    swapped = decide(half, Side.CONSUMER, DecisionKind.APPROVE)
    own, other = path_of(Side.CONSUMER), path_of(Side.PROVIDER)
    renamed = {**swapped, other: swapped[own].replace(b"side: consumer", b"side: provider")}
    assert proofs(renamed, Side.PROVIDER) == [Proof.FOREIGN_KEY]


def test_a_signature_belongs_to_its_side_number_post_and_day() -> None:
    original = decisions_of_side(the_agreement(APPROVED), Side.PROVIDER)[0]
    forgeries: list[Decision] = [
        replace(original, by="Министр"),
        replace(original, on=original.on - timedelta(days=1)),
        replace(original, kind=DecisionKind.REFUSE, why="нет"),
        replace(original, terms="0" * 64),
        replace(original, fields={**(original.fields or {}), "keeper": "0" * 32}),
        replace(original, signature=bytes(64)),
        replace(original, signature=b""),
    ]
    for forged in forgeries:
        assert proofs(with_decisions(APPROVED, [forged]), Side.PROVIDER) == [Proof.BAD_SIGNATURE]
        assert state(with_decisions(APPROVED, [forged])) is AgreementState.DRAFT
    doubled = with_decisions(APPROVED, [original, original])
    assert proofs(doubled, Side.PROVIDER) == [Proof.HOLDS, Proof.BAD_SIGNATURE]


def test_a_decision_taken_out_from_among_others_spoils_those_behind_it() -> None:
    refused = decide(APPROVED, Side.PROVIDER, DecisionKind.REFUSE)
    again = decide(refused, Side.PROVIDER, DecisionKind.APPROVE)
    first, _, last = decisions_of_side(the_agreement(again), Side.PROVIDER)
    cut = with_decisions(again, [first, last])
    assert proofs(cut, Side.PROVIDER) == [Proof.HOLDS, Proof.BAD_SIGNATURE]
    (finding,) = lint(cut)
    assert finding.path.startswith(f"{path_of(Side.PROVIDER)}:")
    assert "did not give to this decision" in str(finding)


def test_an_approval_can_not_be_replayed_onto_another_agreement() -> None:
    other = DRAFTED[AGREEMENT].replace(b"health-shelters", b"health-others")
    documents = {**DRAFTED, "agreements/health-others.yaml": other}
    for side in Side:
        moved = APPROVED[path_of(side)].replace(b"health-shelters", b"health-others")
        documents |= {f"decisions/health-others.{side}.yaml": moved, **KEYS[side].documents}
    (others, _) = parse_region(documents).agreements
    assert {one.proof for one in others.decisions} == {Proof.BAD_SIGNATURE}
    assert not others.is_approved


def test_an_unknown_key_approves_nothing() -> None:
    path = next(iter(KEYS[Side.PROVIDER].documents))
    without = {name: content for name, content in APPROVED.items() if name != path}
    assert proofs(without, Side.PROVIDER) == [Proof.UNKNOWN_KEY]
    (finding,) = lint(without)
    assert "which no document has" in str(finding)


OF_DAY = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)
A_DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("validity", "proof"),
    [
        ({"valid_to": OF_DAY + A_DAY}, Proof.HOLDS),
        ({"valid_to": OF_DAY + timedelta(hours=1)}, Proof.HOLDS),
        ({"valid_to": OF_DAY}, Proof.KEY_NOT_VALID),
        ({"valid_from": OF_DAY + timedelta(hours=23)}, Proof.HOLDS),
        ({"valid_from": OF_DAY + A_DAY}, Proof.KEY_NOT_VALID),
        ({"revoked_at": OF_DAY + A_DAY}, Proof.HOLDS),
        ({"revoked_at": OF_DAY + timedelta(hours=23)}, Proof.KEY_REVOKED),
        ({"revoked_at": OF_DAY - A_DAY}, Proof.KEY_REVOKED),
    ],
)
def test_a_key_is_judged_as_of_the_day_of_the_approval(
    validity: dict[str, datetime], proof: Proof
) -> None:
    used = key("shelter-list", "8", seed=8, **validity)
    half = decide(DRAFTED, Side.CONSUMER, DecisionKind.APPROVE)
    approved = decide(half, Side.PROVIDER, DecisionKind.APPROVE, by_key=used)
    assert proofs(approved, Side.PROVIDER) == [proof]
    holds = proof is Proof.HOLDS
    assert state(approved) is (AgreementState.IN_FORCE if holds else AgreementState.TO_APPROVE)
    assert lint(approved) == (), "a key that ended keeps nothing from being applied"


def test_what_takes_away_counts_though_the_key_was_revoked_and_a_resumption_does_not() -> None:
    lost = key("shelter-list", "8", seed=8, revoked_at=OF_DAY)
    rests = decide(APPROVED, Side.PROVIDER, DecisionKind.SUSPEND, at=MORNING, by_key=lost)
    assert state(rests) is AgreementState.SUSPENDED
    resumed = decide(rests, Side.PROVIDER, DecisionKind.RESUME, at=NOON, by_key=lost)
    assert state(resumed) is AgreementState.SUSPENDED
    assert state(decide(rests, Side.PROVIDER, DecisionKind.RESUME, at=NOON)) is (
        AgreementState.IN_FORCE
    )


def test_what_no_key_of_the_side_signed_takes_nothing_away() -> None:
    ended = decide(
        APPROVED, Side.PROVIDER, DecisionKind.END, at=MORNING, by_key=KEYS[Side.CONSUMER]
    )
    assert state(ended) is AgreementState.IN_FORCE


def test_advice_names_side_agency_and_what_to_do() -> None:
    def told(documents: dict[str, bytes], moment: datetime = SUMMER) -> list[str]:
        return [str(one) for one in unapproved(parse_region(documents), moment)]

    first, second = told(DRAFTED)
    assert f"{AGREEMENT}: found no approval by the provider" in first
    assert f"bus agreement approve {AGREEMENT_ID}" in first
    assert "civil-small" in first
    assert "health-small" in second
    assert told(DRAFTED, datetime(2026, 1, 1, tzinfo=UTC)) == [], "its term has not begun"
    assert told(APPROVED) == []
    touched = planted(APPROVED, CONTRACT, "businessName: Адрес", "businessName: Адрес входа")
    assert all("says something else of address" in one for one in told(touched))
    refused = decide(APPROVED, Side.CONSUMER, DecisionKind.REFUSE)
    assert "a refusal by the consumer" in told(refused)[0]
    future = both_approve(DRAFTED, on=date(2026, 8, 1))
    assert "counts from 2026-08-01" in told(future)[0]
    spoken = unapproved(parse_region(DRAFTED), SUMMER)[0].spoken("ru")
    assert "не согласовала" in spoken
