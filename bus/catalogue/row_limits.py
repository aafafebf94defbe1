"""Limits and territories of a row filter: what an agreement's text means beside a value. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Final, Protocol, Self, TypeVar

_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TERRITORY: Final = re.compile(r"[0-9]{2}([0-9]{3}){0,3}")
_DISTRICT_DIGITS: Final = 3
_REGION_DIGITS: Final = 2
_REMEMBERED_MAX: Final = 1_024


class _Ordered(Protocol):
    def __lt__(self, other: Self, /) -> bool: ...


OrderedT = TypeVar("OrderedT", bound=_Ordered)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What a text says as a number, as a day and as a moment; None where it says none."""

    number: Decimal | None
    day: date | None
    moment: datetime | None
    """Aware."""


@lru_cache(_REMEMBERED_MAX)
def read_limit(text: str) -> Limit:
    """Read a limit: a number `-1.50`, a day `2026-01-31`, a moment `2026-01-31T09:00:00Z`."""
    return Limit(
        number=Decimal(text) if _NUMBER.fullmatch(text) else None,
        day=_day(text) if _DAY.fullmatch(text) else None,
        moment=_moment(text) if "T" in text else None,
    )


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if moment.tzinfo is None else moment


def side_of(value: object, limit: Limit) -> int | None:
    """Tell on which side of a limit a value lies.

    Returns: -1 below it, 1 above it, 0 on it: a moment lies on a day (UTC) from its beginning to
        its end. None where the two can't be compared.
    """
    match value:
        case bool():
            return None
        case int():
            return _side(Decimal(value), limit.number)
        case Decimal():
            return _side(value, limit.number)
        case datetime() if value.tzinfo is None:
            return _side(value.date(), limit.day)
        case datetime() if limit.moment is not None:
            return _side(value, limit.moment)
        case datetime():
            return _side(value.astimezone(UTC).date(), limit.day)
        case date():
            return _side(value, limit.day)
        case _:
            return None


def _side(value: OrderedT, limit: OrderedT | None) -> int | None:
    if limit is None:
        return None
    return -1 if value < limit else int(limit < value)


def is_territory(code: str) -> bool:
    """Tell whether a text is a code of ОКТМО: of a region, and of what lies in it step by step."""
    return _TERRITORY.fullmatch(code) is not None


@lru_cache(_REMEMBERED_MAX)
def territory_prefix(code: str) -> str:
    """Give the digits with which the codes of a territory and of all that lies in it begin.

    `36000000` and `36` are the region, `36701000` and `36701` a city of it. Source: ОК 033-2013.
    """
    while len(code) > _REGION_DIGITS and code.endswith("0" * _DISTRICT_DIGITS):
        code = code[:-_DISTRICT_DIGITS]
    return code
