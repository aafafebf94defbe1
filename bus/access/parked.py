"""Ending fetches that wait: Kafka looks at a right when a fetch arrives, not when it answers.

A fetch that asks for more bytes than there are is answered at once when the partition begins a new
segment, with what is there until then (`DelayedFetch`, case F, in Kafka's source); what its client
asks next is refused. So a topic of which somebody lost the right rolls its segments each second,
until the broker has cut every connection that has been silent since before (ADR-0025).
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future
from typing import Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not in its __all__
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from bus.kafka.administration import REQUEST_TIMEOUT_S, Administration, settled
from bus.texts import message

ARMED_S: Final = 12.0
"""Above `connections.max.idle.ms`: what waits in a topic that nobody writes to is cut by then."""
_SETTING: Final = "segment.ms"
_EACH_MS: Final = "1000"


def roll_soon(admin: Administration, topics: Iterable[str]) -> None:
    """Let the next append to each partition begin a new segment, at most one each second.

    Raises:
        Unavailable: Kafka does not answer.
        DocumentError: Kafka refuses.
    """
    _alter(admin, topics, AlterConfigOpType.SET, _EACH_MS)


def roll_no_more(admin: Administration, topics: Iterable[str]) -> None:
    """Let segments last as long as ever; repeatable.

    Raises: as `roll_soon`.
    """
    _alter(admin, topics, AlterConfigOpType.DELETE, None)


def _alter(
    admin: Administration, topics: Iterable[str], operation: AlterConfigOpType, value: str | None
) -> None:
    resources = [
        ConfigResource(
            ResourceType.TOPIC,
            topic,
            incremental_configs=[ConfigEntry(_SETTING, value, incremental_operation=operation)],
        )
        for topic in sorted(topics)
    ]
    answers = admin.client.incremental_alter_configs(resources, request_timeout=REQUEST_TIMEOUT_S)
    for resource, answer in answers.items():
        if not _is_gone(answer):
            settled(answer, message("doing.access.rolling", topic=resource.name))


def _is_gone(answer: Future[ConfigResource]) -> bool:
    """Tell whether there is no such topic: then no fetch waits on it either."""
    try:
        problem = answer.exception(REQUEST_TIMEOUT_S)
    except TimeoutError:
        return False
    return (
        isinstance(problem, KafkaException)
        and problem.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART
    )
