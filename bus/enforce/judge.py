"""One public function: the records of one inbound topic-partition in, a verdict on each out.

Checks, in order, each with its own reasons (`bus.model.verdict.Reason`):
    guard       there is a value, and neither it nor the headers are larger than the bus carries
    envelope    headers are complete, consistent and match the topic; the id is the derived one
    signature   by a key of that system, valid when the broker appended the record; over every byte
    schema      the frame names a schema of this dataset that is still accepted; Avro, strictly
    rules       every rule of that schema version, all violations at once
Nothing is decoded before its signature is known to be good.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bus.catalogue.snapshot import Snapshot, TrustedKey
from bus.model.record import BatchSignature, Envelope, RawRecord
from bus.model.verdict import Accepted, Malformed, Quarantined, Reason, Severity, Verdict
from bus.wire import topics
from bus.wire.frame import schema_id_of
from bus.wire.headers import (
    HEADERS_BYTES_MAX,
    Flaw,
    event_time_ms,
    headers_bytes,
    parse_envelope,
    signed_values,
)
from bus.wire.signature import SignatureChecker, leaf_hash, parse_signature

VALUE_BYTES_MAX: Final = 256 * 1024
KEY_BYTES_MAX: Final = 512
EVENT_TIME_AHEAD_MAX_MS: Final = 5 * 60 * 1000
"""How far an agency's clock may run ahead of the broker's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signed:
    """A record whose envelope is sound, on its way to the signature check."""

    place: int
    envelope: Envelope
    signature: BatchSignature
    public_key: bytes
    leaf: bytes


def judge(
    records: Sequence[RawRecord],
    *,
    source: topics.Inbound,
    snapshot: Snapshot,
    checker: SignatureChecker,
) -> list[Verdict]:
    """Judge records of one inbound topic-partition.

    A pure function of the records (with the broker's append time) and the catalogue: judged again
    under the same catalogue version they come to the same verdicts. The checker only remembers
    which roots it has found good.

    Args:
        records: In offset order.
        source: Agency and dataset of their topic.
        snapshot: The catalogue in force for the whole batch.
        checker: Keeps known good roots between batches.

    Returns: One verdict per record, in the same order; never raises for what a record holds.
    """
    verdicts: list[Verdict | None] = [None] * len(records)
    signed: list[_Signed] = []
    for place, raw in enumerate(records):
        outcome = _open(place, raw, source, snapshot)
        if isinstance(outcome, _Signed):
            signed.append(outcome)
        else:
            verdicts[place] = outcome
    good = checker.check(
        [item.signature for item in signed],
        [item.leaf for item in signed],
        [item.public_key for item in signed],
    )
    for item, is_good in zip(signed, good, strict=True):
        raw = records[item.place]
        verdicts[item.place] = (
            _judge_content(raw, item.envelope, source, snapshot)
            if is_good
            else _set_aside(raw, source, Reason.SIGNATURE_INVALID, "bus_sig")
        )
    return [verdict for verdict in verdicts if verdict is not None]


def _set_aside(raw: RawRecord, source: topics.Inbound, reason: Reason, path: str) -> Quarantined:
    return Quarantined(
        raw=raw, agency=source.agency, dataset=source.dataset, reason=reason, path=path
    )


def _open(
    place: int, raw: RawRecord, source: topics.Inbound, snapshot: Snapshot
) -> _Signed | Quarantined:
    """Guard and envelope, then all that the signature check needs."""
    stopped = _guard(raw, source, snapshot)
    if stopped is not None:
        return _set_aside(raw, source, *stopped)
    value, key = raw.value or b"", raw.key or b""
    envelope = parse_envelope(raw.headers, agency=source.agency, dataset=source.dataset, key=key)
    if isinstance(envelope, Flaw):
        return _set_aside(raw, source, envelope.reason, envelope.header)
    event_ms = event_time_ms(envelope.event_time)
    if event_ms is None or event_ms > raw.timestamp + EVENT_TIME_AHEAD_MAX_MS:
        return _set_aside(raw, source, Reason.EVENT_TIME_IN_FUTURE, "ce_time")
    header = next((content for name, content in raw.headers if name == "bus_sig"), None)
    if header is None:
        return _set_aside(raw, source, Reason.UNSIGNED, "bus_sig")
    signature = parse_signature(header)
    if signature is None:
        return _set_aside(raw, source, Reason.SIGNATURE_INVALID, "bus_sig")
    signing_key = snapshot.keys.get(signature.key_id)
    refusal = _refuse_key(signing_key, envelope, raw.timestamp)
    if signing_key is None or refusal is not None:
        return _set_aside(raw, source, refusal or Reason.KEY_UNKNOWN, "bus_sig")
    return _Signed(
        place=place,
        envelope=envelope,
        signature=signature,
        public_key=signing_key.public_key,
        leaf=leaf_hash(raw.topic, key, signed_values(raw.headers), value),
    )


def _guard(raw: RawRecord, source: topics.Inbound, snapshot: Snapshot) -> tuple[Reason, str] | None:
    """Tell why a record is not even opened, or None."""
    value, key = raw.value, raw.key
    checks = (
        (source.dataset not in snapshot.region.contracts, Reason.NO_CONTRACT, "topic"),
        (not value, Reason.EMPTY_VALUE, "value"),
        (len(value or b"") > VALUE_BYTES_MAX, Reason.VALUE_TOO_LARGE, "value"),
        (headers_bytes(raw.headers) > HEADERS_BYTES_MAX, Reason.HEADERS_TOO_LARGE, "headers"),
        (not key, Reason.KEY_MISMATCH, "key"),
        (len(key or b"") > KEY_BYTES_MAX, Reason.KEY_TOO_LARGE, "key"),
    )
    return next(((reason, path) for fails, reason, path in checks if fails), None)


def _refuse_key(key: TrustedKey | None, envelope: Envelope, appended_ms: int) -> Reason | None:
    """Tell why a key may not sign for this envelope, or None where it may."""
    if key is None:
        return Reason.KEY_UNKNOWN
    if key.system != envelope.system or key.agency != envelope.agency:
        return Reason.KEY_FOREIGN
    if not key.valid_from_ms <= appended_ms < key.valid_until_ms:
        return Reason.KEY_NOT_VALID
    return None


def _judge_content(
    raw: RawRecord, envelope: Envelope, source: topics.Inbound, snapshot: Snapshot
) -> Verdict:
    """Frame, schema and rules of a record whose signature is good."""
    value, key = raw.value, raw.key
    assert value is not None
    assert key is not None
    schema_id = schema_id_of(value)
    if schema_id is None:
        return _set_aside(raw, source, Reason.UNFRAMED, "value")
    schema = snapshot.schemas.get(schema_id)
    if schema is None:
        return _set_aside(raw, source, Reason.SCHEMA_UNKNOWN, "value")
    if schema.compiled.dataset != source.dataset:
        return _set_aside(raw, source, Reason.SCHEMA_FOREIGN, "value")
    if schema_id != envelope.schema_id:
        return _set_aside(raw, source, Reason.HEADER_MALFORMED, "ce_dataschema")
    if raw.timestamp >= schema.accepted_until_ms:
        return _set_aside(raw, source, Reason.SCHEMA_EXPIRED, "value")
    if envelope.operation not in schema.operations:
        return _set_aside(raw, source, Reason.OPERATION_NOT_ALLOWED, "bus_op")
    examined = schema.compiled.examine(value, raw.timestamp)
    if isinstance(examined, Malformed):
        return _set_aside(raw, source, examined.reason, examined.path)
    if examined.key.encode() != key:
        return _set_aside(raw, source, Reason.KEY_MISMATCH, schema.key_field)
    if any(violation.severity is Severity.QUARANTINE for violation in examined.violations):
        return Quarantined(
            raw=raw,
            agency=source.agency,
            dataset=source.dataset,
            reason=Reason.RULE_VIOLATED,
            violations=examined.violations,
        )
    return Accepted(raw=raw, envelope=envelope, dataset=source.dataset, examined=examined)
