from __future__ import annotations

import pytest

from bus.agents.pace import PATIENT, PROMPT, Flow, Pace


def _after(pace: Pace, per_s: int, *, each_s: float) -> bool:
    """Tell what a flow comes to that was steady for two seconds."""
    flow, is_dense = Flow(pace), False
    for number in range(1, int(2 / each_s) + 1):
        came = int(per_s * number * each_s) - int(per_s * (number - 1) * each_s)
        is_dense = flow.is_dense(came, 1_000 + number * each_s)
    return is_dense


@pytest.mark.parametrize("each_s", [0.002, 0.015, 0.1])
@pytest.mark.parametrize(("per_s", "is_dense"), [(20, False), (100, True), (50_000, True)])
def test_what_a_steady_flow_comes_to_does_not_hang_on_how_often_it_is_fetched(
    per_s: int, is_dense: bool, each_s: float
) -> None:
    assert _after(PROMPT, per_s, each_s=each_s) is is_dense


def test_one_burst_is_over_within_a_second() -> None:
    flow = Flow(PROMPT)
    assert flow.is_dense(200, 10.0)
    assert not flow.is_dense(0, 11.0)


def test_the_patient_wait_for_more_as_soon_as_a_few_come() -> None:
    assert _after(PATIENT, 10, each_s=0.1)
    assert not Flow(PATIENT).is_dense(0, 5.0)
