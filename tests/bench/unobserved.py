"""A worker that nobody can see: no metrics, log, watch, page or spans. For comparison alone.

    python -m tests.bench.unobserved enforce 0

What is tallied for the audit log is tallied here too: that is no observation.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bus.agents import worker
from bus.observe import happenings
from bus.observe.board import Board
from bus.observe.happenings import BatchEnforced
from bus.observe.promises import Promised

_NOTHING = Promised(delays_s={}, in_time={}, fields_due={}, fields_filled={}, newest_ms={})


def main(arguments: list[str]) -> None:
    """Run a worker whose happenings are told to nobody."""
    vars(worker)["observed"] = _unobserved
    vars(happenings)["promised"] = lambda *_: _NOTHING
    vars(happenings)["enforced"] = lambda *_: ()
    for owner, names in (
        (BatchEnforced, ("tell",)),
        (Board, ("add", "set", "observe", "observe_each", "rise", "bear", "reach", "replace")),
    ):
        for name in names:
            setattr(owner, name, lambda *_, **__: None)
    logging.disable()
    worker.main(arguments)


@asynccontextmanager
async def _unobserved(*_: object, **__: object) -> AsyncIterator[None]:
    yield


if __name__ == "__main__":
    main(sys.argv[1:])
