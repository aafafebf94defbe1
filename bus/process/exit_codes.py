"""What a process's exit code tells its supervisor; sysexits.h where it has a name."""

from __future__ import annotations

from typing import Final

from aiokafka.errors import KafkaError, KafkaTimeoutError

from bus.errors import BusError, DocumentError, Fenced, Unavailable

EXIT_UNAVAILABLE: Final = 69
"""Kafka or PostgreSQL does not answer."""
EXIT_FAULT: Final = 70
"""A fault of the bus itself."""
EXIT_FENCED: Final = 75
"""Another worker took over; starting again is right."""
EXIT_CONFIGURATION: Final = 78
"""A document or setting is wrong; starting again would not help."""


def exit_code_of(problem: BaseException) -> int:
    """Tell with which code a process ends that a fault ends."""
    match problem:
        case Fenced():
            return EXIT_FENCED
        case Unavailable():
            return EXIT_UNAVAILABLE
        case DocumentError():
            return EXIT_CONFIGURATION
        case _:
            return EXIT_UNAVAILABLE if _is_outage(problem) else EXIT_FAULT


def traced(problem: BaseException) -> BaseException | None:
    """Give what a log shows of a fault beside its text; None: the text says what is wrong."""
    return None if isinstance(problem, BusError) or _is_outage(problem) else problem


def _is_outage(problem: BaseException) -> bool:
    """Tell whether brokers are away or not agreed, which another start mends when they are back."""
    return isinstance(problem, KafkaTimeoutError) or (
        isinstance(problem, KafkaError) and problem.retriable
    )
