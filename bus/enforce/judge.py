"""One public function: the records of one inbound topic-partition in, a verdict on each out.

Checks, in order, each with its own reasons (`bus.model.verdict.Reason`):
    guard       there is a value, and neither it nor the headers are larger than the bus carries
    envelope    headers are complete, consistent and match the topic; the id is the derived one
    signature   by a key of that system, valid when the broker appended the record; over every byte
    schema      the frame names a schema of this dataset that is still accepted; Avro, strictly
    rules       every rule of that schema version, all violations at once
    group       members of a group stand or fall together (`bus.enforce.groups`)
Nothing is decoded before its signature is known to be good.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, cast

from bus.catalogue.snapshot import JudgedSchema, Snapshot, TrustedKey
from bus.enforce.groups import judge_groups
from bus.model.identifiers import KeyId
from bus.model.record import BatchSignature, Envelope, RawRecord
from bus.model.verdict import Accepted, Malformed, Quarantined, Reason, Severity, Verdict
from bus.wire import topics
from bus.wire.envelope import Arranged, Flaw, arrange, read_envelope
from bus.wire.frame import schema_id_of
from bus.wire.headers import HEADERS_BYTES_MAX, HEADERS_MAX
from bus.wire.signature import SignatureChecker, leaf_hash, parse_signature

VALUE_BYTES_MAX: Final = 256 * 1024
KEY_BYTES_MAX: Final = 512
EVENT_TIME_AHEAD_MAX_MS: Final = 5 * 60 * 1000
"""How far an agency's clock may run ahead of the broker's."""


class _Signed(NamedTuple):
    """A record whose envelope is sound, on its way to the signature check."""

    place: int
    envelope: Envelope
    signature: BatchSignature
    leaf: bytes
    public_key: bytes


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
    if source.dataset not in snapshot.region.contracts:
        return judge_groups(
            [_set_aside(raw, source, Reason.NO_CONTRACT, "topic") for raw in records]
        )
    outcomes = [_open(place, raw, source, snapshot.keys) for place, raw in enumerate(records)]
    signed = [outcome for outcome in outcomes if isinstance(outcome, _Signed)]
    verdicts = cast("list[Verdict]", outcomes)  # once the signed ones are judged
    good = checker.check(
        [item.signature for item in signed],
        [item.leaf for item in signed],
        [item.public_key for item in signed],
    )
    for item, is_good in zip(signed, good, strict=True):
        raw = records[item.place]
        if not is_good:
            verdicts[item.place] = _set_aside(raw, source, Reason.SIGNATURE_INVALID, "bus_sig")
        elif item.envelope.is_unreadable_row:
            verdicts[item.place] = _set_aside(raw, source, Reason.ROW_UNREADABLE, "value")
        else:
            verdicts[item.place] = _judge_content(raw, item.envelope, source, snapshot.schemas)
    return judge_groups(verdicts)


def _set_aside(raw: RawRecord, source: topics.Inbound, reason: Reason, path: str) -> Quarantined:
    return Quarantined(
        raw=raw, agency=source.agency, dataset=source.dataset, reason=reason, path=path
    )


def _open(
    place: int, raw: RawRecord, source: topics.Inbound, keys: Mapping[KeyId, TrustedKey]
) -> _Signed | Quarantined:
    """Guard and envelope, then all that the signature check needs."""
    if len(raw.headers) > HEADERS_MAX:  # before anything is made of each of them
        return _set_aside(raw, source, Reason.HEADERS_TOO_LARGE, "headers")
    sent, value, key = arrange(raw.headers), raw.value or b"", raw.key or b""
    stopped = _guard(value, key, sent)
    if stopped is not None:
        return _set_aside(raw, source, *stopped)
    envelope = read_envelope(
        sent,
        agency=source.agency,
        dataset=source.dataset,
        key=key,
        latest_ms=raw.timestamp + EVENT_TIME_AHEAD_MAX_MS,
    )
    if isinstance(envelope, Flaw):
        return _set_aside(raw, source, envelope.reason, envelope.header)
    if sent.signature is None:
        return _set_aside(raw, source, Reason.UNSIGNED, "bus_sig")
    signature = parse_signature(sent.signature)
    if signature is None:
        return _set_aside(raw, source, Reason.SIGNATURE_INVALID, "bus_sig")
    signing_key = keys.get(signature.key_id)
    refusal = _refuse_key(signing_key, envelope, raw.timestamp)
    if signing_key is None or refusal is not None:
        return _set_aside(raw, source, refusal or Reason.KEY_UNKNOWN, "bus_sig")
    leaf = leaf_hash(raw.topic, key, sent.signed, value)
    return _Signed(place, envelope, signature, leaf, signing_key.public_key)


def _guard(value: bytes, key: bytes, sent: Arranged) -> tuple[Reason, str] | None:
    """Tell why a record is not even opened, or None."""
    if not value:
        return Reason.EMPTY_VALUE, "value"
    if len(value) > VALUE_BYTES_MAX:
        return Reason.VALUE_TOO_LARGE, "value"
    if sent.size_bytes > HEADERS_BYTES_MAX:
        return Reason.HEADERS_TOO_LARGE, "headers"
    if not key:
        return Reason.KEY_MISMATCH, "key"
    if len(key) > KEY_BYTES_MAX:
        return Reason.KEY_TOO_LARGE, "key"
    return None


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
    raw: RawRecord,
    envelope: Envelope,
    source: topics.Inbound,
    schemas: Mapping[int, JudgedSchema],
) -> Verdict:
    """Frame, schema and rules of a record whose signature is good."""
    value, key = raw.value, raw.key
    assert value is not None
    assert key is not None
    schema_id = schema_id_of(value)
    if schema_id is None:
        return _set_aside(raw, source, Reason.UNFRAMED, "value")
    schema = schemas.get(schema_id)
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
    violations = examined.violations
    if violations and any(one.severity is Severity.QUARANTINE for one in violations):
        return Quarantined(
            raw=raw,
            agency=source.agency,
            dataset=source.dataset,
            reason=Reason.RULE_VIOLATED,
            violations=violations,
        )
    return Accepted(raw=raw, envelope=envelope, dataset=source.dataset, examined=examined)
