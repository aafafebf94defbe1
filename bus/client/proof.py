"""Proof that a delivered record is what its provider signed, or what the bus cut from it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bus.catalogue.parties import BUS
from bus.catalogue.snapshot import Snapshot
from bus.errors import InvariantBroken
from bus.model.identifiers import DatasetCode, KeyId
from bus.model.record import BatchSignature, RawRecord, RegistryRecord
from bus.wire import topics
from bus.wire.headers import ADDED_TO_ACCEPTED, Flaw, parse_delivered, parse_envelope, signed_values
from bus.wire.signature import SignatureChecker, leaf_hash, parse_signature

_BEHIND: Final = frozenset(ADDED_TO_ACCEPTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    """What a record's signature must cover, and by whose key."""

    record: RegistryRecord
    signature: BatchSignature
    public_key: bytes
    leaf: bytes


def prove(
    records: Sequence[RawRecord],
    *,
    dataset: DatasetCode,
    is_view: bool,
    snapshot: Snapshot,
    checker: SignatureChecker,
) -> list[RegistryRecord]:
    """Read records of one topic-partition and prove every one of them.

    A record of `accepted.<dataset>` carries the provider's signature over what it sent to its
    inbound topic; one of a view carries the bus's own over what it cut. Whether the key was valid
    when the provider sent the record, the bus has judged; it can't be told from here.

    Args:
        records: In the order of their offsets.
        dataset: Of the topic.
        is_view: Whether it is a view's topic.
        snapshot: A catalogue at least as new as the newest that judged one of them.
        checker: Keeps known good roots between calls.

    Raises:
        InvariantBroken: One is not genuine, with its place. None of them may be used.
    """
    claims = [_claim(raw, dataset, snapshot, is_view=is_view) for raw in records]
    genuine = checker.check(
        [claim.signature for claim in claims],
        [claim.leaf for claim in claims],
        [claim.public_key for claim in claims],
    )
    for raw, is_genuine in zip(records, genuine, strict=True):
        if not is_genuine:
            raise _forged(raw, "its signature does not cover it")
    return [claim.record for claim in claims]


def claimed_catalogue(raw: RawRecord) -> int:
    """Read which catalogue judged a record, by its own account; 0 where it does not say."""
    try:
        return int(dict(raw.headers)["bus_catalogue"])
    except (KeyError, ValueError, TypeError):
        return 0


def _claim(raw: RawRecord, dataset: DatasetCode, snapshot: Snapshot, *, is_view: bool) -> _Claim:
    try:
        record = parse_delivered(raw, dataset)
    except (ValueError, AttributeError) as problem:
        raise _forged(raw, "its headers are no text") from problem
    source = _source(raw, record)
    sent = [(name, value) for name, value in raw.headers if name not in _BEHIND]
    envelope = parse_envelope(sent, agency=source.agency, dataset=dataset, key=raw.key or b"")
    if isinstance(envelope, Flaw) or source.dataset != dataset:
        raise _forged(raw, "its headers do not agree with each other")
    header = next((value for name, value in sent if name == "bus_sig"), b"")
    signature = parse_signature(header or b"")  # Kafka lets a header have no value
    if signature is None:
        raise _forged(raw, "it has no signature")
    public_key = _key(snapshot, signature.key_id, None if is_view else record)
    if public_key is None:
        raise _forged(raw, f"the catalogue knows no key {signature.key_id} of its signer")
    topic = raw.topic if is_view else str(source)
    leaf = leaf_hash(topic, raw.key or b"", signed_values(sent), raw.value or b"")
    return _Claim(record=record, signature=signature, public_key=public_key, leaf=leaf)


def _source(raw: RawRecord, record: RegistryRecord) -> topics.Inbound:
    try:
        return topics.parse_inbound(topics.parse_position(record.bus_in).topic)
    except (ValueError, InvariantBroken) as problem:
        raise _forged(raw, "header bus_in names no inbound record") from problem


def _key(snapshot: Snapshot, key_id: KeyId, provided: RegistryRecord | None) -> bytes | None:
    """Find the public key of a signer: the record's provider or, without one, the bus."""
    if provided is None:
        own = snapshot.region.keys.get(key_id)
        return own.public_key if own is not None and own.system == BUS else None
    trusted = snapshot.keys.get(key_id)
    if trusted is None or (trusted.agency, trusted.system) != (provided.agency, provided.system):
        return None
    return trusted.public_key


def _forged(raw: RawRecord, why: str) -> InvariantBroken:
    return InvariantBroken(
        f"record {raw.topic}/{raw.partition}/{raw.offset} is not genuine: {why}; it was not "
        "delivered. Tell the bus's operator: somebody besides the bus can write to this topic, "
        "see `bus access diff`"
    )
