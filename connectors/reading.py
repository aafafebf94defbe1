"""A source's items as the rows of one publication: up to a position that may be kept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Final, Protocol, TypeAlias

from bus.client import BadRow, MappedRow, RowProblem, SourceRow, UnreadableRow
from bus.errors import DocumentError
from bus.model.record import Operation
from connectors.source import NOT_HERE, Bad, Cell, Item, Json, Mark, Row
from connectors.texts import message

Fit: TypeAlias = Callable[[Mapping[str, Cell]], MappedRow | BadRow | UnreadableRow | None]
"""Makes values of the contract's fields of a row's cells; None: the mapping passes the row over."""
UNSAFE_ROWS_MAX: Final = 100_000
"""Rows in a row without a position, after which the source is taken to be wrong."""


class _Hash(Protocol):
    def copy(self) -> _Hash: ...
    def update(self, data: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


class Paced(Protocol):
    """Keeps a rate."""

    async def turn(self) -> None:
        """Wait until one more row may go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """When a stretch of rows has an end, at the next position."""

    rows_max: int = 5_000
    longest_s: float = 1.0
    beside_history_s: float = 0.25
    """In place of it while history is loaded: what is new waits while a stretch becomes durable,
    which takes the longer the more rows it has."""
    idle_s: float = 0.2
    """Silence of the source."""


@dataclass(slots=True)
class Past:
    """Rows of history on their way; they go on from one reading of the source to the next."""

    rows: AsyncIterator[SourceRow]
    has_ended: bool = False
    _coming: asyncio.Future[SourceRow] | None = None

    def coming(self) -> asyncio.Future[SourceRow]:
        """Give what is waited for."""
        if self._coming is None:
            self._coming = asyncio.ensure_future(anext(self.rows))
        return self._coming

    def row(self) -> SourceRow | None:
        """Take the next row where it has come."""
        if self._coming is None or not self._coming.done():
            return None
        coming, self._coming = self._coming, None
        try:
            return coming.result()
        except StopAsyncIteration:
            self.has_ended = True
            return None

    async def close(self) -> None:
        """Give it up; the same history is begun anew later."""
        await _closed(self._coming, self.rows)


@dataclass(slots=True, kw_only=True)
class Reading:
    """One reading of a source, cut into stretches behind which a position may be kept."""

    items: AsyncIterator[Item]
    fit: Fit
    position: Json
    """Behind which the next item stands, but for `unsafe_rows`."""
    stopping: asyncio.Event
    pace: Paced
    connector: str
    stretch: Stretch
    past: Past | None = None
    """Rows of history that fill the pauses of what is new."""
    has_ended: bool = False
    """The source gave its last item, for now."""
    rows: int = 0
    """Items of this stretch, those that the mapping passed over included."""
    unsafe_rows: int = 0
    """Rows since the position."""
    _coming: asyncio.Future[Item] | None = None
    _begun: tuple[Json, _Hash] | None = None
    """The latest position, and the beginning of the names of events behind it."""

    @property
    def may_be_kept(self) -> bool:
        """Tell whether nothing behind the position was given."""
        return not self.unsafe_rows

    async def rows_to_a_position(self) -> AsyncGenerator[SourceRow, None]:
        """Give rows up to a position behind which nothing was given.

        Ends at another place only where the source ends or the runner stops.
        """
        time = asyncio.get_running_loop().time
        limits, self.rows = self.stretch, 0
        has_history = self.past is not None and not self.past.has_ended
        due_s = time() + (limits.beside_history_s if has_history else limits.longest_s)
        while not (self.may_be_kept and (self.rows >= limits.rows_max or time() >= due_s)):
            is_idle_next = self.may_be_kept and self.rows > 0
            item = await self._next(limits.idle_s if is_idle_next else due_s - time())
            if item is None:
                if self.stopping.is_set() or self.has_ended or self.may_be_kept:
                    return
                continue
            row = item if isinstance(item, SourceRow) else self._row(item)
            if row is not None:
                await self.pace.turn()
                yield row

    async def _next(self, timeout_s: float) -> Item | SourceRow | None:
        """Wait for the next item, or row of history; None where there is none in time."""
        if self._coming is None and not self.has_ended:
            self._coming = asyncio.ensure_future(anext(self.items))
        past = self.past if self.past is not None and not self.past.has_ended else None
        stopped = asyncio.ensure_future(self.stopping.wait())
        awaited: set[asyncio.Future[Any]] = {stopped}
        if self._coming is not None:
            awaited.add(self._coming)
        if past is not None:
            awaited.add(past.coming())
        try:
            await asyncio.wait(
                awaited, timeout=max(0.0, timeout_s), return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            stopped.cancel()
        if self.stopping.is_set():
            return None
        return self._item() or (None if past is None else past.row())

    def _item(self) -> Item | None:
        if self._coming is None or not self._coming.done():
            return None
        coming, self._coming = self._coming, None
        try:
            return coming.result()
        except StopAsyncIteration:
            self.has_ended = True
            return None

    def _row(self, item: Item) -> SourceRow | None:
        """Move on to an item, and make what is published of it."""
        self.rows += 1
        if isinstance(item, Mark):
            self.position, self.unsafe_rows = item.position, 0
            return None
        self.unsafe_rows += 1
        if self.unsafe_rows > UNSAFE_ROWS_MAX:
            told = {"connector": self.connector, "rows": UNSAFE_ROWS_MAX, "position": self.position}
            raise DocumentError(message("connector.no_position", **told))
        is_safe = item.position is not NOT_HERE
        before = item.position if is_safe else self.position
        number = 0 if is_safe else self.unsafe_rows
        if is_safe:
            self.position, self.unsafe_rows = item.position, 0
        event = self._event(before, number) if item.event is None else f"{item.event:016x}"
        place = _place(item, before, number)
        return source_row(item, self.fit, event=event, place=place)

    def _event(self, position: Json, number: int) -> str:
        """See `event_of`; a position of many bytes is written once for all rows behind it."""
        if self._begun is None or self._begun[0] is not position:
            self._begun = (position, _begun_event(position))
        return _event_behind(self._begun[1], number)

    async def close(self) -> None:
        """Close the source; what it was about to give is given again later."""
        await _closed(self._coming, self.items)


async def _closed(coming: asyncio.Future[Any] | None, items: AsyncIterator[Any]) -> None:
    """Close a generator of which something may be awaited."""
    if coming is not None:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
    closing = getattr(items, "aclose", None)
    if closing is not None:
        await closing()


def source_row(
    item: Row | Bad, fit: Fit, *, event: str, place: str, is_history: bool = False
) -> SourceRow | None:
    """Make what is published of an item; None where the mapping passes it over."""
    if isinstance(item, Bad):
        return SourceRow(
            row=UnreadableRow(problems=(RowProblem.of(item.column, item.why),)),
            event=event,
            place=place,
            raw=item.raw,
            is_history=is_history,
        )
    fitted = fit(item.cells)
    if fitted is None:
        return None
    if isinstance(fitted, MappedRow):
        fitted = _with_words_of_the_source(fitted, item)
    return SourceRow(
        row=fitted,
        event=event,
        place=place,
        raw=item.cells,
        event_time=item.at,
        is_history=is_history,
    )


def _with_words_of_the_source(fitted: MappedRow, item: Row) -> MappedRow:
    """Let version and operation that the source tells stand above those of the mapping."""
    if item.version is None and item.operation is None:
        return fitted
    operation: Operation | None = item.operation or fitted.operation
    if item.operation is Operation.CREATE and fitted.operation is not None:
        operation = fitted.operation  # it is there, and says of itself that it has ended
    version = fitted.version if item.version is None else item.version
    return replace(fitted, version=version, operation=operation)


def event_of(position: Json, number: int) -> str:
    """Name an event of the source: by its own position, or by the one before it and its number.

    Args:
        position: What JSON can write.
        number: Rows since that position, from 1; 0: the position is the row's own.

    Returns: 16 hexadecimal digits, the first bit set: without it they are a place in an order.
    """
    return _event_behind(_begun_event(position), number)


def _begun_event(position: Json) -> _Hash:
    written = json.dumps([position], ensure_ascii=False, sort_keys=True, default=str)
    return sha256(f"{written[:-1]}, ".encode())


def _event_behind(begun: _Hash, number: int) -> str:
    whole = begun.copy()
    whole.update(f"{number}]".encode())
    return f"{int(whole.hexdigest()[:16], 16) | 1 << 63:016x}"


def _place(item: Row | Bad, position: Json, number: int) -> str:
    if item.place:
        return item.place
    written = json.dumps(position, ensure_ascii=False, default=str)
    return written if number == 0 else f"{written}+{number}"
