from __future__ import annotations

import pytest

from bus.catalogue.decision import DecisionKind, Side
from tests.catalogue.deciding import SUMMER, both_approve, decide
from tests.catalogue.linting import lint, relocked
from tests.catalogue.small_region import AGREEMENT, drafted_region, planted

APPROVED = both_approve(drafted_region())


@pytest.mark.parametrize(
    ("agency", "place"),
    [
        ("health-small", f"{AGREEMENT}:3 consumer"),
        ("civil-small", f"{AGREEMENT}:2 providers[0]"),
    ],
)
def test_who_has_left_is_party_to_nothing_that_goes_on(agency: str, place: str) -> None:
    document = f"agencies/{agency}.yaml"
    gone = planted(APPROVED, document, "systems:", "left_at: 2026-06-01T00:00:00Z\nsystems:")
    (finding,) = (one for one in lint(relocked(gone)) if one.path.startswith(AGREEMENT))
    assert finding.path == place
    assert "`bus agreement end`" in str(finding)
    ended = decide(gone, Side.PROVIDER, DecisionKind.END, at=SUMMER)
    assert [one for one in lint(relocked(ended)) if one.path.startswith(AGREEMENT)] == []
