from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from bus.demo.account import Account, draw_up
from bus.demo.delays import percentiles
from bus.demo.expectation import Expectation
from bus.demo.flow import Flow, Lifetime, Reading, Receipts
from bus.demo.outcome import Outcome
from bus.model.identifiers import DatasetCode, RecordId, SystemCode
from bus.model.record import Operation
from bus.model.verdict import Reason
from bus.quarantine.entry import QuarantineState
from bus.verify.law import Verification
from tests.verify.sample_laws import ACCEPTED, INBOUND, LAW, QUARANTINE

PORTAL, ORGANISATIONS = SystemCode("region-portal"), DatasetCode("organisations")
EXPECTED = Expectation(
    accepted=5,
    repeats=3,
    quarantined={Reason.RULE_VIOLATED: 2, Reason.CONFLICTING_VERSION: 1},
    released=0,
    resolved=1,
    operations={Operation.CREATE: 4, Operation.ANNUL: 1},
    delivered={(PORTAL, ORGANISATIONS): 5},
    requests={"answered_auto": 1, "answered_by_provider": 1, "refused": 1},
    letters=7,
)
OUTCOME = Outcome(
    operations={Operation.CREATE: 4, Operation.ANNUL: 1},
    states={QuarantineState.OPEN: 2, QuarantineState.RESOLVED: 1},
    rule_kinds=("pattern",),
)

LIFETIME = Lifetime(granted_after_s=1.0, revoked_after_s=2.0, leaked=0)


def flow(*, delivered: tuple[int, ...] = (1, 1, 1, 1, 1), published: int = 11) -> Flow:
    """Nine records reach the bus: five kept, one sent twice, one conflicting, two broken."""
    receipts = Receipts(system=PORTAL, dataset=ORGANISATIONS, is_masked=False)
    receipts.counts.update({RecordId(f"{n:032x}"): count for n, count in enumerate(delivered)})
    return Flow(
        receipts=(receipts,),
        published=Counter({SystemCode("egrul-feed"): published}),
        repeats=2,
        reading=Reading(quarantined=EXPECTED.quarantined),
        to_consumer_ms=[3.0, 1.0, 2.0],
        contracts_refused=1,
        version_then=1,
        version_now=2,
        requests=Counter({"answered_auto": 1, "answered_by_provider": 1, "refused": 1}),
        lifetime=LIFETIME,
        letters_replaced=7,
    )


def account(seen: Flow, law: Verification = LAW, outcome: Outcome = OUTCOME) -> Account:
    return draw_up(seen, law, outcome, EXPECTED, kafka="4.4.0", postgresql="17.10")


def test_a_run_as_expected_has_no_problem() -> None:
    found = account(flow())
    assert found.problems == ()
    figures = found.figures
    assert figures.published == 11
    assert (figures.accepted, figures.repeats, figures.fund_rows) == (5, 3, 5)
    assert figures.quarantined == {Reason.RULE_VIOLATED: 2, Reason.CONFLICTING_VERSION: 1}
    assert figures.delivered == {PORTAL: 5}
    assert (figures.lost, figures.duplicated) == (0, 0)
    assert figures.publish_to_consumer_ms.p50 == 2.0
    assert figures.publish_to_fund_ms.p50 is None


def test_a_record_delivered_again_is_no_second_acceptance_of_enforcement() -> None:
    redelivered = replace(LAW, accepted=(replace(ACCEPTED, repeats=2, records=8, kept_records=8),))
    assert account(flow(), redelivered).problems == ()


@pytest.mark.parametrize(
    ("seen", "law"),
    [
        pytest.param(flow(published=12), LAW, id="published and never seen"),
        pytest.param(flow(delivered=(1, 1, 1, 1)), LAW, id="not delivered"),
        pytest.param(flow(), replace(LAW, inbound=(replace(INBOUND, lost=1),)), id="no outcome"),
        pytest.param(flow(), replace(LAW, lost_in_fund=1), id="no row in the fund"),
        pytest.param(
            flow(), replace(LAW, quarantine=(replace(QUARANTINE, missing=1),)), id="no entry"
        ),
    ],
)
def test_what_is_missing_anywhere_is_lost(seen: Flow, law: Verification) -> None:
    found = account(seen, law)
    assert found.figures.lost == 1
    assert found.figures.duplicated == 0
    assert found.problems


@pytest.mark.parametrize(
    ("seen", "law"),
    [
        pytest.param(flow(published=10), LAW, id="more outcomes than attempts"),
        pytest.param(flow(delivered=(2, 1, 1, 1, 1)), LAW, id="delivered twice"),
        pytest.param(flow(), replace(LAW, inbound=(replace(INBOUND, invented=1),)), id="invented"),
        pytest.param(flow(), replace(LAW, doubled_in_fund=1), id="two rows"),
    ],
)
def test_what_is_there_too_often_is_duplicated(seen: Flow, law: Verification) -> None:
    found = account(seen, law)
    assert found.figures.duplicated == 1
    assert found.figures.lost == 0
    assert found.problems


def test_another_reason_than_expected_is_a_problem() -> None:
    seen = flow()
    seen.reading = Reading(quarantined={Reason.UNSIGNED: 2, Reason.CONFLICTING_VERSION: 1})
    problems = " ".join(account(seen).problems)
    assert "rule_violated: 0" in problems
    assert "unsigned: 2" in problems


def test_a_law_that_does_not_hold_is_a_problem() -> None:
    broken = replace(LAW, accepted=(replace(ACCEPTED, kept_records=8),))
    assert "law" in account(flow(), broken).problems[0]


def test_a_released_entry_is_accepted_and_counted_once() -> None:
    states = {QuarantineState.RELEASED: 1, QuarantineState.OPEN: 1, QuarantineState.RESOLVED: 1}
    found = account(flow(published=10), outcome=replace(OUTCOME, states=states))
    assert (found.figures.lost, found.figures.duplicated) == (0, 0)
    assert found.problems == ("released: 1, where the records published must come to 0",)


@pytest.mark.parametrize(
    ("seen", "outcome", "told"),
    [
        (flow(), replace(OUTCOME, operations={Operation.CREATE: 5}), "records that annul: 0"),
        (flow(), replace(OUTCOME, states={QuarantineState.OPEN: 3}), "resolved: 0"),
        (replace(flow(), version_then=2), OUTCOME, "version as of the first act: 2"),
        (replace(flow(), contracts_refused=0), OUTCOME, "contracts refused: 0"),
        (replace(flow(), letters_replaced=6), OUTCOME, "letters replaced: 6"),
        (replace(flow(), requests=Counter(refused=2)), OUTCOME, "data requests refused: 2"),
        (replace(flow(), requests=Counter()), OUTCOME, "data requests answered_auto: 0"),
        (replace(flow(), lifetime=None), OUTCOME, "leaked to a reader"),
        (
            replace(flow(), lifetime=replace(LIFETIME, leaked=1)),
            OUTCOME,
            "leaked to a reader whose agreement had ended: 1",
        ),
    ],
)
def test_what_people_and_operations_must_come_to_is_held_against_the_programme(
    seen: Flow, outcome: Outcome, told: str
) -> None:
    assert any(told in problem for problem in account(seen, outcome=outcome).problems)


def test_percentiles_are_delays_that_occurred() -> None:
    hundred = [float(n) for n in range(1, 101)]
    found = percentiles(hundred[::-1])
    assert (found.p50, found.p99) == (50.0, 99.0)
    assert percentiles([7.26]).p99 == 7.3
    assert percentiles([]).p50 is None
