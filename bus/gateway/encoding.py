"""From JSON by contract to records ready to be signed, or everything that is wrong with it. Pure.

Only what keeps a record from being written is refused here; rules are enforcement's to judge, for
records that come over HTTP as for all others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

from bus.catalogue.snapshot import Snapshot, instant_ms, locked_schema_id
from bus.contracts.contract import Contract
from bus.contracts.defaults import field_defaults, whole_record
from bus.contracts.encode import Encode, NotEncodable, encoder
from bus.contracts.schema_reader import read_shape
from bus.contracts.schema_shape import RecordShape
from bus.enforce.judge import KEY_BYTES_MAX, VALUE_BYTES_MAX
from bus.errors import Finding, Words
from bus.gateway.endpoint import body_of
from bus.gateway.given import RecordGiven, RecordsGiven
from bus.gateway.problems import Problem
from bus.model.identifiers import DatasetCode, RecordId, SystemCode
from bus.model.record import Envelope
from bus.texts import message
from bus.wire.delivery import Delivery
from bus.wire.headers import Flaw, compose, format_time, parse_envelope
from bus.wire.record_id import record_id
from bus.wire.topics import Inbound
from bus.wire.trace_context import TraceContext, trace_headers

_FIELDS: Final[Mapping[str, str]] = {
    "bus_supersedes": "supersedes",
    "bus_resolves": "resolves",
    "bus_version": "version",
    "ce_time": "event_time",
}
"""Header → member of the body that it is made of."""


class Sender(NamedTuple):
    """Who publishes what."""

    source: Inbound
    system: SystemCode
    dataset: DatasetCode


class Trace(NamedTuple):
    """Which records of a request are traced."""

    share: float
    """Of live records, those that begin a trace of their own, 0 to 1."""
    given: TraceContext | None = None
    """The request's own, which all of its records belong to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordEncoding:
    """How values of one dataset's newest schema are written."""

    contract: Contract
    schema_id: int
    shape: RecordShape
    encode: Encode
    defaults: Mapping[str, object]

    @classmethod
    def of(cls, snapshot: Snapshot, dataset: DatasetCode) -> RecordEncoding:
        """Compile what encoding needs; some milliseconds."""
        contract = snapshot.region.contracts[dataset]
        schema = contract.newest.schema
        schema_id = locked_schema_id(snapshot.region, dataset, contract.newest.number)
        return cls(
            contract=contract,
            schema_id=schema_id,
            shape=read_shape(schema, where=dataset),
            encode=encoder(schema, schema_id),
            defaults=field_defaults(schema),
        )


def parse_records(body: bytes) -> RecordsGiven:
    """Read a body.

    Raises:
        Problem: It is no JSON, or not of this form; with every part that is wrong.
    """
    return body_of(body, RecordsGiven, unfit="not_encodable")


def encode_records(
    given: RecordsGiven,
    sender: Sender,
    encoding: RecordEncoding,
    *,
    partition_of: Callable[[bytes], int],
    now: datetime,
    trace: Trace,
) -> list[Delivery]:
    """Write records, unsigned, in their order.

    Args:
        given: Of the body.
        sender: Who publishes what.
        encoding: Of that dataset.
        partition_of: Chooses the partition of a key.
        now: Aware; the event time of a record that does not say its own.
        trace: Which of them are traced.

    Raises:
        Problem: Some can't be written; with every part that is wrong, and no value.
    """
    deliveries, findings = [], list[Finding]()
    for place, record in enumerate(given.records):
        written = _delivery(record, sender, encoding, partition_of, now, trace)
        if isinstance(written, Delivery):
            deliveries.append(written)
        else:
            findings += [_at(f"records.{place}", finding) for finding in written]
    if findings:
        raise Problem(422, "not_encodable", findings=findings)
    return deliveries


def _delivery(
    given: RecordGiven,
    sender: Sender,
    encoding: RecordEncoding,
    partition_of: Callable[[bytes], int],
    now: datetime,
    trace: Trace,
) -> Delivery | list[Finding]:
    values = whole_record(encoding.shape, given.value, encoding.defaults)
    try:
        value = encoding.encode(values)
    except NotEncodable as problem:
        return [_at("value", finding) for finding in problem.findings]
    key = str(values[encoding.contract.key_field])
    key_path = f"value.{encoding.contract.key_field}"
    if not key or not key.isprintable() or len(key.encode()) > KEY_BYTES_MAX:
        return [_finding(key_path, message("gateway.expects.key", bytes_max=KEY_BYTES_MAX))]
    if len(value) > VALUE_BYTES_MAX:
        return [_finding("value", message("gateway.expects.value", bytes_max=VALUE_BYTES_MAX))]
    envelope = _envelope(given, key, sender, encoding.schema_id, now)
    headers = compose(envelope, sender.dataset)
    read = parse_envelope(
        [*headers, ("bus_sig", b"-")],
        agency=sender.source.agency,
        dataset=sender.dataset,
        key=key.encode(),
    )
    if isinstance(read, Flaw):
        path = _FIELDS.get(read.header, read.header)
        return [_finding(path, message("gateway.expects.envelope"))]
    return Delivery(
        topic=str(sender.source),
        partition=partition_of(key.encode()),
        key=key.encode(),
        value=value,
        headers=headers + trace_headers(envelope, trace.share, trace.given),
    )


def _envelope(
    given: RecordGiven, key: str, sender: Sender, schema_id: int, now: datetime
) -> Envelope:
    agency = sender.source.agency
    moment = (given.event_time or now).astimezone(UTC)
    return Envelope(
        record_id=record_id(agency, sender.dataset, key, given.version, given.op),
        agency=agency,
        system=sender.system,
        event_time=format_time(instant_ms(moment)),
        schema_id=schema_id,
        operation=given.op,
        version=given.version,
        supersedes=None if given.supersedes is None else RecordId(given.supersedes),
        lane=given.lane,
        resolves=given.resolves,
    )


def _at(above: str, finding: Finding) -> Finding:
    path = f"{above}.{finding.path}" if finding.path else above
    return Finding(path=path, found=finding.found, expected=finding.expected, remedy=finding.remedy)


def _finding(path: str, expected: Words) -> Finding:
    return Finding(path=path, found=message("gateway.found.unfit"), expected=expected, remedy="")
