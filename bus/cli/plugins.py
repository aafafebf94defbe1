"""Commands of other packages, found by entry points of the group `bus.commands`."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Final

import typer

_GROUP: Final = "bus.commands"


def add_to(app: typer.Typer) -> None:
    """Add every group of commands that an installed package brings, under its entry's name."""
    for entry in sorted(entry_points(group=_GROUP), key=lambda one: one.name):
        app.add_typer(entry.load(), name=entry.name)
