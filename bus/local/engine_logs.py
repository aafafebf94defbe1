"""What an engine said last, for the error message of a start that failed."""

from collections.abc import Sequence
from pathlib import Path

_TELLING = ("ERROR", "FATAL", "PANIC", "Exception", "error")
_TAIL_BYTES = 32_768
_LINE_MAX = 400


def last_words(logs: Sequence[Path]) -> str:
    """Return the last line that tells of an error, else the last line.

    Args:
        logs: Files in the order in which they were written; missing ones are passed over.
    """
    lines = [line for path in logs if path.exists() for line in _tail(path)]
    telling = [line for line in lines if any(word in line for word in _TELLING)]
    return (telling or lines or ["(nothing)"])[-1][:_LINE_MAX]


def _tail(path: Path) -> list[str]:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        return file.read().decode(errors="replace").splitlines()
