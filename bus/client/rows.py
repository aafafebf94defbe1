"""One row on its way into a record: its key, its value, or why it can't be sent. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from hashlib import sha256
from typing import Final, Self, TypeAlias

from bus.contracts.contract import Contract, VersionSource
from bus.contracts.defaults import field_defaults
from bus.contracts.encode import NotEncodable, encoder
from bus.errors import Words, say
from bus.model.record import Operation
from bus.tables.fitting import MappedRow
from bus.tables.table import BadRow
from bus.texts import message
from bus.wire.headers import VERSION_MAX

_PROBLEMS_TOLD_MAX: Final = 100
_RAW_TOLD_MAX: Final = 50_000
"""Characters of a row that quarantine is given; in UTF-8 they fit a record with room to spare."""


@dataclass(frozen=True, slots=True)
class Annul:
    """Values of an entry whose standing version never was true: it is taken back."""

    values: Mapping[str, object]
    """Of the version that is annulled: a consumer sees by them what was wrong."""


@dataclass(frozen=True, slots=True)
class Cease:
    """Values of an entry that has come to an end: it stays, closed at the record's event time."""

    values: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowProblem:
    """One thing that keeps a row from being sent, in words for the people who own it."""

    field: str | None
    """Field of the schema; None: the row as a whole."""
    en: str
    ru: str

    @classmethod
    def of(cls, field: str | None, words: Words) -> Self:
        """Say it in both languages."""
        return cls(field=field, en=say(words, "en"), ru=say(words, "ru"))


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableRow:
    """What stands in a source in the place of a row, and is none."""

    problems: tuple[RowProblem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRow:
    """A row as a connector read it: what it says, where it stands, and what stands there.

    Nothing of it is dropped: where no record can be made of it, the row itself goes to quarantine.
    """

    row: MappedRow | BadRow | UnreadableRow | Mapping[str, object]
    event: str
    """Which event of the source it tells: 16 hexadecimal digits, the same each time it is read."""
    place: str
    """Where it stands, for people: `schools.csv:17`. A row that was mended stands there again."""
    raw: str | Mapping[str, object] = field(repr=False)
    """What stands there: as text, or by column."""
    event_time: datetime | None = None
    """When its content came to be, aware; None: as the encoder finds it."""
    is_history: bool = False
    """It goes by the lane `backfill` and fills gaps: an entry that is known already is not changed
    by it, unless rows bring versions."""


RowGiven: TypeAlias = (
    MappedRow | BadRow | UnreadableRow | Annul | Cease | SourceRow | Mapping[str, object]
)
"""A row as it is published: of a table, of a connector, or values by field."""


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
    operation: Operation | None
    """What the row says of itself; None: that its values are so."""
    is_unreadable: bool = False
    """The value is the row itself, for quarantine."""


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
        self._operations = contract.operations
        self._encode = encoder(contract.newest.schema, schema_id)
        #: Of the schema that rows are encoded by.
        self.schema_id = schema_id
        self._defaults = field_defaults(contract.newest.schema)

    def prepare(self, row: RowGiven, place: int) -> PreparedRow | UnsendableRow:
        """Encode one row.

        Args:
            row: From a table, or values by field.
            place: Among the rows given, from 1; the number of a row without one.
        """
        match row:
            case BadRow():
                return _as_unsendable(row)
            case MappedRow():
                return self._prepared(row.number, row.values, row.version, row.operation)
            case Annul():
                return self._prepared(place, row.values, None, Operation.ANNUL)
            case Cease():
                return self._prepared(place, row.values, None, Operation.CEASE)
            case SourceRow():
                return self._of_a_source(row, place)
            case UnreadableRow():
                return UnsendableRow(number=place, problems=row.problems)
            case _:
                return self._prepared(place, row, None, None)

    def _of_a_source(self, row: SourceRow, place: int) -> PreparedRow | UnsendableRow:
        prepared = self.prepare(row.row, place)
        if isinstance(prepared, UnsendableRow) or row.event_time is None:
            return prepared
        return replace(prepared, event_time=row.event_time)

    def _prepared(
        self,
        number: int,
        values: Mapping[str, object],
        version: int | None,
        operation: Operation | None,
    ) -> PreparedRow | UnsendableRow:
        key = _key_text(values.get(self._key_field))
        if key is None:
            return unsendable(number, self._key_field, message("row.no_key"))
        if self.is_numbered and not (version is not None and 1 <= version <= VERSION_MAX):
            return unsendable(number, None, message("row.no_version"))
        if not self.is_numbered and version is not None:
            return unsendable(number, None, message("row.unwanted_version"))
        if operation is not None and operation not in self._operations:
            return unsendable(number, None, message("row.not_allowed", operation=operation))
        try:
            value = self._encode({**self._defaults, **values})
        except NotEncodable as problem:
            return UnsendableRow(
                number=number,
                problems=tuple(
                    RowProblem.of(
                        finding.path,
                        message(
                            "row.not_encodable", found=finding.found, expected=finding.expected
                        ),
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
            operation=operation,
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


def unreadable(row: SourceRow, refused: UnsendableRow) -> PreparedRow:
    """Make a record of a row of which none could be made: the row itself, its place and why."""
    problems = [
        {"field": one.field, "en": one.en, "ru": one.ru}
        for one in refused.problems[:_PROBLEMS_TOLD_MAX]
    ]
    raw = row.raw if isinstance(row.raw, str) else _as_json(row.raw)
    content = {"place": row.place, "problems": problems, "row": raw[:_RAW_TOLD_MAX]}
    return PreparedRow(
        number=refused.number,
        key=unreadable_key(row.place),
        value=_as_json(content).encode(errors="replace"),
        version=None,
        event_time=None,
        operation=None,
        is_unreadable=True,
    )


def _as_json(content: Mapping[str, object]) -> str:
    return json.dumps(content, ensure_ascii=False, default=str)


def unreadable_key(place: str) -> str:
    """Name the entry that stands for a place in a source: nothing can be read from it."""
    return f"row:{sha256(place.encode()).hexdigest()[:16]}"


def unsendable(number: int, field: str | None, words: Words) -> UnsendableRow:
    """Say that a row was not sent, for one reason."""
    return UnsendableRow(number=number, problems=(RowProblem.of(field, words),))


def _as_unsendable(row: BadRow) -> UnsendableRow:
    return UnsendableRow(
        number=row.number,
        problems=tuple(RowProblem.of(problem.field, problem) for problem in row.problems),
    )


def _key_text(value: object) -> str | None:
    if isinstance(value, str):
        return value or None
    if isinstance(value, int):
        return str(value)
    return None
