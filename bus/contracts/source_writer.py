"""Lines of generated Python, with indentation, and the constants that they name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

_INDENT = "    "


class SourceWriter:
    """Gathers one generated module: source to read, and a namespace to run it in."""

    def __init__(self) -> None:
        self.namespace: dict[str, object] = {}
        self._lines: list[str] = []
        self._depth = 0

    @property
    def source(self) -> str:
        """Everything written so far."""
        return "\n".join(self._lines) + "\n"

    def line(self, text: str) -> None:
        """Write one line at the present depth."""
        self._lines.append(_INDENT * self._depth + text)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Write `head` and everything within one step deeper."""
        self.line(head)
        self._depth += 1
        yield
        self._depth -= 1

    def constant(self, name: str, value: object) -> str:
        """Give the generated code a constant; the name gets a number, so it is always free."""
        full = f"{name}_{len(self.namespace)}"
        self.namespace[full] = value
        return full
