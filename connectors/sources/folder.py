"""Files in a folder: what exporters of other systems leave there, file by file, row by row.

Why nothing is missed. What was read is known by content: a position holds a fingerprint of path
and content of every file that was read and still lies there (`folder_position`). Each look at the
folder hashes what is new to it, and reads what the position does not know - whatever its time says.
A file that comes late with an earlier time is unknown, so it is read; the same name with other
content has another fingerprint, so it is read; a file that was only touched has the same, so it is
not. Times decide nothing but the order of what is to be read. Content that comes back after another
one stood under its name is read too: a fingerprint is forgotten when its file is gone or says
something else, at the next position.

A row within a file carries no position; every so many rows a mark says how far it is read, and of
which content. If that file says something else when it is read on, it is read from its beginning.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import cached_property, partial
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, TypeVar

from pydantic import Field

from bus.errors import DocumentError, Finding
from connectors.source import Bad, Item, Json, Kind, Mark, Source, SourceDown, Stream
from connectors.sources.folder_checks import discover_in, findings_of
from connectors.sources.folder_files import (
    Content,
    Digests,
    Look,
    Place,
    bring_back,
    look_again,
    take_away,
)
from connectors.sources.folder_position import FILES_MAX, Begun, FolderPosition
from connectors.sources.formats import ENDINGS, FileOptions, read_file
from connectors.sources.in_batches import in_batches
from connectors.texts import message

_BATCH_ROWS: Final = 200
_FILES_A_MARK: Final = 500
"""With so many files known a position is given after two files, with twice as many after three:
it takes time to write one."""

T = TypeVar("T")


class FolderConfig(FileOptions):
    """Which files, when they are complete, and what becomes of them."""

    folder: Annotated[Path, Field(description="folder in which the files appear")]
    files: Annotated[
        tuple[str, ...],
        Field(min_length=1, description="patterns of their names, letter case aside"),
    ] = tuple(f"*.{ending}" for ending in ENDINGS)
    recursive: Annotated[bool, Field(description="whether folders within it count too")] = False
    complete_when: Annotated[
        Literal["stable", "ready", "renamed"],
        Field(
            description="stable: two looks find the same size and time; ready: a file of its name"
            " and `.ready` lies beside it; renamed: as soon as it has its name. Names that begin"
            " with `.` or end with .tmp, .part or ~ never count",
        ),
    ] = "stable"
    settle_s: Annotated[float, Field(gt=0, le=600, description="seconds between the two looks")] = (
        2.0
    )
    order: Annotated[
        Literal["time", "name"],
        Field(description="in which order files that came together are read"),
    ] = "time"
    when_done: Annotated[
        Literal["keep", "move", "delete"],
        Field(description="what becomes of a file whose rows are durable on the bus"),
    ] = "keep"
    done_folder: Annotated[
        str, Field(min_length=1, description="where it is moved to, within the folder")
    ] = "done"

    @property
    def place(self) -> Place:
        """Tell where the files are."""
        return Place(
            folder=self.folder,
            patterns=self.files,
            is_deep=self.recursive,
            away=self.folder / self.done_folder,
            needs_ready=self.complete_when == "ready",
        )

    @cached_property
    def reading(self) -> str:
        """Name what decides which rows a content has: options of another reading count others."""
        told = self.model_dump_json(include=set(FileOptions.model_fields))
        return blake2b(told.encode(), digest_size=4).hexdigest()


class Folder(Source[FolderConfig]):
    """CSV, TSV, JSON, XLSX, XLS, ODS, DBF, XML and zip archives of them, as they come to lie."""

    Config = FolderConfig
    kind: ClassVar[Kind] = Kind.LOG

    async def read(self, position: Json) -> AsyncIterator[Item]:
        """Give the rows of each file that was not read yet; see `Source.read`."""
        place = FolderPosition.of(position)
        looks, files = await self._files()
        if place.begun is not None and place.begun.name not in looks:
            yield _gone(place)
            place = replace(place, begun=None)
        todo = self._todo(files, place)
        if not todo:
            return
        standing = {one.fingerprint for one in files}
        place = replace(place, known=place.known & standing)
        todo = self._fitting(todo, len(place.known))
        unmarked = 0
        for number, content in enumerate(todo, start=1):
            async with aclosing(self._rows(content, place)) as items:
                async for item in items:
                    yield item
            place = replace(place, begun=None)
            self.context.progress(number, len(todo))
            if not await self._blocking(partial(_has_changed, content)):
                # What was read of a file that has changed is no content of it: it is read anew.
                place = replace(place, known=place.known | {content.fingerprint})
            unmarked += 1
            if unmarked > len(place.known) // _FILES_A_MARK or number == len(todo):
                unmarked = 0
                yield Mark(place.to_json())

    def _todo(self, files: list[Content], place: FolderPosition) -> list[Content]:
        """Tell what is to be read, in its order; what is begun first."""
        todo = [one for one in files if one.fingerprint not in place.known]
        if self.config.order == "name":
            todo.sort(key=lambda one: one.look.name)
        else:
            todo.sort(key=lambda one: (one.look.modified_ns, one.look.name))
        return sorted(todo, key=lambda one: not self._rows_read(one, place))

    def _fitting(self, todo: list[Content], known: int) -> list[Content]:
        """Take as many files as a position can tell; the others once some of them are moved away.

        Raises:
            DocumentError: Nothing will be moved away.
        """
        room = FILES_MAX - known
        if len(todo) > room and (self.config.when_done == "keep" or not room):
            told = {"folder": self.config.folder, "files_max": FILES_MAX}
            raise DocumentError(message("folder.many_files", **told))
        return todo[:room]

    def _rows_read(self, content: Content, place: FolderPosition) -> int:
        """Tell how many rows of this very content are read."""
        begun = place.begun
        return begun.rows if begun and self._begun(content, begun.rows) == begun else 0

    async def _rows(self, content: Content, place: FolderPosition) -> AsyncGenerator[Item, None]:
        """Give the rows of one file that are not read yet, and marks between them."""
        look, number, skipped = content.look, 0, self._rows_read(content, place)
        if content.is_forbidden:
            yield Bad(raw="", why=message("folder.forbidden"), place=look.name)
            return
        rows = self._found(look)
        async with aclosing(in_batches(rows, _BATCH_ROWS)) as batches:
            async for batch in batches:
                number += len(batch)
                for item in batch[max(0, skipped - number + len(batch)) :]:
                    yield item
                if number > skipped and len(batch) == _BATCH_ROWS:
                    begun = self._begun(content, number)
                    yield Mark(replace(place, begun=begun).to_json())

    def _found(self, look: Look) -> Any:  # noqa: ANN401 - a generator of rows
        spool = self.context.spool
        spool.mkdir(parents=True, exist_ok=True)
        return read_file(look.path, look.name, self.config, spool)

    def _begun(self, content: Content, rows: int) -> Begun:
        told = f"{content.digest}.{self.config.reading}"
        return Begun(name=content.look.name, content=told, rows=rows)

    async def _files(self) -> tuple[Mapping[str, Look], list[Content]]:
        """Look at the folder, and tell what is in each of its files that is complete."""
        place, digests = self.config.place, Digests(self.context.spool)

        def look(_stopped: threading.Event) -> tuple[Mapping[str, Look], list[Content], list[Look]]:
            looks = _look(place)
            return looks, *digests.part(looks.values())

        looks, known, new = await self._blocking(look)
        if new and self.config.complete_when == "stable":
            await self.context.sleep(self.config.settle_s)
        if not new:
            return looks, known

        def read(stopped: threading.Event) -> list[Content]:
            found = list(digests.read(new, stopped))
            digests.keep(looks)
            return found

        return looks, known + await self._blocking(read)

    async def _blocking(self, work: Callable[[threading.Event], T]) -> T:
        """Do something that blocks, in a thread; cancelled, the thread is told and waited for."""
        stopped = threading.Event()
        working = asyncio.ensure_future(asyncio.to_thread(work, stopped))
        try:
            return await asyncio.shield(working)
        finally:
            stopped.set()
            if not working.done():
                await asyncio.wait({working})

    async def acked(self, position: Json) -> None:
        """Move or delete the files that are read to their end."""
        known = FolderPosition.of(position).known
        if self.config.when_done == "keep" or not known:
            return
        away = self.config.place.away if self.config.when_done == "move" else None

        def leave(stopped: threading.Event) -> None:
            digests = Digests(self.context.spool)
            bring_back(self.config.place)
            for look in _look(self.config.place).values():
                content = digests.of(look) or next(digests.read([look], stopped), None)
                if content and content.fingerprint in known and not content.is_forbidden:
                    take_away(content, away)

        await self._blocking(leave)

    async def check(self) -> Sequence[Finding]:
        """Look whether the folder is there and its files fit."""
        return await self._blocking(lambda _: findings_of(self.config.place, self._takes_away))

    @property
    def _takes_away(self) -> bool:
        return self.config.when_done != "keep"

    async def discover(self) -> Sequence[Stream]:
        """Tell the tables that lie there, with their columns."""

        def streams(stopped: threading.Event) -> Sequence[Stream]:
            return discover_in(_look(self.config.place), self._found, stopped)

        return await self._blocking(streams)


def _look(place: Place) -> Mapping[str, Look]:
    try:
        return place.look()
    except OSError as problem:
        told = {"folder": place.folder, "problem": problem.strerror or problem}
        raise SourceDown(message("folder.not_there", **told)) from problem


def _has_changed(content: Content, _stopped: threading.Event) -> bool:
    try:
        return content.look != look_again(content.look)
    except FileNotFoundError:
        return False  # it was read whole: what was opened stays readable


def _gone(place: FolderPosition) -> Bad:
    """Say that the rest of a file can't be read any more."""
    assert place.begun is not None
    told = message("folder.taken_away", rows=place.begun.rows)
    position = replace(place, begun=None).to_json()
    return Bad(raw="", why=told, place=place.begun.name, position=position)
