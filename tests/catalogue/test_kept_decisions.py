from __future__ import annotations

from datetime import timedelta

from bus.catalogue.decision import DecisionKind, Side
from bus.catalogue.kept_decisions import kept_decision_findings
from bus.catalogue.signing import decisions_of_side
from tests.catalogue.deciding import (
    SUMMER,
    both_approve,
    decide,
    key,
    path_of,
    the_agreement,
    with_decisions,
)
from tests.catalogue.small_region import AGREEMENT, drafted_region, planted

APPROVED = both_approve(drafted_region())
REFUSED = decide(APPROVED, Side.PROVIDER, DecisionKind.REFUSE)
PROVIDERS = path_of(Side.PROVIDER)


def test_decisions_that_stay_and_new_ones_are_no_finding() -> None:
    assert kept_decision_findings(APPROVED, APPROVED, SUMMER) == ()
    assert kept_decision_findings(APPROVED, REFUSED, SUMMER) == ()
    assert kept_decision_findings(drafted_region(), APPROVED, SUMMER) == ()
    assert kept_decision_findings({}, REFUSED, SUMMER) == ()


def test_terms_may_change_and_an_agreement_may_go_while_its_decisions_stay() -> None:
    changed = planted(APPROVED, AGREEMENT, "valid_to: 2027", "valid_to: 2028")
    assert kept_decision_findings(APPROVED, changed, SUMMER) == ()
    gone = {path: content for path, content in APPROVED.items() if path != AGREEMENT}
    assert kept_decision_findings(APPROVED, gone, SUMMER) == ()


def test_a_refusal_can_not_be_taken_back_by_leaving_it_out() -> None:
    (finding,) = kept_decision_findings(REFUSED, APPROVED, SUMMER)
    assert finding.path == PROVIDERS
    assert "the 2 of the catalogue in force" in str(finding)
    without = {path: content for path, content in REFUSED.items() if path != PROVIDERS}
    (finding,) = kept_decision_findings(REFUSED, without, SUMMER)
    assert finding.path == PROVIDERS
    assert "убрать его нельзя" in finding.spoken("ru")


def test_another_decision_can_not_take_the_place_of_one_in_force() -> None:
    other = decide(drafted_region(), Side.PROVIDER, DecisionKind.REFUSE)
    other = {**APPROVED, PROVIDERS: other[PROVIDERS]}
    (finding,) = kept_decision_findings(APPROVED, other, SUMMER)
    assert finding.path == PROVIDERS


def test_a_new_decision_is_signed_with_a_key_that_may_sign_today() -> None:
    for validity in ("valid_to", "revoked_at"):
        old = key("shelter-list", "8", seed=8, **{validity: SUMMER - timedelta(days=1)})
        backdated = decide(APPROVED, Side.PROVIDER, DecisionKind.REFUSE, by_key=old)
        (finding,) = kept_decision_findings(APPROVED, backdated, SUMMER)
        assert finding.path.startswith(f"{PROVIDERS}:")
        assert "decisions[1].key_id" in finding.path
        assert kept_decision_findings(backdated, backdated, SUMMER) == (), "it is there already"
        assert kept_decision_findings(APPROVED, backdated, SUMMER - timedelta(days=2)) == ()


def test_a_decision_of_the_catalogue_in_force_keeps_its_key_s_age_to_itself() -> None:
    old = key("shelter-list", "8", seed=8, valid_to=SUMMER - timedelta(days=1))
    before = decide(APPROVED, Side.PROVIDER, DecisionKind.REFUSE, by_key=old)
    after = decide(before, Side.PROVIDER, DecisionKind.APPROVE)
    assert kept_decision_findings(before, after, SUMMER) == ()
    first, _, last = decisions_of_side(the_agreement(after), Side.PROVIDER)
    assert kept_decision_findings(before, with_decisions(after, [first, last]), SUMMER)
