"""A first load: all that the fund keeps of a dataset for one system, page by page, provable.

Every version is delivered and not only those that stand: a later annulment uncovers an older
version, so a copy without it could not follow. Source: ADR-0015.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from bus.client.delivered import DeliveredRecord, KeptState, Partition
from bus.client.feeds import Feeds
from bus.client.gateway import Gateway, GatewaySession
from bus.client.load_memory import Memory, begun, parse_memory, read_memory, write_memory
from bus.client.proof import prove
from bus.errors import DocumentError, InvariantBroken
from bus.model.identifiers import RecordId
from bus.model.record import Group
from bus.texts import message
from bus.wire import topics
from bus.wire.load_page import (
    HeldGroup,
    Load,
    Page,
    joined_ids,
    load_token,
    parse_load,
    parse_page,
)
from bus.wire.signature import SignatureChecker
from bus.wire.topics import Position


class LoadReader:
    """Asks the gateway for loads and their pages, and proves what it gets."""

    def __init__(self, session: GatewaySession, feeds: Feeds) -> None:
        """Take what is connected.

        Args:
            session: With the gateway.
            feeds: What the system may read.
        """
        self._session = session
        self._feeds = feeds
        self._checker = SignatureChecker()

    async def begin(self) -> list[Load]:
        """Begin a load of each topic that serves the system.

        Raises:
            DocumentError: No agreement grants it, or the agreements have just changed.
            Unavailable: The gateway does not answer.
        """
        body = await self._session.get(self._path, {}, self._feeds.doing)
        try:
            return [parse_load(one) for one in json.loads(body)["loads"]]
        except (ValueError, KeyError, TypeError) as problem:
            raise self._unreadable(problem) from problem

    async def page(self, load: Load, after: str | None) -> tuple[list[DeliveredRecord], str | None]:
        """Read one page.

        Args:
            load: That was begun.
            after: Where it begins; None: at the start.

        Returns: Its records, and where the next begins; None: it was the last.

        Raises:
            DocumentError: The right to read has ended, or leads to other topics.
            Unavailable: The gateway does not answer.
            InvariantBroken: A record is not genuine.
        """
        page = await self._asked(load, {} if after is None else {"after": after})
        return await self._delivered(page, load.name.topic), page.next

    async def group(self, load: Load, held: HeldGroup) -> list[DeliveredRecord]:
        """Read what the load's topic shows of a group that waited when the load began.

        Returns: Its records, numbered anew where a view shows only some of them; none where it
            shows none, or the fund has refused the group since.

        Raises: as `page`.
        """
        page = await self._asked(load, {"ids": joined_ids(held.record_ids)})
        shown = await self._delivered(page, load.name.topic)
        if len(shown) < 2:  # noqa: PLR2004 - a group has two members at least
            return shown
        return [
            replace(one, group=Group(id=held.id, index=index, size=len(shown)))
            for index, one in enumerate(shown)
        ]

    async def _asked(self, load: Load, which: Mapping[str, str]) -> Page:
        query = {"token": load_token(load.name), **which}
        body = await self._session.get(f"{self._path}/records", query, self._feeds.doing)
        try:
            return parse_page(body, load.name.topic)
        except ValueError as problem:
            raise self._unreadable(problem) from problem

    async def _delivered(self, page: Page, topic: str) -> list[DeliveredRecord]:
        snapshot = await self._feeds.snapshot_for(
            page.catalogue, message("error.client.of_load", topic=topic)
        )
        # Why as a view: the bus signed what it cut, whatever topic it was cut for.
        proved = prove(
            page.records,
            dataset=self._feeds.dataset,
            is_view=True,
            snapshot=snapshot,
            checker=self._checker,
        )
        accepted = topics.accepted(self._feeds.dataset)
        places = [
            Position(topic=accepted, partition=raw.partition, offset=raw.offset)
            for raw in page.records
        ]
        return [
            self._feeds.decode(topic, place, record)
            for place, record in zip(places, proved, strict=True)
        ]

    @property
    def _path(self) -> str:
        return f"/first-load/{self._feeds.dataset}"

    def _unreadable(self, problem: Exception) -> InvariantBroken:
        return InvariantBroken(
            f"{self._feeds.doing}: the gateway's answer can't be read ({type(problem).__name__}); "
            "is it of another version? Tell the bus's operator."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedPage:
    """A page of a load."""

    records: Sequence[DeliveredRecord]
    behind: Memory
    """How far the load is once the page is taken."""


class FirstLoad:
    """The loads of one subscription, from where they were left."""

    def __init__(self, reader: LoadReader, path: Path | None, memory: Memory) -> None:
        """Take what `prepare` found."""
        self._reader = reader
        self._path = path
        self.memory = memory

    @classmethod
    async def prepare(
        cls, reader: LoadReader, feeds: Feeds, memory: Memory | None, path: Path | None
    ) -> FirstLoad:
        """Go on with the loads that are remembered, or begin them.

        Args:
            reader: Connected.
            feeds: What the system may read.
            memory: How far they are; None: nothing was begun.
            path: File that remembers them; None: the consumer does.

        Raises:
            DocumentError: They are of other topics than the agreements lead to now.
            Unavailable: The gateway does not answer.
        """
        if memory is None:
            memory = begun(await reader.begin())
            if path is not None:
                write_memory(path, memory)
        if set(memory.topics) != set(feeds.topics):
            raise _of_others(path, memory.topics, feeds)
        return cls(reader, path, memory)

    @property
    def gone_live(self) -> Memory:
        """How far they are when the topics go on behind them."""
        return replace(self.memory, is_live=True)

    async def pages(self) -> AsyncGenerator[LoadedPage, None]:
        """Give every page that was not taken yet; it is taken when the next one is asked for.

        The groups that waited when the load began come behind the last page, and are part of it.
        """
        for number, progress in enumerate(self.memory.loads):
            now = progress
            while not now.is_done:
                records, following = await self._reader.page(now.load, now.after)
                page = [one for one in records if not now.load.is_apart(one.record_id)]
                for held in now.load.held if following is None else ():
                    page += await self._reader.group(now.load, held)
                now = replace(now, after=following, is_done=following is None)
                loads = (*self.memory.loads[:number], now, *self.memory.loads[number + 1 :])
                behind = replace(self.memory, loads=loads)
                yield LoadedPage(records=page, behind=behind)
                self._remember(behind)

    def _remember(self, memory: Memory) -> None:
        self.memory = memory
        if self._path is not None:
            write_memory(self._path, memory)

    def note_live(self) -> None:
        """Remember that the topics go on behind the loads."""
        self._remember(self.gone_live)


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """With what a subscription begins."""

    first_load: FirstLoad | None = None
    """To be delivered first."""
    passed: Mapping[str, frozenset[RecordId]] = field(default_factory=dict)
    """By topic: ids that it repeats of a load."""
    live: Mapping[Partition, int] = field(default_factory=dict)
    """Behind a load that is done, from where its topics go on where no position is kept."""


@asynccontextmanager
async def starting(
    feeds: Feeds,
    gateway: Gateway | None,
    path: Path | None,
    state: KeptState | None,
    clock: Callable[[], datetime],
) -> AsyncIterator[Start]:
    """Find out with what a subscription begins; the gateway is connected for the block's time.

    Args:
        feeds: What the system may read.
        gateway: To load through; None: no load is wanted.
        path: Of the file that remembers loads; None: there is none.
        state: That the consumer keeps in place of a file and a group; None: it keeps none.
        clock: Gives the present, aware.

    Raises:
        DocumentError: A load is unfinished and no gateway given, or it is of other topics.
        Unavailable: The gateway does not answer.
    """
    memory = _remembered(feeds, path, state)
    if memory is None and gateway is None:
        yield Start()
    elif memory is not None and memory.is_live:
        yield Start(passed=memory.passed(), live=memory.live)
    elif gateway is None:
        raise DocumentError(message("error.client.load_unfinished", doing=feeds.doing, path=path))
    else:
        async with GatewaySession(gateway, clock) as session:
            reader = LoadReader(session, feeds)
            first_load = await FirstLoad.prepare(reader, feeds, memory, path)
            yield Start(first_load=first_load, passed=first_load.memory.passed())


def _remembered(feeds: Feeds, path: Path | None, state: KeptState | None) -> Memory | None:
    """Read how far a load is, from where it is kept.

    Raises:
        DocumentError: It is damaged; or what a consumer keeps is of other topics: a table that was
            made of one cut can't go on with another.
    """
    if state is None:
        return None if path is None else read_memory(path)
    memory = None if state.load is None else parse_memory(state.load)
    known = {topic for topic, _ in state.positions}
    if memory is not None and memory.is_live and set(memory.topics) != set(feeds.topics):
        raise _of_others(None, memory.topics, feeds)
    if not known <= set(feeds.topics):
        raise _of_others(None, sorted(known), feeds)
    return memory


def _of_others(path: Path | None, found: Sequence[str], feeds: Feeds) -> DocumentError:
    told = {"found": ", ".join(found), "now": ", ".join(feeds.topics)}
    if path is None:
        return DocumentError(message("error.client.kept_of_others", doing=feeds.doing, **told))
    return DocumentError(message("error.client.load_of_others", path=path, **told))
