"""The region's schemas under the names that a Confluent registry's reader looks them up by.

One list serves the topic `_schemas` and the registry door, so that both always say the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from bus.catalogue.lock import schema_text
from bus.catalogue.region import Region
from bus.catalogue.schemas import wire_schemas
from bus.catalogue.snapshot import locked_schema_id
from bus.model.identifiers import DatasetCode
from bus.wire import topics

SCHEMA_KEY_TYPE: Final = "SCHEMA"


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
        return _json({"keytype": SCHEMA_KEY_TYPE, "subject": self.subject, "version": self.version,
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


def _json(content: Mapping[str, object]) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
