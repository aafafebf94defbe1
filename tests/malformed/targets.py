"""Whom malformed records are sent to: datasets of the sample region, and one all of nesting."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cache
from hashlib import sha256
from typing import Any, Final

import fastavro
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bus.catalogue.documents import render_key
from bus.catalogue.parties import SigningKey
from bus.catalogue.region import Region, parse_region
from bus.catalogue.snapshot import (
    END_OF_TIME_MS,
    JudgedSchema,
    Snapshot,
    build_snapshot,
    locked_schema_id,
)
from bus.client import BatchSigner
from bus.contracts.compile import compile_schema
from bus.contracts.contract import SchemaVersion
from bus.model.identifiers import DatasetCode, KeyId, SystemCode
from bus.wire import topics
from tests.catalogue.sample_records import VALID
from tests.factories import DATASET, approved, sample_documents
from tests.factories import VALID as INSTITUTION
from tests.malformed.avro_pieces import Kind, Piece, joined, pieces_of, varint

NESTS: Final = DatasetCode("nests")
NESTS_ID: Final = 900_100
APPENDED_MS: Final = int(datetime(2026, 6, 1, tzinfo=UTC).timestamp() * 1000)
KEY_FORMS: Final = {
    "births": "63-B-2026-{:06}",
    "deaths": "63-D-2026-{:06}",
    "residents-registrations": "639901-R-2026-{:07}",
    "service-centres": "63-{}",
    "land-plots": "63:01:0101001:{}",
    "municipal-services": "63-S-{}",
    "documents": "A-2026-{}",
    "educational-institutions": "63-{}",
    "nests": "nest-{}",
}
"""Dataset → form of its registry numbers."""


def _nested(depth: int) -> object:
    """Wrap a union into arrays and maps by turns; records, arrays and maps together are 16 deep."""
    if depth == 0:
        return ["null", "string", "long", {"type": "array", "items": "int"}]
    inner = _nested(depth - 1)
    if depth % 2:
        return {"type": "array", "items": inner}
    return {"type": "map", "values": inner}


NESTS_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "record",
    "name": "Nest",
    "fields": [
        {"name": "registry_number", "type": "string"},
        {"name": "deep", "type": _nested(14)},
        {"name": "share", "type": "float"},
        {"name": "scan", "type": "bytes"},
        {
            "name": "inner",
            "type": {
                "type": "record",
                "name": "Inner",
                "fields": [{"name": "names", "type": {"type": "map", "values": "string"}}],
            },
        },
        {"name": "again", "type": ["Inner", "boolean", {"type": "array", "items": "Inner"}]},
        {"name": "moment", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    ],
}


def _deep(depth: int) -> object:
    if depth == 0:
        return 7
    return [_deep(depth - 1)] if depth % 2 else {"k": _deep(depth - 1)}


_NEST: Final[Mapping[str, object]] = {
    "registry_number": "nest-1",
    "deep": _deep(14),
    "share": 0.5,
    "scan": b"\x00\x01\x02",
    "inner": {"names": {"a": "b", "в": "г"}},
    "again": [{"names": {}}, {"names": {"a": "a"}}],
    "moment": datetime(2026, 3, 1, tzinfo=UTC),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One inbound topic, and what its provider needs to write to it."""

    source: topics.Inbound
    system: SystemCode
    signer: BatchSigner
    schema_id: int
    schema: Mapping[str, Any]
    pieces: tuple[Piece, ...]
    """Of a sound datum."""
    key_place: int
    """Of the registry number's length among the pieces."""
    head: bytes
    """What stands before the registry number's length."""
    tail: bytes
    """What stands behind the registry number."""

    def key(self, number: int) -> str:
        """Give a registry number; after a million they come again, for some have six digits."""
        return KEY_FORMS[self.source.dataset].format(number % 1_000_000)

    def datum(self, key: str) -> bytes:
        """Give the sound datum with another registry number."""
        text = key.encode()
        return b"".join((self.head, varint(len(text)), text, self.tail))

    def pieces_of(self, key: str) -> list[Piece]:
        """Give the same in pieces."""
        made, text = list(self.pieces), key.encode()
        made[self.key_place : self.key_place + 2] = [
            replace(made[self.key_place], data=varint(len(text))),
            replace(made[self.key_place + 1], data=text),
        ]
        return made


def targets_of(
    region: Region, signer_of: Callable[[SystemCode], BatchSigner]
) -> tuple[Target, ...]:
    """Give a target for each dataset that has a sample record, with its first provider."""
    samples = {DATASET: INSTITUTION, **VALID}
    return tuple(_target(region, dataset, samples[dataset], signer_of) for dataset in samples)


def _target(
    region: Region,
    dataset: DatasetCode,
    sample: Mapping[str, object],
    signer_of: Callable[[SystemCode], BatchSigner],
) -> Target:
    agency = region.providers_of(dataset)[0]
    systems = region.agencies[agency].systems
    system = next(one.code for one in systems if dataset in one.provides)
    version = region.contracts[dataset].newest
    key_field = region.contracts[dataset].key_field
    return _made(
        source=topics.Inbound(agency=agency, dataset=dataset),
        system=system,
        signer=signer_of(system),
        schema_id=locked_schema_id(region, dataset, version.number),
        schema=version.schema,
        sample=sample,
        key=str(sample[key_field]),
    )


def _made(
    *,
    source: topics.Inbound,
    system: SystemCode,
    signer: BatchSigner,
    schema_id: int,
    schema: Mapping[str, Any],
    sample: Mapping[str, object],
    key: str,
) -> Target:
    datum = io.BytesIO()
    fastavro.schemaless_writer(datum, fastavro.parse_schema(dict(schema)), dict(sample))
    pieces = pieces_of(schema, datum.getvalue())
    texts = [place for place, one in enumerate(pieces) if one.data == key.encode()]
    place = next(place for place in texts if pieces[place].kind is Kind.TEXT)
    return Target(
        source=source,
        system=system,
        signer=signer,
        schema_id=schema_id,
        schema=schema,
        pieces=tuple(pieces),
        key_place=place - 1,
        head=joined(pieces[: place - 1]),
        tail=joined(pieces[place + 1 :]),
    )


@cache
def pure_world() -> tuple[Snapshot, tuple[Target, ...]]:
    """The sample region with keys for every system, and the dataset of nests beside it."""
    documents = dict(sample_documents())
    systems = [
        one.code for agency in parse_region(documents).agencies.values() for one in agency.systems
    ]
    documents |= {f"keys/{system}.1.yaml": render_key(_signing_key(system)) for system in systems}
    region = parse_region(approved(documents))
    found = targets_of(region, lambda system: BatchSigner(KeyId(f"{system}.1"), _seed(system)))
    return _with_nests(build_snapshot(region, 7), found)


def _seed(system: str) -> bytes:
    return sha256(system.encode()).digest()


def _signing_key(system: SystemCode) -> SigningKey:
    key = Ed25519PrivateKey.from_private_bytes(_seed(system))
    return SigningKey(
        key_id=KeyId(f"{system}.1"),
        system=system,
        algorithm="ed25519",
        public_key=key.public_key().public_bytes_raw(),
        valid_from=datetime(2026, 1, 1, tzinfo=UTC),
        valid_to=None,
        revoked_at=None,
    )


def _with_nests(snapshot: Snapshot, found: Sequence[Target]) -> tuple[Snapshot, tuple[Target, ...]]:
    """Put one more dataset into force, whose schema no agency would be glad to have."""
    region = snapshot.region
    version = SchemaVersion(
        number=1, schema=NESTS_SCHEMA, rules=(), accepted_until=date(2030, 1, 1)
    )
    like = region.contracts[DATASET]
    contract = replace(like, dataset=NESTS, key_field="registry_number", schema_versions=(version,))
    compiled = compile_schema(
        dataset=NESTS,
        key_field=contract.key_field,
        version=version,
        schema_id=NESTS_ID,
        wanted=frozenset(),
    )
    judged = JudgedSchema(
        compiled=compiled,
        key_field=contract.key_field,
        operations=contract.operations,
        accepted_until_ms=END_OF_TIME_MS,
    )
    first = found[0]
    nests = _made(
        source=replace(first.source, dataset=NESTS),
        system=first.system,
        signer=first.signer,
        schema_id=NESTS_ID,
        schema=NESTS_SCHEMA,
        sample=_NEST,
        key=str(_NEST["registry_number"]),
    )
    with_nests = replace(
        snapshot,
        region=replace(region, contracts={**region.contracts, NESTS: contract}),
        schemas={**snapshot.schemas, NESTS_ID: judged},
    )
    return with_nests, (*found, nests)
