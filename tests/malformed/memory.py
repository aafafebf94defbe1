"""How much memory a process takes, and took at its highest."""

from __future__ import annotations

import ctypes
import gc
import re
from pathlib import Path
from typing import Final

import psutil

_PEAK: Final = re.compile(r"^VmHWM:\s*(\d+) kB$", re.MULTILINE)


def own_mb() -> float:
    """Tell this process's memory, with what nobody uses any more given back.

    Why to the system too: after a million records of all sizes the allocator holds 36 MB of pieces
    that nobody uses, and objects are as many as before.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    return float(psutil.Process().memory_info().rss) / 2**20


def peak_mb(pid: int | None = None) -> float:
    """Tell what a process took at its highest since it began, or since `forget_peak`.

    Args:
        pid: None: this process.
    """
    found = _PEAK.search(_file(pid, "status").read_text(encoding="ascii"))
    assert found is not None, "Linux tells it"
    return int(found[1]) / 2**10


def forget_peak() -> None:
    """Count this process's highest from what it takes now."""
    _file(None, "clear_refs").write_text("5", encoding="ascii")


def _file(pid: int | None, name: str) -> Path:
    return Path("/proc") / ("self" if pid is None else str(pid)) / name
