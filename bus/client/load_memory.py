"""How far a first load has come, in a small file: a load that was interrupted goes on from it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bus.errors import DocumentError
from bus.model.identifiers import RecordId
from bus.texts import message
from bus.wire.load_page import Load, parse_load, render_load


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadProgress:
    """One load, and the page that comes next."""

    load: Load
    after: str | None
    """Where the next page begins; None: at the start."""
    is_done: bool
    """Every page was taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """All loads of one system and dataset."""

    loads: tuple[LoadProgress, ...]
    is_live: bool
    """All are done, and the group reads on behind them."""

    @property
    def topics(self) -> tuple[str, ...]:
        """Whose records the loads give."""
        return tuple(one.load.name.topic for one in self.loads)

    @property
    def live(self) -> Mapping[tuple[str, int], int]:
        """Topic and partition → from where the topics go on behind the loads."""
        return {
            (progress.load.name.topic, partition): offset
            for progress in self.loads
            for partition, offset in enumerate(progress.load.live)
        }

    def passed(self) -> Mapping[str, frozenset[RecordId]]:
        """By topic: ids that it brings once more though the load had them."""
        return {one.load.name.topic: frozenset(one.load.passed) for one in self.loads}


def read_memory(path: Path) -> Memory | None:
    """Read the file; None where no load was begun.

    Raises:
        DocumentError: It is there and damaged.
    """
    try:
        return parse_memory(path.read_bytes())
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as problem:
        raise DocumentError(
            message("error.client.load_unreadable", path=path, problem=repr(problem))
        ) from problem


def memory_text(memory: Memory) -> str:
    """Write it as JSON, to be kept by somebody else."""
    return json.dumps({"is_live": memory.is_live, "loads": list(map(_rendered, memory.loads))})


def parse_memory(written: str | bytes) -> Memory:
    """Read what `memory_text` wrote.

    Raises:
        ValueError, KeyError, TypeError: It is damaged.
    """
    content = json.loads(written)
    return Memory(loads=tuple(map(_progress, content["loads"])), is_live=bool(content["is_live"]))


def write_memory(path: Path, memory: Memory) -> None:
    """Replace the file at once, durably: what it says was taken is not asked for again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with draft.open("w", encoding="utf-8") as file:
        file.write(memory_text(memory))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def begun(loads: Sequence[Load]) -> Memory:
    """Remember loads of which nothing was taken."""
    return Memory(
        loads=tuple(LoadProgress(load=load, after=None, is_done=False) for load in loads),
        is_live=False,
    )


def _rendered(progress: LoadProgress) -> dict[str, object]:
    return {
        **render_load(progress.load),
        "after": progress.after,
        "is_done": progress.is_done,
    }


def _progress(content: Mapping[str, Any]) -> LoadProgress:
    return LoadProgress(
        load=parse_load(content), after=content["after"], is_done=bool(content["is_done"])
    )
