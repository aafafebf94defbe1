from __future__ import annotations

from dataclasses import replace

import pytest

from bus.audit.spans import spans_of
from bus.verify.law import Verification
from tests.audit.test_spans import leaf
from tests.chaos.audit_read import told_of
from tests.chaos.evidence import LogRecord, Place, QuarantineRow
from tests.chaos.laws import balances, outcomes
from tests.verify.sample_laws import ACCEPTED, INBOUND, LAW, QUARANTINE


def wrong(law: Verification) -> set[str]:
    return {one.place for one in balances(law) if one.missing or one.surplus}


def test_a_law_that_holds_balances() -> None:
    assert wrong(LAW) == set()


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        (
            {"accepted": (replace(ACCEPTED, kept_records=12, repeats=4),)},
            "accepted.organisations/0",
        ),
        ({"accepted": (replace(ACCEPTED, history=7),)}, "accepted.organisations/0"),
        ({"accepted": (replace(ACCEPTED, lag=3),)}, "accepted.organisations/0"),
        ({"inbound": (replace(INBOUND, lag=5),)}, "in.tax-samara.organisations/0"),
        ({"inbound": (replace(INBOUND, lost=1),)}, "in.tax-samara.organisations/0"),
        ({"quarantine": (replace(QUARANTINE, missing=1),)}, "quarantine.tax-samara"),
        ({"quarantine": (replace(QUARANTINE, lag=2),)}, "quarantine.tax-samara"),
        ({"doubled_in_fund": 1}, "fund"),
    ],
)
def test_whatever_is_too_much_too_little_or_still_waits_is_seen(
    changed: dict[str, object], place: str
) -> None:
    assert place in wrong(replace(LAW, **changed))  # type: ignore[arg-type]


def accepted_from(offset: int) -> LogRecord:
    return LogRecord(
        place=Place("accepted.b", 0, offset),
        inbound=Place("in.a.b", 0, offset),
        record_id=None,
        key=None,
        version=None,
        stamp=None,
        is_proved=True,
    )


def set_aside_from(offset: int) -> QuarantineRow:
    return QuarantineRow(
        inbound=Place("in.a.b", 0, offset),
        mark=None,
        reasons=("unsigned",),
        state="open",
        is_resolved=False,
    )


def test_every_inbound_offset_has_an_outcome_whatever_the_product_says() -> None:
    ends = {("in.a.b", 0): 3}
    accepted = [accepted_from(0), accepted_from(0), accepted_from(2)]
    (whole,) = outcomes(ends, accepted, [set_aside_from(1)])
    assert (whole.missing, whole.surplus) == (0, 0)
    (lacking,) = outcomes(ends, accepted, [])
    assert (lacking.missing, lacking.surplus) == (1, 0)
    (beyond,) = outcomes(ends, accepted, [set_aside_from(1), set_aside_from(3)])
    assert (beyond.missing, beyond.surplus) == (0, 1)


def test_an_inbound_offset_without_a_leaf_is_missing_in_the_audit() -> None:
    topic = "in.town.roads"
    spans = spans_of([leaf(2, 5), leaf(5, 7), leaf(5, 7, root="x"), leaf(8, 12)])
    ends = {(topic, 0): 10, (topic, 1): 3, (topic, 2): 0}
    found = {one.place: (one.missing, one.surplus) for one in told_of(spans, ends)}
    assert found == {
        f"audit of {topic}/0": (3, 1),
        f"audit of {topic}/1": (3, 0),
        f"audit of {topic}/2": (0, 0),
    }
