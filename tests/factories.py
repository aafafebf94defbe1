"""One valid thing each, with what a test overrides: a snapshot of the sample region, records."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from functools import cache
from hashlib import sha256
from pathlib import Path

import fastavro
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bus.catalogue.documents import read_documents, render_key
from bus.catalogue.parties import SigningKey
from bus.catalogue.region import Region, parse_region
from bus.catalogue.signing import Signer, approvals
from bus.catalogue.snapshot import Snapshot, build_snapshot
from bus.model.identifiers import AgencyCode, DatasetCode, KeyId, RecordId, SystemCode
from bus.model.record import Envelope, Lane, Operation
from bus.wire import topics
from bus.wire.frame import frame
from bus.wire.headers import compose, signed_values
from bus.wire.record_id import record_id
from bus.wire.signature import BatchSigner, leaf_hash

ROOT = Path(__file__).parent.parent
AGENCY = AgencyCode("education-samara")
SYSTEM = SystemCode("edu-registry")
DATASET = DatasetCode("educational-institutions")
SOURCE = topics.Inbound(agency=AGENCY, dataset=DATASET)
KEY_ID = KeyId("edu-registry.1")
SCHEMA_ID = 1
APPROVED_ON = date(2025, 1, 1)
APPENDED_MS = 1_775_000_000_000
SEEDS = {"edu-registry": b"\x01" * 32, "egrul-feed": b"\x02" * 32, "bus": b"\x03" * 32}

VALID: Mapping[str, object] = {
    "registry_number": "63-0001",
    "full_name": "Муниципальное бюджетное учреждение «Школа № 1» города Самары",
    "short_name": "Школа № 1",
    "kind": "school",
    "oktmo": "36701000",
    "address": "443001, г. Самара, ул. Садовая, 1",
    "director": "Смирнова Мария Ивановна",
    "places": 600,
}


def signing_key(system: str, **overrides: object) -> SigningKey:
    key = Ed25519PrivateKey.from_private_bytes(SEEDS[system]).public_key()
    valid = SigningKey(
        key_id=KeyId(f"{system}.1"),
        system=SystemCode(system),
        algorithm="ed25519",
        public_key=key.public_bytes_raw(),
        valid_from=datetime(2026, 1, 1, tzinfo=UTC),
        valid_to=None,
        revoked_at=None,
    )
    return replace(valid, **overrides)  # type: ignore[arg-type]


def noon(day: date) -> datetime:
    """Give the middle of a day, UTC."""
    return datetime.combine(day, time(12), UTC)


@cache
def sample_documents() -> Mapping[str, bytes]:
    return read_documents(ROOT / "deploy/samara/region.yaml", None)


def region(*keys: SigningKey, **changed: bytes) -> Region:
    """Make the sample region with its agreements approved, and keys of the records' systems."""
    trusted = keys or (signing_key("edu-registry"), signing_key("egrul-feed"))
    documents = {f"keys/{key.key_id}.yaml": render_key(key) for key in trusted}
    return parse_region(approved({**sample_documents(), **documents, **changed}))


def approved(documents: Mapping[str, bytes], on: date = APPROVED_ON) -> dict[str, bytes]:
    """Approve every agreement on both sides, with a key for it of each agency's first system."""
    agencies = parse_region(documents).agencies.values()
    signers = {
        agency.code: Signer(
            key_id=KeyId(f"{agency.systems[0].code}.approvals"),
            private_key=sha256(agency.systems[0].code.encode()).digest(),
        )
        for agency in agencies
    }
    keys = {
        f"keys/{signer.key_id}.yaml": render_key(_approving_key(signer))
        for signer in signers.values()
    }
    with_keys = {**documents, **keys}
    return {**with_keys, **approvals(parse_region(with_keys), signers, on)}


def _approving_key(signer: Signer) -> SigningKey:
    key = Ed25519PrivateKey.from_private_bytes(signer.private_key).public_key()
    return replace(
        signing_key("bus"),
        key_id=signer.key_id,
        system=SystemCode(signer.key_id.partition(".")[0]),
        public_key=key.public_bytes_raw(),
        valid_from=datetime.combine(APPROVED_ON, time(), UTC),
    )


@cache
def snapshot() -> Snapshot:
    return build_snapshot(region(), 7)


def signer(system: str = "edu-registry") -> BatchSigner:
    return BatchSigner(KeyId(f"{system}.1"), SEEDS[system])


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """A record as it lies in a topic."""

    topic: str = str(SOURCE)
    partition: int = 2
    offset: int = 40
    timestamp: int = APPENDED_MS
    key: bytes | None = None
    value: bytes | None = None
    headers: Sequence[tuple[str, bytes]] = field(default_factory=tuple)


def encoded(values: Mapping[str, object], schema_id: int = SCHEMA_ID) -> bytes:
    schema = snapshot().region.contracts[DATASET].newest.schema
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(dict(schema)), dict(values))
    return frame(schema_id, buffer.getvalue())


def unsigned(
    *,
    key: str = str(VALID["registry_number"]),
    version: int = 1,
    operation: Operation = Operation.CREATE,
    supersedes: RecordId | None = None,
    event_time: str = "2026-03-31T20:00:00Z",
    schema_id: int = SCHEMA_ID,
    value: bytes | None = None,
    is_unreadable_row: bool = False,
    offset: int = 40,
    **fields: object,
) -> Raw:
    envelope = Envelope(
        record_id=record_id(AGENCY, DATASET, key, version, operation),
        agency=AGENCY,
        system=SYSTEM,
        event_time=event_time,
        schema_id=schema_id,
        operation=operation,
        version=version,
        supersedes=supersedes,
        lane=Lane.LIVE,
        resolves=None,
        is_unreadable_row=is_unreadable_row,
    )
    return Raw(
        offset=offset,
        key=key.encode(),
        value=encoded({**VALID, "registry_number": key, **fields}) if value is None else value,
        headers=compose(envelope, DATASET),
    )


def signed(raws: Sequence[Raw], with_: BatchSigner | None = None) -> list[Raw]:
    leaves = [
        leaf_hash(raw.topic, raw.key or b"", signed_values(raw.headers), raw.value or b"")
        for raw in raws
    ]
    signatures = (with_ or signer()).sign(leaves)
    return [
        replace(raw, headers=[*raw.headers, ("bus_sig", signature)])
        for raw, signature in zip(raws, signatures, strict=True)
    ]


def one_signed(**overrides: object) -> Raw:
    return signed([unsigned(**overrides)])[0]  # type: ignore[arg-type]
