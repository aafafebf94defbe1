"""The demonstration's own home, made anew at each run: its figures are always those of one run."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bus import local as platform
from bus.local.home_lock import exclusive
from bus.local.layout import Layout
from bus.texts import Message

FOLDER: Final = "demo"
_NOT_THE_PLATFORMS: Final = ("keys", "decisions", "publish", "subscribe")
"""Other folders of a home: public keys, what they signed on agreements, and clients' memories."""


@contextmanager
def fresh_engines(home: Path, progress: Callable[[Message], None]) -> Iterator[platform.Engines]:
    """Remove what an earlier run left, start both engines, and stop them at the end.

    Data and logs of this run stay for whoever wants to look; the next run removes them.

    Args:
        home: Of the demonstration alone.
        progress: Told what takes time.

    Raises:
        Unavailable: An engine does not start, or another demonstration runs here.
    """
    home.parent.mkdir(parents=True, exist_ok=True)
    # Why beside the home: the home itself is removed.
    with exclusive(home.with_name(f"{home.name}.lock"), wait_s=0):
        if Layout.of(home).choices_file.exists():
            platform.reset(home)
        for folder in _NOT_THE_PLATFORMS:
            shutil.rmtree(home / folder, ignore_errors=True)
        try:
            yield platform.up(home, progress=progress)
        finally:
            with _undisturbed():
                platform.down(home)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Pass over an impatient second Ctrl-C: it would leave engines running."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
