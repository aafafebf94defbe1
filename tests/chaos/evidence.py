"""What is there after a run: topics, fund, quarantine, consumers. Plain data, no client needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

from tests.chaos.history import Sent


class Place(NamedTuple):
    """One record's place in Kafka; a tuple, since a run has millions of them."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


def digest_of(value: bytes | None) -> bytes | None:
    """Tell values apart in little room."""
    return None if value is None else blake2b(value, digest_size=8).digest()


@dataclass(frozen=True, slots=True)
class GroupPlace:
    """A record's place in a group, as header `bus_group` says."""

    id: str
    index: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRecord:
    """One record that the bus wrote to an accepted topic or a view."""

    place: Place
    inbound: Place | None
    """Header `bus_in`; like the rest None where it can't be read."""
    record_id: str | None
    key: str | None
    version: int | None
    stamp: str | None
    """None too where a view leaves the field out."""
    is_proved: bool
    """Whether its signature is good and made by whoever has to sign it: the provider for an
    accepted record, the bus for a view's."""
    group: GroupPlace | None = None
    """A view numbers its share of a group anew."""
    fields: frozenset[str] = frozenset()
    """Names of a view's fields; none where its value can't be read."""
    differing: frozenset[str] = frozenset()
    """Names of its value's fields, but for the stamp, that are not as they were sent."""
    digest: bytes | None = None
    """Of its value's bytes in an accepted topic, as `digest_of` makes it; None: not looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FundRow:
    """One version in the fund's history."""

    dataset: str
    agency: str
    key: str
    version: int
    record_id: str
    stamp: str | None
    accepted: Place
    """Where it lay in the accepted topic."""
    is_standing: bool
    """Whether it is no annulment and no annulment that itself is in force took it away."""
    digest: bytes | None = None
    """As of a `LogRecord`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentRow:
    """What stands of one registry entry."""

    dataset: str
    agency: str
    key: str
    version: int
    record_id: str
    stamp: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRow:
    """An accepted correction that waits in the fund for its predecessor."""

    dataset: str
    agency: str
    key: str
    version: int
    record_id: str
    stamp: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRow:
    """A record that the fund refused; it lies in quarantine as well."""

    inbound: Place
    record_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineRow:
    """One row of the quarantine table."""

    inbound: Place
    mark: str | None
    """Of what was sent, by record id or stamp as the collector can tell; None: nothing fits."""
    reasons: tuple[str, ...]
    state: str
    is_resolved: bool
    """Whether it was closed: released, superseded, answered by another record, discarded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """One record that a consumer took; of a group, only once it has taken all of it."""

    consumer: str
    place: Place
    record_id: str
    key: str
    stamp: str | None
    fields: frozenset[str]
    version: int | None = None
    group: GroupPlace | None = None
    differing: frozenset[str] = frozenset()
    """As of a `LogRecord`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entitled:
    """What one consumer's agreement gives it of one topic."""

    consumer: str
    topic: str
    may_see: Callable[[Sent], bool]
    """Whether the topic has to bring it this record: dataset, provider, rows, history."""
    fields: frozenset[str]
    """Of all versions of the schema together: more is leaked."""
    shapes: frozenset[frozenset[str]] = frozenset()
    """Those that a value has, one set for each version of the schema; none told: `fields`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LawBalance:
    """The conservation law of one partition or table, as `bus.verify` draws it up."""

    place: str
    missing: int
    """Records without an outcome."""
    surplus: int
    """Outcomes without a record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All of it. Records of a partition stand in the order of their offsets."""

    accepted: Sequence[LogRecord] = ()
    views: Sequence[LogRecord] = ()
    history: Sequence[FundRow] = ()
    current: Sequence[CurrentRow] = ()
    held: Sequence[HeldRow] = ()
    refused: Sequence[RefusedRow] = ()
    quarantine: Sequence[QuarantineRow] = ()
    delivered: Sequence[Delivered] = ()
    """Of each consumer in the order in which it took them."""
    entitled: Sequence[Entitled] = ()
    law: Sequence[LawBalance] = ()
