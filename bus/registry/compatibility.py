"""Whether a schema may become a subject's next version, by the contract's own promise. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from bus.catalogue.subjects import SchemaEntry
from bus.contracts.contract import SchemaVersion
from bus.contracts.evolution import Break, check_history
from bus.registry.index import SchemaIndex


def breaks_of(
    index: SchemaIndex, subject: str, schema: Mapping[str, object], version: str | None
) -> tuple[Break, ...]:
    """Find what a candidate would break.

    Args:
        index: The catalogue in force.
        subject: Whose next version it would be; its contract says what is promised.
        schema: The candidate.
        version: The one version to hold it against; None: all that the promise names.

    Raises:
        Refused: There is no such subject or version.
    """
    earlier: Sequence[SchemaEntry] = (
        list(index.versions(subject).values())
        if version is None
        else [index.entry(subject, version)]
    )
    number = max(index.versions(subject)) + 1
    history = [_version(entry.version, json.loads(entry.text)) for entry in earlier]
    found = check_history(
        [*history, _version(number, schema)], index.contract_of(subject).compatibility
    )
    return tuple(one for one in found if one.newer == number)


def _version(number: int, schema: Mapping[str, object]) -> SchemaVersion:
    return SchemaVersion(number=number, schema=schema, rules=(), accepted_until=None)


def message_of(one: Break) -> str:
    """Say one break in a line."""
    place = ".".join(map(str, one.path)) or "the record"
    return (
        f"{one.direction} with version {one.older}, {place}: found {one.found}; "
        f"expected {one.expected}. {one.remedy}"
    )
