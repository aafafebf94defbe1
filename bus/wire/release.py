"""A quarantined record on its way back in: written by a decision, unwrapped by enforcement. Pure.

`release.<agency>` carries the original key, headers and value at the original partition number.
Behind the provider's headers stand, in this order,

    bus_in          place of the inbound record
    bus_catalogue   version that it was tried against; enforcement waits until it has that one
    bus_appended    its LogAppendTime, milliseconds since 1970 UTC; of a record that the fund
                    refused that of the accepted record
    bus_attempt     how often the record was released, this time included, from 1

so that enforcement judges what lay in the inbound topic, under the catalogue of today.
Source: ADR-0012.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from bus.errors import InvariantBroken
from bus.model.record import Headers, RawRecord
from bus.wire import topics
from bus.wire.original import received, sendable

_ADDED: Final = ("bus_in", "bus_catalogue", "bus_appended", "bus_attempt")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedRecord:
    """A record as it lay in its inbound topic; takes the place of a `RawRecord`."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    """As `bus_appended` has it: keys and schemas are judged as of then."""
    key: bytes | None = field(repr=False)
    value: bytes | None = field(repr=False)
    headers: Headers = field(repr=False)
    attempt: int
    """Which release this is, from 1; 0: it was not released yet."""
    catalogue: int
    """Version that it was tried against; at least this one must judge it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Records of one inbound topic-partition, all released equally often: judged together."""

    topic: str
    """The inbound one."""
    attempt: int
    """0: these records lie in the inbound topic itself."""
    catalogue: int
    """At least this version must judge them; 0: any."""
    released_ms: int
    """Newest append time of their releases, milliseconds since 1970 UTC; 0: never released."""
    records: Sequence[RawRecord]


def runs_of(topic: str, records: Sequence[RawRecord]) -> list[Run]:
    """Cut a batch into what is judged together: inbound records whole, released ones by origin.

    Args:
        topic: `in.…` or `release.…`.
        records: Of one of its partitions, in offset order.

    Raises:
        InvariantBroken: The bus did not write one of them so.
    """
    if not topics.is_release(topic):
        return [Run(topic=topic, attempt=0, catalogue=0, released_ms=0, records=records)]
    released = groupby(
        ((raw.timestamp, unwrap(raw)) for raw in records),
        key=lambda one: (one[1].topic, one[1].partition, one[1].attempt),
    )
    runs = []
    for (origin, _, attempt), grouped in released:
        times_ms, run = zip(*grouped, strict=True)
        runs.append(
            Run(
                topic=origin,
                attempt=attempt,
                catalogue=max(one.catalogue for one in run),
                released_ms=max(times_ms),
                records=run,
            )
        )
    return runs


def release_headers(record: ReleasedRecord) -> list[tuple[str, bytes]]:
    """Put the place, the append time and the attempt behind the provider's headers."""
    place = f"{record.topic}/{record.partition}/{record.offset}"
    return [
        *sendable(record.headers),
        ("bus_in", place.encode()),
        ("bus_catalogue", str(record.catalogue).encode()),
        ("bus_appended", str(record.timestamp).encode()),
        ("bus_attempt", str(record.attempt).encode()),
    ]


def unwrap(raw: RawRecord) -> ReleasedRecord:
    """Read a record of `release.<agency>` as the inbound record that it once was.

    Raises:
        InvariantBroken: The bus did not write it so.
    """
    original, added = raw.headers[: -len(_ADDED)], raw.headers[-len(_ADDED) :]
    if tuple(name for name, _ in added) != _ADDED:
        raise _foreign(raw, f"its last headers are not {', '.join(_ADDED)}")
    try:
        texts = {name: value.decode() for name, value in added}
        position = topics.parse_position(texts["bus_in"])
        source = topics.parse_inbound(position.topic)
        catalogue, appended_ms, attempt = (int(texts[name]) for name in _ADDED[1:])
        headers = received(original)
    except (ValueError, InvariantBroken) as problem:
        raise _foreign(raw, str(problem)) from problem
    if (topics.release(source.agency), position.partition) != (raw.topic, raw.partition):
        raise _foreign(raw, f"it came from {position}")
    return ReleasedRecord(
        topic=position.topic,
        partition=position.partition,
        offset=position.offset,
        timestamp=appended_ms,
        key=raw.key,
        value=raw.value,
        headers=headers,
        attempt=attempt,
        catalogue=catalogue,
    )


def _foreign(raw: RawRecord, why: str) -> InvariantBroken:
    return InvariantBroken(
        f"record {raw.topic}/{raw.partition}/{raw.offset} is no release of the bus's ({why}): "
        "somebody else wrote to the topic; find who with `bus access diff`, restore its rights, "
        "then start again"
    )
