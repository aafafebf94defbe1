from __future__ import annotations

import json
from dataclasses import replace

import pytest
from aiokafka import AIOKafkaProducer

from bus.catalogue.region import parse_region
from bus.catalogue.subjects import SchemaEntry, schema_entries
from bus.errors import DocumentError
from bus.kafka.administration import Administration
from bus.kafka.cluster import Cluster
from bus.provision.schemas_topic import publish_schemas, read_schemas
from bus.provision.topic_apply import apply_topics
from bus.provision.topic_plan import topics_of
from tests.access.regions import region

ENTRY = SchemaEntry(subject="accepted.wells-value", version=1, id=7, text='{"type":"string"}')


@pytest.fixture(autouse=True)
def _topic(admin: Administration, emptied: None) -> None:
    apply_topics(admin, topics_of(region({}), replication_factor=1))


async def _write(cluster: Cluster, key: bytes, value: bytes | None) -> None:
    producer = AIOKafkaProducer(**cluster.aiokafka_options())
    await producer.start()
    await producer.send_and_wait("_schemas", key=key, value=value)
    await producer.stop()


def test_record_has_the_form_of_confluent_s_registry() -> None:
    key = b'{"keytype":"SCHEMA","subject":"accepted.wells-value","version":1,"magic":1}'
    assert ENTRY.key() == key
    assert json.loads(ENTRY.value()) == {
        "subject": "accepted.wells-value",
        "version": 1,
        "id": 7,
        "schema": '{"type":"string"}',
        "deleted": False,
    }


def test_schema_stands_under_every_topic_that_carries_it(documents: dict[str, bytes]) -> None:
    exchange = parse_region(documents)
    entries = schema_entries(exchange)
    of_institutions = {entry.subject for entry in entries if entry.id == 1}
    assert of_institutions == {
        "accepted.educational-institutions-value",
        "in.education-samara.educational-institutions-value",
        "in.education-tolyatti.educational-institutions-value",
    }
    carried = set(topics_of(exchange, replication_factor=1))
    assert {entry.subject.removesuffix("-value") for entry in entries} == {
        topic for topic in carried if topic.startswith(("in.", "accepted.", "view."))
    }


async def test_entries_are_written_once(
    admin_cluster: Cluster, documents: dict[str, bytes]
) -> None:
    entries = schema_entries(parse_region(documents))
    assert await publish_schemas(admin_cluster, entries) == entries
    assert set((await read_schemas(admin_cluster)).values()) == set(entries)
    assert await publish_schemas(admin_cluster, entries) == ()


async def test_only_what_is_missing_is_written(admin_cluster: Cluster) -> None:
    second = replace(ENTRY, version=2, id=8, text='{"type":"bytes"}')
    await publish_schemas(admin_cluster, [ENTRY])
    assert await publish_schemas(admin_cluster, [ENTRY, second]) == (second,)


async def test_equal_schema_with_other_blanks_is_no_contradiction(admin_cluster: Cluster) -> None:
    spaced = replace(ENTRY, text='{ "type": "string" }')
    await _write(admin_cluster, spaced.key(), spaced.value())
    assert await publish_schemas(admin_cluster, [ENTRY]) == ()


@pytest.mark.parametrize(
    "other",
    [
        replace(ENTRY, id=9),
        replace(ENTRY, text='{"type":"bytes"}'),
        replace(ENTRY, subject="somebody-else", text='{"type":"bytes"}'),
    ],
    ids=["another id", "another schema", "the id of another schema"],
)
async def test_topic_that_contradicts_the_lock_is_refused(
    admin_cluster: Cluster, other: SchemaEntry
) -> None:
    await _write(admin_cluster, other.key(), other.value())
    with pytest.raises(DocumentError, match="contradicts the schema lock"):
        await publish_schemas(admin_cluster, [ENTRY])


async def test_entry_that_was_deleted_is_written_again(admin_cluster: Cluster) -> None:
    await publish_schemas(admin_cluster, [ENTRY])
    await _write(admin_cluster, ENTRY.key(), None)
    await _write(admin_cluster, b'{"keytype":"NOOP","magic":0}', None)
    assert await publish_schemas(admin_cluster, [ENTRY]) == (ENTRY,)
