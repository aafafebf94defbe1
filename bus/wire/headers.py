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
    content-type    `application/avro`; of a row that a source has and no value could be made of,
                    `application/vnd.bus.unreadable-row+json`
    bus_op          create | correct | annul | cease
    bus_version     version of the registry entry, 1 to 2**63-1
    bus_supersedes  record id of the version it follows; absent for create, required otherwise
    bus_lane        live | backfill
    bus_resolves    quarantine id that it answers, or absent
    bus_group       `<id>/<index>/<size>`: member of a group that is taken whole or not at all;
                    id 16 hexadecimal digits, index from 0, size 2 to 64; or absent
    bus_sig         batch signature
    traceparent     W3C trace context, or absent (`bus.wire.trace_context`)
Written by a connector for itself, in its own in-topic, unsigned, and left behind there:
    bus_event       which event of its source the record tells: 16 hexadecimal digits
Added by the bus:
    bus_in          `topic/partition/offset` of the inbound record
    bus_catalogue   version of the catalogue that judged it
    bus_appended    in quarantine: the inbound record's LogAppendTime, milliseconds since 1970 UTC
    bus_reason, bus_path, bus_violations    in quarantine: why
    bus_attempt     how often it was released (`bus.wire.release`); absent from accepted records
                    that never were
    bus_original    in quarantine and release, in place of the sender's headers: all of them, where
                    a name is no UTF-8 (`bus.wire.original`)
In a standing view, which the fund serves (`bus.wire.standing`), the same names but for these:
    bus_op          stands | left; a record that left has no value
    bus_version     number of the entry's change in this view, 1 to 2**63-1
    bus_supersedes, bus_resolves, bus_group, traceparent, bus_attempt    absent

The agency is the topic's, never a header's claim: `ce_source` is only compared with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from bus.errors import InvariantBroken
from bus.model.identifiers import AgencyCode, DatasetCode, RecordId, SystemCode
from bus.model.record import Envelope, Group, Headers, Lane, Operation, RawRecord, RegistryRecord
from bus.model.verdict import Quarantined
from bus.wire.envelope import Flaw, parse_envelope
from bus.wire.header_forms import (
    CONTENT_TYPE,
    SCHEMA_PREFIX,
    SOURCE_PREFIX,
    SPEC_VERSION,
    UNREADABLE_ROW,
    VERSION_MAX,
    event_time_ms,
    format_time,
    parse_group,
)
from bus.wire.header_names import (
    ADDED_BY_THE_BUS,
    ADDED_TO_ACCEPTED,
    OPTIONAL,
    QUARANTINE_ONLY,
    REQUIRED,
    SIGNED,
    TRACEPARENT,
)
from bus.wire.original import name_as_sent, sendable
from bus.wire.trace_context import is_trace_context

__all__ = [
    "ADDED_BY_THE_BUS",
    "ADDED_TO_ACCEPTED",
    "HEADERS_BYTES_MAX",
    "HEADERS_MAX",
    "OPTIONAL",
    "QUARANTINE_ONLY",
    "REQUIRED",
    "SIGNED",
    "VERSION_MAX",
    "Flaw",
    "accepted_headers",
    "compose",
    "event_time_ms",
    "format_time",
    "group_of",
    "headers_bytes",
    "parse_delivered",
    "parse_envelope",
    "parse_group",
    "quarantine_headers",
    "signed_values",
    "view_headers",
    "with_group",
]

HEADERS_BYTES_MAX: Final = 16 * 1024
HEADERS_MAX: Final = 128
"""Of one record; empty ones weigh nothing and take memory all the same."""
_CARRIED: Final = frozenset({*SIGNED, "bus_sig"})
"""What goes on to consumers and the fund; what a sender adds of its own stays behind."""
_NOT_OF_A_VIEW: Final = frozenset({"bus_sig", "bus_attempt"})
_REMEMBERED_MAX: Final = 512


def headers_bytes(headers: Headers) -> int:
    """Sum the sizes of names and values, in bytes as sent."""
    return sum(
        (len(name) if name.isascii() else len(name_as_sent(name))) + len(value or b"")
        for name, value in headers
    )


def compose(envelope: Envelope, dataset: DatasetCode) -> list[tuple[str, bytes]]:
    """Write the provider's headers but for the signature, in the order of `SIGNED`."""
    texts: dict[str, str | None] = {
        "ce_specversion": SPEC_VERSION,
        "ce_id": envelope.record_id,
        "ce_source": f"{SOURCE_PREFIX}{envelope.agency}:{envelope.system}",
        "ce_type": f"registry.{dataset}.{envelope.operation}",
        "ce_time": envelope.event_time,
        "ce_dataschema": f"{SCHEMA_PREFIX}{envelope.schema_id}",
        "content-type": UNREADABLE_ROW if envelope.is_unreadable_row else CONTENT_TYPE,
        "bus_op": envelope.operation,
        "bus_version": str(envelope.version),
        "bus_supersedes": envelope.supersedes,
        "bus_lane": envelope.lane,
        "bus_resolves": envelope.resolves,
        "bus_group": None if envelope.group is None else str(envelope.group),
    }
    return [(name, text.encode()) for name, text in texts.items() if text is not None]


def signed_values(headers: Iterable[tuple[str, bytes]]) -> list[bytes | None]:
    """Pick the values that a leaf covers; None where a header is absent."""
    return list(map(dict(headers).get, SIGNED))


def group_of(headers: Iterable[tuple[str, bytes]]) -> Group | None:
    """Tell the group that a record claims to belong to, judged or not; None where it claims none.

    A header that is malformed or stands twice claims nothing: its record is refused for that.
    """
    claims = [value for name, value in headers if name == "bus_group"]
    if len(claims) != 1 or not claims[0]:
        return None
    return parse_group(claims[0].decode(errors="replace"))


def accepted_headers(raw: RawRecord, catalogue: int, attempt: int = 0) -> list[tuple[str, bytes]]:
    """Keep the standard's headers and add where the record came from and what judged it.

    A header that the standard does not know is left behind: nobody signed it, and it could say
    what no agreement grants.
    """
    kept = [pair for pair in raw.headers if pair[0] in _CARRIED or _is_trace(pair)]
    released = [("bus_attempt", str(attempt).encode())] if attempt else []
    return kept + _origin(raw, catalogue) + released


def _is_trace(header: tuple[str, bytes]) -> bool:
    name, value = header
    return name == TRACEPARENT and is_trace_context(value)


def _origin(raw: RawRecord, catalogue: int) -> list[tuple[str, bytes]]:
    position = f"{raw.topic}/{raw.partition}/{raw.offset}"
    return [("bus_in", position.encode()), _catalogue_header(catalogue)]


@lru_cache(_REMEMBERED_MAX)
def _catalogue_header(catalogue: int) -> tuple[str, bytes]:
    return ("bus_catalogue", str(catalogue).encode())


def quarantine_headers(
    verdict: Quarantined, catalogue: int, attempt: int = 0
) -> list[tuple[str, bytes]]:
    """Keep the original headers and add the reasons behind them.

    A reader takes the last header of a name: a sender may have written one of these itself.
    Headers that can't be written as they came are packed (`bus.wire.original`).

    Args:
        verdict: Of a record at its original place.
        catalogue: Version that judged it.
        attempt: How often it was released before, from 0.
    """
    violations = [
        {"rule": v.rule, "path": v.path, "severity": v.severity.value} for v in verdict.violations
    ]
    return [
        *sendable(verdict.raw.headers),
        *_origin(verdict.raw, catalogue),
        ("bus_appended", str(verdict.raw.timestamp).encode()),
        ("bus_reason", verdict.reason.value.encode()),
        ("bus_path", verdict.path.encode()),
        ("bus_violations", json.dumps(violations, separators=(",", ":")).encode()),
        ("bus_attempt", str(attempt).encode()),
    ]


def with_group(
    headers: Iterable[tuple[str, bytes]], group: Group | None
) -> list[tuple[str, bytes]]:
    """Give a record's place in a group anew, or take it out of its group with None."""
    kept = [pair for pair in headers if pair[0] != "bus_group"]
    return kept if group is None else [*kept, ("bus_group", str(group).encode())]


def view_headers(accepted: Headers, schema_id: int) -> list[tuple[str, bytes]]:
    """Write a projection's headers: the accepted record's but for schema, signature and attempt.

    The bus signs what it cut, so the provider's signature, which no longer fits, is left out.
    """
    schema = _schema_header(schema_id)
    return [
        schema if pair[0] == "ce_dataschema" else pair
        for pair in accepted
        if pair[0] not in _NOT_OF_A_VIEW
    ]


@lru_cache(_REMEMBERED_MAX)
def _schema_header(schema_id: int) -> tuple[str, bytes]:
    return ("ce_dataschema", f"{SCHEMA_PREFIX}{schema_id}".encode())


def parse_delivered(raw: RawRecord, dataset: DatasetCode) -> RegistryRecord:
    """Read a record that the bus wrote to `accepted.<dataset>` or to a view of it.

    Raises:
        InvariantBroken: The bus did not write it so: somebody else wrote to its topic.
    """
    sent = dict(raw.headers)
    try:
        kind = _delivered_kind(
            sent["ce_source"],
            sent["ce_dataschema"],
            sent["bus_op"],
            sent["bus_lane"],
            sent["bus_catalogue"],
        )
        return RegistryRecord(
            agency=kind.agency,
            dataset=dataset,
            key=(raw.key or b"").decode(),
            version=int(sent["bus_version"].decode()),
            operation=kind.operation,
            record_id=RecordId(sent["ce_id"].decode()),
            supersedes=RecordId(sent["bus_supersedes"].decode())
            if "bus_supersedes" in sent
            else None,
            schema_id=kind.schema_id,
            value=raw.value or b"",
            event_time=sent["ce_time"].decode(),
            lane=kind.lane,
            system=kind.system,
            bus_in=sent["bus_in"].decode(),
            catalogue=kind.catalogue,
            appended_ms=raw.timestamp,
            group=parse_group(sent["bus_group"].decode()) if "bus_group" in sent else None,
            traceparent=sent[TRACEPARENT].decode() if TRACEPARENT in sent else None,
        )
    except UnicodeDecodeError:
        raise  # its message would hold the bytes
    except (KeyError, ValueError) as problem:
        raise InvariantBroken(
            f"record {raw.topic}/{raw.partition}/{raw.offset} was not written by the bus "
            f"({problem!r}); find who may write to the topic with `bus access diff`, then skip "
            "nothing: restore the topic's rights first"
        ) from problem


class _DeliveredKind(NamedTuple):
    """What those headers of delivered records say that come again and again."""

    agency: AgencyCode
    system: SystemCode
    schema_id: int
    operation: Operation
    lane: Lane
    catalogue: int


@lru_cache(_REMEMBERED_MAX)
def _delivered_kind(
    source: bytes, schema: bytes, operation: bytes, lane: bytes, catalogue: bytes
) -> _DeliveredKind:
    """Read headers that come again and again; a fault is raised each time anew."""
    _, _, agency, system = source.decode().split(":")
    return _DeliveredKind(
        agency=AgencyCode(agency),
        system=SystemCode(system),
        schema_id=int(schema.decode().removeprefix(SCHEMA_PREFIX)),
        operation=Operation(operation.decode()),
        lane=Lane(lane.decode()),
        catalogue=int(catalogue.decode()),
    )
