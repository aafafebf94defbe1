"""What a person may see of a record in quarantine: its fields, personal ones masked. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from bus.catalogue.region import Region
from bus.catalogue.snapshot import locked_schema_id
from bus.contracts.contract import Classification
from bus.contracts.encode import NotDecodable, decoder
from bus.model.identifiers import DatasetCode
from bus.quarantine.store import Original
from bus.wire.frame import schema_id_of
from bus.wire.header_forms import UNREADABLE_ROW
from bus.wire.headers import headers_bytes

OPEN_CLASSES: Final = frozenset({Classification.PUBLIC, Classification.INTERNAL})
"""Shown to whoever may see quarantine at all; the others are masked."""
_OF_A_ROW: Final = {
    "place": Classification.INTERNAL,
    "problems": Classification.PERSONAL,
    "row": Classification.PERSONAL,
}
"""Of a row of a source of which no record could be made: why may quote what stands in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenField:
    """One field of a decoded record."""

    name: str
    classification: Classification
    is_masked: bool
    value: object = field(repr=False)
    """None where it is masked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """A record as far as it may be seen; bytes that can't be decoded are told by their sizes."""

    key_bytes: int
    value_bytes: int
    headers_bytes: int
    fields: tuple[SeenField, ...] | None
    """None: the value is of no schema of this dataset."""


def see(original: Original, dataset: DatasetCode, region: Region, *, reveal: bool) -> Sight:
    """Decode a record for a screen.

    Args:
        original: As the provider sent it.
        dataset: Its topic's.
        region: The documents that say how fields are classified.
        reveal: Show personal and restricted fields too; the caller has recorded who asked.
    """
    value = original.value or b""
    if dict(original.headers).get("content-type") == UNREADABLE_ROW.encode():
        decoded = _row(value)
        classes: Mapping[str, Classification] = _OF_A_ROW
    else:
        contract = region.contracts.get(dataset)
        decoded = _decoded(value, dataset, region)
        classes = {} if contract is None else contract.classification
    return Sight(
        key_bytes=len(original.key or b""),
        value_bytes=len(original.value or b""),
        headers_bytes=headers_bytes(original.headers),
        fields=None
        if decoded is None
        else tuple(_seen(name, value, classes, reveal=reveal) for name, value in decoded.items()),
    )


def _seen(
    name: str, value: object, classes: Mapping[str, Classification], *, reveal: bool
) -> SeenField:
    classification = classes.get(name, Classification.PERSONAL)
    is_masked = not reveal and classification not in OPEN_CLASSES
    return SeenField(
        name=name,
        classification=classification,
        is_masked=is_masked,
        value=None if is_masked else value,
    )


def _row(value: bytes) -> dict[str, object] | None:
    """Read a row of a source of which no record could be made (ADR-0028)."""
    try:
        content = json.loads(value)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _decoded(value: bytes, dataset: DatasetCode, region: Region) -> dict[str, object] | None:
    contract, schema_id = region.contracts.get(dataset), schema_id_of(value)
    if contract is None or schema_id is None:
        return None
    for version in contract.schema_versions:
        if locked_schema_id(region, dataset, version.number) == schema_id:
            try:
                return decoder(version.schema)(value)
            except NotDecodable:
                return None
    return None
