"""Topic `_schemas`: the region's schemas for readers that expect a Confluent registry.

Its format is the registry's own, so that Karapace or Confluent's registry could take the topic
over. Ids come from the schema lock; an entry that is there is never written again nor changed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from bus.catalogue.lock import schema_text
from bus.catalogue.region import Region
from bus.catalogue.schemas import wire_schemas
from bus.catalogue.snapshot import locked_schema_id
from bus.errors import DocumentError, Finding, InvariantBroken, Unavailable
from bus.kafka.cluster import Cluster
from bus.model.identifiers import DatasetCode
from bus.wire import topics

_PARTITION: Final = TopicPartition(topics.SCHEMAS, 0)
_SCHEMA: Final = "SCHEMA"
_READ_TIMEOUT_S: Final = 20.0
_POLL_MS: Final = 500
_REQUEST_BYTES_MAX: Final = 1536 * 1024


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class SchemaEntry:
    """One schema under one subject, as a registry's reader looks it up."""

    subject: str
    """`<topic>-value`."""
    version: int
    id: int
    text: str
    """The schema as JSON."""

    def key(self) -> bytes:
        """Write the record's key; its order of members is the registry's, for compaction."""
        return _json({"keytype": _SCHEMA, "subject": self.subject, "version": self.version,
                      "magic": 1})  # fmt: skip

    def value(self) -> bytes:
        """Write the record's value."""
        return _json({"subject": self.subject, "version": self.version, "id": self.id,
                      "schema": self.text, "deleted": False})  # fmt: skip


def schema_entries(region: Region) -> tuple[SchemaEntry, ...]:
    """Tell every entry that a region needs, ascending: one schema stands under each of its topics.

    Raises:
        DocumentError: A schema has no id in the lock.
    """
    return tuple(
        sorted(
            SchemaEntry(
                subject=f"{topic}-value",
                version=wired.version,
                id=locked_schema_id(region, wired.subject, wired.version),
                text=schema_text(wired.schema),
            )
            for wired in wire_schemas(region)
            for topic in _topics_under(region, wired.subject)
        )
    )


def _topics_under(region: Region, subject: str) -> Iterator[str]:
    if subject not in region.contracts:
        yield subject  # a view's subject is its topic
        return
    dataset = DatasetCode(subject)
    yield topics.accepted(dataset)
    for agency in region.providers_of(dataset):
        yield topics.inbound(agency, dataset)


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
        raise DocumentError(f"topic {topics.SCHEMAS} contradicts the schema lock", findings)
    return tuple(sorted(e for e in wanted if (e.subject, e.version) not in found))


def _parsed(entry: SchemaEntry) -> object:
    """Compare schemas by meaning: another writer may have other blanks."""
    return json.loads(entry.text)


def _conflict(entry: SchemaEntry, there: SchemaEntry) -> Finding:
    return Finding(
        path=f"topic {topics.SCHEMAS}, {there.subject} version {there.version}",
        found=f"id {there.id} and another schema than the lock has",
        expected=f"id {entry.id} and the schema of {entry.subject} version {entry.version}",
        remedy="Take registry.lock.json from git; if it is right, another registry wrote to the "
        "topic: stop it, and give the bus a cluster or a topic of its own.",
    )


async def read_schemas(cluster: Cluster) -> dict[tuple[str, int], SchemaEntry]:
    """Read the topic from its beginning to its end, by subject and version.

    Raises:
        Unavailable: It can't be read in time.
    """
    found: dict[tuple[str, int], SchemaEntry] = {}
    consumer = AIOKafkaConsumer(
        enable_auto_commit=False, auto_offset_reset="earliest", **cluster.aiokafka_options()
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
            f"topic {topics.SCHEMAS} can't be read ({problem!r}); "
            "look at the broker's log, then try again"
        ) from problem
    finally:
        await consumer.stop()
    return found


def _take_in(
    found: dict[tuple[str, int], SchemaEntry], key: bytes | None, value: bytes | None
) -> None:
    """Take one record in; other kinds of entries (settings, modes) mean nothing to the bus."""
    name = json.loads(key or b"{}")
    if name.get("keytype") != _SCHEMA:
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
            f"topic {topics.SCHEMAS} can't be written ({problem!r}); "
            "look at the broker's log, then try again"
        ) from problem
    finally:
        await producer.stop()


def _json(content: Mapping[str, object]) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
