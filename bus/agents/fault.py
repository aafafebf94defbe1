"""What a worker does about a fault: it says so and ends, before any position moves.

Why end the process and not the agent: Faust restarts a failed agent behind the event that broke
it, and a half-broken process is the hardest to reason about. A supervisor starts a new one.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bus.agents.transport import PartitionBatch
from bus.process.exit_codes import exit_code_of, traced

logger = logging.getLogger(__name__)


def stop_process(where: str, problem: BaseException) -> None:
    """Tell of a fault and end at once, without the clean-up that would commit positions."""
    code = exit_code_of(problem)
    logger.critical(
        "worker.stopped where=%s exit=%d problem=%s", where, code, problem, exc_info=traced(problem)
    )
    for handler in logging.getLogger().handlers:
        handler.flush()
    sys.stderr.flush()
    os._exit(code)


@contextmanager
def stopping_on_fault(stage: str, batch: PartitionBatch | None = None) -> Iterator[None]:
    """Turn any exception inside into the end of the process; cancellation passes."""
    try:
        yield
    except asyncio.CancelledError:
        raise
    except BaseException as problem:  # noqa: BLE001 - every fault ends the process, see above
        place = "" if batch is None else f" {batch.topic}/{batch.partition}/{batch.start}"
        stop_process(f"{stage}{place}", problem)
