"""Reading one cell as a value of an Avro type."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from decimal import Context, Decimal
from types import MappingProxyType
from typing import Final, TypeAlias

from bus.errors import Words
from bus.tables.problems import ProblemKind
from bus.tables.table import Cell
from bus.tables.targets import Target, TargetType


@dataclass(frozen=True, slots=True)
class Refused:
    """A cell that is no value of the type."""

    kind: ProblemKind
    expected: Words = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notation:
    """How numbers, days and moments are written."""

    decimal_comma: bool = False
    date_format: str | None = None
    """None: the usual ways."""
    zone: tzinfo | None = None
    """Of moments that don't state theirs."""


_INTEGER_LIMITS: Final[Mapping[TargetType, tuple[int, int]]] = MappingProxyType(
    {TargetType.INT: (-(2**31), 2**31 - 1), TargetType.LONG: (-(2**63), 2**63 - 1)}
)
_FLOAT_MAX: Final = 3.4028234663852886e38
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,40}(?:\.[0-9]{1,40})?")
_EXACT: Final = Context(prec=1000)
"""Room for every digit of a decimal that the bus can read: nothing is rounded."""
_BOOLEANS: Final = MappingProxyType({"true": True, "false": False, "да": True, "нет": False})
_DAY: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_RUSSIAN_DAY: Final = re.compile(r"([0-9]{2})\.([0-9]{2})\.([0-9]{4})")
_USUAL_DAYS: Final = "2026-01-31, 31.01.2026"
_USUAL_MOMENTS: Final = "2026-01-31T09:30:00+04:00, 31.01.2026 09:30"


def value_of(cell: Cell, target: Target, notation: Notation) -> object:
    """Read a cell that is not empty as the target's type.

    Returns: The Python value that an Avro encoder takes for the type, or `Refused`.
    """
    assert target.type is not None
    assert cell is not None
    return _READERS[target.type](cell, target, notation)


def as_text(cell: Cell) -> str:
    """Write a cell as text: whole numbers without a point, days and moments in ISO 8601."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, (date, datetime)):
        return cell.isoformat()
    return str(cell)


def _string(cell: Cell, _target: Target, _notation: Notation) -> object:
    return as_text(cell)


def _boolean(cell: Cell, _target: Target, _notation: Notation) -> object:
    if isinstance(cell, bool):
        return cell
    known = _BOOLEANS.get(cell.casefold()) if isinstance(cell, str) else None
    return Refused(ProblemKind.NOT_A_BOOLEAN) if known is None else known


def _integer(cell: Cell, target: Target, notation: Notation) -> object:
    number = _number(cell, notation)
    if number is None or not math.isfinite(number) or number != int(number):
        return Refused(ProblemKind.NOT_AN_INTEGER)
    assert target.type is not None
    least, greatest = _INTEGER_LIMITS[target.type]
    whole = int(number)
    if not least <= whole <= greatest:
        return Refused(ProblemKind.OUT_OF_RANGE, f"{least} … {greatest}")
    return whole


def _floating(cell: Cell, target: Target, notation: Notation) -> object:
    number = _number(cell, notation)
    if number is None or not math.isfinite(number):
        return Refused(ProblemKind.NOT_A_NUMBER, "," if notation.decimal_comma else ".")
    value = float(number)
    if target.type is TargetType.FLOAT and abs(value) > _FLOAT_MAX:
        return Refused(ProblemKind.OUT_OF_RANGE, f"±{_FLOAT_MAX}")
    return value


def _decimal(cell: Cell, target: Target, notation: Notation) -> object:
    """Read a number exactly; digits beyond the schema's are refused, never rounded away."""
    number = _number(cell, notation)
    if number is None or not math.isfinite(number):
        return Refused(ProblemKind.NOT_A_NUMBER, "," if notation.decimal_comma else ".")
    # Why by its text: a spreadsheet's 17210.15 is the nearest binary number, which is longer.
    exact = Decimal(str(number)) if isinstance(number, float) else Decimal(number)
    unit = Decimal(1).scaleb(-target.scale)
    is_too_large = bool(exact) and exact.adjusted() >= target.precision - target.scale
    if is_too_large or _EXACT.remainder(exact, unit):
        return Refused(ProblemKind.TOO_MANY_DIGITS, f"{target.precision}, {target.scale}")
    return exact.quantize(unit, context=_EXACT)


def _number(cell: Cell, notation: Notation) -> int | float | Decimal | None:
    """Read a number exactly; None when it is not one, or is written with the other sign."""
    if isinstance(cell, bool):
        return None
    if isinstance(cell, (int, float)):
        return cell
    if not isinstance(cell, str):
        return None
    text = cell
    if notation.decimal_comma:
        text = "" if "." in cell else cell.replace(",", ".")
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def _symbol(cell: Cell, target: Target, _notation: Notation) -> object:
    text = as_text(cell)
    if text in target.symbols:
        return text
    return Refused(ProblemKind.NOT_A_SYMBOL, ", ".join(target.symbols))


def _day(cell: Cell, _target: Target, notation: Notation) -> object:
    day: date | None = None
    if isinstance(cell, str):
        day = _day_of_text(cell, notation.date_format)
    elif isinstance(cell, date) and not isinstance(cell, datetime):
        day = cell
    return day or Refused(ProblemKind.NOT_A_DATE, notation.date_format or _USUAL_DAYS)


def _day_of_text(text: str, date_format: str | None) -> date | None:
    try:
        if date_format is not None:
            return datetime.strptime(text, date_format).date()  # noqa: DTZ007 - a day has no zone
        if iso := _DAY.fullmatch(text):
            return date(int(iso[1]), int(iso[2]), int(iso[3]))
        if russian := _RUSSIAN_DAY.fullmatch(text):
            return date(int(russian[3]), int(russian[2]), int(russian[1]))
    except ValueError:
        return None
    return None


def _moment(cell: Cell, _target: Target, notation: Notation) -> object:
    moment: datetime | None = None
    if isinstance(cell, datetime):
        moment = cell
    elif isinstance(cell, date):
        moment = datetime(cell.year, cell.month, cell.day)  # noqa: DTZ001 - zoned below
    elif isinstance(cell, str):
        moment = _moment_of_text(cell, notation.date_format)
    if moment is None:
        return Refused(ProblemKind.NOT_A_MOMENT, notation.date_format or _USUAL_MOMENTS)
    if moment.tzinfo is None and notation.zone is None:
        return Refused(ProblemKind.NO_TIME_ZONE)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=notation.zone)


def _moment_of_text(text: str, date_format: str | None) -> datetime | None:
    try:
        if date_format is not None:
            return datetime.strptime(text, date_format)  # noqa: DTZ007 - zoned by the caller
        return datetime.fromisoformat(_RUSSIAN_DAY.sub(r"\3-\2-\1", text, count=1))
    except ValueError:
        return None


_Reader: TypeAlias = Callable[[Cell, Target, Notation], object]
_READERS: Final[Mapping[TargetType, _Reader]] = MappingProxyType(
    {
        TargetType.STRING: _string,
        TargetType.BOOLEAN: _boolean,
        TargetType.INT: _integer,
        TargetType.LONG: _integer,
        TargetType.FLOAT: _floating,
        TargetType.DOUBLE: _floating,
        TargetType.DECIMAL: _decimal,
        TargetType.ENUM: _symbol,
        TargetType.DATE: _day,
        TargetType.TIMESTAMP_MILLIS: _moment,
    }
)
