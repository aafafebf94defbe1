"""What a benchmark is asked for, and where its progress is told."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PEERS: Final = Path(__file__).parents[2] / ".venv-bench/bin/python"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the caller chose."""

    quick: bool
    """Small numbers, to see that everything works; the figures say little."""
    home: Path
    """An empty folder; each part makes its own platforms below it and removes them."""
    peers: Path = PEERS
    """Python that has the packages of `requirements.lock`; without it peers are not run."""


def say(words: str) -> None:
    """Tell what takes time, on standard error: standard output is for the figures."""
    sys.stderr.write(f"bench: {words}\n")
    sys.stderr.flush()
