"""Zip archives: their files one by one, unpacked with a bound on what comes out of them."""

from __future__ import annotations

import shutil
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Final

from connectors.source import Bad
from connectors.sources.formats.dbf import MEMO_ENDINGS
from connectors.sources.formats.found import Rows, Unreadable
from connectors.texts import message

MEMBERS_MAX: Final = 10_000
UNPACKED_BYTES_MAX: Final = 4 * 2**30
RATIO_MAX: Final = 1_000
_CHUNK_BYTES: Final = 2**20
_SMALL_BYTES: Final = 16 * 2**20
_UTF_8_NAME: Final = 0x800
_LOCKED: Final = 0x1

ReadFile = Callable[[Path, str], Rows]


def read_archive(path: Path, name: str, spool: Path, read: ReadFile) -> Rows:
    """Read each file of an archive; one that can't be read costs itself alone.

    Args:
        path: Where it is.
        name: What its people call it; its files are `archive.zip/file.csv`.
        spool: Where a file may be unpacked while it is read.
        read: Reads one file.

    Raises:
        Unreadable: It is damaged, or larger unpacked than is sensible.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [one for one in archive.infolist() if not one.is_dir()]
            _refuse_bomb(path, members)
            memos = [one for one in members if _ending(one) in MEMO_ENDINGS]
            for member in members:
                if member in memos or _name(member).rpartition("/")[2].startswith("."):
                    continue
                yield from _member(archive, member, memos, f"{name}/{_name(member)}", spool, read)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, zlib.error) as problem:
        raise Unreadable(message("folder.zip_damaged", problem=problem)) from problem


def _member(
    archive: zipfile.ZipFile,
    member: zipfile.ZipInfo,
    memos: list[zipfile.ZipInfo],
    place: str,
    spool: Path,
    read: ReadFile,
) -> Rows:
    if member.flag_bits & _LOCKED:
        yield Bad(raw="", why=message("folder.zip_locked"), place=place)
        return
    if _ending(member) == ".zip":
        yield Bad(raw="", why=message("folder.zip_in_zip"), place=place)
        return
    with TemporaryDirectory(dir=spool, prefix="unpacked-") as folder:
        try:
            unpacked = _unpacked(archive, member, Path(folder))
            for memo in memos:
                if _stem(memo) == _stem(member):
                    _unpacked(archive, memo, Path(folder))
            yield from read(unpacked, place)
        except Unreadable as problem:
            yield Bad(raw="", why=problem.why, place=place)
        except (zipfile.BadZipFile, NotImplementedError, EOFError, zlib.error) as problem:
            why = message("folder.zip_damaged", problem=problem)
            yield Bad(raw="", why=why, place=place)


def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> Path:
    """Unpack a file; where more is packed than its directory says, its checksum is wrong."""
    target = folder / f"file{_ending(member)}"
    with archive.open(member) as packed, target.open("wb") as file:
        shutil.copyfileobj(packed, file, _CHUNK_BYTES)
    return target


def _refuse_bomb(path: Path, members: list[zipfile.ZipInfo]) -> None:
    unpacked = sum(one.file_size for one in members)
    is_absurd = unpacked > max(_SMALL_BYTES, path.stat().st_size * RATIO_MAX)
    if len(members) > MEMBERS_MAX or unpacked > UNPACKED_BYTES_MAX or is_absurd:
        raise Unreadable(message("folder.zip_bomb", size=unpacked))


def _name(member: zipfile.ZipInfo) -> str:
    """Tell its name; programs of Windows write Russian ones in IBM866 and say nothing of it."""
    if member.flag_bits & _UTF_8_NAME or member.filename.isascii():
        return member.filename
    try:
        return member.filename.encode("cp437").decode("cp866")
    except UnicodeError:
        return member.filename


def _ending(member: zipfile.ZipInfo) -> str:
    return PurePosixPath(_name(member)).suffix.lower()


def _stem(member: zipfile.ZipInfo) -> str:
    return str(PurePosixPath(_name(member)).with_suffix("")).casefold()
