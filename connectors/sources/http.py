"""A web service as a source: what is asked for, and where rows stand, is configuration."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import ClassVar

from bus.errors import DocumentError, Finding
from connectors.source import Bad, Item, Json, Kind, Mark, Row, Source, Span, Stream
from connectors.texts import message
from connectors.web.answers import earlier, item_of, next_place, page_url, rows_of, total_of
from connectors.web.config import HttpConfig
from connectors.web.looking import found_stream, looked
from connectors.web.news import KEPT_MAX, Given
from connectors.web.service import Refused, Service
from connectors.web.stretch import Stretch


class Http(Source[HttpConfig]):
    """Reads a list of a web service (JSON over HTTP), described by configuration alone.

    Without `cursor` the whole list is read each time, and what did not change is not sent; with it,
    what changed since the last time. Rows that are taken out of a list are not noticed.
    """

    Config = HttpConfig
    kind: ClassVar[Kind] = Kind.STATE

    async def read(self, position: Json) -> AsyncIterator[Item]:
        """See `Source.read`."""
        async with Service(self.config, self.context.clock) as service:
            read = self._whole if self.config.cursor is None else self._news
            async with aclosing(read(service, position)) as items:
                async for item in items:
                    yield item

    async def _whole(self, service: Service, position: Json) -> AsyncGenerator[Item, None]:
        """Read the whole list; the position behind it begins anew.

        A position may stand behind any page: what a shifted page hides, the next reading gives.
        Why readings are counted: an event is named by its position, and a row that is what it was
        two readings ago is another event.
        """
        kept = position or {}
        place, number, tag = kept.get("next"), kept.get("rows", 0), kept.get("tag")
        reading, is_stored = kept.get("reading", 0), place is not None
        while True:
            try:
                answer = await service.get(page_url(service, self.config, place, {}), tag)
            except Refused:
                if not is_stored:
                    raise
                # Why: services forget their cursors after a while.
                place, number, is_stored = None, 0, False
                continue
            if answer is None:
                return
            before = place
            rows = rows_of(answer.body, self.config)
            for number, row in enumerate(rows, start=number + 1):  # noqa: B020 - goes on
                yield item_of(row, self.config, number)
            place = next_place(service, self.config, place, answer, len(rows))
            self.context.progress(number, total_of(answer, self.config))
            if place is None:
                whole = {"tag": answer.tag} if before is None and answer.tag else {}
                yield Mark({"reading": reading + 1, **whole})
                return
            is_stored, tag = False, None
            yield Mark({"reading": reading, "next": place, "rows": number})

    async def _news(self, service: Service, position: Json) -> AsyncGenerator[Item, None]:
        """Read what changed since, stretch after stretch: all pages that one value leads to."""
        kept = position or {}
        since, tag = kept.get("since", self.config.cursor_start), kept.get("tag")
        given = Given(dict(kept.get("seen", {})), count=kept.get("given", 0))
        overlap = self.config.overlap
        while True:
            stretch = Stretch(
                config=self.config,
                service=service,
                progress=self.context.progress,
                given=given,
                since=since,
                asked=earlier(since, overlap),
                tag=tag,
            )
            async with aclosing(stretch.items()) as items:
                async for item in items:
                    yield item
            if stretch.has_ended:
                return
            given.forget_all_but(KEPT_MAX)
            since, tag, overlap = stretch.next_since, None, 0

    async def check(self) -> Sequence[Finding]:
        """See `Source.check`."""
        async with Service(self.config, self.context.clock) as service:
            return await looked(service, self.config)

    async def discover(self) -> Sequence[Stream]:
        """See `Source.discover`."""
        async with Service(self.config, self.context.clock) as service:
            return (await found_stream(service, self.config),)

    def backfill(self, span: Span) -> AsyncIterator[Row | Bad]:
        """See `Source.backfill`.

        Raises:
            NotImplementedError: The service can't be asked for a stretch.
            DocumentError: An end of it was given that the service can't be asked for.
        """
        config = self.config
        asked = {config.since_parameter: span.since, config.until_parameter: span.until}
        if asked.keys() == {None}:
            return super().backfill(span)
        if asked.get(None) is not None:
            raise DocumentError(message("http.no_end"))
        return self._past({name: str(end) for name, end in asked.items() if name and end})

    async def _past(self, asked: Mapping[str, str]) -> AsyncGenerator[Row | Bad, None]:
        place, number = None, 0
        async with Service(self.config, self.context.clock) as service:
            while True:
                answer = await service.get(page_url(service, self.config, place, asked))
                assert answer is not None, "asked for without a tag"
                rows = rows_of(answer.body, self.config)
                for number, row in enumerate(rows, start=number + 1):  # noqa: B020
                    yield item_of(row, self.config, number)
                self.context.progress(number, total_of(answer, self.config))
                place = next_place(service, self.config, place, answer, len(rows))
                if place is None:
                    return
