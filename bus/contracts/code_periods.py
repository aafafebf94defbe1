"""Codes and the days on which they may be used, in a form that is quick to ask."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Final

from bus.contracts.rules import CodePeriod

_EPOCH_DAY: Final = date(1970, 1, 1)


def is_code_valid(
    periods: Mapping[str, Sequence[tuple[float, float]]], code: str, day: int
) -> bool:
    """Tell whether a code may be used on a day.

    Args:
        periods: Code → first and last days, from 1970, both included.
        code: As the record has it.
        day: From 1970, UTC.
    """
    return any(first <= day <= last for first, last in periods.get(code, ()))


def periods_of(codes: Iterable[CodePeriod]) -> dict[str, list[tuple[float, float]]]:
    """Gather the periods of each code, as `is_code_valid` takes them; infinite where open."""
    periods: dict[str, list[tuple[float, float]]] = {}
    for entry in codes:
        first = float("-inf") if entry.valid_from is None else days_of(entry.valid_from)
        last = float("inf") if entry.valid_to is None else days_of(entry.valid_to)
        periods.setdefault(entry.code, []).append((first, last))
    return periods


def days_of(day: date) -> int:
    """Count the days from 1970 to a day; negative before."""
    return (day - _EPOCH_DAY).days
