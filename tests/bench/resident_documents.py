"""The records that enforcement is measured with: a resident's document, 25 fields, 1 % bad."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from random import Random
from typing import Any, Final

import fastavro

from bus.catalogue.snapshot import Snapshot
from bus.model.identifiers import AgencyCode, DatasetCode, SystemCode
from bus.model.record import Envelope, Lane, Operation
from bus.wire import topics
from bus.wire.delivery import Delivery, sign
from bus.wire.frame import frame
from bus.wire.headers import compose
from bus.wire.record_id import record_id
from bus.wire.signature import BATCH_LEAVES_MAX, BatchSigner
from tests.bench.variants.resident_rules import inn_control

REGION: Final = Path(__file__).parent / "region/region.yaml"
AGENCY: Final = AgencyCode("documents-office")
SYSTEM: Final = SystemCode("documents-registry")
DATASET: Final = DatasetCode("resident-documents")
INBOUND: Final = topics.inbound(AGENCY, DATASET)
PARTITIONS: Final = 4
SCHEMA_ID: Final = 1
"""In the region's lock."""
BAD_EACH: Final = 100
_SEED: Final = 20_261_128
_EPOCH: Final = date(1970, 1, 1)
_EVENT_TIME: Final = "2026-03-31T20:00:00Z"
_PLACES: Final = (("36701000", "Самара"), ("36740000", "Тольятти"))
"""In turn, so that the view has half of the records."""
_REASONS: Final = (None, "first", "age", "loss", "damage", "change")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bare:
    """A record without headers."""

    partition: int
    key: bytes
    value: bytes


def fields(number: int, chance: Random) -> dict[str, Any]:
    """Make a record that meets every rule."""
    oktmo, place = _PLACES[number % 2]
    office = f"63{chance.randrange(10_000_000):07d}"
    born = chance.randrange(_days(1940), _days(2008))
    issued = chance.randrange(_days(2010), _days(2026))
    kind = chance.choice(("passport", "permit", "certificate"))
    fee = chance.randrange(0, 500_000, 100)
    return {
        "document_number": f"63-D-{number:08d}",
        "kind": kind,
        "status": chance.choices(("valid", "replaced", "withdrawn"), (90, 8, 2))[0],
        "person_pseudonym": chance.randbytes(16),
        "series": f"36 {chance.randrange(100):02d}",
        "blank_number": f"{chance.randrange(1_000_000):06d}",
        "issuer_inn": f"{office}{inn_control(office)}",
        "issuer_code": f"630-{chance.randrange(1, 100):03d}",
        "issuer_name": f"Отдел {chance.randrange(1, 100)} по {place}",
        "oktmo": oktmo,
        "place": place,
        "born_on": born,
        "issued_on": issued,
        "valid_until": issued + 3_650 if kind == "permit" else None,
        "withdrawn_on": None,
        "reason_code": chance.choice(_REASONS),
        "fee_kopecks": fee,
        "paid_kopecks": fee if chance.random() < 0.7 else None,
        "pages": chance.randrange(1, 60),
        "copies": chance.randrange(0, 4),
        "is_electronic": chance.random() < 0.3,
        "is_first": chance.random() < 0.2,
        "photo_quality": chance.random(),
        "note": "по доверенности" if chance.random() < 0.1 else None,
        "entered_at": 1_774_000_000_000 + chance.randrange(1_000_000_000),
    }


_BREAKS: Final[tuple[dict[str, object], ...]] = (
    {"document_number": "63-D-1"},
    {"issuer_inn": "6300000001"},
    {"issuer_name": "От"},
    {"place": "  "},
    {"fee_kopecks": -100},
    {"reason_code": "mood"},
    {"born_on": 30_000},
)
"""One way to break each rule."""


def values(count: int) -> Iterator[tuple[int, str, bytes]]:
    """Give number, key and framed value of each record; each hundredth breaks a rule, in turn."""
    chance = Random(_SEED)
    schema = fastavro.parse_schema(schema_of_values())
    for number in range(count):
        record = fields(number, chance)
        if number % BAD_EACH == BAD_EACH // 2:
            record |= _BREAKS[number // BAD_EACH % len(_BREAKS)]
        out = io.BytesIO()
        fastavro.schemaless_writer(out, schema, record)
        yield number, str(record["document_number"]), frame(SCHEMA_ID, out.getvalue())


def bad_of(count: int) -> int:
    """Tell how many of so many records break a rule; their numbers are even, as in the view."""
    return (count + BAD_EACH // 2 - 1) // BAD_EACH


def schema_of_values() -> dict[str, Any]:
    """Read the schema."""
    file = REGION.parent / "contracts/identity/resident-document/v1.avsc"
    schema: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return schema


def bare_records(count: int) -> list[Bare]:
    """Make records as the bare profile has them."""
    return [
        Bare(partition=number % PARTITIONS, key=key.encode(), value=value)
        for number, key, value in values(count)
    ]


def signed_batches(count: int, signer: BatchSigner) -> list[list[Delivery]]:
    """Make records as a publisher sends them: 256 of one partition, signed together."""
    made = [_delivery(number, key, value) for number, key, value in values(count)]
    batches = [made[at : at + BATCH_LEAVES_MAX] for at in range(0, count, BATCH_LEAVES_MAX)]
    for batch in batches:
        sign(batch, signer)
    return batches


def _delivery(number: int, key: str, value: bytes) -> Delivery:
    envelope = Envelope(
        record_id=record_id(AGENCY, DATASET, key, 1, Operation.CREATE),
        agency=AGENCY,
        system=SYSTEM,
        event_time=_EVENT_TIME,
        schema_id=SCHEMA_ID,
        operation=Operation.CREATE,
        version=1,
        supersedes=None,
        lane=Lane.LIVE,
        resolves=None,
    )
    return Delivery(
        topic=INBOUND,
        partition=number // BATCH_LEAVES_MAX % PARTITIONS,
        key=key.encode(),
        value=value,
        headers=compose(envelope, DATASET),
    )


def view_topic(snapshot: Snapshot) -> str:
    """Name the topic of the one view."""
    (projection,) = snapshot.projections[DATASET]
    return projection.topic


def _days(year: int) -> int:
    return (date(year, 1, 1) - _EPOCH).days
