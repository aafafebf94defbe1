"""Kafka's administration: one client, bounded waits, faults in the bus's own words."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final, TypeVar

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from bus.catalogue.parties import KAFKA_SUPER_USERS
from bus.errors import BusError, DocumentError, Unavailable, Words
from bus.kafka.cluster import Cluster
from bus.texts import message

REQUEST_TIMEOUT_S: Final = 20.0
_GRACE_S: Final = 5.0
"""The client gives up first, and says why; this is for a client that does not."""
_TAKES_EFFECT_S: Final = 60.0
_LOOK_AGAIN_S: Final = 0.05

_NOT_ALLOWED: Final = frozenset(
    {
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.SECURITY_DISABLED,
    }
)
_SILENT: Final = frozenset(
    {
        KafkaError._TIMED_OUT,  # noqa: SLF001 - the library's own names of local errors
        KafkaError._TRANSPORT,  # noqa: SLF001
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
        KafkaError._AUTHENTICATION,  # noqa: SLF001
        KafkaError._RESOLVE,  # noqa: SLF001
        KafkaError._SSL,  # noqa: SLF001
    }
)
_MEANWHILE: Final = frozenset({KafkaError.TOPIC_ALREADY_EXISTS, KafkaError.UNKNOWN_TOPIC_OR_PART})
"""What was read a moment ago does not hold any more."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Administration:
    """A client that administers, and as whom."""

    client: AdminClient
    user: str

    @property
    def super_users(self) -> frozenset[str]:
        """Users whom no right limits, as far as can be known: brokers tell nobody who they are."""
        return KAFKA_SUPER_USERS | {self.user}


def connect_admin(cluster: Cluster) -> Administration:
    """Make a client that administers; it connects at its first request.

    Args:
        cluster: Reached as a principal that may administer topics, rights and users.
    """
    # Why no log: what goes wrong comes back as an answer, and is told once.
    quiet: dict[str, str | int | float] = {"client.id": "bus-administration", "log_level": 0}
    client = AdminClient({**cluster.confluent_options(), **quiet})
    return Administration(client=client, user=cluster.principal)


def settled(future: Future[T], doing: Words) -> T:
    """Wait for one answer of the administration.

    Args:
        future: As an `AdminClient` call gave it, with `request_timeout=REQUEST_TIMEOUT_S`.
        doing: What was asked for, for people: `creating topic accepted.schools`.

    Raises:
        Unavailable: Kafka does not answer.
        DocumentError: Kafka refuses: the administrator lacks a right, or a value is not allowed.
    """
    try:
        return future.result(timeout=REQUEST_TIMEOUT_S + _GRACE_S)
    except TimeoutError as problem:
        wait_s = REQUEST_TIMEOUT_S + _GRACE_S
        raise Unavailable(message("error.kafka.no_answer", doing=doing, wait_s=wait_s)) from problem
    except KafkaException as problem:
        raise fault(problem, doing) from problem


def fault(problem: KafkaException, doing: Words) -> BusError:
    """Say what Kafka's refusal means, and what to do next."""
    error: KafkaError = problem.args[0]
    told = message("error.kafka.says", doing=doing, name=error.name(), text=error.str())
    if error.code() in _NOT_ALLOWED:
        return DocumentError(message("error.kafka.not_allowed", told=told))
    if error.code() in _SILENT or error.retriable():
        return Unavailable(message("error.kafka.silent", told=told))
    if error.code() in _MEANWHILE:
        return Unavailable(message("error.kafka.meanwhile", told=told))
    return DocumentError(message("error.kafka.refused", told=told))


def count_brokers(admin: Administration) -> int:
    """Tell how many brokers the cluster has.

    Raises:
        Unavailable: Kafka does not answer.
    """
    try:
        return len(admin.client.list_topics(timeout=REQUEST_TIMEOUT_S).brokers)
    except KafkaException as problem:
        raise fault(problem, message("doing.kafka.reading_brokers")) from problem


def wait_for_effect(
    lacking: Callable[[], Sequence[T]], told: Callable[[Sequence[T], float], Words]
) -> None:
    """Wait until the broker that answers knows a change: the controller tells it later.

    Args:
        lacking: Asks what does not hold yet; nothing: the change has taken effect.
        told: Says so of what does not hold after so many seconds.

    Raises:
        Unavailable: It took too long, or Kafka does not answer.
    """
    deadline = time.monotonic() + _TAKES_EFFECT_S
    while left := lacking():
        if time.monotonic() > deadline:
            raise Unavailable(told(left, _TAKES_EFFECT_S))
        time.sleep(_LOOK_AGAIN_S)
