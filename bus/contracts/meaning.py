"""What a contract says of each field, as one digest: who agreed on a field agreed on this."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from types import MappingProxyType
from typing import Final

from bus.contracts.avro_types import fields_of_record
from bus.contracts.difference import field_types
from bus.contracts.odcs import SchemaProperty

_DOMAIN: Final = b"bus/1 contract field\x00"
_HEX_DIGITS: Final = 32


def meanings_of(
    properties: Iterable[SchemaProperty], schemas: Sequence[Mapping[str, object]]
) -> Mapping[str, str]:
    """Name what is said of each top-level field by its hash, 32 hex digits.

    Args:
        properties: The fields as the contract has them.
        schemas: Of every version, ascending.

    A field's title, description, classification, its type (with all that it is made of) and note in
    the newest version that has it, and whether that is the newest. Its rules are not part of it:
    they say which records are taken in, not what a field tells.
    """
    written = {one.name: one for one in properties}
    types = [field_types(schema) for schema in schemas]
    meanings = {}
    for number, schema in enumerate(schemas):
        for field in fields_of_record(schema):
            name = str(field["name"])
            said = {
                "field": name,
                "type": _parts(name, types[number]),
                "note": field.get("doc"),
                "is_in_newest_version": name in types[-1],
                **_words(written.get(name)),
            }
            meanings[name] = _digest(said)  # a later version's takes its place
    return MappingProxyType(meanings)


def _parts(name: str, types: Mapping[str, str]) -> Mapping[str, str]:
    """Give the types of a field and of everything inside it, by their dotted paths."""
    return {
        path: type_ for path, type_ in types.items() if path == name or path.startswith(f"{name}.")
    }


def _words(written: SchemaProperty | None) -> Mapping[str, object]:
    if written is None:
        return {}
    return {
        "title": written.business_name,
        "description": written.description,
        "classification": written.classification,
    }


def _digest(said: Mapping[str, object]) -> str:
    content = json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return sha256(_DOMAIN + content.encode()).hexdigest()[:_HEX_DIGITS]
