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

from bus.errors import DocumentError, Unavailable, Words
from bus.texts import Message, message

_REFUSED = (TopicAuthorizationFailedError, GroupAuthorizationFailedError)
_UNKNOWN = (AuthenticationFailedError, SaslAuthenticationFailed)
_START_AGAIN = message("error.client.start_again")


@contextmanager
def translated(doing: Words, hint: Words = _START_AGAIN) -> Iterator[None]:
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
        raise DocumentError(_told("error.client.refused", problem, doing=doing)) from problem
    except _UNKNOWN as problem:
        raise DocumentError(message("error.client.unknown", doing=doing)) from problem
    except (KafkaError, OSError, TimeoutError) as problem:
        raise Unavailable(
            _told("error.client.silent", problem, doing=doing, hint=hint)
        ) from problem


def _told(key: str, problem: Exception, **values: object) -> Message:
    return message(key, kind=type(problem).__name__, problem=problem, **values)
