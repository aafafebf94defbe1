"""Rules and routes in a hurry: what takes minutes takes seconds, and nothing else is another."""

from __future__ import annotations

import re
from typing import Any, Final

HURRY: Final = 30
"""By so much shorter are waits of rules and routes: one minute is two seconds."""
SCRAPED_S: Final = 2
EVALUATED_S: Final = 1
"""How often Prometheus looks then."""
_WAITS: Final = frozenset(
    {"for", "keep_firing_for", "interval", "group_wait", "group_interval", "repeat_interval"}
)
_LIMITED: Final = frozenset({"interval", "group_interval"})
"""Of them, those that no test waits for: budgets are computed and stewards are told each hour."""
_LIMIT_MS: Final = 5_000
_FOR_MS_MIN: Final = 3 * SCRAPED_S * 1000
"""Nobody is dead for a scrape or two that came late: the machine is busy."""
_UNITS_MS: Final = {
    "ms": 1,
    "s": 1000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 604_800_000,
}
_WINDOW: Final = re.compile(r"(?<=\[)(\d+[smhdw])(?=\])|(?<=offset )(\d+[smhdw])")


def milliseconds(wait: str) -> int:
    """Read a time as Prometheus writes it, of one unit."""
    number = wait.rstrip("mshdw")
    return int(number) * _UNITS_MS[wait.removeprefix(number)]


def hurried(content: Any) -> Any:  # noqa: ANN401 - YAML
    """Shorten every wait of a document, and the windows that alerts look at.

    Windows of recorded series stay: what they sum up is the same whenever it is computed.
    """
    match content:
        case {"interval": str(interval), "rules": rules}:
            every_s = _shorter_ms("interval", interval) / 1000
            return {
                **{key: _shorter(key, value) for key, value in content.items() if key != "rules"},
                "rules": [
                    {**rule, "expr": _counting_for(every_s, interval, rule["expr"])}
                    for rule in rules
                ],
            }
        case {"alert": _, "expr": str(expr)}:
            shorter = {key: _shorter(key, value) for key, value in content.items()}
            return {**shorter, "expr": _WINDOW.sub(_narrower, expr)}
        case dict():
            return {key: _shorter(key, value) for key, value in content.items()}
        case list():
            return [hurried(one) for one in content]
        case _:
            return content


def _shorter(key: str, value: Any) -> Any:  # noqa: ANN401 - YAML
    return f"{_shorter_ms(key, value)}ms" if key in _WAITS else hurried(value)


def _shorter_ms(key: str, wait: str) -> int:
    hurried_ms = milliseconds(wait) // HURRY
    if key == "for":
        return max(hurried_ms, _FOR_MS_MIN)
    return min(hurried_ms, _LIMIT_MS) if key in _LIMITED else hurried_ms


def _narrower(window: re.Match[str]) -> str:
    return f"{milliseconds(window[0]) // HURRY}ms"


def _counting_for(every_s: float, interval: str, expr: str) -> str:
    """Let a rule of so many seconds count the records of the seconds between two evaluations."""
    return re.sub(rf"(?<![\w.]){milliseconds(interval) // 1000} \*", f"{every_s:g} *", expr)
