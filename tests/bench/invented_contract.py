"""The contract of a generated dataset: a register of documents, 25 fields and 7 rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Final

Schema = Mapping[str, object]

_DATE: Final = {"type": "int", "logicalType": "date"}
_FIELDS: Final[Sequence[tuple[str, object, str]]] = (
    ("registry_number", "string", "public"),
    ("kind", "string", "public"),
    ("series", "string", "internal"),
    ("document_number", "string", "internal"),
    ("issued_on", _DATE, "public"),
    ("valid_until", ["null", _DATE], "public"),
    ("issuer_name", "string", "public"),
    ("issuer_code", "string", "public"),
    ("oktmo", "string", "public"),
    ("status", "string", "public"),
    ("status_since", _DATE, "public"),
    ("fee_kopecks", "long", "public"),
    ("register_page", "int", "internal"),
    ("copies", "int", "internal"),
    ("is_paper", "boolean", "public"),
    ("is_primary", "boolean", "public"),
    ("request_number", "string", "internal"),
    ("requested_on", _DATE, "internal"),
    ("channel", "string", "internal"),
    ("office", "string", "public"),
    ("previous_number", ["null", "string"], "internal"),
    ("remark", ["null", "string"], "internal"),
    ("share", "double", "public"),
    ("pages", ["null", "int"], "public"),
    ("archived_on", ["null", _DATE], "public"),
)
FIELD_NAMES: Final = tuple(name for name, _, _ in _FIELDS)
MASK: Final = (
    "registry_number",
    "kind",
    "issued_on",
    "valid_until",
    "issuer_code",
    "oktmo",
    "status",
    "status_since",
    "is_primary",
    "office",
)
"""The ten fields that a view shows."""
SCHEMA: Final[Schema] = {
    "type": "record",
    "name": "IssuedDocument",
    "namespace": "region.documents",
    "fields": [
        {"name": name, "type": type_, **({"default": None} if isinstance(type_, list) else {})}
        for name, type_, _ in _FIELDS
    ],
}
RULES: Final[Mapping[str, Mapping[str, object]]] = {
    "document_number": {"kind": "pattern", "pattern": "[0-9]{6}"},
    "kind": {"kind": "enumeration", "values": ["certificate", "licence", "permit", "extract"]},
    "oktmo": {"kind": "check_digits", "algorithm": "oktmo"},
    "fee_kopecks": {"kind": "range", "minimum": 0, "maximum": 100_000_000},
    "issuer_name": {"kind": "length", "minimum": 3, "maximum": 300},
    "issued_on": {"kind": "event_time", "not_before": "1992-01-01"},
}
"""By field; with the comparison below, seven."""
COMPARISON: Final[Mapping[str, object]] = {
    "kind": "compare",
    "field": "issued_on",
    "operator": "le",
    "other": "valid_until",
}
BAD_EACH: Final = 100
"""Every record of such a number breaks a rule: 1 %."""
_KINDS: Final = ("certificate", "licence", "permit", "extract")
_FIRST_DAY: Final = date(2001, 1, 9)


def key_of(number: int) -> str:
    """Give the registry number of a record."""
    return f"63-{number:09d}"


def values(number: int) -> dict[str, object]:
    """Give the record of one number: the same whenever it is asked for."""
    issued_on = _FIRST_DAY + timedelta(days=number % 7_000)
    return {
        "registry_number": key_of(number),
        "kind": _KINDS[number % 4],
        "series": f"{number % 90 + 10} {number % 80 + 10}",
        "document_number": f"{number % 1_000_000:06d}",
        "issued_on": issued_on,
        "valid_until": None if number % 3 else issued_on + timedelta(days=3_650),
        "issuer_name": "Отдел выдачи документов",
        "issuer_code": f"630-{number % 100:03d}",
        "oktmo": "36701000" if number % 2 else "36740000",
        "status": "valid",
        "status_since": issued_on,
        "fee_kopecks": -1 if number % BAD_EACH == 0 else number % 500_000,
        "register_page": number % 10_000,
        "copies": number % 3 + 1,
        "is_paper": number % 5 == 0,
        "is_primary": number % 7 != 0,
        "request_number": f"R-{number % 10_000_000:07d}",
        "requested_on": issued_on - timedelta(days=7),
        "channel": "counter",
        "office": f"office {number % 60}",
        "previous_number": None,
        "remark": None if number % 4 else "выдан взамен",
        "share": number % 1_000 / 7,
        "pages": number % 40,
        "archived_on": None,
    }


def contract(code: str, owner: str) -> dict[str, object]:
    """Write the contract of one dataset as its YAML has it."""
    return {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": code,
        "name": "Выданные документы",
        "version": "1.0.0",
        "status": "active",
        "domain": "documents",
        "description": {"purpose": "Which documents were issued, to be checked by others."},
        "team": {
            "name": owner,
            "members": [
                {
                    "username": "head-of-register",
                    "name": "Начальник отдела учёта",
                    "role": "steward",
                }
            ],
        },
        "schema": [
            {
                "name": "IssuedDocument",
                "physicalName": f"accepted.{code}",
                "physicalType": "topic",
                "logicalType": "object",
                "properties": [_property(*field) for field in _FIELDS],
                "quality": [_quality("issued-before-its-end", COMPARISON)],
            }
        ],
        "slaProperties": [
            {"property": "latency", "value": 60, "unit": "s"},
            {"property": "frequency", "value": 24, "unit": "h"},
            {"property": "retention", "value": 3650, "unit": "d"},
            {"property": "completeness", "value": 50, "unit": "percent"},
            {"property": "validity", "value": 98, "unit": "percent"},
            {"property": "timeliness", "value": 98, "unit": "percent"},
        ],
        "customProperties": [
            {"property": f"bus.{name}", "value": value}
            for name, value in {
                "nameEn": "Issued documents",
                "keyField": "registry_number",
                "versionSource": "publisher",
                "operations": ["create", "correct", "annul", "cease"],
                "immutableFields": ["registry_number", "oktmo"],
                "process": f"{code}-register",
                "legalBasis": "Положение об учёте документов",
            }.items()
        ],
    }


def _property(name: str, type_: object, classification: str) -> dict[str, object]:
    is_nullable = isinstance(type_, list)
    return {
        "name": name,
        "businessName": name.replace("_", " "),
        "logicalType": _logical_type(type_[1] if isinstance(type_, list) else type_),
        "classification": classification,
        **({} if is_nullable else {"required": True}),
        **({"primaryKey": True} if name == "registry_number" else {}),
        **({"quality": [_quality(f"{_dashed(name)}-rule", RULES[name])]} if name in RULES else {}),
    }


def _logical_type(type_: object) -> str:
    if isinstance(type_, dict):
        return str(type_["logicalType"])
    return {"int": "integer", "long": "integer", "double": "number"}.get(str(type_), str(type_))


def _quality(rule_id: str, implementation: Mapping[str, object]) -> dict[str, object]:
    text = {"ru": f"Правило {rule_id}", "en": f"Rule {rule_id}"}
    return {
        "id": rule_id,
        "type": "custom",
        "engine": "bus",
        "implementation": {**implementation, "text": text},
    }


def _dashed(name: str) -> str:
    return name.replace("_", "-")
