"""What can be wrong with one row of a table, in words for the people who sent it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

Language: TypeAlias = Literal["ru", "en"]
_SHOWN_CHARACTERS_MAX: Final = 80


@unique
class ProblemKind(StrEnum):
    """Closed list; the words of each stand in `_WORDS`."""

    TOO_MANY_CELLS = "too_many_cells"
    TOO_FEW_CELLS = "too_few_cells"
    UNREADABLE_SIGN = "unreadable_sign"
    NUL_BYTE = "nul_byte"
    QUOTE_NOT_CLOSED = "quote_not_closed"
    QUOTE_INSIDE = "quote_inside"
    CELL_TOO_LARGE = "cell_too_large"
    NOT_A_JSON_OBJECT = "not_a_json_object"
    DOUBLED_NAME = "doubled_name"
    NESTED_VALUE = "nested_value"
    DIGITS_LOST = "digits_lost"
    VALUE_MISSING = "value_missing"
    PATTERN_NOT_FOUND = "pattern_not_found"
    NOT_IN_MAP = "not_in_map"
    NOT_AN_INTEGER = "not_an_integer"
    NOT_A_NUMBER = "not_a_number"
    OUT_OF_RANGE = "out_of_range"
    NOT_A_BOOLEAN = "not_a_boolean"
    NOT_A_SYMBOL = "not_a_symbol"
    NOT_A_DATE = "not_a_date"
    NOT_A_MOMENT = "not_a_moment"
    NO_TIME_ZONE = "no_time_zone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong with one row."""

    kind: ProblemKind
    field: str | None = None
    """Field of the schema that the value was meant for; None: the row as a whole."""
    column: str | None = None
    """Where the value stands in the table."""
    found: str | None = None
    """What stands there; None where the field is personal or the row as a whole is meant."""
    expected: str = ""
    """What the words leave open: a count, an encoding, a pattern, a list of values."""

    def in_words(self, language: Language) -> str:
        """Say where the problem is, what is wrong and what to do."""
        words = _WORDS[self.kind][language].format(expected=self.expected)
        shown = _shown(self.found) if self.found is not None else None
        if language == "ru":
            places = (("поле", self.field), ("столбец", self.column), ("найдено", shown))
        else:
            places = (("field", self.field), ("column", self.column), ("found", shown))
        where = ", ".join(f"{name} «{value}»" for name, value in places if value is not None)
        return f"{where}: {words}" if where else words

    def __str__(self) -> str:
        return self.in_words("en")


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS_MAX else text[:_SHOWN_CHARACTERS_MAX] + "…"


_WORDS: Final[Mapping[ProblemKind, Mapping[Language, str]]] = MappingProxyType(
    {
        ProblemKind.TOO_MANY_CELLS: {
            "en": "the row has more cells than the header's {expected}. "
            "Put cells that contain the delimiter in quotes",
            "ru": "в строке больше ячеек, чем в заголовке ({expected}). "
            "Возьмите в кавычки ячейки, в которых встречается разделитель",
        },
        ProblemKind.TOO_FEW_CELLS: {
            "en": "the row has fewer cells than the header's {expected}. "
            "Look for a line break inside a cell without quotes",
            "ru": "в строке меньше ячеек, чем в заголовке ({expected}). "
            "Проверьте, нет ли переноса строки внутри ячейки без кавычек",
        },
        ProblemKind.UNREADABLE_SIGN: {
            "en": "the row contains a sign that can't be read as {expected}. "
            "State the file's encoding, or mend the sign in the source",
            "ru": "в строке есть знак, который не читается в кодировке {expected}. "
            "Укажите кодировку файла или исправьте знак в источнике",
        },
        ProblemKind.NUL_BYTE: {
            "en": "the row contains a NUL character. Export the table again",
            "ru": "в строке есть нулевой символ. Выгрузите таблицу заново",
        },
        ProblemKind.QUOTE_NOT_CLOSED: {
            "en": "a quoted cell begins here and does not end within {expected} lines. "
            "Close the quote, or state that the file has no quotes",
            "ru": "здесь начинается ячейка в кавычках, которая не кончается за {expected} строк. "
            "Закройте кавычку или укажите, что в файле нет кавычек",
        },
        ProblemKind.QUOTE_INSIDE: {
            "en": "a quoted cell goes on after its closing quote. "
            "Double the quotes inside the cell, or state that the file has no quotes",
            "ru": "ячейка в кавычках продолжается после закрывающей кавычки. "
            "Удвойте кавычки внутри ячейки или укажите, что в файле нет кавычек",
        },
        ProblemKind.CELL_TOO_LARGE: {
            "en": "a cell is longer than {expected} characters. Shorten it or split the table",
            "ru": "ячейка длиннее {expected} знаков. Сократите её или разделите таблицу",
        },
        ProblemKind.NOT_A_JSON_OBJECT: {
            "en": "the line is not one JSON object. Write one object a line",
            "ru": "строка не является одним объектом JSON. Пишите по одному объекту в строке",
        },
        ProblemKind.DOUBLED_NAME: {
            "en": "the object has this name twice. Leave one of them",
            "ru": "это имя встречается в объекте дважды. Оставьте одно",
        },
        ProblemKind.NESTED_VALUE: {
            "en": "the value is a list or an object, and a cell holds one value. Flatten it",
            "ru": "значение - список или объект, а в ячейке стоит одно значение. Разверните его",
        },
        ProblemKind.DIGITS_LOST: {
            "en": "the number has more than {expected} digits, and Excel has rounded it. "
            "Format the column as text and enter the number again",
            "ru": "в числе больше {expected} цифр, и Excel его округлил. "
            "Задайте столбцу текстовый формат и введите число заново",
        },
        ProblemKind.VALUE_MISSING: {
            "en": "the field must have a value, and the cell is empty. Fill it in",
            "ru": "поле обязательно, а ячейка пуста. Заполните её",
        },
        ProblemKind.PATTERN_NOT_FOUND: {
            "en": "the pattern {expected} does not match. Correct the cell or the mapping",
            "ru": "не подходит под образец {expected}. Исправьте ячейку или файл соответствия",
        },
        ProblemKind.NOT_IN_MAP: {
            "en": "the mapping lists no such value; it lists: {expected}. "
            "Correct the cell or add the value to the mapping",
            "ru": "такого значения нет в файле соответствия; есть: {expected}. "
            "Исправьте ячейку или добавьте значение в файл соответствия",
        },
        ProblemKind.NOT_AN_INTEGER: {
            "en": "a whole number is expected",
            "ru": "ожидается целое число",
        },
        ProblemKind.NOT_A_NUMBER: {
            "en": "a number is expected, decimals after {expected}",
            "ru": "ожидается число, дробная часть отделяется знаком {expected}",
        },
        ProblemKind.OUT_OF_RANGE: {
            "en": "the number is outside {expected}",
            "ru": "число вне пределов {expected}",
        },
        ProblemKind.NOT_A_BOOLEAN: {
            "en": "true or false (да or нет) is expected; other words need `map`",
            "ru": "ожидается «да» или «нет» (true, false); для других слов нужен `map`",
        },
        ProblemKind.NOT_A_SYMBOL: {
            "en": "one of these is expected: {expected}",
            "ru": "ожидается одно из значений: {expected}",
        },
        ProblemKind.NOT_A_DATE: {
            "en": "a day is expected, written {expected}",
            "ru": "ожидается дата вида {expected}",
        },
        ProblemKind.NOT_A_MOMENT: {
            "en": "a moment is expected, written {expected}",
            "ru": "ожидаются дата и время вида {expected}",
        },
        ProblemKind.NO_TIME_ZONE: {
            "en": "the moment has no time zone. State `time_zone` in the mapping",
            "ru": "у времени нет часового пояса. Укажите `time_zone` в файле соответствия",
        },
    }
)
