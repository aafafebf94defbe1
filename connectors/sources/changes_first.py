"""The first reading of a table, in step with its log."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from bus.model.record import Operation
from connectors.source import Bad, Item, Mark, Row
from connectors.sources.changes_rows import Assembler
from connectors.sources.changes_sessions import Connection
from connectors.sources.changes_slot import Names
from connectors.sources.changes_table import Columns, Piece, read_piece


class FirstReading:
    """Reads what was in the table before, piece after piece, beside its changes."""

    def __init__(
        self, names: Names, of_table: Connection, assembler: Assembler, rows_max: int
    ) -> None:
        """Begin with the piece that follows the position.

        Args:
            names: Of the table.
            of_table: A session for nobody else.
            assembler: Tells changes.
            rows_max: Rows of a piece.
        """
        self._names = names
        self._of_table = of_table
        self._assembler = assembler
        self._rows_max = rows_max
        self._reading: asyncio.Future[Piece] | None = None
        self._piece = self._next()

    def _next(self) -> Piece:
        """Note changes for the next piece from now on: right behind a position."""
        piece = Piece(lsn=self._assembler.place.lsn)
        if not self._assembler.place.is_read:
            self._assembler.pieces.append(piece)
        return piece

    @property
    def is_due(self) -> bool:
        """Tell whether the log has come to the mark of the piece."""
        return self._reading is not None and self._piece.passed.is_set()

    def go_on(self) -> None:
        """Read the next piece, where there is one and none is being read; notice a failure."""
        if self._reading is not None and self._reading.done():
            self._reading.result()
        if self._reading is not None or self._assembler.place.is_read:
            return
        self._reading = asyncio.ensure_future(
            read_piece(
                self._of_table,
                self._names,
                self._piece,
                after=self._assembler.place.after,
                rows_max=self._rows_max,
            )
        )

    async def rows(self) -> Sequence[Item]:
        """Give the piece at its mark: only its end is a position."""
        assert self._reading is not None, "due"
        piece = await self._reading
        self._reading = None
        self._assembler.pieces.remove(piece)
        found: list[Item] = list(rows_of(self._assembler, piece))
        place = self._assembler.place
        place.after, place.is_read = piece.last_key or place.after, piece.is_last
        found.append(Mark(place.json))
        self._piece = self._next()
        return found

    async def close(self) -> None:
        """Give up what is being read."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)


def rows_of(assembler: Assembler, piece: Piece) -> Iterator[Row | Bad]:
    """Give the rows of a piece that the log did not tell."""
    columns = piece.columns or Columns((), (), -1)
    for row in piece.rows:
        if not piece.is_void and row[columns.key] not in piece.changed:
            yield assembler.row(piece.lsn - 1, columns, row, Operation.CREATE)
