"""Files in a folder as a source: which are read, when, in which order, and never twice."""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from bus.errors import DocumentError
from connectors import Bad, Mark, Row, SourceDown
from connectors.kit.plugin import conforms
from connectors.sources import folder as folder_module
from connectors.sources.folder import Folder
from connectors.sources.folder_files import Content, look_at, take_away
from connectors.sources.folder_position import FILES_MAX, Begun, FolderPosition
from connectors.twins.folder import FolderTwin
from tests.connectors.folder_files import (
    bad_of,
    cells_of,
    folder,
    items_of,
    last_position,
    names_in,
    opened_files,
    places_of,
)

test_conforms = conforms(Folder, FolderTwin, kills_max=40)

HOUR_NS = 3_600 * 10**9


def csv(path: Path, *rows: str, encoding: str = "utf-8") -> Path:
    path.write_text("\n".join(("number;name", *rows)) + "\n", encoding=encoding)
    return path


@pytest.fixture
def exports(tmp_path: Path) -> Path:
    path = tmp_path / "exports"
    path.mkdir()
    return path


async def test_a_file_that_comes_late_with_an_earlier_time_is_read(exports: Path) -> None:
    csv(exports / "b.csv", "1;one")
    position = last_position(await items_of(folder(exports)))
    late = csv(exports / "a.csv", "2;two")
    before = (exports / "b.csv").stat().st_mtime_ns - HOUR_NS
    os.utime(late, ns=(before, before))
    assert places_of(await items_of(folder(exports), position)) == ["a.csv:2"]


async def test_the_same_name_is_read_again_when_and_only_when_its_content_is_new(
    exports: Path,
) -> None:
    path, position, given = exports / "a.csv", None, []
    for content, moment in (("1;one", 1), ("1;one", 2), ("1;new", 2), ("1;one", 3), ("1;one", 4)):
        csv(path, content)
        os.utime(path, (moment, moment))  # the size is the same, and once the time is, too
        items = await items_of(folder(exports), position)
        position = last_position(items, position)
        given.append([row["name"] for row in cells_of(items)])
    assert given == [["one"], [], ["new"], ["one"], []]


async def test_what_the_spool_remembers_is_no_position(exports: Path, tmp_path: Path) -> None:
    csv(exports / "a.csv", "1;one")
    first = folder(exports)
    position = last_position(await items_of(first))
    assert (tmp_path / "spool" / "digests.json").exists()
    assert len(cells_of(await items_of(folder(exports), None))) == 1
    (tmp_path / "spool" / "digests.json").unlink()
    assert await items_of(folder(exports), position) == []


async def test_ten_thousand_files_fit_a_position_and_one_more_is_refused() -> None:
    chance = random.Random(7)
    for count in (0, 1, 2, 3, 100, FILES_MAX):
        known = frozenset(chance.getrandbits(48) for _ in range(count))
        begun = Begun(name="ф" * 120, content="0" * 41, rows=10**9)
        written = json.dumps(FolderPosition(known=known, begun=begun).to_json())
        assert len(written.encode()) < 64 * 1024
        assert FolderPosition.of(json.loads(written)) == FolderPosition(known=known, begun=begun)


async def test_more_files_than_a_position_can_tell_are_refused_with_the_way_out(
    exports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_module, "FILES_MAX", 2)
    for number in range(3):
        csv(exports / f"{number}.csv", f"{number};x")
    with pytest.raises(DocumentError, match="when_done: move"):
        await items_of(folder(exports))
    source = folder(exports, when_done="delete")
    items = await items_of(source)
    await source.acked(last_position(items))
    rest = await items_of(source, last_position(items))
    assert places_of(items) + places_of(rest) == ["0.csv:2", "1.csv:2", "2.csv:2"]


async def test_reading_goes_on_within_a_file_of_the_same_content_and_begins_anew_with_another(
    exports: Path,
) -> None:
    rows = [f"{number};x" for number in range(1, 1001)]
    csv(exports / "a.csv", *rows)
    items = await items_of(folder(exports))
    within = [one.position for one in items if isinstance(one, Mark)][1]
    rest = places_of(await items_of(folder(exports), within))
    assert rest == [f"a.csv:{number}" for number in range(402, 1002)]
    assert places_of(await items_of(folder(exports, totals=["-"]), within))[0] == "a.csv:2"
    csv(exports / "a.csv", "0;new", *rows)
    assert len(cells_of(await items_of(folder(exports), within))) == 1001


async def test_a_file_that_is_taken_away_while_it_is_read_is_told(exports: Path) -> None:
    csv(exports / "a.csv", *(f"{number};x" for number in range(1000)))
    items = await items_of(folder(exports))
    within = next(one.position for one in items if isinstance(one, Mark))
    (exports / "a.csv").unlink()
    told = await items_of(folder(exports), within)
    assert bad_of(told) == [
        ("a.csv", "the file was taken away after 200 of its rows had been read; put it back")
    ]
    assert await items_of(folder(exports), last_position(told)) == []


def writing(path: Path, *more: str) -> Callable[[float], Awaitable[None]]:
    async def sleep(_seconds: float) -> None:
        with path.open("a") as file:
            file.writelines(more)

    return sleep


async def test_a_file_that_is_still_written_is_not_read(exports: Path) -> None:
    path = csv(exports / "a.csv", "1;one")
    csv(exports / "b.csv", "3;three")
    assert places_of(await items_of(folder(exports, sleep=writing(path, "2;two")))) == ["b.csv:2"]
    found = places_of(await items_of(folder(exports, order="name")))
    assert found == ["a.csv:2", "a.csv:3", "b.csv:2"]


async def test_a_file_that_changes_while_it_is_read_is_read_anew(exports: Path) -> None:
    path = csv(exports / "a.csv", *(f"{number};x" for number in range(300)))
    position, source = None, folder(exports).read(None)
    async for item in source:
        if position is None:
            csv(path, "7;new")
        position = item.position if isinstance(item, Mark) else position or ""
    items = await items_of(folder(exports), position)
    assert cells_of(items) == [{"number": "7", "name": "new"}]


async def test_a_file_that_said_something_else_while_it_was_read_is_read_anew(
    exports: Path,
) -> None:
    rows = [f"{number};x" for number in range(300)]
    path = csv(exports / "a.csv", *rows)
    positions: list[object] = []
    async for item in folder(exports).read(None):
        if not positions:
            csv(path, "7;new")
            csv(path, *rows)
            positions.append(None)
        if isinstance(item, Mark):
            positions.append(item.position)
    assert len(cells_of(await items_of(folder(exports), positions[-1]))) == 300


async def test_unfinished_names_never_count_and_a_ready_file_must_be_younger(
    exports: Path,
) -> None:
    for name in (".a.csv", "a.csv.part", "a.csv.tmp", "~a.csv~", "a.docx"):
        csv(exports / name, "1;one")
    assert await items_of(folder(exports)) == []
    path = csv(exports / "a.csv", "1;one")
    ready: dict[str, Any] = {"complete_when": "ready"}
    assert await items_of(folder(exports, **ready)) == []
    (exports / "a.csv.ready").touch()
    os.utime(path, (1, 1))
    position = last_position(await items_of(folder(exports, **ready)))
    assert position is not None
    csv(path, "2;half")
    os.utime(exports / "a.csv.ready", (1, 1))
    assert await items_of(folder(exports, **ready), position) == []


async def test_files_are_read_by_time_or_by_name_and_deep_where_it_is_said(exports: Path) -> None:
    (exports / "in").mkdir()
    for number, name in enumerate(("b.csv", "a.csv", "in/c.csv")):
        os.utime(csv(exports / name, "1;x"), (number, number))
    assert places_of(await items_of(folder(exports))) == ["b.csv:2", "a.csv:2"]
    deep = await items_of(folder(exports, order="name", recursive=True))
    assert places_of(deep) == ["a.csv:2", "b.csv:2", "in/c.csv:2"]


async def test_files_are_moved_when_they_are_durable_and_not_what_was_written_since(
    exports: Path,
) -> None:
    csv(exports / "a.csv", "1;one")
    csv(exports / "b.csv", "2;two")
    source = folder(exports, when_done="move")
    position = last_position(await items_of(source))
    csv(exports / "b.csv", "2;new")
    await source.acked(position)
    assert names_in(exports) == ["b.csv", "done"]
    assert names_in(exports / "done") == ["a.csv"]
    items = await items_of(source, position)
    assert cells_of(items) == [{"number": "2", "name": "new"}]
    csv(exports / "a.csv", "1;one")  # delivered once more, the same
    await source.acked(last_position(items))
    assert (exports / "a.csv").exists(), "it was forgotten when it had gone, and is not read yet"
    position = last_position(await items_of(source, last_position(items)))
    await source.acked(position)
    assert names_in(exports / "done") == ["a.2.csv", "a.csv", "b.csv"]


async def test_a_file_that_is_replaced_in_the_moment_of_its_leaving_stays(exports: Path) -> None:
    path = csv(exports / "a.csv", "1;one")
    read = Content(look=look_at(path, exports), digest="of what was read")
    path.unlink()
    csv(path, "1;unread")
    take_away(read, exports / "done")
    assert names_in(exports) == ["a.csv"]


async def test_a_file_that_a_kill_left_on_its_way_out_leaves_again(exports: Path) -> None:
    path = csv(exports / "a.csv", "1;one")
    source = folder(exports, when_done="move")
    position = last_position(await items_of(source))
    os.rename(path, exports / ".leaving-a.csv")  # noqa: PTH104 - what a kill left
    csv(path, "1;unread")
    await source.acked(position)
    assert names_in(exports) == ["a.2.csv", "a.csv"], "what is not known to be read is read"


async def test_done_files_are_deleted_where_it_is_said(exports: Path) -> None:
    csv(exports / "a.csv", "1;one")
    source = folder(exports, when_done="delete")
    await source.acked(last_position(await items_of(source)))
    assert names_in(exports) == []


async def test_a_file_that_may_not_be_read_does_not_stop_the_others(
    exports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    csv(exports / "a.csv", "1;one")
    csv(exports / "b.csv", "2;two")
    really = Path.open

    def opened(path: Path, *args: object, **more: object) -> object:
        if path.name == "a.csv":
            raise PermissionError(13, "Permission denied")
        return really(path, *args, **more)  # type: ignore[call-overload]  # as it is called

    monkeypatch.setattr(Path, "open", opened)  # Why: tests may run as root, who may read all
    items = await items_of(folder(exports))
    assert [place for place, _ in bad_of(items)] == ["a.csv"]
    assert len(cells_of(items)) == 1
    assert await items_of(folder(exports), last_position(items)) == []
    monkeypatch.undo()
    assert cells_of(await items_of(folder(exports), last_position(items))) == [
        {"number": "1", "name": "one"}
    ]


async def test_a_folder_that_is_away_is_down_and_check_says_so(
    exports: Path, tmp_path: Path
) -> None:
    source = folder(exports)
    assert await source.check() == []
    (exports / "a.docx").touch()
    assert "a.docx" in str((await source.check())[0])
    os.rename(exports, tmp_path / "away")  # noqa: PTH104 - the share is taken away
    with pytest.raises(SourceDown, match="exports"):
        await items_of(source)
    assert "no folder" in str((await source.check())[0])


async def test_discover_tells_tables_their_columns_and_the_key(exports: Path) -> None:
    text = (
        "Наименование;Код ОКТМО;Мест;Площадь, м2;Открыта;Принята;ИНН\n"
        "Школа;036001;120;1 204,50;01.09.2001;да;7707083893\n"
        "Сад;036002;80;99,1;;нет;7707083894\n"
    )
    (exports / "a.csv").write_bytes(text.encode("koi8-r"))
    stream = (await folder(exports).discover())[0]
    assert (stream.name, stream.key, len(stream.samples)) == ("a.csv", "Код ОКТМО", 2)
    assert stream.columns == {
        "Наименование": "string",
        "Код ОКТМО": "string",
        "Мест": "long",
        "Площадь, м2": "double",
        "Открыта": {"type": "int", "logicalType": "date"},
        "Принята": "boolean",
        "ИНН": "long",
    }


async def test_closing_in_the_middle_of_a_large_file_leaves_nothing_running(
    exports: Path,
) -> None:
    csv(exports / "a.csv", *(f"{number};x" for number in range(50_000)))
    before = asyncio.all_tasks()
    reading = folder(exports).read(None)
    item = await anext(reading)
    assert isinstance(item, Row | Bad)
    async with asyncio.timeout(5):
        await reading.aclose()  # type: ignore[attr-defined]  # a generator
    assert asyncio.all_tasks() == before
    assert str(exports / "a.csv") not in opened_files()
