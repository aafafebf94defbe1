from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import islice

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.simulation.__main__ import main
from tests.simulation.broken import Broken
from tests.simulation.known import Known
from tests.simulation.machine import BusMachine
from tests.simulation.schedule import Told, run

HISTORIES = 500
TRIED = 300
"""Histories in which a broken bus has to be found out."""
SETTINGS = settings(
    max_examples=40,
    derandomize=True,
    database=None,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
)


@pytest.fixture(scope="module")
def histories() -> Sequence[Told]:
    return [run(seed) for seed in range(HISTORIES)]


def test_nothing_new_is_wrong_in_any_history(histories: Sequence[Told]) -> None:
    assert [(told.seed, told.anomalies) for told in histories if told.anomalies] == []


@pytest.mark.parametrize("known", Known)
def test_what_is_not_promised_does_happen(histories: Sequence[Told], known: Known) -> None:
    assert any(known in told.known for told in histories)


NAMES = {
    Broken.NO_FENCE: "skipped",
    Broken.EARLY_COMMIT: "lost",
    Broken.PAST_A_GAP: "lost",
    Broken.RANDOM_IDS: "duplicate",
    Broken.ARRIVAL_ORDER: "stale",
}


@pytest.mark.parametrize("broken", Broken)
def test_a_bus_that_breaks_a_promise_is_found_out(broken: Broken) -> None:
    found = (told for told in (run(seed, broken) for seed in range(TRIED)) if told.anomalies)
    assert NAMES[broken] in {name for told in islice(found, 5) for name, _ in told.anomalies}


def test_a_history_is_the_same_each_time() -> None:
    assert run(7) == run(7)


def test_no_order_of_steps_that_hypothesis_finds_breaks_the_bus() -> None:
    run_state_machine_as_test(BusMachine, settings=SETTINGS)


def test_hypothesis_finds_out_a_bus_that_commits_early() -> None:
    early = type("Early", (BusMachine,), {"broken": Broken.EARLY_COMMIT})
    with pytest.raises(AssertionError, match="lost"):
        run_state_machine_as_test(early, settings=settings(SETTINGS, phases=[Phase.generate]))


@pytest.mark.parametrize(("more", "code"), [((), 0), (("--broken", "early-commit"), 1)])
def test_the_loop_tells_what_it_found_and_ends_accordingly(
    more: Sequence[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--seed", "3", "--histories", "10", *more]) == code
    told = capsys.readouterr()
    result = json.loads(told.out.splitlines()[-1])
    assert (result["seed"], result["histories"]) == (3, 10)
    assert bool(result["anomalies"]) is bool(code)
    assert ("history 3000000" in told.err) is bool(code)
