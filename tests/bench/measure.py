"""Running one variant as a process of its own, timed from its first record to its last commit."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Timer
from typing import Final

import psutil

from tests.bench.variants.job import Job
from tests.factories import ROOT

MARK_TIMEOUT_S: Final = 180.0


class Failed(RuntimeError):
    """A variant didn't do its work; says which and what it wrote last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The clock and what two processes have taken of the processor so far, seconds."""

    clock_s: float
    client_cpu_s: float
    broker_cpu_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One run."""

    records_per_s: float
    cpu_s_per_100k: float
    broker_cpu_s_per_100k: float


def look(client_pid: int, broker_pid: int) -> Moment:
    """Look at the clock and at both processes."""
    return Moment(
        clock_s=time.perf_counter(),
        client_cpu_s=_cpu_s(client_pid),
        broker_cpu_s=_cpu_s(broker_pid),
    )


def figures(first: Moment, last: Moment, records: int) -> Figures:
    """Tell what lies between two moments."""
    share = 100_000 / records
    return Figures(
        records_per_s=records / (last.clock_s - first.clock_s),
        cpu_s_per_100k=(last.client_cpu_s - first.client_cpu_s) * share,
        broker_cpu_s_per_100k=(last.broker_cpu_s - first.broker_cpu_s) * share,
    )


def run_variant(command: Sequence[str], job: Job, broker_pid: int) -> Figures:
    """Run a variant to its end.

    Args:
        command: What to start; the job's file is put behind it.
        job: What it is to do.
        broker_pid: Process of the broker.

    Raises:
        Failed: It ended, or fell silent, before its work was done.
    """
    with (
        _job_file(job) as file,
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            [*command, str(file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=ROOT,
        ) as process,
    ):
        watchdog = _end_after(process, MARK_TIMEOUT_S)
        try:
            _await_mark(process, "first")
            first = look(process.pid, broker_pid)
            _await_mark(process, "done")
            last = look(process.pid, broker_pid)
        except Failed as failed:
            process.kill()
            process.wait()
            errors.seek(0)
            said = errors.read()[-1_500:].decode(errors="replace")
            raise Failed(f"{failed}\n{said}") from None
        finally:
            watchdog.cancel()
            process.kill()
    return figures(first, last, job.records)


def _await_mark(process: subprocess.Popen[bytes], mark: str) -> None:
    """Read on until a line is the mark; a library may write lines of its own."""
    assert process.stdout is not None, "opened with a pipe"
    for line in process.stdout:
        if line.strip().decode(errors="replace") == mark:
            return
    raise Failed(f"ended with {process.wait()} before it said {mark!r}")


def _end_after(process: subprocess.Popen[bytes], timeout_s: float) -> Timer:
    """End a process that has fallen silent; reading its output then ends too."""
    timer = Timer(timeout_s, process.kill)
    timer.daemon = True
    timer.start()
    return timer


@contextmanager
def _job_file(job: Job) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:  # for its owner alone
        file = Path(folder) / "job.json"
        file.write_text(json.dumps(asdict(job)), encoding="utf-8")
        yield file


def _cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system
