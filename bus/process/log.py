"""Logging of a process: one line a happening, quiet while healthy, libraries kept short."""

from __future__ import annotations

import logging
import sys
import time
from typing import Final

REPEAT_AFTER_S: Final = 5.0
_LIBRARIES: Final = ("aiokafka", "faust", "mode", "asyncio", "kafka", "opentelemetry")


class RepeatFilter(logging.Filter):
    """Let one message of a kind through per five seconds.

    Why: while the broker is away aiokafka writes some hundred equal lines a second.
    """

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Decide on one message by its logger and its text before formatting."""
        kind = (record.name, str(record.msg)[:80])
        now = time.monotonic()
        if now - self._last.get(kind, -REPEAT_AFTER_S) < REPEAT_AFTER_S:
            return False
        self._last[kind] = now
        return True


def configure_logging(name: str) -> None:
    """Write log lines to standard error; a supervisor decides where that goes.

    Args:
        name: Of the process, stands in every line: `enforce-0`.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        logging.Formatter(f"%(asctime)s %(levelname)s {name} %(name)s %(message)s")
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    limited = RepeatFilter()
    for library in _LIBRARIES:
        logger = logging.getLogger(library)
        logger.setLevel(logging.WARNING)
    handler.addFilter(
        lambda record: not record.name.startswith(_LIBRARIES) or limited.filter(record)
    )
