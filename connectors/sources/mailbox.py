"""A mailbox as a source: tables that come as attachments, mail by mail.

Why nothing is missed: a server numbers the mails of a folder upwards as they come, and a position
is the number of the last mail that was read whole. Where the server begins to number anew, all
mails are looked at again, and those that were read are known by their signs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar, Final

from imap_tools import MailMessage
from pydantic import ValidationError

from bus.client import BadRow, TableRow, open_table
from bus.errors import DocumentError, Finding, Words
from connectors.mail.config import MailboxConfig
from connectors.mail.flags import Flags
from connectors.mail.letters import Attached, is_from, name_of, signs_of, tables_of, told
from connectors.mail.place import Place
from connectors.mail.server import Lying, Server
from connectors.source import Bad, Context, Item, Json, Kind, Mark, Row, Source, SourceDown, Stream
from connectors.texts import finding_at, message

_ROWS_AT_ONCE: Final = 500
_ROWS_A_MARK: Final = 1_000
_SAMPLES: Final = 5
_LOOKED_AT: Final = 10


class Mailbox(Source[MailboxConfig]):
    """Reads tables that are attached to the mails of a mailbox (IMAP), mail by mail.

    A mail without a table that can be read becomes one row in quarantine: a person has to look.
    """

    Config = MailboxConfig
    kind: ClassVar[Kind] = Kind.LOG

    def __init__(self, config: MailboxConfig, context: Context) -> None:
        """See `Source`."""
        super().__init__(config, context)
        self._flags = Flags(context.spool)

    async def read(self, position: Json) -> AsyncIterator[Item]:
        """See `Source.read`."""
        async with Server(self.config) as server:
            place = await _place_in(server, Place.of(position))
            lying = await server.behind(place.uid)
            for number, mail in enumerate(lying, start=1):
                header = await server.header(mail.uid)
                if header is None or not is_from(header, self.config.from_only):
                    place = place.behind(mail)
                elif place.knows(mail, signs := signs_of(header)):
                    place = place.read(mail, signs)
                else:
                    async with aclosing(self._items(server, mail, header, place)) as items:
                        async for item in items:
                            yield item
                    place = place.read(mail, signs)
                    if self.config.flag is not None:
                        self._flags.add(server.validity, mail.uid)
                yield Mark(place.position)
                self.context.progress(number, len(lying))

    async def _items(
        self, server: Server, lying: Lying, header: MailMessage, place: Place
    ) -> AsyncGenerator[Item, None]:
        """Give what is in a mail, from where it was left on; now and then a position within."""
        uid, given = place.begun
        given = given if uid == lying.uid else 0
        number = 0
        async with aclosing(self._all_items(server, lying, header)) as items:
            async for item in items:
                number += 1
                if number > given:
                    yield item
                    if number % _ROWS_A_MARK == 0:
                        yield Mark(replace(place, begun=(lying.uid, number)).position)

    async def _all_items(
        self, server: Server, lying: Lying, header: MailMessage
    ) -> AsyncGenerator[Row | Bad, None]:
        config, name = self.config, name_of(header, lying.uid)
        if lying.size_bytes > config.mail_bytes_max:
            words = message("mailbox.too_large", size=lying.size_bytes, limit=config.mail_bytes_max)
            yield Bad(told(header), words, name)
            return
        mail = await server.mail(lying.uid)
        if mail is None:
            return
        tables = await asyncio.to_thread(tables_of, mail, config)
        if not tables:
            yield Bad(told(mail), message("mailbox.no_table"), name)
        elif len(tables) > config.attachments_max:
            words = message("mailbox.many", count=len(tables), limit=config.attachments_max)
            yield Bad(told(mail), words, name)
            return
        for table in tables:
            async with aclosing(self._rows(table, f"{name}/{table.name}")) as rows:
                async for row in rows:
                    yield row

    async def _rows(self, attached: Attached, place: str) -> AsyncGenerator[Row | Bad, None]:
        """Give the rows of one table."""
        with TemporaryDirectory(dir=self.context.spool, prefix="mail-") as folder:
            path = Path(folder) / "table"
            await asyncio.to_thread(path.write_bytes, attached.content)
            try:
                table = await asyncio.to_thread(open_table, path, self.config.table_options)
                rows = iter(table)
                while batch := await asyncio.to_thread(_some, rows):
                    for row in batch:
                        yield _item(row, place)
            except DocumentError as problem:
                yield Bad(attached.name, _why(problem), place)

    async def acked(self, position: Json) -> None:
        """See `Source.acked`: mails whose rows are on the bus get their flag."""
        flag, place = self.config.flag, Place.of(position)
        uids = self._flags.up_to(place.validity, place.uid) if flag is not None else []
        if flag is None or not uids:
            return
        # Why suppressed: a flag is for people, and they are still told later.
        with suppress(SourceDown, DocumentError):
            async with Server(self.config) as server:
                if server.validity == place.validity:
                    await server.put_flag(flag, uids)
            self._flags.remove(uids)

    async def check(self) -> Sequence[Finding]:
        """See `Source.check`."""
        try:
            _ = self.config.table_options
            async with Server(self.config):
                return ()
        except ValidationError as problem:
            told_of = "; ".join(one["msg"] for one in problem.errors(include_input=False))
            return [finding_at("config", "mailbox.wrong", problem=told_of)]
        except DocumentError as problem:
            return [finding_at("config", "mailbox.wrong", problem=problem.message)]

    async def discover(self) -> Sequence[Stream]:
        """See `Source.discover`: tables of the latest mails, one for each set of columns."""
        found: dict[tuple[str, ...], Stream] = {}
        async with Server(self.config) as server:
            for lying in list(await server.behind(0))[-_LOOKED_AT:]:
                if lying.size_bytes > self.config.mail_bytes_max:
                    continue
                mail = await server.mail(lying.uid)
                if mail is None or not is_from(mail, self.config.from_only):
                    continue
                for attached in tables_of(mail, self.config):
                    rows = [row async for row in self._rows(attached, "")]
                    good = [row.cells for row in rows if isinstance(row, Row)][:_SAMPLES]
                    if good:
                        found[tuple(good[0])] = Stream(
                            name=attached.name,
                            key=None,
                            columns=dict.fromkeys(good[0], "string"),
                            samples=good,
                        )
        return list(found.values())


async def _place_in(server: Server, place: Place) -> Place:
    """Give the place in the server's own numbers."""
    if not place.validity:
        return replace(place, validity=server.validity)
    if place.validity == server.validity:
        return place
    lying = await server.behind(0)
    last = lying[-1].uid if lying else 0
    return replace(place, validity=server.validity, uid=0, begun=(0, 0), again_to=last)


def _some(rows: Iterator[TableRow | BadRow]) -> list[TableRow | BadRow]:
    return list(islice(rows, _ROWS_AT_ONCE))


def _item(row: TableRow | BadRow, place: str) -> Row | Bad:
    place = f"{place}:{row.number}"
    if isinstance(row, TableRow):
        return Row(row.cells, place=place)
    problem = row.problems[0]
    return Bad(place, problem, place, column=problem.column)


def _why(problem: DocumentError) -> Words:
    """Tell what is wrong with a file, without where it lay for a moment."""
    if not problem.findings:
        return problem.message
    first = problem.findings[0]
    return message("mailbox.not_a_table", found=first.found, remedy=first.remedy)
