from __future__ import annotations

import json

import pytest

from tests.chaos.anomaly import Anomaly, Name, found
from tests.chaos.controls import NOTICED_AS, Broken
from tests.chaos.report import EXIT_CLEAN, EXIT_FOUND, EXIT_UNNOTICED, Report, exit_code_of
from tests.chaos.run import faults_told, stops


def report(*names: Name, problems: tuple[str, ...] = ()) -> Report:
    anomalies: list[Anomaly] = [found(name, "63-1", "for a test") for name in names]
    return Report(seed=1, seconds=90.0, anomalies=anomalies, problems=[*problems])


@pytest.mark.parametrize(
    ("told", "is_clean"),
    [
        (report(), True),
        (report(Name.LOST), False),
        (report(problems=("a producer was silent",)), False),
        (report(Name.LOST, problems=("a producer was silent",)), False),
    ],
)
def test_a_run_is_clean_only_without_anomaly_and_without_problem(
    told: Report, is_clean: bool
) -> None:
    assert told.is_clean is is_clean
    assert exit_code_of(told, None) == (EXIT_CLEAN if is_clean else EXIT_FOUND)


@pytest.mark.parametrize("broken", Broken)
def test_a_control_run_is_told_by_its_own_name_alone(broken: Broken) -> None:
    expected = NOTICED_AS[broken]
    assert exit_code_of(report(expected), broken) == EXIT_FOUND
    assert exit_code_of(report(Name.LEAKED, expected), broken) == EXIT_FOUND
    assert exit_code_of(report(*set(Name) - {expected}), broken) == EXIT_UNNOTICED
    assert exit_code_of(report(), broken) == EXIT_UNNOTICED
    assert exit_code_of(report(problems=("nobody worked",)), broken) == EXIT_UNNOTICED


def test_the_last_line_counts_anomalies_by_name() -> None:
    told = json.loads(json.dumps(report(Name.LOST, Name.LOST, Name.STALE).as_json()))
    assert told["anomalies"] == {"lost": 2, "stale": 1}


def test_workers_that_ended_by_themselves_are_counted_by_their_last_words() -> None:
    logs = [
        "… CRITICAL enforce-0 bus.agents.fault worker.stopped where=settle in.a.b/0/7 exit=69"
        " problem=error exit=3\nTraceback: exit=70\n",
        "worker.stopped where=fund exit=75 problem=moved\nworker.ended role=fund slot=0\n"
        "worker.stopped where=faust exit=69 problem=none\n",
    ]
    assert faults_told(logs) == []
    told = Report(seed=1, seconds=1.0, stopped=stops(logs))
    assert told.stopped == {69: 2, 75: 1}
    assert told.fenced == 1
    assert told.as_json()["stopped"] == {"69": 2, "75": 1}


def test_a_worker_that_ends_at_a_fault_of_the_bus_is_told_with_its_words() -> None:
    said = "worker.stopped where=fund accepted.roads/0/7 exit=70 problem=KeyError('x')"
    logs = [
        f"2026-11-30 CRITICAL fund-0 {said}\nTraceback\nworker.stopped where=x exit=69 problem=y\n"
    ]
    assert faults_told(logs) == [f"a worker ended at a fault of the bus: {said}"]
