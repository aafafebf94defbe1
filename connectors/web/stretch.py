"""One stretch of a list with a cursor: all pages that one value of the cursor leads to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final

from bus.errors import DocumentError
from connectors.source import Item, Json, Mark, SourceDown
from connectors.texts import message
from connectors.web.answers import (
    at_path,
    item_of,
    key_of,
    next_place,
    order_of,
    page_url,
    rows_of,
    total_of,
)
from connectors.web.config import HttpConfig
from connectors.web.news import Given, Reach
from connectors.web.service import Service

_READINGS_MAX: Final = 10
"""How often a stretch is read until two readings agree."""
_AT_ONCE: Final = 1_000
"""Rows that are looked at before others may go on."""


@dataclass(slots=True, kw_only=True)
class Stretch:
    """All pages that one value leads to, read until nothing can be missing.

    A row that changes leaves its place in the list; where pages are told by number, the rows behind
    it move up, and one of them falls between two pages. So a stretch of several pages is read
    again, until it gives nothing that the reading before should have given.
    """

    config: HttpConfig
    service: Service
    progress: Callable[[int, int | None], None]
    given: Given
    since: Json
    """Everything before it was given; None: nothing was."""
    asked: Json
    """What the service is asked for: `since`, or earlier."""
    tag: Mapping[str, str] | None
    """Of the last answer to the same question."""
    has_ended: bool = False
    """There is nothing behind this stretch."""
    next_since: Json = None
    """Where the next one begins."""
    _sure: Reach | None = None
    """How far the reading before came."""
    _missed: int = 0
    """Rows of this reading that the one before should have given."""
    _pages: int = 0
    _last_order: tuple[int, Any] | None = None
    _last_tag: Mapping[str, str] = field(default_factory=dict)

    async def items(self) -> AsyncGenerator[Item, None]:
        """Give its rows, and the position behind them; nothing where nothing has changed.

        Raises:
            SourceDown: No two readings agree.
            DocumentError: Rows do not come in the order that the configuration promises.
        """
        for _ in range(_READINGS_MAX):
            reach = Reach(self.since, self.config.cursor_includes_equal)
            self._pages, self._missed, self._last_order = 0, 0, None
            async with aclosing(self._read(reach)) as items:
                async for item in items:
                    yield item
            if not self._pages:
                return
            is_sure = self._pages == 1 or self.config.pages_are_stable
            if is_sure or (self._sure is not None and not self._missed):
                reach = reach if is_sure or self._sure is None else self._sure
                self.next_since = reach.next_since
                yield self._mark(reach.next_since)
                return
            self._sure = reach
        raise SourceDown(message("http.unsteady", list=self.config.name))

    async def _read(self, reach: Reach) -> AsyncGenerator[Item, None]:
        """Read once, page by page, as far as the cursor does not move."""
        config, place, number = self.config, None, 0
        while True:
            url = page_url(self.service, config, place, self._parameters())
            answer = await self.service.get(url, self.tag)
            if answer is None:
                self.has_ended = True
                return
            self.tag, self._last_tag = None, answer.tag
            rows = rows_of(answer.body, config)
            for begin in range(0, len(rows), _AT_ONCE):
                some = rows[begin : begin + _AT_ONCE]
                for item in self._new_items(some, reach, number + begin):
                    yield item
                await asyncio.sleep(0)
            number += len(rows)
            self._pages += 1
            self.progress(number, total_of(answer, config))
            place = next_place(self.service, config, place, answer, len(rows))
            self.has_ended = place is None
            if self.has_ended:
                return
            is_safe = config.ordered and (config.pages_are_stable or self._pages == 1)
            # Why elsewhere too: what was given so far becomes durable, and is asked for again.
            yield self._mark(reach.next_since if is_safe else self.since)
            is_stable = config.pages_are_stable
            if config.ordered and not is_stable and reach.next_since != self.since:
                return

    def _parameters(self) -> Mapping[str, str]:
        name = self.config.cursor_parameter
        if self.asked is None or name is None:
            return {}
        return {name: self.config.cursor_template.format(value=self.asked)}

    def _new_items(self, rows: Sequence[Json], reach: Reach, number: int) -> Sequence[Item]:
        """Give what is new among the rows of a page.

        Args:
            rows: As they stand there, or some of them.
            reach: Learns of their values.
            number: Rows before them.
        """
        items: list[Item] = []
        for place, row in enumerate(rows, start=number + 1):
            value, key = at_path(row, self.config.cursor or ""), key_of(row, self.config)
            self._hold_order(value)
            is_new = self.given.is_new(key, row)
            if is_new and self._sure is not None and self._sure.holds(value):
                self._missed += 1
            # Why those without a key each time: what they said in between nobody knows.
            if is_new or (key is None and isinstance(row, dict)):
                items.append(item_of(row, self.config, place))
                self.given.count += 1
            reach.saw(value)
        return items

    def _hold_order(self, value: Json) -> None:
        order = order_of(value) if self.config.ordered else None
        if order is None:
            return
        if self._last_order is not None and order < self._last_order:
            told = {"list": self.config.name, "cursor": self.config.cursor}
            raise DocumentError(message("http.not_ordered", **told))
        self._last_order = order

    def _mark(self, since: Json) -> Mark:
        """Give the position behind what was read so far."""
        position: dict[str, Json] = {
            "since": since,
            "seen": self.given.latest(),
            # Why: an event is named by its position, so another one needs another position.
            "given": self.given.count,
        }
        asks_the_same = since == self.since and self._pages == 1 and self.has_ended
        if asks_the_same and self._last_tag:
            position["tag"] = self._last_tag
        return Mark(position)
