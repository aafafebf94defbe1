"""The lines that processes of the bus log, as the code writes them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
_LEVELS = {
    "debug": "DEBUG",
    "info": "INFO",
    "warning": "WARNING",
    "error": "ERROR",
    "exception": "ERROR",
    "critical": "CRITICAL",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One call that logs."""

    code: str
    level: str
    fields: tuple[str, ...]
    where: str
    """File and line, from the repository's root."""


def log_lines() -> Iterator[LogLine]:
    """Find every call of a module's `logger` in the bus.

    Raises:
        ValueError: A line has no constant text, or its first word is no code.
    """
    for path in sorted((ROOT / "bus").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                logs, level = node.func.value, _LEVELS.get(node.func.attr)
                if isinstance(logs, ast.Name) and logs.id == "logger" and level is not None:
                    yield _line(node, level, f"{path.relative_to(ROOT)}:{node.lineno}")


def _line(call: ast.Call, level: str, where: str) -> LogLine:
    told = call.args[0].value if isinstance(call.args[0], ast.Constant) else None
    if not isinstance(told, str):
        raise ValueError(f"{where}: a log line begins with a code, in the code")  # noqa: TRY004
    code, *_ = told.split()
    if re.fullmatch(r"[a-z]+\.[a-z_]+", code) is None:
        raise ValueError(f"{where}: {code!r} is no code of a log line: room.what_happened")
    return LogLine(
        code=code,
        level=level,
        fields=tuple(re.findall(r"(\w+)=%", told)),
        where=where,
    )
