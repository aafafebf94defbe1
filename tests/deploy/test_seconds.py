"""The page tells of seconds from a fault to the letter what was measured and what rules wait."""

from __future__ import annotations

import json
from pathlib import Path

from tests.deploy.rules import FOLDER
from tests.deploy.seconds import MEASURED, PAGE, Fault, table, waits, written
from tests.deploy.test_rules import broken, copied


def test_the_page_tells_what_was_measured_and_what_rules_and_routes_wait() -> None:
    page = PAGE.read_text("utf-8")
    assert page == written(page, table()), "run `python -m tests.deploy.seconds`"


def test_every_fault_was_measured_and_took_longer_than_its_rule_waits() -> None:
    told_s = json.loads(MEASURED.read_text("utf-8"))["told_s"]
    assert set(told_s) == {fault.name for fault in Fault}
    for fault in Fault:
        waited = waits(fault, FOLDER, is_hurried=True)
        assert told_s[fault.name] >= waited.holds_s


def test_a_rule_that_waits_longer_changes_what_is_to_expect(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    broken(
        folder,
        "or bus_connector_sink_up) == 0\n        for: 5m",
        "or bus_connector_sink_up) == 0\n        for: 10m",
    )
    before, after = (set(text.splitlines()) for text in (table(), table(folder)))
    (changed,) = after - before
    assert Fault.SOURCE_STOPS in changed
    assert "| 600 + 30 s |" in changed
