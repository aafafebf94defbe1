"""Every schema that a region puts on the wire: its contracts' versions and its views'."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bus.catalogue.lock import SchemaLock, extend
from bus.catalogue.region import Region
from bus.catalogue.views import view_schema, views_of
from bus.model.identifiers import DatasetCode


@dataclass(frozen=True, slots=True, kw_only=True)
class WireSchema:
    """One schema under its name in the lock."""

    subject: str
    """`<dataset>`, or `view.<view code>`."""
    version: int
    """Schema version of the dataset."""
    dataset: DatasetCode
    """Whose contract its records are judged by."""
    schema: Mapping[str, Any]


def wire_schemas(region: Region) -> tuple[WireSchema, ...]:
    """Tell every schema of a region, contracts' first, by subject and version.

    A view has a schema for each version of its dataset that has any of its fields.
    """
    schemas = [
        WireSchema(subject=dataset, version=version.number, dataset=dataset, schema=version.schema)
        for dataset, contract in sorted(region.contracts.items())
        for version in contract.schema_versions
    ]
    for view in views_of(region):
        for version in region.contracts[view.dataset].schema_versions:
            derived = view_schema(view, version)
            if derived["fields"]:
                subject = f"view.{view.code}"
                schemas.append(
                    WireSchema(
                        subject=subject,
                        version=version.number,
                        dataset=view.dataset,
                        schema=derived,
                    )
                )
    return tuple(schemas)


def complete_lock(region: Region) -> SchemaLock:
    """Give an id to every schema of a region that has none yet; what has one keeps it.

    Raises: DocumentError: a schema that has an id was changed.
    """
    lock = region.lock
    for wired in wire_schemas(region):
        lock = extend(lock, wired.subject, wired.version, wired.schema)
    return lock
