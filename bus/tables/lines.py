"""Reading the lines of a text file lazily, with a bound on what one line may hold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bus.errors import DocumentError
from bus.tables.encoding import Encoding
from bus.texts import finding_at, message

LINE_CHARACTERS_MAX: Final = 4_194_304
REPLACEMENT: Final = "\ufffd"
"""Stands for bytes that the encoding does not know; a row that contains it is refused."""
_MARK: Final = "\ufeff"


def read_lines(path: Path, encoding: Encoding, *, skip_rows: int = 0) -> Iterator[str]:
    r"""Give the lines below `skip_rows`, each with its own ending (`\n`, `\r\n` or `\r`).

    Raises: DocumentError: a line is longer than 4,194,304 characters, so it is no table.
    """
    with path.open(encoding=encoding, errors="replace", newline="") as file:
        number = 0
        while line := file.readline(LINE_CHARACTERS_MAX):
            number += 1
            if len(line) == LINE_CHARACTERS_MAX:
                raise _endless(path, number)
            if number == 1:
                line = line.removeprefix(_MARK)
            if number > skip_rows:
                yield line


def _endless(path: Path, number: int) -> DocumentError:
    finding = finding_at(
        f"{path}:{number}", "error.tables.endless_line", characters_max=LINE_CHARACTERS_MAX
    )
    return DocumentError(message("error.tables.not_lines", path=path), (finding,))
