"""Faults of the Kafka client in the bus's own words: what failed, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from aiokafka.errors import (
    AuthenticationFailedError,
    GroupAuthorizationFailedError,
    KafkaError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
)

from bus.errors import DocumentError, Unavailable

_REFUSED = (TopicAuthorizationFailedError, GroupAuthorizationFailedError)
_UNKNOWN = (AuthenticationFailedError, SaslAuthenticationFailed)


@contextmanager
def translated(doing: str, hint: str = "then start again") -> Iterator[None]:
    """Raise faults of the Kafka client as the bus's own.

    Args:
        doing: What the block does, for the message: `reading the log of …`.
        hint: What to do when the cluster answers again.

    Raises:
        DocumentError: The cluster refuses this principal, or what it wants to do.
        Unavailable: The cluster does not answer.
    """
    try:
        yield
    except _REFUSED as problem:
        raise DocumentError(
            f"{doing}: the cluster refuses it ({type(problem).__name__}: {problem}); the right "
            "follows from the agency's document and the agreements in force: look at them, then "
            "ask the bus's operator to run `bus catalogue apply`"
        ) from problem
    except _UNKNOWN as problem:
        raise DocumentError(
            f"{doing}: the cluster does not accept name and password; run `bus system enrol`"
        ) from problem
    except (KafkaError, OSError, TimeoutError) as problem:
        raise Unavailable(
            f"{doing}: Kafka does not answer ({type(problem).__name__}: {problem}); look whether "
            f"it runs, {hint}"
        ) from problem
