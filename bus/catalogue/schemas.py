"""Every schema that a region puts on the wire: its contracts' versions and its views'."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bus.catalogue.lock import SchemaLock, extend
from bus.catalogue.region import Region
from bus.catalogue.views import View, drafted_views_of, view_schema, views_of
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

    A view has a schema for each version of its dataset that has any of its fields; a view that no
    approved agreement needs is not on the wire.
    """
    return (*_of_contracts(region), *_of_views(region, views_of(region)))


def complete_lock(region: Region) -> SchemaLock:
    """Give an id to every schema of a region that has none yet; what has one keeps it.

    Drafts' views get theirs too, so that an agreement begins when it is approved and not later.

    Raises: DocumentError: a schema that has an id was changed.
    """
    lock = region.lock
    for wired in (*_of_contracts(region), *_of_views(region, drafted_views_of(region))):
        lock = extend(lock, wired.subject, wired.version, wired.schema)
    return lock


def _of_contracts(region: Region) -> Iterator[WireSchema]:
    for dataset, contract in sorted(region.contracts.items()):
        for version in contract.schema_versions:
            yield WireSchema(
                subject=dataset, version=version.number, dataset=dataset, schema=version.schema
            )


def _of_views(region: Region, views: Iterable[View]) -> Iterator[WireSchema]:
    for view in views:
        for version in region.contracts[view.dataset].schema_versions:
            derived = view_schema(view, version)
            if derived["fields"]:
                subject = f"view.{view.code}"
                yield WireSchema(
                    subject=subject, version=version.number, dataset=view.dataset, schema=derived
                )
