"""Malformed records by the thousand over the running bus: each is in quarantine, with a reason."""

from __future__ import annotations

from tests.bad_input.bench import Bench
from tests.malformed.live import run


async def test_mutants_are_in_quarantine_and_good_records_in_the_fund(bench: Bench) -> None:
    report = await run(bench, 3_000, seed=2, tell=lambda _: None)
    assert report.findings == ()
    assert report.count >= 3_000
    assert sum(report.refused.values()) == report.count - report.accepted_mutants - report.harmless
    assert min(report.good, report.harmless, report.accepted_mutants) >= 20
