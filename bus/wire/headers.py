"""The one list of record headers, and the only code that writes or reads them.

CloudEvents 1.0 in Kafka's binary mode (`ce_*`, `content-type`), then the bus's own. All values
are UTF-8 text but `bus_sig`, which is binary (`bus.wire.signature`).

Written by the provider, and signed but for `bus_sig` and `traceparent`:
    ce_specversion  `1.0`
    ce_id           record id (`bus.wire.record_id`)
    ce_source       `urn:bus:<agency>:<system>`
    ce_type         `registry.<dataset>.<operation>`
    ce_time         event time, RFC 3339 in UTC: `2026-03-01T09:30:00Z`
    ce_dataschema   `urn:bus:schema:<schema id>`
    content-type    `application/avro`
    bus_op          create | correct | annul | cease
    bus_version     version of the registry entry, 1 to 2**63-1
    bus_supersedes  record id of the version it follows; absent for create, required otherwise
    bus_lane        live | backfill
    bus_resolves    quarantine id that it answers, or absent
    bus_sig         batch signature
    traceparent     W3C trace context, or absent
Added by the bus:
    bus_in          `topic/partition/offset` of the inbound record
    bus_catalogue   version of the catalogue that judged it
    bus_appended    in quarantine: the inbound record's LogAppendTime, milliseconds since 1970 UTC
    bus_reason, bus_path, bus_violations    in quarantine: why

The agency is the topic's, never a header's claim: `ce_source` is only compared with it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from bus.errors import InvariantBroken
from bus.model.identifiers import AgencyCode, DatasetCode, RecordId, SystemCode
from bus.model.record import Envelope, Lane, Operation, RawRecord, RegistryRecord
from bus.model.verdict import Quarantined, Reason
from bus.wire import topics
from bus.wire.record_id import is_record_id, record_id

SIGNED: Final[tuple[str, ...]] = (
    "ce_specversion",
    "ce_id",
    "ce_source",
    "ce_type",
    "ce_time",
    "ce_dataschema",
    "content-type",
    "bus_op",
    "bus_version",
    "bus_supersedes",
    "bus_lane",
    "bus_resolves",
)
"""Headers that a leaf covers, in the order in which it covers them."""
OPTIONAL: Final = frozenset({"bus_supersedes", "bus_resolves", "traceparent"})
QUARANTINE_ONLY: Final = ("bus_appended", "bus_reason", "bus_path", "bus_violations")
ADDED_BY_THE_BUS: Final = ("bus_in", "bus_catalogue", *QUARANTINE_ONLY)
"""What enforcement puts behind the provider's headers, in this order."""
_CARRIED: Final = frozenset({*SIGNED, "bus_sig"})
"""What goes on to consumers and the fund; what a sender adds of its own stays behind."""
_TRACE: Final = re.compile(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
REQUIRED: Final = tuple(name for name in SIGNED if name not in OPTIONAL)

VERSION_MAX: Final = 2**63 - 1
HEADERS_BYTES_MAX: Final = 16 * 1024
_OPERATIONS: Final = {operation.value: operation for operation in Operation}
_LANES: Final = {lane.value: lane for lane in Lane}
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", re.ASCII)
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,18}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SCHEMA_PREFIX: Final = "urn:bus:schema:"
_SOURCE_PREFIX: Final = "urn:bus:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """A header that keeps a record from being understood."""

    reason: Reason
    header: str


def headers_bytes(headers: Sequence[tuple[str, bytes]]) -> int:
    """Sum the sizes of names and values."""
    return sum(len(name) + len(value or b"") for name, value in headers)


def compose(envelope: Envelope, dataset: DatasetCode) -> list[tuple[str, bytes]]:
    """Write the provider's headers but for the signature, in the order of `SIGNED`."""
    texts: dict[str, str | None] = {
        "ce_specversion": "1.0",
        "ce_id": envelope.record_id,
        "ce_source": f"{_SOURCE_PREFIX}{envelope.agency}:{envelope.system}",
        "ce_type": f"registry.{dataset}.{envelope.operation}",
        "ce_time": envelope.event_time,
        "ce_dataschema": f"{_SCHEMA_PREFIX}{envelope.schema_id}",
        "content-type": "application/avro",
        "bus_op": envelope.operation,
        "bus_version": str(envelope.version),
        "bus_supersedes": envelope.supersedes,
        "bus_lane": envelope.lane,
        "bus_resolves": envelope.resolves,
    }
    return [(name, text.encode()) for name, text in texts.items() if text is not None]


def signed_values(headers: Iterable[tuple[str, bytes]]) -> list[bytes | None]:
    """Pick the values that a leaf covers; None where a header is absent."""
    present = dict(headers)
    return [present.get(name) for name in SIGNED]


def parse_envelope(
    headers: Sequence[tuple[str, bytes]], *, agency: AgencyCode, dataset: DatasetCode, key: bytes
) -> Envelope | Flaw:
    """Read the provider's headers and hold them against each other and against the topic.

    Args:
        headers: As they lie in the inbound topic.
        agency: The topic's.
        dataset: The topic's.
        key: Kafka key: the agency's registry number in UTF-8.

    Returns: The envelope, or the first flaw with the header concerned.
    """
    present = dict(headers)
    if len(present) != len(headers):
        return Flaw(reason=Reason.HEADER_DOUBLED, header=_first_doubled(headers))
    for name in ADDED_BY_THE_BUS:
        if name in present:
            return Flaw(reason=Reason.HEADER_MALFORMED, header=name)
    if not all(map(_is_utf_8, present)):
        return Flaw(reason=Reason.HEADER_MALFORMED, header="other")
    for name in REQUIRED:
        if not present.get(name):
            return Flaw(reason=Reason.HEADER_MISSING, header=name)
    try:
        texts = {name: present[name].decode() for name in SIGNED if name in present}
        registry_number = key.decode()
    except (UnicodeDecodeError, AttributeError):
        return Flaw(reason=Reason.HEADER_MALFORMED, header=_first_not_text(present))
    return _read_texts(texts, agency=agency, dataset=dataset, key=registry_number)


def _read_texts(
    texts: Mapping[str, str], *, agency: AgencyCode, dataset: DatasetCode, key: str
) -> Envelope | Flaw:
    operation = _OPERATIONS.get(texts["bus_op"])
    flawed = _first_malformed(texts, operation, dataset)
    if flawed is not None or operation is None:
        return Flaw(reason=Reason.HEADER_MALFORMED, header=flawed or "bus_op")
    prefix = f"{_SOURCE_PREFIX}{agency}:"
    if not texts["ce_source"].startswith(prefix):
        return Flaw(reason=Reason.FOREIGN_SOURCE, header="ce_source")
    version = int(texts["bus_version"])
    expected_id = record_id(agency, dataset, key, version, operation)
    if texts["ce_id"] != expected_id:
        return Flaw(reason=Reason.RECORD_ID_MISMATCH, header="ce_id")
    supersedes = texts.get("bus_supersedes")
    return Envelope(
        record_id=expected_id,
        agency=agency,
        system=SystemCode(texts["ce_source"][len(prefix) :]),
        event_time=texts["ce_time"],
        schema_id=int(texts["ce_dataschema"][len(_SCHEMA_PREFIX) :]),
        operation=operation,
        version=version,
        supersedes=None if supersedes is None else RecordId(supersedes),
        lane=_LANES[texts["bus_lane"]],
        resolves=texts.get("bus_resolves"),
    )


def _first_malformed(
    texts: Mapping[str, str], operation: Operation | None, dataset: DatasetCode
) -> str | None:
    """Name the first header whose form is wrong, or None."""
    supersedes = texts.get("bus_supersedes")
    schema_id = texts["ce_dataschema"].removeprefix(_SCHEMA_PREFIX)
    checks = (
        ("ce_specversion", texts["ce_specversion"] == "1.0"),
        ("content-type", texts["content-type"] == "application/avro"),
        ("bus_op", operation is not None),
        ("ce_type", texts["ce_type"] == f"registry.{dataset}.{texts['bus_op']}"),
        ("ce_time", event_time_ms(texts["ce_time"]) is not None),
        (
            "ce_dataschema",
            schema_id != texts["ce_dataschema"] and bool(_NUMBER.fullmatch(schema_id)),
        ),
        (
            "bus_version",
            bool(_NUMBER.fullmatch(texts["bus_version"]))
            and int(texts["bus_version"]) <= VERSION_MAX,
        ),
        (
            "bus_supersedes",
            supersedes is None
            if operation is Operation.CREATE
            else supersedes is not None and is_record_id(supersedes),
        ),
        ("bus_lane", texts["bus_lane"] in _LANES),
        ("bus_resolves", _is_position(texts.get("bus_resolves"))),
    )
    return next((name for name, fits in checks if not fits), None)


def event_time_ms(text: str) -> int | None:
    """Read an event time as milliseconds since 1970 UTC; None where it is no RFC 3339 UTC time."""
    if _TIME.fullmatch(text) is None:
        return None
    try:
        return (datetime.fromisoformat(text) - _EPOCH) // timedelta(milliseconds=1)
    except ValueError:
        return None


def format_time(instant_ms: int) -> str:
    """Write milliseconds since 1970 UTC as RFC 3339 with milliseconds."""
    instant = _EPOCH + timedelta(milliseconds=instant_ms)
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _is_position(text: str | None) -> bool:
    if text is None:
        return True
    try:
        return bool(topics.parse_position(text))
    except ValueError:
        return False


def _first_doubled(headers: Sequence[tuple[str, bytes]]) -> str:
    seen: set[str] = set()
    for name, _ in headers:
        if name in seen:
            # Why not the name itself: an unknown header's name is a stranger's text.
            return name if name in SIGNED or name in ADDED_BY_THE_BUS else "other"
        seen.add(name)
    raise InvariantBroken("no header stands twice")


def _is_utf_8(name: str) -> bool:
    """Tell whether a header's name was UTF-8: what was not is read with surrogates."""
    return name.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in name)


def _first_not_text(present: Mapping[str, bytes]) -> str:
    for name in SIGNED:
        try:
            present.get(name, b"").decode()
        except (UnicodeDecodeError, AttributeError):
            return name
    return "key"


def accepted_headers(raw: RawRecord, catalogue: int) -> list[tuple[str, bytes]]:
    """Keep the standard's headers and add where the record came from and what judged it.

    A header that the standard does not know is left behind: nobody signed it, and it could say
    what no agreement grants.
    """
    kept = [pair for pair in raw.headers if pair[0] in _CARRIED or _is_trace(pair)]
    return [*kept, *_origin(raw, catalogue)]


def _is_trace(header: tuple[str, bytes]) -> bool:
    name, value = header
    return name == "traceparent" and _TRACE.fullmatch(value or b"") is not None


def _origin(raw: RawRecord, catalogue: int) -> list[tuple[str, bytes]]:
    position = f"{raw.topic}/{raw.partition}/{raw.offset}"
    return [("bus_in", position.encode()), ("bus_catalogue", str(catalogue).encode())]


def quarantine_headers(verdict: Quarantined, catalogue: int) -> list[tuple[str, bytes]]:
    """Keep the original headers and add the reasons behind them.

    A reader takes the last header of a name: a sender may have written one of these itself. A
    name that is not UTF-8 can't be sent on and is kept as `not-utf-8:` with its bytes in hex.
    """
    violations = [
        {"rule": v.rule, "path": v.path, "severity": v.severity.value} for v in verdict.violations
    ]
    original = [(_sendable(name), value) for name, value in verdict.raw.headers]
    return [
        *original,
        *_origin(verdict.raw, catalogue),
        ("bus_appended", str(verdict.raw.timestamp).encode()),
        ("bus_reason", verdict.reason.value.encode()),
        ("bus_path", verdict.path.encode()),
        ("bus_violations", json.dumps(violations, separators=(",", ":")).encode()),
    ]


def _sendable(name: str) -> str:
    if _is_utf_8(name):
        return name
    return f"not-utf-8:{name.encode(errors='surrogateescape').hex()}"


def view_headers(raw: RawRecord, *, schema_id: int, catalogue: int) -> list[tuple[str, bytes]]:
    """Write a projection's headers: the provider's but for schema and signature, then the bus's.

    The bus signs what it cut, so the provider's signature, which no longer fits, is left out.
    """
    schema = f"{_SCHEMA_PREFIX}{schema_id}".encode()
    return [
        (name, schema if name == "ce_dataschema" else value)
        for name, value in accepted_headers(raw, catalogue)
        if name != "bus_sig"
    ]


def parse_delivered(raw: RawRecord, dataset: DatasetCode) -> RegistryRecord:
    """Read a record that the bus wrote to `accepted.<dataset>` or to a view of it.

    Raises:
        InvariantBroken: The bus did not write it so: somebody else wrote to its topic.
    """
    known = {*SIGNED, "bus_in", "bus_catalogue"}
    texts = {name: value.decode() for name, value in raw.headers if name in known}
    place = f"{raw.topic}/{raw.partition}/{raw.offset}"
    try:
        _, _, agency, system = texts["ce_source"].split(":")
        supersedes = texts.get("bus_supersedes")
        return RegistryRecord(
            agency=AgencyCode(agency),
            dataset=dataset,
            key=(raw.key or b"").decode(),
            version=int(texts["bus_version"]),
            operation=Operation(texts["bus_op"]),
            record_id=RecordId(texts["ce_id"]),
            supersedes=None if supersedes is None else RecordId(supersedes),
            schema_id=int(texts["ce_dataschema"].removeprefix(_SCHEMA_PREFIX)),
            value=raw.value or b"",
            event_time=texts["ce_time"],
            lane=Lane(texts["bus_lane"]),
            system=SystemCode(system),
            bus_in=texts["bus_in"],
            catalogue=int(texts["bus_catalogue"]),
            appended_ms=raw.timestamp,
        )
    except (KeyError, ValueError) as problem:
        raise InvariantBroken(
            f"record {place} was not written by the bus ({problem!r}); find who may write to the "
            "topic with `bus access diff`, then skip nothing: restore the topic's rights first"
        ) from problem
