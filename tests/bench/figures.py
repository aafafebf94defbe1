"""Figures as they stand in the result: rounded, with their spread."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any


def spread(values: Sequence[float], digits: int = 0) -> dict[str, Any]:
    """Give median, least and greatest of repeats, and how many there were."""
    return {
        "median": rounded(statistics.median(values), digits),
        "min": rounded(min(values), digits),
        "max": rounded(max(values), digits),
        "runs": len(values),
    }


def percentiles(values: Sequence[float], digits: int = 1) -> dict[str, Any]:
    """Give what a half and 99 of 100 values did not exceed (nearest rank), and the worst."""
    ordered = sorted(values)
    if not ordered:
        return {"p50": None, "p99": None, "max": None, "count": 0}

    def at(share: float) -> float:
        return rounded(ordered[math.ceil(share * len(ordered)) - 1], digits)

    return {"p50": at(0.5), "p99": at(0.99), "max": at(1.0), "count": len(ordered)}


def rounded(value: float, digits: int) -> float:
    """Round, to a whole number where no digits are wanted."""
    return round(value, digits) if digits else round(value)
