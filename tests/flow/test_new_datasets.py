"""A dataset that is added is read, even where the only worker was away just then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest
from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined]  # not in its __all__

from bus.agents.consumer_thread import SESSION_TIMEOUT_S
from bus.kafka.administration import connect_admin, settled
from bus.model.identifiers import DatasetCode
from bus.observe.report import ask
from bus.supervise.role import Role
from bus.wire import topics
from bus.wiring import Installation
from tests.factories import AGENCY
from tests.flow import path
from tests.flow.test_health import target

ADDED = topics.inbound(AGENCY, DatasetCode("added-later"))
PARTITIONS = 4
NOTICED_WITHIN_S = 30


@pytest.fixture
def added(installation: Installation) -> Iterator[list[str]]:
    """Topics that are removed afterwards.

    Not before the worker's session has ended: the next one would be given their partitions.
    """
    names: list[str] = []
    yield names
    if names:
        time.sleep(SESSION_TIMEOUT_S + 2)
        client = connect_admin(installation.cluster_as_admin()).client
        for answer in client.delete_topics(names).values():
            settled(answer, "removing a topic")


async def owned(installation: Installation, *, at_least: int) -> int:
    """Wait until the enforce worker owns so many partitions; give the number."""
    found = await target(installation, Role.ENFORCE)
    async with asyncio.timeout(NOTICED_WITHIN_S):
        while True:
            report = await asyncio.to_thread(ask, found)
            if report is not None and report.partitions >= at_least:
                return report.partitions
            await asyncio.sleep(0.1)


async def test_a_topic_that_came_while_the_only_worker_was_away_is_read(
    installation: Installation, added: list[str]
) -> None:
    log = installation.home / "log" / f"{Role.ENFORCE}-lone.log"
    with path.worker(installation, Role.ENFORCE):
        before = await owned(installation, at_least=1)
    told, away_since_s = len(log.read_text()), time.monotonic()
    # Within the time of its session, in which Kafka gives a member what it had.
    client = connect_admin(installation.cluster_as_admin()).client
    for answer in client.create_topics([NewTopic(ADDED, PARTITIONS, 1)]).values():
        settled(answer, "adding a topic")
    added.append(ADDED)
    with path.worker(installation, Role.ENFORCE):
        await target(installation, Role.ENFORCE)
        away_s = time.monotonic() - away_since_s
        assert await owned(installation, at_least=before + 1) == before + PARTITIONS
    if (
        away_s < SESSION_TIMEOUT_S
    ):  # else Kafka asked what it follows, and nothing was to be noticed
        assert "topics.uncovered" in log.read_text()[told:]
