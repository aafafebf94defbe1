"""What reading a file gives beside rows: the refusal of a whole file, in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from bus.errors import DocumentError, Words
from connectors.source import Bad, Row
from connectors.texts import message

Found: TypeAlias = Row | Bad
"""A row, or what stands in its place; its place is `file.csv:17`, and it has no position."""
Rows: TypeAlias = Iterator[Found]


class Unreadable(Exception):
    """A file, or what is left of it, can't be read at all."""

    def __init__(self, why: Words) -> None:
        super().__init__(str(why))
        self.why = why


def words_of(problem: DocumentError) -> Words:
    """Say why a file is no table, without the path under which it was looked at."""
    if not problem.findings:
        return problem
    first = problem.findings[0]
    return message(
        "folder.file_refused", found=first.found, expected=first.expected, remedy=first.remedy
    )
