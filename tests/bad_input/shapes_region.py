"""The sample region with one more dataset, whose values can be wrong in every way that Avro has."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bus.catalogue.documents import read_documents, render_key
from bus.catalogue.lock import render
from bus.catalogue.parties import SigningKey
from bus.catalogue.region import parse_region
from bus.catalogue.schemas import complete_lock
from bus.catalogue.sources import LOCK_FILE
from bus.model.identifiers import DatasetCode, KeyId
from bus.wiring import Installation
from tests.factories import SYSTEM

SHAPES: Final = DatasetCode("shapes")
FORMER: Final = DatasetCode("former-shapes")
"""A dataset whose contract left the catalogue: its topic is still there."""
LAPSED_KEYS: Final = {"expired": b"\x21" * 32, "revoked": b"\x22" * 32, "future": b"\x23" * 32}
"""Keys of the system that count no more, or not yet: name → seed."""

SCHEMA: Final[Mapping[str, object]] = {
    "type": "record",
    "name": "Shape",
    "namespace": "region.tests",
    "doc": "One field of each kind that can be wrong in its own way.",
    "fields": [
        {"name": "registry_number", "type": "string", "doc": "Key."},
        {"name": "count", "type": "int", "doc": "A number of 32 bits."},
        {
            "name": "colour",
            "type": {"type": "enum", "name": "Colour", "symbols": ["RED", "GREEN"]},
            "doc": "An index of two.",
        },
        {
            "name": "moment",
            "type": {"type": "long", "logicalType": "timestamp-millis"},
            "doc": "A moment.",
        },
        {"name": "ratio", "type": "double", "doc": "A number that may be no number."},
        {"name": "note", "type": "string", "doc": "A text; the last field, so its bytes end all."},
    ],
}
_CONTRACT: Final = """\
apiVersion: v3.1.0
kind: DataContract
id: shapes
name: Формы
version: 1.0.0
status: active
domain: tests
description: {purpose: Values that can be wrong in every way.}
team:
  name: education-samara
  members: [{username: head-of-registers, name: Начальник отдела реестров, role: steward}]
schema:
  - name: Shape
    physicalName: accepted.shapes
    physicalType: topic
    logicalType: object
    properties:
      - {name: registry_number, businessName: Номер, logicalType: string,
         classification: public, required: true, primaryKey: true}
      - name: count
        businessName: Число
        logicalType: integer
        classification: public
        required: true
        quality:
          - id: count-small
            type: custom
            engine: bus
            implementation:
              kind: range
              maximum: 1000
              text: {ru: Число не больше тысячи, en: The count is at most a thousand}
      - {name: colour, businessName: Цвет, logicalType: string, classification: public,
         required: true}
      - {name: moment, businessName: Момент, logicalType: timestamp, classification: public,
         required: true}
      - {name: ratio, businessName: Доля, logicalType: number, classification: public,
         required: true}
      - {name: note, businessName: Примечание, logicalType: string, classification: public,
         required: true}
slaProperties:
  - {property: latency, value: 300, unit: s}
  - {property: frequency, value: 720, unit: h}
  - {property: retention, value: 3650, unit: d}
  - {property: completeness, value: 60, unit: percent}
  - {property: validity, value: 99, unit: percent}
  - {property: timeliness, value: 95, unit: percent}
customProperties:
  - {property: bus.nameEn, value: Shapes}
  - {property: bus.keyField, value: registry_number}
  - {property: bus.versionSource, value: publisher}
  - {property: bus.operations, value: [create, correct, annul]}
  - {property: bus.acceptedUntil, value: [{version: 1, until: LAST_DAY}]}
  - {property: bus.immutableFields, value: [registry_number]}
  - {property: bus.compatibility, value: FULL_TRANSITIVE}
  - {property: bus.process, value: educational-institutions-register}
  - {property: bus.legalBasis, value: образец}
"""
_AGENCY: Final = "agencies/education-samara.yaml"
_PASSPORT: Final = "passports/educational-institutions-register.yaml"
_DATASET: Final = "[educational-institutions]"
_MORE: Final = f"[educational-institutions, {SHAPES}]"


def documents(installation: Installation, now: datetime) -> dict[str, bytes]:
    """Documents of the region, schema ids given, with the system's lapsed keys."""
    found = dict(read_documents(installation.settings.region, installation.keys_dir))
    yesterday = f"{now - timedelta(days=1):%Y-%m-%d}"
    found["contracts/tests/shape/contract.yaml"] = _CONTRACT.replace("LAST_DAY", yesterday).encode()
    found["contracts/tests/shape/v1.avsc"] = json.dumps({**SCHEMA, "doc": "The first."}).encode()
    found["contracts/tests/shape/v2.avsc"] = json.dumps(SCHEMA).encode()
    for path in (_AGENCY, _PASSPORT):
        changed = found[path].decode().replace(_DATASET, _MORE)
        assert changed != found[path].decode(), path
        found[path] = changed.encode()
    found |= {f"keys/{key.key_id}.yaml": render_key(key) for key in _lapsed_keys(now)}
    found[LOCK_FILE] = render(complete_lock(parse_region(found)))
    return found


def lapsed_key_id(name: str) -> KeyId:
    return KeyId(f"{SYSTEM}.{90 + list(LAPSED_KEYS).index(name)}")


def _lapsed_keys(now: datetime) -> list[SigningKey]:
    day = timedelta(days=1)
    times: dict[str, tuple[datetime, datetime | None, datetime | None]] = {
        "expired": (now - 9 * day, now - day, None),
        "revoked": (now - 9 * day, None, now - day),
        "future": (now + day, None, None),
    }
    return [
        SigningKey(
            key_id=lapsed_key_id(name),
            system=SYSTEM,
            algorithm="ed25519",
            public_key=Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw(),
            valid_from=times[name][0].astimezone(UTC),
            valid_to=times[name][1],
            revoked_at=times[name][2],
        )
        for name, seed in LAPSED_KEYS.items()
    ]
