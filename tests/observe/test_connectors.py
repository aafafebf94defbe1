"""What `bus status` says of connectors, by real pages of theirs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from bus.client import PublishReport
from bus.errors import Unavailable
from bus.observe.connectors import (
    DIRECTION_LABEL,
    KIND_LABEL,
    ConnectorReport,
    ConnectorStatus,
    Direction,
    announced_connectors,
    connector_status,
    report_of,
)
from bus.observe.report import CONNECTOR, announced, announced_targets
from bus.observe.server import serving
from bus.texts import message
from connectors import metrics
from connectors.metrics import ConnectorMetrics, Declared, SinkMetrics
from connectors.sink import SinkDown, Taken
from connectors.source import SourceDown

NOW_S = 1_800_000_000.0
PROBLEM = message("status.up", engine="it")


def told(
    home: Path, name: str, registry: CollectorRegistry, *, direction: Direction
) -> ConnectorStatus:
    """Serve a page as a connector of a name does; give what is said of the only one."""
    about = {KIND_LABEL: "toy", DIRECTION_LABEL: direction}
    with (
        serving(registry, None) as port,
        announced(home, role=CONNECTOR, slot=name, host="bus-1", port=port, about=about),
    ):
        assert announced_targets(home) == (), "it is no worker"
        (one,) = announced_connectors(home)
        return connector_status(one)


def published(sent: int, *, repeats: int = 0, unreadable: int = 0) -> PublishReport:
    return PublishReport(
        rows=sent + repeats,
        sent=sent,
        created=sent - unreadable,
        corrected=0,
        annulled=0,
        ceased=0,
        unreadable=unreadable,
        repeats=repeats,
        unsendable=(),
        unsendable_count=0,
        keys_more_than_once=0,
    )


def report(status: ConnectorStatus) -> ConnectorReport:
    assert status.report is not None
    return status.report


def test_of_a_source_that_was_not_asked_yet_nothing_is_known(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    ConnectorMetrics(registry, "schools")
    status = told(tmp_path, "schools", registry, direction=Direction.SOURCE)
    assert (status.name, status.kind, status.direction) == ("schools", "toy", Direction.SOURCE)
    assert report(status) == ConnectorReport(
        answers=None, last_success_at=None, behind_s=None, passed=0, refused=0
    )
    assert status.is_well


def test_a_source_tells_what_passed_what_was_refused_and_how_far_it_is_behind(
    tmp_path: Path,
) -> None:
    registry = CollectorRegistry()
    own = ConnectorMetrics(registry, "schools")
    own.stretch(published(7, repeats=2, unreadable=3), position=None)
    found = report(told(tmp_path, "schools", registry, direction=Direction.SOURCE))
    assert (found.answers, found.passed, found.refused) == (True, 6, 3)
    assert found.last_success_at is not None
    assert found.behind_s is not None
    assert 0 <= found.behind_s < 60


def test_a_sink_tells_what_its_target_took_and_refused(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    own = SinkMetrics(registry, "copy")
    own.taken(None, Taken(records=5, refused=1))  # type: ignore[arg-type]
    found = report(told(tmp_path, "copy", registry, direction=Direction.SINK))
    assert (found.answers, found.passed, found.refused) == (True, 5, 1)
    assert found.last_success_at is not None
    assert found.behind_s is None, "nothing new may have come"


@pytest.mark.parametrize(
    ("of", "problem"), [(ConnectorMetrics, SourceDown(PROBLEM)), (SinkMetrics, SinkDown(PROBLEM))]
)
def test_one_whose_source_or_target_does_not_answer_is_not_well(
    tmp_path: Path,
    of: Callable[[CollectorRegistry, str], ConnectorMetrics | SinkMetrics],
    problem: Unavailable,
) -> None:
    registry = CollectorRegistry()
    of(registry, "schools").down(problem, 1.0)
    status = told(tmp_path, "schools", registry, direction=Direction.SOURCE)
    assert report(status).answers is False
    assert not status.is_well


def test_one_that_was_killed_is_known_by_its_file_and_has_no_report(tmp_path: Path) -> None:
    about = {KIND_LABEL: "toy", DIRECTION_LABEL: Direction.SINK}
    with announced(tmp_path, role=CONNECTOR, slot="a-b", host="h", port=9, about=about):
        (one,) = announced_connectors(tmp_path)
        status = connector_status(one)
    assert status == ConnectorStatus(name="a-b", kind="toy", direction=Direction.SINK, report=None)
    assert not status.is_well


def test_another_one_in_its_place_does_not_speak_for_it(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    ConnectorMetrics(registry, "clinics").stretch(published(1), position=None)
    status = told(tmp_path, "schools", registry, direction=Direction.SOURCE)
    assert status.report is None


def test_a_file_of_an_older_version_names_neither_kind_nor_direction(tmp_path: Path) -> None:
    with announced(tmp_path, role=CONNECTOR, slot="schools", host="h", port=9):
        (one,) = announced_connectors(tmp_path)
    assert (one.kind, one.direction) == (None, None)


@pytest.mark.parametrize(
    ("series", "outcome", "field", "value"),
    [
        (metrics.ROWS, "sent", "passed", 1),
        (metrics.ROWS, "repeated", "passed", 1),
        (metrics.ROWS, "unreadable", "refused", 1),
        (metrics.RECORDS, "taken", "passed", 1),
        (metrics.RECORDS, "refused", "refused", 1),
        (metrics.SOURCE_UP, "", "answers", True),
        (metrics.SINK_UP, "", "answers", True),
        (metrics.LAST_STRETCH, "", "behind_s", NOW_S - 1),
    ],
)
def test_each_series_is_known_by_the_name_that_connectors_give_it(
    series: Declared, outcome: str, field: str, value: object
) -> None:
    found = report_of({(series.name, outcome): 1.0}, NOW_S)
    assert getattr(found, field) == value
