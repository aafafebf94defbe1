"""Changes of a table as rows of a source, with positions behind commits. Pure.

All rows of a transaction have one commit, and reading on from a commit gives none of them: so only
the last one carries a position. Each is named by its own place in the log, which is the same
wherever reading began, and rises from one change of an entry to the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from psycopg import DataError

from bus.errors import Words
from bus.model.record import Operation
from connectors.source import NOT_HERE, Bad, Cell, Item, Json, Row
from connectors.sources.changes_cells import raw_of
from connectors.sources.changes_position import Place, lsn_text
from connectors.sources.changes_table import PREFIX, Columns, Piece
from connectors.sources.pgoutput import (
    UNCHANGED,
    Begin,
    Change,
    Commit,
    Note,
    Relation,
    Truncate,
    Value,
    decoded,
)
from connectors.texts import message
from connectors.versions import packed

PART_ROWS: Final = 10_000
"""In a transaction of more rows each so many carry a position within it, from which is read on by
sending all of it again and passing over what was told."""
_BEGIN_OF_TIME: Final = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(slots=True, kw_only=True)
class Captured:
    """How the rows of one table are told."""

    table: str
    key: str
    ending: Operation
    is_numbered: bool
    has_commit_time: bool


@dataclass(slots=True, kw_only=True)
class Assembler:
    """Makes items of messages."""

    told: Captured
    place: Place
    oid: int
    """Of the table."""
    pieces: list[Piece] = field(default_factory=list)
    """Being read in the table."""
    is_inside: bool = False
    """A transaction has begun and not ended."""
    _columns: dict[int, Columns] = field(default_factory=dict)
    _commit: int = 0
    _at: datetime | None = None
    _rows: int = 0
    _passed_over: int = 0
    _held: Row | Bad | None = None
    """It waits to learn whether it is the last of its transaction."""
    _token: str = ""

    def items(self, lsn: int, data: bytes) -> Sequence[Item]:
        """Take one message, and give what can be told by now.

        Args:
            lsn: Place of the change.
            data: The message.
        """
        match decoded(data):
            case Change(table=table) as change if table == self.oid:
                return self._changed(lsn, change)
            case Begin(commit=commit, at_us=at_us):
                self._begin(commit, at_us)
            case Commit(end=end):
                return self._committed(end)
            case Relation() as relation:
                self._columns[relation.table] = Columns.of(relation.columns, self.told.key)
            case Truncate(tables=tables) if self.oid in tables:
                return self._truncated()
            case Note(prefix=prefix, content=content) if prefix == PREFIX:
                self._token = content.decode(errors="replace")
            case _:
                pass
        return ()

    def _begin(self, commit: int, at_us: int) -> None:
        self.is_inside, self._commit, self._rows = True, commit, 0
        if self.told.has_commit_time:
            self._at = _BEGIN_OF_TIME + timedelta(microseconds=at_us)
        within = self.place.within
        self._passed_over = within[1] if within is not None and within[0] == commit else 0

    def _committed(self, end: int) -> Sequence[Item]:
        held, self._held, self.is_inside = self._held, None, False
        self.place.lsn, self.place.within = end, None
        found = [] if held is None else [_at(held, self.place.json)]
        if self._token:
            for piece in self.pieces:
                if piece.token == self._token:
                    piece.passed.set()
            self._token = ""
        return found

    def _changed(self, lsn: int, change: Change) -> Sequence[Item]:
        columns, old, new = self._columns[change.table], change.old, change.new
        for piece in self.pieces:
            for row in (old, new):
                if row is not None and isinstance(key := row[columns.key], bytes):
                    piece.changed.add(key)
        if new is None:
            return self._ended(lsn, columns, change)
        if change.is_insert:
            return self._row(lsn, columns, new, Operation.CREATE)
        if old is not None and change.is_old_whole and UNCHANGED in new:
            pairs = zip(old, new, strict=True)
            new = [before if value is UNCHANGED else value for before, value in pairs]
        if old is None or old[columns.key] == new[columns.key]:
            return self._row(lsn, columns, new, None)
        return [
            *self._ended(lsn, columns, change),
            *self._row(lsn, columns, new, Operation.CREATE),
        ]

    def _ended(self, lsn: int, columns: Columns, change: Change) -> Sequence[Item]:
        old = change.old or []
        if not change.is_old_whole:
            return self._hold(self._bad(columns, old, message("postgres-changes.no_old_row")))
        found: list[Item] = []
        if not self.place.is_read:
            # Its key may not have been read yet: then it is told what has ended.
            found.extend(self._row(lsn - 1, columns, old, Operation.CREATE))
        found.extend(self._row(lsn, columns, old, self.told.ending))
        return found

    def _truncated(self) -> Sequence[Item]:
        for piece in self.pieces:
            piece.rows.clear()
            piece.is_void = True
        why = message("postgres-changes.truncated", table=self.told.table)
        place = f"{self.told.table}/TRUNCATE {lsn_text(self._commit)}"
        return self._hold(Bad("TRUNCATE", why, place))

    def _row(
        self, lsn: int, columns: Columns, values: Sequence[Value], operation: Operation | None
    ) -> Sequence[Item]:
        return self._hold(self.row(lsn, columns, values, operation, is_change=True))

    def _hold(self, item: Row | Bad) -> Sequence[Item]:
        """Give the item before this one, which is not the last of its transaction then."""
        self._rows += 1
        if self._rows <= self._passed_over:
            return ()
        before, self._held = self._held, item
        if before is None:
            return ()
        number = self._rows - 1
        if number % PART_ROWS == 0:
            before = _at(before, self.place.inside(self._commit, number))
        return (before,)

    def row(
        self,
        lsn: int,
        columns: Columns,
        values: Sequence[Value],
        operation: Operation | None,
        *,
        is_change: bool = False,
    ) -> Row | Bad:
        """Make a row of its values.

        Args:
            lsn: Where it was changed, or was as it is.
            columns: Of the table at that time.
            values: As text.
            operation: What became of it.
            is_change: It stands in the log itself.
        """
        number = packed(self.place.epoch, lsn)
        cells: dict[str, Cell] = {}
        column = None
        try:
            for column, reading, value in zip(columns.names, columns.readings, values, strict=True):
                cells[column] = None if value is None else reading(value)  # type: ignore[arg-type]
        except (ValueError, TypeError, AttributeError, DataError):
            whole = UNCHANGED not in values
            told = {"column": column, "table": self.told.table}
            key = "postgres-changes.unreadable" if whole else "postgres-changes.no_old_row"
            return self._bad(columns, values, message(key, **told), column)
        version = number if self.told.is_numbered else None
        place = f"{self.told.table}/{cells.get(self.told.key)}"
        event = number if is_change else None
        return Row(cells, NOT_HERE, place, version, self._at, operation, event)

    def _bad(
        self, columns: Columns, values: Sequence[Value], why: Words, column: str | None = None
    ) -> Bad:
        key = values[columns.key] if values and columns.key >= 0 else None
        shown = key.decode(errors="replace") if isinstance(key, bytes) else "?"
        raw = raw_of(columns.names, values)
        return Bad(raw, why, f"{self.told.table}/{shown}", column)


def _at(item: Row | Bad, position: Json) -> Row | Bad:
    if isinstance(item, Bad):
        return replace(item, position=position)
    cells, place, version = item.cells, item.place, item.version
    return Row(cells, position, place, version, item.at, item.operation, item.event)
