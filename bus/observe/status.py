"""The whole bus at one moment, as far as it can be seen: what is down is said, the rest shown."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from pydantic import TypeAdapter, ValidationError

from bus.errors import Unavailable
from bus.kafka.catalogue_topic import CatalogueReader
from bus.kafka.cluster import Cluster
from bus.kafka.scan import committed_offsets, offsets, topic_partitions
from bus.local.private_files import READABLE_FILE, write_file
from bus.observe import series
from bus.observe.board import Board
from bus.observe.connectors import ConnectorStatus, announced_connectors, connector_status
from bus.observe.doors import DoorStatus, door_statuses
from bus.observe.log_ends import LogEnds
from bus.observe.report import WorkerReport, announced_targets, ask
from bus.observe.standing import Standing, read_standing
from bus.texts import Language, text
from bus.wire import topics

ANSWER_TIMEOUT_S: Final = 30.0
READS: Final[Mapping[str, tuple[str, ...]]] = {
    topics.ENFORCE_GROUP: ("in.", "release."),
    topics.FUND_GROUP: ("accepted.",),
    topics.QUARANTINE_GROUP: ("quarantine.",),
}
"""Consumer group → how the topics that it reads begin."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStatus:
    """A worker of this host."""

    name: str
    report: WorkerReport | None
    """None: it was announced and does not answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleStatus:
    """All workers of one role, on every host."""

    role: str
    workers: int
    """Members of the consumer group."""
    partitions: int
    lag_records: int
    """Offsets behind the committed positions."""
    oldest_s: float
    """Age of the oldest record behind them; 0 where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LastCheck:
    """What `bus verify` came to when it ran last."""

    at: datetime
    holds: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaStatus:
    """What Kafka tells."""

    catalogue: int | None
    """Version in force; None: none was applied yet."""
    roles: tuple[RoleStatus, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Everything."""

    kafka: KafkaStatus | None
    kafka_down: str | None
    """Why Kafka tells nothing; None: it does."""
    fund: Standing | None
    fund_down: str | None
    """Why the data fund tells nothing; None: it does."""
    workers: tuple[WorkerStatus, ...]
    doors: tuple[DoorStatus, ...]
    """Gateway, keeper and probe, as far as they are to run on this host."""
    connectors: tuple[ConnectorStatus, ...]
    law: LastCheck | None
    """None: it was never checked."""

    @property
    def is_available(self) -> bool:
        """Whether both engines answer."""
        return self.kafka is not None and self.fund is not None

    @property
    def is_healthy(self) -> bool:
        """Whether every role has workers, every process is there and well, and the law held."""
        return (
            self.is_available
            and self.kafka is not None
            and self.kafka.catalogue is not None
            and all(role.workers for role in self.kafka.roles)
            and all(one.report is not None and one.report.is_healthy for one in self.workers)
            and all(one.runs for one in self.doors)
            and all(one.is_well for one in self.connectors)
            and (self.law is None or self.law.holds)
        )


async def read_status(
    home: Path, *, cluster: Callable[[], Cluster], dsn: Callable[[], str], language: Language
) -> Status:
    """Ask everybody.

    Args:
        home: Of the installation.
        cluster: Gives the way to Kafka as the bus; may raise `Unavailable`.
        dsn: Gives the data fund's; may raise `Unavailable`.
        language: In which to say why an engine tells nothing.
    """
    targets = announced_targets(home)
    answers = [asyncio.to_thread(ask, target) for target in targets]
    pages = [asyncio.to_thread(connector_status, one) for one in announced_connectors(home)]
    (kafka, kafka_down), (fund, fund_down), reports, connectors = await asyncio.gather(
        _answer(lambda: read_kafka(cluster()), language),
        _answer(lambda: read_standing(dsn()), language),
        asyncio.gather(*answers),
        asyncio.gather(*pages),
    )
    return Status(
        kafka=kafka,
        kafka_down=kafka_down,
        fund=fund,
        fund_down=fund_down,
        workers=tuple(
            WorkerStatus(name=target.name, report=report)
            for target, report in zip(targets, reports, strict=True)
        ),
        doors=door_statuses(home),
        connectors=tuple(connectors),
        law=read_check(home),
    )


async def _answer(
    asked: Callable[[], Awaitable[T]], language: Language
) -> tuple[T | None, str | None]:
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            return await asked(), None
    except TimeoutError:
        return None, text("error.observe.no_answer", language, limit_s=ANSWER_TIMEOUT_S)
    except Unavailable as problem:
        return None, problem.spoken(language)
    except (KafkaError, OSError) as problem:
        return None, str(problem)


async def read_kafka(cluster: Cluster) -> KafkaStatus:
    """Read catalogue, positions and the logs' ends.

    Args:
        cluster: Reached as the bus.

    Raises:
        Unavailable: Kafka does not answer.
        KafkaError: The same, in the client's words.
    """
    async with CatalogueReader(cluster) as reader:
        await reader.read_to_end()
        manifest = reader.manifest
    prefixes = [prefix for of_group in READS.values() for prefix in of_group]
    bounds = await offsets(cluster, await topic_partitions(cluster, prefixes))
    log_ends = await asyncio.to_thread(LogEnds, cluster, topics.ENFORCE_GROUP)
    try:
        members = await asyncio.to_thread(log_ends.members, list(READS))
        roles = []
        for group, beginnings in READS.items():
            committed = await committed_offsets(cluster, group)
            own = {
                place: (max(committed.get(place, 0), begin), end)
                for place, (begin, end) in bounds.items()
                if place.topic.startswith(beginnings)
            }
            roles.append(await _role(group, members.get(group, 0), own, log_ends))
    finally:
        log_ends.close()
    return KafkaStatus(catalogue=None if manifest is None else manifest.version, roles=tuple(roles))


async def _role(
    group: str,
    members: int,
    spans: Mapping[TopicPartition, tuple[int, int]],
    log_ends: LogEnds,
) -> RoleStatus:
    behind = {
        (place.topic, place.partition): position
        for place, (position, end) in spans.items()
        if end > position
    }
    oldest = await asyncio.to_thread(log_ends.oldest_ms, behind)
    markers = {place for place, appended_ms in oldest.items() if appended_ms is None}
    waiting = [appended_ms for appended_ms in oldest.values() if appended_ms is not None]
    return RoleStatus(
        role=group.rpartition(".")[2],
        workers=members,
        partitions=len(spans),
        lag_records=sum(
            max(0, end - position)
            for place, (position, end) in spans.items()
            if (place.topic, place.partition) not in markers
        ),
        oldest_s=round(max(0.0, time.time() - min(waiting) / 1000), 1) if waiting else 0.0,
    )


_CHECK: Final = TypeAdapter(LastCheck)


def _check_file(home: Path) -> Path:
    return home / "run" / "verified.json"


def keep_check(home: Path, check: LastCheck) -> None:
    """Remember what the law came to, for `bus status`."""
    path = _check_file(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, _CHECK.dump_json(check).decode(), mode=READABLE_FILE)


def read_check(home: Path) -> LastCheck | None:
    """Recall what the law came to; None: it was never checked here."""
    try:
        return _CHECK.validate_python(json.loads(_check_file(home).read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError):
        return None


def show_check(check: LastCheck, board: Board) -> None:
    """Show what the law came to."""
    board.set(series.LAW_HOLDS, (), float(check.holds))
    board.set(series.LAW_CHECKED, (), check.at.timestamp())
