"""Proof that a delivered record is what its provider signed, or what the bus cut from it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bus.catalogue.parties import BUS
from bus.catalogue.snapshot import Snapshot
from bus.errors import InvariantBroken
from bus.model.identifiers import DatasetCode, KeyId, ViewCode
from bus.model.record import BatchSignature, RawRecord, RegistryRecord, StandingRow
from bus.wire import topics
from bus.wire.headers import ADDED_TO_ACCEPTED, Flaw, parse_delivered, parse_envelope, signed_values
from bus.wire.signature import SignatureChecker, leaf_hash, parse_signature
from bus.wire.standing import parse_standing

_BEHIND: Final = frozenset(ADDED_TO_ACCEPTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    """What a record's signature must cover, and by whose key."""

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
    found = [_read(raw, dataset, snapshot, is_view=is_view) for raw in records]
    _check(records, [claim for _, claim in found], checker)
    return [record for record, _ in found]


def prove_standing(
    records: Sequence[RawRecord],
    *,
    dataset: DatasetCode,
    view: ViewCode,
    snapshot: Snapshot,
    checker: SignatureChecker,
) -> list[StandingRow]:
    """Read records of one partition of a standing view, and prove that the bus wrote every one.

    Args:
        records: In the order of their offsets.
        dataset: Of the view.
        view: Whose topic it is.
        snapshot: As `prove`.
        checker: As `prove`.

    Raises: as `prove`.
    """
    rows = [parse_standing(raw, dataset, view) for raw in records]
    for raw, row in zip(records, rows, strict=True):
        source = _source(raw, row.bus_in)
        if (source.agency, source.dataset) != (row.agency, dataset):
            raise _forged(raw, "its headers do not agree with each other")
    _check(records, [_claim(raw, raw.topic, snapshot, None) for raw in records], checker)
    return rows


def _check(
    records: Sequence[RawRecord], claims: Sequence[_Claim], checker: SignatureChecker
) -> None:
    genuine = checker.check(
        [claim.signature for claim in claims],
        [claim.leaf for claim in claims],
        [claim.public_key for claim in claims],
    )
    for raw, is_genuine in zip(records, genuine, strict=True):
        if not is_genuine:
            raise _forged(raw, "its signature does not cover it")


def claimed_catalogue(raw: RawRecord) -> int:
    """Read which catalogue judged a record, by its own account; 0 where it does not say."""
    try:
        return int(dict(raw.headers)["bus_catalogue"])
    except (KeyError, ValueError, TypeError):
        return 0


def _read(
    raw: RawRecord, dataset: DatasetCode, snapshot: Snapshot, *, is_view: bool
) -> tuple[RegistryRecord, _Claim]:
    try:
        record = parse_delivered(raw, dataset)
    except (ValueError, AttributeError) as problem:
        raise _forged(raw, "its headers are no text") from problem
    source = _source(raw, record.bus_in)
    sent = [(name, value) for name, value in raw.headers if name not in _BEHIND]
    envelope = parse_envelope(sent, agency=source.agency, dataset=dataset, key=raw.key or b"")
    if isinstance(envelope, Flaw) or source.dataset != dataset:
        raise _forged(raw, "its headers do not agree with each other")
    topic = raw.topic if is_view else str(source)
    return record, _claim(raw, topic, snapshot, None if is_view else record)


def _claim(
    raw: RawRecord, topic: str, snapshot: Snapshot, provided: RegistryRecord | None
) -> _Claim:
    """Find what the signature must cover.

    Args:
        raw: As it lies in its topic.
        topic: For which it was signed.
        snapshot: Knows the keys.
        provided: The record, where its provider signed it; None: the bus did.
    """
    header = next((value for name, value in raw.headers if name == "bus_sig"), b"")
    signature = parse_signature(header or b"")  # Kafka lets a header have no value
    if signature is None:
        raise _forged(raw, "it has no signature")
    public_key = _key(snapshot, signature.key_id, provided)
    if public_key is None:
        raise _forged(raw, f"the catalogue knows no key {signature.key_id} of its signer")
    leaf = leaf_hash(topic, raw.key or b"", signed_values(raw.headers), raw.value or b"")
    return _Claim(signature=signature, public_key=public_key, leaf=leaf)


def _source(raw: RawRecord, bus_in: str) -> topics.Inbound:
    try:
        return topics.parse_inbound(topics.parse_position(bus_in).topic)
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
