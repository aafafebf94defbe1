"""A schema, a contract and a mapping proposed from what a source has. Nothing here is final.

What a machine can't know (who answers, by which law, who may see a field) is left for people, in
words that the linter asks for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from connectors.source import Stream

_LATIN: Final = dict(
    zip(
        "абвгдеёжзийклмнопрстуфхцчшщъыьэюя",
        (
            *("a", "b", "v", "g", "d", "e", "e", "zh", "z", "i", "i", "k", "l", "m", "n", "o"),
            *("p", "r", "s", "t", "u", "f", "kh", "ts", "ch", "sh", "shch", "", "y", "", "e"),
            *("iu", "ia"),
        ),
        strict=True,
    )
)
_LOGICAL: Final[Mapping[str, str]] = {
    "string": "string",
    "boolean": "boolean",
    "int": "integer",
    "long": "integer",
    "float": "number",
    "double": "number",
    "date": "date",
    "timestamp-millis": "timestamp",
    "decimal": "number",
    "uuid": "string",
}
FIELD_CHARACTERS_MAX: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Three documents, as text."""

    schema: str
    """`v1.avsc`."""
    contract: str
    """`contract.yaml`, of the status draft."""
    mapping: str
    """`<stream>.mapping.yaml`: columns to fields."""


def propose(stream: Stream, *, dataset: str, agency: str) -> Proposal:
    """Propose documents for a dataset that a stream fills.

    Args:
        stream: As `discover` gave it.
        dataset: Code of the dataset to be.
        agency: Code of the agency that answers for it.
    """
    fields = field_names(stream)
    key = fields.get(stream.key or "", next(iter(fields.values()), "registry_number"))
    schema = {
        "type": "record",
        "name": "".join(part.capitalize() for part in dataset.split("-")),
        "namespace": f"{agency.replace('-', '_')}.{dataset.replace('-', '_')}",
        "doc": f"{stream.name}.",
        "fields": [_field(column, name, stream, key) for column, name in fields.items()],
    }
    mapping = {"fields": {name: {"column": column} for column, name in fields.items()}}
    return Proposal(
        schema=json.dumps(schema, ensure_ascii=False, indent=2) + "\n",
        contract=_yaml(_contract(stream, fields, key, dataset=dataset, agency=agency)),
        mapping=_yaml(mapping),
    )


def field_names(stream: Stream) -> dict[str, str]:
    """Name a field for each column: Latin letters, digits and underscores, each once."""
    names: dict[str, str] = {}
    for place, column in enumerate(stream.columns, start=1):
        letters = "".join(_LATIN.get(sign, sign) for sign in column.casefold())
        name = re.sub(r"[^a-z0-9]+", "_", letters).strip("_")[:FIELD_CHARACTERS_MAX]
        if not name or name[0].isdigit():
            name = f"column_{name or place}"
        taken, number = set(names.values()), 2
        base = name
        while name in taken:
            name, number = f"{base}_{number}", number + 1
        names[column] = name
    return names


def _field(column: str, name: str, stream: Stream, key: str) -> dict[str, Any]:
    kind = stream.columns[column]
    if name == key:
        return {"name": name, "type": "string", "doc": column}
    return {"name": name, "type": ["null", kind], "default": None, "doc": column}


def _contract(
    stream: Stream, fields: Mapping[str, str], key: str, *, dataset: str, agency: str
) -> dict[str, Any]:
    properties = [
        {
            "name": name,
            "businessName": column,
            "logicalType": _logical(stream.columns[column]) if name != key else "string",
            # Why personal: what nobody has looked at is shown to nobody.
            "classification": "public" if name == key else "personal",
            **({"required": True, "primaryKey": True} if name == key else {}),
        }
        for column, name in fields.items()
    ]
    sla = {"latency": 300, "frequency": 720, "retention": 3650}
    shares = {"completeness": 80, "validity": 95, "timeliness": 95}
    units = {"latency": "s", "frequency": "h", "retention": "d"}
    return {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": dataset,
        "name": stream.name,
        "version": "1.0.0",
        "status": "draft",
        "domain": agency,
        "description": {"purpose": "TODO: what these data are for."},
        "team": {
            "name": agency,
            "members": [{"username": "steward", "name": "TODO: a post", "role": "steward"}],
        },
        "schema": [
            {
                "name": "".join(part.capitalize() for part in dataset.split("-")),
                "physicalName": f"accepted.{dataset}",
                "physicalType": "topic",
                "logicalType": "object",
                "properties": properties,
            }
        ],
        "slaProperties": [
            *({"property": n, "value": v, "unit": units[n]} for n, v in sla.items()),
            *({"property": n, "value": v, "unit": "percent"} for n, v in shares.items()),
        ],
        "customProperties": [
            {"property": "bus.nameEn", "value": stream.name},
            {"property": "bus.keyField", "value": key},
            {"property": "bus.versionSource", "value": "publisher"},
            {"property": "bus.operations", "value": ["create", "correct", "annul", "cease"]},
            {"property": "bus.immutableFields", "value": [key]},
            {"property": "bus.compatibility", "value": "FULL_TRANSITIVE"},
            {"property": "bus.process", "value": "TODO-process"},
            {"property": "bus.legalBasis", "value": "TODO: an act"},
        ],
    }


def _logical(kind: Mapping[str, Any] | str) -> str:
    if isinstance(kind, str):
        return _LOGICAL.get(kind, "object")
    name = kind.get("logicalType", kind.get("type"))
    return _LOGICAL.get(str(name), "array" if kind.get("type") == "array" else "object")


def _yaml(content: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(content), allow_unicode=True, sort_keys=False, width=110)
