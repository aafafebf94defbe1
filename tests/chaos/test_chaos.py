"""A short run of faults on a real cluster of three; `make chaos` is the long one."""

from __future__ import annotations

from tests.chaos.run import run

SECONDS = 90.0


async def test_no_fault_of_ninety_seconds_loses_doubles_or_shows_what_it_must_not() -> None:
    report = await run(SECONDS, seed=1)
    assert not report.anomalies, report.anomalies[:10]
    assert not report.problems
    assert report.faults.total() >= 30, report.as_json()
    assert len(report.faults) >= 10, report.as_json()
