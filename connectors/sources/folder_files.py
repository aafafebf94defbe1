"""Files of a folder: which lie there, which are complete, what is in each, and away with them.

What was hashed once is remembered in the spool, so that an unchanged file is not read again at each
look. That is a convenience and no position: without it everything is hashed anew.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from threading import Event
from typing import Final

from bus.client import detect
from connectors.sources.folder_position import fingerprint
from connectors.sources.formats import MEMO_ENDINGS

READY: Final = ".ready"
_UNFINISHED: Final = (".tmp", ".part", ".partial", ".crdownload", ".filepart", READY, "~")
_CHUNK_BYTES: Final = 2**20
_FORBIDDEN: Final = "may not be read"
_LEAVING: Final = ".leaving-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A file as its folder tells of it."""

    name: str
    """Its path within the folder, with `/`."""
    path: Path
    size: int
    modified_ns: int
    changed_ns: int
    """When content, name or rights last changed; nobody can set it."""
    inode: int
    beside: tuple[tuple[str, int, int], ...] = ()
    """Memo files that belong to a DBF: name, size, when it last changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A complete file, and what is in it."""

    look: Look
    digest: str
    is_forbidden: bool = False
    """It may not be read."""
    fingerprint: int = field(init=False)
    """Of its path and its content."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "fingerprint", fingerprint(self.look.name, self.digest))


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A folder, and which of its files count."""

    folder: Path
    patterns: Sequence[str]
    is_deep: bool
    away: Path
    """Where files are moved to that are read; never looked at."""
    needs_ready: bool
    """A file counts only beside one of its name and `.ready`."""

    def look(self) -> dict[str, Look]:
        """Look at the files, by name.

        Raises:
            OSError: The folder is not there, or may not be read.
        """
        found = {one.name: one for one in self._in(self.folder)}
        return dict(sorted(found.items()))

    def _in(self, folder: Path) -> Iterator[Look]:
        with os.scandir(folder) as entries:
            listed = list(entries)
        names = {entry.name for entry in listed}
        for entry in listed:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                if self.is_deep and Path(entry.path) != self.away:
                    yield from self._in(Path(entry.path))
            elif entry.is_file() and self._counts(entry.name, names):
                with suppress(FileNotFoundError):  # taken away since
                    look = look_at(Path(entry.path), self.folder)
                    if not self.needs_ready or _is_ready(look):
                        yield look

    def _counts(self, name: str, names: set[str]) -> bool:
        if name.casefold().endswith(_UNFINISHED):
            return False
        if self.needs_ready and name + READY not in names:
            return False
        return any(fnmatch(name.casefold(), pattern.casefold()) for pattern in self.patterns)


def _is_ready(look: Look) -> bool:
    """Tell whether the file that says so is younger: one of an earlier content is not."""
    ready = look.path.with_name(look.path.name + READY).stat()
    return ready.st_mtime_ns >= look.modified_ns


def look_at(path: Path, folder: Path) -> Look:
    """Look at one file."""
    told = path.stat()
    return Look(
        name=_said(path.relative_to(folder).as_posix()),
        path=path,
        size=told.st_size,
        modified_ns=told.st_mtime_ns,
        changed_ns=told.st_ctime_ns,
        inode=told.st_ino,
        beside=tuple(_beside(path)),
    )


def _said(name: str) -> str:
    """Write a name as people do; a share of another system gives its bytes in another code page."""
    raw = os.fsencode(name)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode(detect(raw).encoding, "replace")


def look_again(look: Look) -> Look:
    """Look at a file once more."""
    return look_at(look.path, look.path.parents[look.name.count("/")])


def _beside(path: Path) -> Iterator[tuple[str, int, int]]:
    for one in _companions(path):
        told = one.stat()
        yield one.name, told.st_size, told.st_ctime_ns


class Digests:
    """What files were found to contain, as long as nothing happens to them."""

    def __init__(self, spool: Path) -> None:
        """Take the folder in which it is remembered."""
        self._file = spool / "digests.json"
        self._is_changed = False

    @cached_property
    def _known(self) -> dict[str, list[object]]:
        """By path: what the file looked like, and its digest; read when it is asked for."""
        try:
            known: dict[str, list[object]] = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return known

    def of(self, look: Look) -> Content | None:
        """Tell what a file contains, if it is known and nothing happened to the file since."""
        known = self._known.get(str(look.path))
        if known is None or known[:-1] != _marks(look):
            return None
        return Content(look=look, digest=str(known[-1]))

    def part(self, looks: Iterable[Look]) -> tuple[list[Content], list[Look]]:
        """Part files of which the content is known from those that are to be read."""
        known, new = list[Content](), list[Look]()
        for look in looks:
            content = self.of(look)
            if content is None:
                new.append(look)
            else:
                known.append(content)
        return known, new

    def read(self, looks: Sequence[Look], stopped: Event) -> Iterator[Content]:
        """Read what files contain; those that change meanwhile are left out.

        Args:
            looks: At the files, some time ago where two looks are to find the same.
            stopped: Ends the reading.
        """
        for look in looks:
            if stopped.is_set():
                return
            try:
                if look != look_again(look):
                    continue
                digest = _digest(look.path, stopped)
                is_same = look == look_again(look)
            except FileNotFoundError:
                continue
            except PermissionError:
                yield Content(look=look, digest=_FORBIDDEN, is_forbidden=True)
                continue
            if is_same and digest is not None:
                self._known[str(look.path)] = [*_marks(look), digest]
                self._is_changed = True
                yield Content(look=look, digest=digest)

    def keep(self, looks: Mapping[str, Look]) -> None:
        """Remember what is known of the files that are there."""
        if not self._is_changed:
            return
        there = {str(look.path) for look in looks.values()}
        self._known = {path: known for path, known in self._known.items() if path in there}
        self._file.parent.mkdir(parents=True, exist_ok=True)
        draft = self._file.with_suffix(".tmp")
        draft.write_text(json.dumps(self._known), encoding="utf-8")
        draft.replace(self._file)
        self._is_changed = False


def _marks(look: Look) -> list[object]:
    marks = [look.size, look.modified_ns, look.changed_ns, look.inode]
    return [*marks, *(list(one) for one in look.beside)]


def _digest(path: Path, stopped: Event) -> str | None:
    """Hash a file, and the memo file that belongs to a DBF; None where it was stopped."""
    found = blake2b(digest_size=16)
    for one in (path, *_companions(path)):
        with one.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                if stopped.is_set():
                    return None
                found.update(chunk)
    return found.hexdigest()


def _companions(path: Path) -> list[Path]:
    if path.suffix.lower() != ".dbf":
        return []
    with os.scandir(path.parent) as entries:
        names = [entry.name for entry in entries]
    stem = path.stem.casefold()
    wanted = {f"{stem}{ending}" for ending in MEMO_ENDINGS}
    return sorted(path.parent / name for name in names if name.casefold() in wanted)


def take_away(content: Content, to: Path | None) -> None:
    """Move a file that is read to another folder, or delete it; what was written since stays.

    Args:
        content: What was read.
        to: The folder; None: it is deleted.
    """
    look, beside = content.look, _companions(content.look.path)
    leaving = look.path.with_name(f"{_LEAVING}{look.path.name}")
    look.path.rename(leaving)
    now = leaving.stat()
    if (now.st_ino, now.st_size, now.st_mtime_ns) != (look.inode, look.size, look.modified_ns):
        leaving.rename(look.path)  # another file took its place in the last moment: it is not read
        return
    target = None if to is None else _free(to / look.name)
    for path in (leaving, *beside):
        if target is None:
            path.unlink()
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target if path is leaving else target.with_suffix(path.suffix))
    look.path.with_name(look.path.name + READY).unlink(missing_ok=True)


def bring_back(place: Place) -> None:
    """Give files their names again that a kill left on their way; what is read leaves once more."""
    for leaving in place.folder.glob(f"{'**/' if place.is_deep else ''}{_LEAVING}*"):
        leaving.rename(_free(leaving.with_name(leaving.name.removeprefix(_LEAVING))))


def _free(target: Path) -> Path:
    number, path = 1, target
    while path.exists():
        number += 1
        path = target.with_name(f"{target.stem}.{number}{target.suffix}")
    return path
