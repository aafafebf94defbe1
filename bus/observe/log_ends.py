"""Where the logs end, asked of Kafka apart from the consumers that read them.

A client of its own: a worker whose reading is blocked must still see that records come in.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Final

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not in its __all__
    AdminClient,
    ConsumerGroupDescription,
    ListOffsetsResultInfo,
    OffsetSpec,
)

from bus.errors import Unavailable
from bus.kafka.cluster import Cluster
from bus.observe.health import TopicPartition as Place
from bus.texts import message

REQUEST_TIMEOUT_S: Final = 5.0
READING_S: Final = 2.0
"""Time that one look spends on reading append times."""
PLACES_AT_ONCE_MAX: Final = 64
_FETCH_BYTES: Final = 16 * 1024
_OF_ONE_LOG: Final = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
    }
)
"""A log that is gone, or moves to another broker: no sign that Kafka is silent."""
_NO_GROUP_YET: Final = frozenset(
    {
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    }
)


class LogEnds:
    """Asks Kafka for ends of logs and for the age of what waits in them."""

    def __init__(self, cluster: Cluster, group: str) -> None:
        """Prepare; Kafka is asked with the first question.

        Args:
            cluster: Reached as the bus.
            group: Whose right to read is used; nothing is committed and the group isn't joined.
        """
        quiet: dict[str, str | int | float | bool] = {"log_level": 0, "client.id": "bus-watch"}
        self._options = {**cluster.confluent_options(), **quiet}
        self._group = group
        self._admin = AdminClient(self._options)
        self._consumer: Consumer | None = None

    def close(self) -> None:
        """Disconnect."""
        if self._consumer is not None:
            self._consumer.close()

    def ends(self, places: Iterable[Place]) -> dict[Place, int]:
        """Tell the end of each log, of committed transactions.

        Returns: Without the logs that are gone or have no leader just now.

        Raises:
            Unavailable: Kafka does not answer.
        """
        return {place: int(one.offset) for place, one in self._asked(places, _end()).items()}

    def newest_ms(self, places: Iterable[Place]) -> dict[Place, int]:
        """Tell when the broker appended the newest record of each log.

        Returns: Milliseconds since 1970 UTC; without the logs that are empty, are gone or have no
            leader just now.

        Raises:
            Unavailable: Kafka does not answer.
        """
        found = self._asked(places, _newest())
        return {place: one.timestamp for place, one in found.items() if one.offset >= 0}

    def members(self, groups: Sequence[str]) -> dict[str, int]:
        """Count the members of consumer groups.

        Raises:
            Unavailable: Kafka does not answer.
        """
        asked = self._admin.describe_consumer_groups(
            list(groups), request_timeout=REQUEST_TIMEOUT_S
        )
        try:
            return {group: _members_of(future) for group, future in asked.items()}
        except (KafkaException, FutureTimeoutError) as problem:
            raise Unavailable(message("error.observe.no_groups", problem=problem)) from None

    def oldest_ms(self, positions: Mapping[Place, int]) -> dict[Place, int | None]:
        """Read the append time of the first record at or behind each position.

        Returns: None where nothing but transaction markers lies there. A place is left out that
            could not be read in time, or that is one too many for one call.
        """
        asked = dict(list(positions.items())[:PLACES_AT_ONCE_MAX])
        if not asked:
            return {}
        consumer = self._reader()
        found: dict[Place, int | None] = {}
        try:
            consumer.assign([TopicPartition(*place, position) for place, position in asked.items()])
            deadline = time.monotonic() + READING_S
            while len(found) < len(asked) and (left := deadline - time.monotonic()) > 0:
                message = consumer.poll(left)
                if message is None:
                    break
                problem = message.error()
                place = (str(message.topic()), int(message.partition() or 0))
                if problem is None:
                    found.setdefault(place, int(message.timestamp()[1]))
                    consumer.pause([TopicPartition(*place)])
                elif problem.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its only name
                    found.setdefault(place, None)
        except KafkaException:
            self._consumer = None
        finally:
            if self._consumer is not None:
                consumer.unassign()
        return found

    def _asked(
        self, places: Iterable[Place], what: OffsetSpec
    ) -> dict[Place, ListOffsetsResultInfo]:
        wanted = {TopicPartition(*place): what for place in places}
        if not wanted:
            return {}
        asked = self._admin.list_offsets(
            wanted,
            isolation_level=IsolationLevel.READ_COMMITTED,
            request_timeout=REQUEST_TIMEOUT_S,
        )
        found = {}
        for partition, future in asked.items():
            try:
                found[partition.topic, partition.partition] = future.result(REQUEST_TIMEOUT_S + 1)
            except (KafkaException, FutureTimeoutError) as problem:
                if not _passes(problem):
                    raise Unavailable(message("error.observe.no_ends", problem=problem)) from None
        return found

    def _reader(self) -> Consumer:
        if self._consumer is None:
            self._consumer = Consumer(
                {
                    **self._options,
                    "group.id": self._group,
                    "enable.auto.commit": False,
                    "enable.partition.eof": True,
                    "isolation.level": "read_committed",
                    "fetch.wait.max.ms": 50,
                    "max.partition.fetch.bytes": _FETCH_BYTES,
                    "queued.max.messages.kbytes": 1024,
                }
            )
        return self._consumer


def _members_of(asked: Future[ConsumerGroupDescription]) -> int:
    """Count a group's members; on a cluster that no group ever used there is no coordinator yet."""
    try:
        return len(asked.result(REQUEST_TIMEOUT_S + 1).members)
    except KafkaException as problem:
        error: KafkaError = problem.args[0]
        if error.code() in _NO_GROUP_YET:
            return 0
        raise


def _end() -> OffsetSpec:
    latest: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]
    return latest


def _newest() -> OffsetSpec:
    newest: OffsetSpec = OffsetSpec.max_timestamp()  # type: ignore[no-untyped-call]
    return newest


def _passes(problem: Exception) -> bool:
    if not isinstance(problem, KafkaException):
        return False
    error: KafkaError = problem.args[0]
    return error.code() in _OF_ONE_LOG
