"""Malformed records by the ten thousand: refused, each with a reason, and nothing else happens."""

from __future__ import annotations

from tests.malformed.in_process import run

LOADED_MAX_MS = 500.0
"""For a machine that runs other tests; a run by itself allows a fifth."""


def test_mutants_are_refused_with_reasons_while_good_records_pass() -> None:
    report = run(30_000, seed=1, tell=lambda _: None, longest_max_ms=LOADED_MAX_MS)
    assert report.findings == ()
    assert report.count >= 30_000
    assert sum(report.refused.values()) == report.count - report.accepted_mutants - report.harmless
    assert len(report.refused) >= 20
    assert min(report.good, report.harmless, report.accepted_mutants) >= 100
    assert report.longest_ms is not None
    assert report.longest_ms > 5, "the widest values were among them, and were timed"
