"""What can be wrong with one row of a table, in words for the people who sent it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final

from bus.errors import Words, say
from bus.texts import Language, message, text

_SHOWN_CHARACTERS_MAX: Final = 80


@unique
class ProblemKind(StrEnum):
    """Closed list; the words of each are the text `problem.<kind>`."""

    TOO_MANY_CELLS = "too_many_cells"
    TOO_FEW_CELLS = "too_few_cells"
    UNREADABLE_SIGN = "unreadable_sign"
    NUL_BYTE = "nul_byte"
    QUOTE_NOT_CLOSED = "quote_not_closed"
    QUOTE_INSIDE = "quote_inside"
    CELL_TOO_LARGE = "cell_too_large"
    NOT_A_JSON_OBJECT = "not_a_json_object"
    DOUBLED_NAME = "doubled_name"
    DOUBLED_NAME_INSIDE = "doubled_name_inside"
    NESTED_VALUE = "nested_value"
    DIGITS_LOST = "digits_lost"
    VALUE_MISSING = "value_missing"
    PATTERN_NOT_FOUND = "pattern_not_found"
    NOT_IN_MAP = "not_in_map"
    NOT_AN_INTEGER = "not_an_integer"
    NOT_A_NUMBER = "not_a_number"
    OUT_OF_RANGE = "out_of_range"
    TOO_MANY_DIGITS = "too_many_digits"
    NOT_A_BOOLEAN = "not_a_boolean"
    NOT_A_SYMBOL = "not_a_symbol"
    NOT_A_DATE = "not_a_date"
    NOT_A_MOMENT = "not_a_moment"
    NO_TIME_ZONE = "no_time_zone"
    MISFIT = "misfit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong with one row."""

    kind: ProblemKind
    field: str | None = None
    """Field of the schema that the value was meant for, or the path of a part of it; None: the
    row as a whole."""
    column: str | None = None
    """Where the value stands in the table."""
    found: Words | None = None
    """What stands there; None where the field is personal or the row as a whole is meant."""
    expected: Words = ""
    """What the words leave open: a count, an encoding, a pattern, a list of values."""

    def spoken(self, language: str) -> str:
        """Say where the problem is, what is wrong and what to do.

        Args:
            language: `en` or `ru`.
        """
        speech = Language(language)
        words = message(f"problem.{self.kind}", expected=self.expected).spoken(speech)
        shown = _shown(say(self.found, speech)) if self.found is not None else None
        places = {"field": self.field, "column": self.column, "found": shown}
        where = ", ".join(
            text(f"problem.place.{name}", speech, value=value)
            for name, value in places.items()
            if value is not None
        )
        return f"{where}: {words}" if where else words

    def __str__(self) -> str:
        return self.spoken("en")


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS_MAX else text[:_SHOWN_CHARACTERS_MAX] + "…"
