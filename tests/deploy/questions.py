"""What a rule asks of Prometheus, its thresholds cut off: parts that must each have an answer."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.deploy.rules import metrics_in

_THRESHOLD = re.compile(
    r"\s*(==|>=|<=|>|<)\s*[\d.]+(?![\d.])(\s*\*\s*[\d.]+(?![\d.]))*(?!\s*\*\s*[a-z(])"
)
_BETWEEN = re.compile(r"\s*(?:\b(?:and|or|unless)\b(?: on \([^)]*\))?|==|>=|<=|>|<)\s*")
_FACTOR = re.compile(r"^[\d.]+\s*\*\s*")
_WEEKS_AGO = re.compile(r"\s+offset \w+")


def questions(expr: str) -> list[str]:
    """Take an expression apart at every comparison and set operation, and into its selectors.

    What was weeks ago is asked for now, and what is absent in a bus that is ill is asked for as
    it is in one that is well.
    """
    now = _WEEKS_AGO.sub("", expr).replace("absent(", "(")
    return list(dict.fromkeys((*_parts(_THRESHOLD.sub("", now)), *_selectors(now))))


def _parts(expr: str) -> Iterator[str]:
    whole = expr.strip()
    while whole.startswith("(") and _closing(whole) == len(whole) - 1:
        whole = whole[1:-1].strip()
    found = [
        one
        for one in _BETWEEN.finditer(whole)
        if whole[: one.start()].count("(") == whole[: one.start()].count(")")
        and whole[: one.start()].count('"') % 2 == 0
    ]
    if not found:
        yield whole
        return
    ends = [0, *(end for one in found for end in one.span()), len(whole)]
    for start, end in zip(ends[::2], ends[1::2], strict=True):
        yield from _parts(_FACTOR.sub("", whole[start:end]))


def _closing(expr: str) -> int:
    """Find the bracket that closes the first one."""
    depth = 0
    for place, letter in enumerate(expr):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if not depth:
            return place
    return -1


def _selectors(expr: str) -> Iterator[str]:
    for name in metrics_in(expr):
        yield from (
            one[0] for one in re.finditer(rf"(?<![\w:]){name}(?![\w:])(\{{[^}}]*\}})?", expr)
        )
