"""One row on its way into a record: its key, its value, or why it can't be sent. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any, Final

from bus.contracts.avro_types import fields_of_record, is_nullable
from bus.contracts.contract import Contract, VersionSource
from bus.contracts.encode import NotEncodable, encoder
from bus.tables.fitting import MappedRow
from bus.tables.table import BadRow
from bus.wire.headers import VERSION_MAX

_ABSENT: Final = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class RowProblem:
    """One thing that keeps a row from being sent, in words for the people who own it."""

    field: str | None
    """Field of the schema; None: the row as a whole."""
    en: str
    ru: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsendableRow:
    """A row that was not sent, with every problem that is known."""

    number: int
    """Of the row in its file, or its place among the rows given, from 1."""
    problems: tuple[RowProblem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedRow:
    """A row as a record's content."""

    number: int
    key: str
    value: bytes
    """Framed Avro."""
    version: int | None
    """From the source; None: the publisher numbers."""
    event_time: datetime | None
    """Aware; None: now."""


class RowEncoder:
    """Turns rows of one dataset into values of its newest schema version."""

    def __init__(
        self, contract: Contract, schema_id: int, event_time_field: str | None = None
    ) -> None:
        """Compile what encoding needs.

        Args:
            contract: Of the dataset.
            schema_id: Of its newest schema version.
            event_time_field: Field that says when a row's content came to be, a day or a moment;
                None, or null in a row: when it is published.

        Raises:
            DocumentError: The bus can't read the schema.
        """
        self._key_field = contract.key_field
        #: Whether the source numbers the versions, and not the publisher.
        self.is_numbered = contract.version_source is not VersionSource.PUBLISHER
        self._event_time_field = event_time_field
        self._encode = encoder(contract.newest.schema, schema_id)
        self._defaults = _defaults(contract.newest.schema)

    def prepare(
        self, row: MappedRow | BadRow | Mapping[str, object], place: int
    ) -> PreparedRow | UnsendableRow:
        """Encode one row.

        Args:
            row: From a table, or values by field.
            place: Among the rows given, from 1; the number of a row without one.
        """
        match row:
            case BadRow():
                return _as_unsendable(row)
            case MappedRow():
                return self._prepared(row.number, row.values, row.version)
            case _:
                return self._prepared(place, row, None)

    def _prepared(
        self, number: int, values: Mapping[str, object], version: int | None
    ) -> PreparedRow | UnsendableRow:
        key = _key_text(values.get(self._key_field))
        if key is None:
            return unsendable(number, self._key_field, *_NO_KEY)
        if self.is_numbered and not (version is not None and 1 <= version <= VERSION_MAX):
            return unsendable(number, None, *_NO_VERSION)
        if not self.is_numbered and version is not None:
            return unsendable(number, None, *_UNWANTED_VERSION)
        try:
            value = self._encode({**self._defaults, **values})
        except NotEncodable as problem:
            return UnsendableRow(
                number=number,
                problems=tuple(
                    RowProblem(
                        field=finding.path,
                        en=f"found {finding.found}; expected {finding.expected}",
                        ru=f"найдено: {finding.found}; ожидается: {finding.expected}",
                    )
                    for finding in problem.findings
                ),
            )
        return PreparedRow(
            number=number,
            key=key,
            value=value,
            version=version,
            event_time=self._event_time(values),
        )

    def _event_time(self, values: Mapping[str, object]) -> datetime | None:
        if self._event_time_field is None:
            return None
        match values.get(self._event_time_field):
            case datetime() as moment if moment.tzinfo is not None:
                return moment
            case datetime():
                return None
            case date() as day:
                return datetime.combine(day, time(), UTC)
            case _:
                return None


_NO_KEY: Final = (
    "found no registry number; expected the agency's own number, a text or a whole number",
    "нет реестрового номера; ожидается собственный номер ведомства: текст или целое число",
)
_NO_VERSION: Final = (
    "found no version from 1 to 2^63-1; the contract says that the source numbers its versions: "
    "name their column under `version` in the mapping",
    "нет версии от 1 до 2^63-1; по контракту версии нумерует источник: укажите их столбец в "
    "`version` файла соответствия",
)
_UNWANTED_VERSION: Final = (
    "found a version; the contract says that the publisher numbers versions: remove `version` "
    "from the mapping, or change `version_source` in the contract",
    "указана версия; по контракту версии нумерует публикатор: уберите `version` из файла "
    "соответствия или измените `version_source` в контракте",
)


def unsendable(number: int, field: str | None, en: str, ru: str) -> UnsendableRow:
    """Say that a row was not sent, for one reason."""
    return UnsendableRow(number=number, problems=(RowProblem(field=field, en=en, ru=ru),))


def _as_unsendable(row: BadRow) -> UnsendableRow:
    return UnsendableRow(
        number=row.number,
        problems=tuple(
            RowProblem(field=problem.field, en=problem.in_words("en"), ru=problem.in_words("ru"))
            for problem in row.problems
        ),
    )


def _key_text(value: object) -> str | None:
    if isinstance(value, str):
        return value or None
    if isinstance(value, int):
        return str(value)
    return None


def _defaults(schema: Mapping[str, Any]) -> dict[str, object]:
    """Find what stands for a field that a row does not have.

    Why only these: a default of a logical type is written as its base type, which the encoder
    rightly refuses; such a field must be given.
    """
    defaults: dict[str, object] = {}
    for field in fields_of_record(schema):
        default = field.get("default", _ABSENT)
        if isinstance(default, (str, int, float)):
            defaults[field["name"]] = default
        elif is_nullable(field["type"]) and (default is None or default is _ABSENT):
            defaults[field["name"]] = None
    return defaults
