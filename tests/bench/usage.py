"""What processes take of the machine: CPU time and resident memory, by name."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psutil

from bus.supervise.supervisor import Supervisor
from tests.bench.figures import rounded

_MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """One process now, or several that are one engine."""

    cpu_s: float
    rss_mb: float
    """MiB; of PostgreSQL, whose processes share memory, more than it takes."""


def processes_of(
    engine_pids: Mapping[str, int], supervisor: Supervisor, others: Mapping[str, int]
) -> dict[str, int]:
    """Name the process ids of a platform: engines, workers, and what the caller adds."""
    workers = {str(slot): process.pid for slot, process in supervisor.processes.items()}
    return {**engine_pids, **workers, **others}


def usage_of(processes: Mapping[str, int]) -> dict[str, Usage]:
    """Look at processes with their children; those that are gone are left out."""
    found = {}
    for name, pid in processes.items():
        with contextlib.suppress(psutil.NoSuchProcess):
            found[name] = _usage(psutil.Process(pid))
    return found


def _usage(process: psutil.Process) -> Usage:
    cpu_s = rss_bytes = 0.0
    for one in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = one.cpu_times()
            cpu_s += times.user + times.system
            rss_bytes += one.memory_info().rss
    return Usage(cpu_s=cpu_s, rss_mb=rss_bytes / _MEBIBYTE)


def compared(
    before: Mapping[str, Usage], after: Mapping[str, Usage], records: int
) -> dict[str, dict[str, Any]]:
    """Tell what each process took between two looks, for so many records."""
    return {
        name: {
            "cpu_s_per_100k": rounded((after[name].cpu_s - one.cpu_s) / records * 100_000, 3),
            "rss_mb_start": rounded(one.rss_mb, 0),
            "rss_mb_end": rounded(after[name].rss_mb, 0),
        }
        for name, one in before.items()
        if name in after
    }
