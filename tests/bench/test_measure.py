from __future__ import annotations

import os
import sys

import pytest

from tests.bench.enforce_result import result_of
from tests.bench.measure import Failed, Figures, run_variant
from tests.bench.variants.job import Job

JOB = Job(
    bootstrap="",
    ca_file="",
    user="",
    password="",
    group="",
    source="",
    out="",
    dlq="",
    records=1_000,
    starts=[0],
    schema={},
)
WORK = (
    "import sys, time; print('noise'); print('first', flush=True); "
    "[sum(range(1000)) for _ in range(20000)]; print('done', flush=True); sys.stdin.read()"
)


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def figures(rate: float, cpu_s: float) -> Figures:
    return Figures(records_per_s=rate, cpu_s_per_100k=cpu_s, broker_cpu_s_per_100k=0.1)


def test_a_variant_is_timed_from_its_first_record_to_its_last_commit() -> None:
    found = run_variant(python(WORK), JOB, os.getpid())

    assert found.records_per_s > 0
    assert found.cpu_s_per_100k > 0


def test_a_variant_that_ends_early_fails_with_what_it_wrote() -> None:
    with pytest.raises(Failed, match="no broker"):
        run_variant(python("import sys; print('first'); sys.exit('no broker')"), JOB, os.getpid())


def test_ratios_are_of_one_round_so_that_a_slow_round_meets_both() -> None:
    slow = {"ours-bare": figures(50, 2.0), "aiokafka": figures(25, 4.0)}
    fast = {"ours-bare": figures(400, 0.5), "aiokafka": figures(200, 1.0)}

    ratio = result_of([slow, fast], {})["ratios"]["bare_vs_aiokafka"]

    assert ratio["by_rate"] == {"median": 2.0, "min": 2.0, "max": 2.0, "runs": 2}
    assert ratio["by_cpu"] == {"median": 2.0, "min": 2.0, "max": 2.0, "runs": 2}


def test_a_variant_that_was_not_run_has_a_reason_and_no_ratio() -> None:
    found = result_of([{"ours-bare": figures(50, 2.0)}], {"faust": "not installed"})

    assert found["not_run"] == {"faust": "not installed"}
    assert "bare_vs_faust" not in found["ratios"]
