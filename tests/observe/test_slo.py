from __future__ import annotations

import math

import pytest

from bus.catalogue.documents import read_documents
from bus.catalogue.region import parse_region
from bus.observe.prometheus import Sample
from bus.observe.slo import Missed, Standing, missed_of, own_promises, promises
from tests.factories import AGENCY, DATASET, ROOT

REGION = parse_region(read_documents(ROOT / "deploy/samara/region.yaml", None))


def test_every_promise_of_every_provider_is_listed_with_who_answers() -> None:
    found = promises(REGION, {})
    pairs = {
        (agency.code, dataset) for agency in REGION.agencies.values() for dataset in agency.provides
    }
    assert {(one.agency, one.dataset) for one in found} == pairs
    assert len(found) == 3 * len(pairs)
    assert all(one.steward for one in found)
    assert {one.standing for one in found} == {Standing.NOTHING_DUE}
    assert [one.steward for one in found] == sorted(one.steward for one in found)


@pytest.mark.parametrize(
    ("spent", "standing"),
    [
        (0.0, Standing.KEPT),
        (0.49, Standing.KEPT),
        (0.51, Standing.AT_RISK),
        (1.0, Standing.AT_RISK),
        (1.01, Standing.BROKEN),
    ],
)
def test_what_is_left_is_a_share_of_what_may_be_missed(spent: float, standing: Standing) -> None:
    allowed = 1 - REGION.contracts[DATASET].sla.validity_percent / 100
    missed: Missed = {(AGENCY, DATASET, "validity"): spent * allowed}
    (one,) = (one for one in promises(REGION, missed) if one.reached is not None)
    assert (one.agency, one.dataset, one.objective) == (AGENCY, DATASET, "validity")
    assert one.left == pytest.approx(1 - spent)
    assert one.reached == pytest.approx(1 - spent * allowed)
    if spent != 1.0:  # where it turns, the last bit decides
        assert one.standing is standing


def test_the_bus_answers_for_its_own_objectives() -> None:
    delivery, gateway = own_promises({"delivery": 0.02})
    assert (delivery.objective, delivery.standing) == ("delivery", Standing.BROKEN)
    assert delivery.left == pytest.approx(-1)
    assert (gateway.objective, gateway.standing) == ("gateway", Standing.NOTHING_DUE)


def test_nothing_of_nothing_was_not_due() -> None:
    labels = {"agency": "a", "dataset": "d", "score": "validity"}
    assert missed_of([Sample(labels=labels, value=math.nan)]) == {}
    assert missed_of([Sample(labels=labels, value=0.5)]) == {("a", "d", "validity"): 0.5}
