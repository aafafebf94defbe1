"""How long topics hold what was erased, and what the law leaves out where they let go of it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined]  # not in its __all__

from bus.catalogue.agreement import Condition, ConditionOperator
from bus.catalogue.sources import REGION_FILE
from bus.errors import DocumentError
from bus.fund.tables import apply_tables
from bus.kafka.administration import Administration
from bus.kafka.cluster import Cluster
from bus.model.identifiers import AgencyCode, DatasetCode
from bus.postgres.session import connect
from bus.provision.erasure import Entry, kept_days
from bus.provision.letting_go import expect_passed, keeps_less
from bus.provision.topic_plan import FOREVER_MS, topics_of
from bus.verify.check import _judged
from tests.access.regions import agreement, region
from tests.factories import sample_documents

EXCHANGE = region(
    {"town": {"edu": ["schools"]}, "clinic": {"health": []}},
    [agreement("clinic", ["health"], "schools", fields=["number"])],
)
SCHOOLS = DatasetCode("schools")
PLACE = TopicPartition("in.town.schools", 0)
DAY_MS = 24 * 60 * 60 * 1000


def test_data_topics_let_go_after_the_region_s_days_and_nothing_else_does() -> None:
    kept = replace(EXCHANGE, topics_kept_days=400)
    for region_, retention_ms in ((EXCHANGE, FOREVER_MS), (kept, 400 * DAY_MS)):
        for name, spec in topics_of(region_, replication_factor=1).items():
            if name.startswith(
                ("in.", "accepted.", "view.", "quarantine.", "release.", "receipts.")
            ):
                assert spec.config["retention.ms"] == str(retention_ms), name
            elif name.startswith("control.") and "retention.ms" in spec.config:
                assert spec.config["retention.ms"] == str(FOREVER_MS), name


def test_standing_views_are_kept_whole() -> None:
    chosen = replace(
        EXCHANGE.agreements[0],
        rows=(Condition(field="name", op=ConditionOperator.EQUALS, values=("a",)),),
    )
    exchange = replace(EXCHANGE, agreements=(chosen,), topics_kept_days=400)
    planned = topics_of(exchange, replication_factor=1)
    (kept,) = (name for name in planned if name.startswith("view."))
    assert planned[kept].config["retention.ms"] == str(FOREVER_MS)
    assert planned["accepted.schools"].config["retention.ms"] == str(400 * DAY_MS)


def test_how_long_topics_keep_an_entry_is_asked_of_the_cluster(
    admin: Administration, emptied: None
) -> None:
    def topic(name: str, **config: str) -> NewTopic:
        settings = {key.replace("_", "."): value for key, value in config.items()}
        return NewTopic(name, 1, 1, config=settings)

    made = [
        topic("in.town.schools", retention_ms=str(30 * DAY_MS), segment_ms=str(2 * DAY_MS)),
        topic("accepted.schools", retention_ms=str(40 * DAY_MS)),
        topic("view.former", retention_ms="-1"),
        topic("accepted.roads", retention_ms="-1"),
    ]
    for answer in admin.client.create_topics(made).values():
        answer.result(20)
    while not {one.topic for one in made} <= admin.client.list_topics(timeout=10).topics.keys():
        time.sleep(0.02)  # a topic made is listed a moment later
    entry = Entry(dataset=SCHOOLS, agency=AgencyCode("town"), key="1")
    assert kept_days(admin, EXCHANGE, entry) == {
        "accepted.schools": 47,
        "in.town.schools": 32,
        "view.former": None,
    }


async def test_the_law_leaves_out_what_came_before_a_moment_and_nothing_that_waits(
    admin: Administration, admin_cluster: Cluster, emptied: None
) -> None:
    config = {"message.timestamp.type": "LogAppendTime"}
    admin.client.create_topics([NewTopic(PLACE.topic, 1, 1, config=config)])[PLACE.topic].result(20)
    async with AIOKafkaProducer(**admin_cluster.aiokafka_options()) as producer:
        for _ in range(3):
            await producer.send_and_wait(PLACE.topic, b"old", partition=0)
        await asyncio.sleep(0.05)
        since = datetime.now(UTC)
        for _ in range(2):
            await producer.send_and_wait(PLACE.topic, b"new", partition=0)

    async def judged(committed: int, moment: datetime | None) -> tuple[int, int]:
        found = await _judged(admin_cluster, "in.", {PLACE: committed}, moment)
        return found[PLACE]

    assert await judged(5, None) == (0, 5)
    assert await judged(5, since) == (3, 5)
    assert await judged(2, since) == (2, 5), "two of the old ones wait: they are still judged"
    assert await judged(5, since + timedelta(hours=1)) == (5, 5)


async def test_topics_let_go_of_nothing_that_the_bus_has_yet_to_read(
    admin: Administration, admin_cluster: Cluster, fund_dsn: str, emptied: None
) -> None:
    config = {"message.timestamp.type": "LogAppendTime"}
    admin.client.create_topics([NewTopic(PLACE.topic, 1, 1, config=config)])[PLACE.topic].result(20)
    async with AIOKafkaProducer(**admin_cluster.aiokafka_options()) as producer:
        await producer.send_and_wait(PLACE.topic, b"unread", partition=0)
    session = await connect(fund_dsn, "test")
    await apply_tables(session, {})
    await session.close()
    kept = replace(EXCHANGE, topics_kept_days=30)

    later = datetime.now(UTC) + timedelta(days=31)
    with pytest.raises(DocumentError, match=f"{PLACE.topic}/0"):
        await expect_passed(kept, cluster=admin_cluster, fund_dsn=fund_dsn, now=later)
    await expect_passed(kept, cluster=admin_cluster, fund_dsn=fund_dsn, now=datetime.now(UTC))


def test_only_less_than_before_is_asked_about() -> None:
    documents = sample_documents()
    for before, after, is_less in (
        (None, None, False),
        (None, 30, True),
        (40, 30, True),
        (30, 40, False),
        (30, 30, False),
        (30, None, False),
    ):
        said = b"" if before is None else f"\ntopics_kept_days: {before}\n".encode()
        in_force = {**documents, REGION_FILE: documents[REGION_FILE] + said}
        assert keeps_less(in_force, replace(EXCHANGE, topics_kept_days=after)) is is_less
