"""A region of two agencies and one dataset, small enough to plant errors in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bus.catalogue.lock import render
from bus.catalogue.region import parse_region
from bus.catalogue.schemas import complete_lock
from bus.catalogue.sources import LOCK_FILE
from tests.factories import approved

CONTRACT: Final = "contracts/civil/shelter/contract.yaml"
SCHEMA: Final = "contracts/civil/shelter/v1.avsc"
AGREEMENT: Final = "agreements/health-shelters.yaml"
PASSPORT: Final = "passports/shelters-register.yaml"
KEY: Final = "keys/shelter-list.2026-1.yaml"

_DOCUMENTS: Final = {
    "region.yaml": """\
region: small
name: {ru: Малый край, en: Small Region}
contracts: contracts
partitions: 3
""",
    "agencies/civil-small.yaml": """\
agency: civil-small
name: {ru: Гражданская защита, en: Civil protection}
oktmo: "36000000"
systems:
  - system: shelter-list
    name: {ru: Перечень убежищ, en: List of shelters}
    provides: [shelters]
""",
    "agencies/health-small.yaml": """\
agency: health-small
name: {ru: Здравоохранение, en: Health}
systems:
  - system: health-maps
    name: {ru: Карты, en: Maps}
""",
    AGREEMENT: """\
agreement: health-shelters
providers: [civil-small]
consumer: health-small
systems: [health-maps]
dataset: shelters
fields: [number, address, oktmo]
rows:
  - {field: oktmo, op: prefix, values: ["36701"]}
purpose: {ru: Планирование, en: Planning}
legal_basis: Закон о гражданской обороне
valid_from: 2026-02-01
valid_to: 2027-12-31
""",
    PASSPORT: """\
process: shelters-register
title: {ru: Учёт убежищ, en: Keeping of shelters}
agency: civil-small
owner: Начальник отдела убежищ
state: approved
act: {number: "7", date: 2025-12-01, title: Приказ об утверждении паспорта}
consumes: []
produces: [shelters]
current_model: [Осмотр, Письмо, Запись]
target_model: [Осмотр, Запись]
diagram_sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
""",
    KEY: """\
key_id: shelter-list.2026-1
system: shelter-list
algorithm: ed25519
public_key: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
valid_from: 2026-01-01T00:00:00Z
""",
    CONTRACT: """\
apiVersion: v3.1.0
kind: DataContract
id: shelters
name: Убежища
version: 1.0.0
status: active
domain: civil
description:
  purpose: Where people find shelter.
team:
  name: civil-small
  members:
    - username: head-of-shelters
      name: Начальник отдела убежищ
      role: steward
schema:
  - name: Shelter
    physicalName: accepted.shelters
    physicalType: topic
    logicalType: object
    properties:
      - name: number
        businessName: Номер
        logicalType: string
        classification: public
        required: true
        primaryKey: true
      - name: address
        businessName: Адрес
        logicalType: string
        classification: public
        required: true
        quality:
          - id: address-length
            type: custom
            engine: bus
            implementation:
              kind: length
              minimum: 5
              text: {ru: Адрес не короче 5 знаков, en: An address has 5 characters or more}
      - name: oktmo
        businessName: Код ОКТМО
        logicalType: string
        classification: public
        quality:
          - id: oktmo-form
            type: custom
            engine: bus
            severity: warning
            implementation:
              kind: check_digits
              algorithm: oktmo
              text: {ru: Код из 8 или 11 цифр, en: A code of 8 or 11 digits}
      - name: keeper
        businessName: Ответственный
        logicalType: string
        classification: personal
      - name: opened_on
        businessName: Открыто
        logicalType: date
        classification: public
      - name: closed_on
        businessName: Закрыто
        logicalType: date
        classification: public
    quality:
      - id: opened-before-closed
        type: custom
        engine: bus
        implementation:
          kind: compare
          field: opened_on
          operator: le
          other: closed_on
          text: {ru: Закрыто не раньше открытия, en: Not closed before it was opened}
slaProperties:
  - {property: latency, value: 60, unit: s}
  - {property: frequency, value: 24, unit: h}
  - {property: retention, value: 3650, unit: d}
  - {property: completeness, value: 90, unit: percent}
  - {property: validity, value: 99, unit: percent}
  - {property: timeliness, value: 95, unit: percent}
customProperties:
  - property: bus.nameEn
    value: Shelters
  - property: bus.keyField
    value: number
  - property: bus.versionSource
    value: publisher
  - property: bus.operations
    value: [create, correct, annul, cease]
  - property: bus.immutableFields
    value: [number, oktmo]
  - property: bus.process
    value: shelters-register
  - property: bus.legalBasis
    value: Закон о гражданской обороне
""",
    SCHEMA: """\
{
  "type": "record",
  "name": "Shelter",
  "namespace": "region.civil",
  "fields": [
    {"name": "number", "type": "string"},
    {"name": "address", "type": "string"},
    {"name": "oktmo", "type": ["null", "string"], "default": null},
    {"name": "keeper", "type": ["null", "string"], "default": null},
    {"name": "opened_on", "type": ["null", {"type": "int", "logicalType": "date"}],
     "default": null},
    {"name": "closed_on", "type": ["null", {"type": "int", "logicalType": "date"}],
     "default": null}
  ]
}
""",
}


def small_region(**changed: str) -> dict[str, bytes]:
    """Give the region's documents without findings, its lock complete, its agreement approved."""
    return approved(drafted_region(**changed))


def drafted_region(**changed: str) -> dict[str, bytes]:
    """Give them without anybody's decision on the agreement."""
    documents = {path: text.encode() for path, text in (_DOCUMENTS | changed).items()}
    documents[LOCK_FILE] = render(complete_lock(parse_region(documents)))
    return documents


def planted(
    documents: Mapping[str, bytes], path: str, old: str, new: str, *, times: int = 1
) -> dict[str, bytes]:
    """Put `new` in place of `old`, which stands `times` times in the document."""
    text = documents[path].decode()
    assert text.count(old) == times, (path, old, text.count(old))
    return {**documents, path: text.replace(old, new).encode()}


def line(content: bytes, snippet: str) -> int:
    """Tell on which line (from 1) a snippet stands that the document has once."""
    text = content.decode()
    assert text.count(snippet) == 1, (snippet, text.count(snippet))
    return text[: text.index(snippet)].count("\n") + 1
