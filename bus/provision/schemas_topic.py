"""Topic `_schemas`: the region's schemas for readers that expect a Confluent registry.

Its format is the registry's own, so that Karapace or Confluent's registry could take the topic
over. Ids come from the schema lock; an entry that is there is never written again nor changed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Mapping
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from bus.catalogue.subjects import SCHEMA_KEY_TYPE, SchemaEntry
from bus.errors import DocumentError, Finding, InvariantBroken, Unavailable
from bus.kafka.cluster import Cluster
from bus.kafka.reading import SHORT_WAIT_MS
from bus.texts import finding_at, message
from bus.wire import topics

_PARTITION: Final = TopicPartition(topics.SCHEMAS, 0)
_READ_TIMEOUT_S: Final = 20.0
_POLL_MS: Final = 500
_REQUEST_BYTES_MAX: Final = 1536 * 1024


async def publish_schemas(
    cluster: Cluster, entries: Collection[SchemaEntry]
) -> tuple[SchemaEntry, ...]:
    """Write the entries that the topic lacks, then read it back.

    Args:
        cluster: Reached as the administrator, the topic's only writer.
        entries: All that the region needs.

    Returns: What was written, ascending.

    Raises:
        DocumentError: The topic holds something else under a needed name or id.
        Unavailable: The topic can't be read or written.
    """
    lacking = missing_entries(entries, await read_schemas(cluster))
    if lacking:
        await _write(cluster, lacking)
        left = missing_entries(lacking, await read_schemas(cluster))
        if left:
            raise InvariantBroken(
                f"topic {topics.SCHEMAS} took {len(lacking)} entries and does not hold "
                f"{left[0].subject} version {left[0].version}; see who deletes from it"
            )
    return lacking


def missing_entries(
    wanted: Collection[SchemaEntry], found: Mapping[tuple[str, int], SchemaEntry]
) -> tuple[SchemaEntry, ...]:
    """Tell which entries are not there yet, ascending.

    Raises:
        DocumentError: With a finding for each that stands there with another id or schema.
    """
    by_id = {entry.id: entry for entry in found.values()}
    findings = []
    for entry in sorted(wanted):
        there = found.get((entry.subject, entry.version)) or by_id.get(entry.id)
        if there is not None and (there.id, _parsed(there)) != (entry.id, _parsed(entry)):
            findings.append(_conflict(entry, there))
    if findings:
        raise DocumentError(
            message("error.provision.lock_contradicted", topic=topics.SCHEMAS), findings
        )
    return tuple(sorted(e for e in wanted if (e.subject, e.version) not in found))


def _parsed(entry: SchemaEntry) -> object:
    """Compare schemas by meaning: another writer may have other blanks."""
    return json.loads(entry.text)


def _conflict(entry: SchemaEntry, there: SchemaEntry) -> Finding:
    return finding_at(
        f"topic {topics.SCHEMAS}, {there.subject} version {there.version}",
        "error.provision.other_schema",
        found=there.id,
        expected=entry.id,
        subject=entry.subject,
        version=entry.version,
    )


async def read_schemas(cluster: Cluster) -> dict[tuple[str, int], SchemaEntry]:
    """Read the topic from its beginning to its end, by subject and version.

    Raises:
        Unavailable: It can't be read in time.
    """
    found: dict[tuple[str, int], SchemaEntry] = {}
    consumer = AIOKafkaConsumer(
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=SHORT_WAIT_MS,
        **cluster.aiokafka_options(),
    )
    try:
        async with asyncio.timeout(_READ_TIMEOUT_S):
            await consumer.start()
            consumer.assign([_PARTITION])
            await consumer.seek_to_beginning(_PARTITION)
            end = (await consumer.end_offsets([_PARTITION]))[_PARTITION]
            while await consumer.position(_PARTITION) < end:
                fetched = await consumer.getmany(_PARTITION, timeout_ms=_POLL_MS)
                for record in fetched.get(_PARTITION, []):
                    _take_in(found, record.key, record.value)
    except (KafkaError, TimeoutError) as problem:
        raise Unavailable(
            message("error.provision.topic_unread", topic=topics.SCHEMAS, problem=repr(problem))
        ) from problem
    finally:
        await consumer.stop()
    return found


def _take_in(
    found: dict[tuple[str, int], SchemaEntry], key: bytes | None, value: bytes | None
) -> None:
    """Take one record in; other kinds of entries (settings, modes) mean nothing to the bus."""
    name = json.loads(key or b"{}")
    if name.get("keytype") != SCHEMA_KEY_TYPE:
        return
    place = (name["subject"], name["version"])
    content: dict[str, Any] = json.loads(value) if value else {"deleted": True}
    if content.get("deleted"):
        found.pop(place, None)
        return
    found[place] = SchemaEntry(
        subject=place[0], version=place[1], id=content["id"], text=content["schema"]
    )


async def _write(cluster: Cluster, entries: Collection[SchemaEntry]) -> None:
    producer = AIOKafkaProducer(
        acks="all",
        enable_idempotence=True,
        max_request_size=_REQUEST_BYTES_MAX,
        **cluster.aiokafka_options(),
    )
    try:
        await producer.start()
        written = [
            await producer.send(topics.SCHEMAS, key=entry.key(), value=entry.value(), partition=0)
            for entry in entries
        ]
        await asyncio.gather(*written)
    except KafkaError as problem:
        raise Unavailable(
            message("error.provision.topic_unwritten", topic=topics.SCHEMAS, problem=repr(problem))
        ) from problem
    finally:
        await producer.stop()
