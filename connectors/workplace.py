"""The folder of one connector on its host: whether it is paused, what history is asked for.

No position lies here: it is kept on the bus (`bus.client.positions`).
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from connectors.source import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryAsked:
    """A stretch of history that somebody asked for, and how far it is."""

    since: str | None
    until: str | None
    rate_per_s: float | None
    rows: int = 0
    is_done: bool = False
    problem: str | None = None
    """Why it was given up."""

    @property
    def span(self) -> Span:
        """The stretch itself."""
        return Span(since=self.since, until=self.until)


@dataclass(frozen=True, slots=True)
class Workplace:
    """`<home>/connectors/<name>/`."""

    folder: Path

    @property
    def spool(self) -> Path:
        """Where the source may keep files."""
        spool = self.folder / "spool"
        spool.mkdir(parents=True, exist_ok=True)
        return spool

    @property
    def is_paused(self) -> bool:
        """Whether the runner is to wait."""
        return (self.folder / "paused").exists()

    def pause(self) -> None:
        """Let the runner wait from its next position on."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "paused").touch()

    def resume(self) -> None:
        """Let it go on."""
        (self.folder / "paused").unlink(missing_ok=True)

    def history(self) -> HistoryAsked | None:
        """Read what history is asked for; None: none ever was."""
        try:
            return HistoryAsked(**json.loads(self._history.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None

    def write_history(self, asked: HistoryAsked) -> None:
        """Ask for history, or tell how far it is; whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        beside = self._history.with_suffix(".new")
        beside.write_text(json.dumps(asdict(asked)), encoding="utf-8")
        os.replace(beside, self._history)  # noqa: PTH105 - both are paths, and the word says it

    @property
    def _history(self) -> Path:
        return self.folder / "history.json"
