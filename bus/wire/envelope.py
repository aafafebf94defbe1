"""A record's headers, put in order and read as an envelope, or the first flaw in them. Pure.

Nearly all records are sound, and most of their headers are those of the record before: so what
comes again is read once and remembered, a bounded number, and only a record that turns out not to
be sound is read header by header, to tell which flaw is the first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Final, NamedTuple

from bus.errors import InvariantBroken
from bus.model.identifiers import AgencyCode, DatasetCode, RecordId, SystemCode
from bus.model.record import Envelope, Headers, Lane, Operation
from bus.model.verdict import Reason
from bus.wire.header_forms import (
    CONTENT_TYPE,
    SOURCE_PREFIX,
    SPEC_VERSION,
    UNREADABLE_ROW,
    event_time_ms,
    fits_operation,
    is_position,
    parse_group,
    schema_id_of_header,
    version_of,
)
from bus.wire.header_names import ADDED_BY_THE_BUS, REQUIRED, SIGNED, TRACEPARENT
from bus.wire.header_shape import Shape, Shapes, Values
from bus.wire.original import is_utf_8
from bus.wire.record_id import record_id

_KINDS_MAX: Final = 512
_KIND_BYTES_MAX: Final = 1_024
"""Of the values that are remembered together; sound ones have a third of it."""
_OPERATIONS: Final = {operation.value: operation for operation in Operation}
_LANES: Final = {lane.value: lane for lane in Lane}
_CONTENT_TYPES: Final = frozenset({CONTENT_TYPE, UNREADABLE_ROW})
_SHAPES: Final = Shapes(
    wanted=(*SIGNED, "bus_sig", TRACEPARENT),
    counted=len(SIGNED),
    forbidden=frozenset(ADDED_BY_THE_BUS),
)
_OF_A_KIND: Final = (
    "ce_specversion",
    "ce_source",
    "ce_type",
    "ce_dataschema",
    "content-type",
    "bus_op",
    "bus_lane",
)
"""Signed headers that are the same in nearly all records of a topic."""
_values_of_a_kind: Final = itemgetter(*map(SIGNED.index, _OF_A_KIND))


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """A header that keeps a record from being understood."""

    reason: Reason
    header: str


class Arranged(NamedTuple):
    """A record's headers, those that the bus reads put in order by name."""

    headers: Headers
    """As sent."""
    values: Values
    """As sent."""
    shape: Shape
    signed: Sequence[bytes | None]
    """What a leaf covers, in the order of `SIGNED`; None where a header is absent."""
    signature: bytes | None
    traceparent: bytes | None

    @property
    def size_bytes(self) -> int:
        """Sum of names and values, in bytes as sent."""
        return self.shape.names_bytes + sum(map(len, filter(None, self.values)))


def arrange(headers: Headers) -> Arranged:
    """Put headers in order; of a name that stands twice the last counts."""
    names, values = zip(*headers, strict=True) if headers else ((), ())
    shape = _SHAPES.of(names)
    *signed, signature, traceparent = shape.pick((*values, None))
    return Arranged(headers, values, shape, signed, signature, traceparent)


def parse_envelope(
    headers: Headers, *, agency: AgencyCode, dataset: DatasetCode, key: bytes
) -> Envelope | Flaw:
    """Read the provider's headers and hold them against each other and against the topic.

    Args:
        headers: As they lie in the inbound topic.
        agency: The topic's.
        dataset: The topic's.
        key: Kafka key: the agency's registry number in UTF-8.

    Returns: The envelope, or the first flaw with the header concerned.
    """
    return read_envelope(arrange(headers), agency=agency, dataset=dataset, key=key)


def read_envelope(
    sent: Arranged,
    *,
    agency: AgencyCode,
    dataset: DatasetCode,
    key: bytes,
    latest_ms: int | None = None,
) -> Envelope | Flaw:
    """Read headers that are arranged already, as `parse_envelope` does.

    Args:
        sent: As they lie in the inbound topic.
        agency: The topic's.
        dataset: The topic's.
        key: Kafka key: the agency's registry number in UTF-8.
        latest_ms: A later event time is a flaw, looked for behind all others.

    Returns: The envelope, or the first flaw with the header concerned.
    """
    # Why two ways: nearly all records are sound, and telling which flaw is the first takes long.
    envelope = _sound_envelope(sent, agency, dataset, key, latest_ms)
    if envelope is not None:
        return envelope
    flaw = _first_flaw(sent.headers, agency=agency, dataset=dataset, key=key)
    if flaw is not None:
        return flaw
    if latest_ms is not None:
        return Flaw(reason=Reason.EVENT_TIME_IN_FUTURE, header="ce_time")
    return Flaw(reason=Reason.HEADER_MALFORMED, header="other")  # the bus's two readings differ


class _Kind(NamedTuple):
    """What the headers `_OF_A_KIND` say together."""

    system: SystemCode
    schema_id: int
    operation: Operation
    lane: Lane
    is_unreadable_row: bool


def _kind(agency: AgencyCode, dataset: DatasetCode, values: Values) -> _Kind | None:
    """Read headers that come again and again; None where one of them has a flaw."""
    is_short = sum(map(len, filter(None, values))) <= _KIND_BYTES_MAX
    read = _remembered_kind if is_short else _read_kind
    return read(agency, dataset, values)


def _read_kind(agency: AgencyCode, dataset: DatasetCode, values: Values) -> _Kind | None:
    try:
        texts = {
            name: (value or b"").decode() for name, value in zip(_OF_A_KIND, values, strict=True)
        }
    except UnicodeDecodeError:
        return None
    operation, lane = _OPERATIONS.get(texts["bus_op"]), _LANES.get(texts["bus_lane"])
    prefix = f"{SOURCE_PREFIX}{agency}:"
    is_sound = (
        texts["ce_specversion"] == SPEC_VERSION
        and texts["content-type"] in _CONTENT_TYPES
        and texts["ce_type"] == f"registry.{dataset}.{texts['bus_op']}"
        and texts["ce_source"].startswith(prefix)
    )
    schema_id = schema_id_of_header(texts["ce_dataschema"])
    if not is_sound or operation is None or lane is None or schema_id is None:
        return None
    return _Kind(
        system=SystemCode(texts["ce_source"][len(prefix) :]),
        schema_id=schema_id,
        operation=operation,
        lane=lane,
        is_unreadable_row=texts["content-type"] == UNREADABLE_ROW,
    )


_remembered_kind: Final = lru_cache(_KINDS_MAX)(_read_kind)


def _sound_envelope(
    sent: Arranged, agency: AgencyCode, dataset: DatasetCode, key: bytes, latest_ms: int | None
) -> Envelope | None:
    """Read headers that have no flaw; None where they have one."""
    signed = sent.signed
    if not sent.shape.is_sound or signed.count(None) != sent.shape.absent:
        return None  # the second: a header is there, but has no value
    kind = _kind(agency, dataset, _values_of_a_kind(signed))
    if kind is None:
        return None
    _, own_id, _, _, time, _, _, _, number, predecessor, _, resolved, member = signed
    if own_id is None or time is None or number is None:
        return None
    try:
        event_time, version = time.decode(), version_of(number.decode())
        supersedes = None if predecessor is None else predecessor.decode()
        resolves = None if resolved is None else resolved.decode()
        group = None if member is None else parse_group(member.decode())
        registry_number = key.decode()
    except UnicodeDecodeError:
        return None
    event_ms = event_time_ms(event_time)
    if (
        version is None
        or event_ms is None
        or (latest_ms is not None and event_ms > latest_ms)
        or not fits_operation(kind.operation, supersedes)
        or not is_position(resolves)
        or (group is None) != (member is None)
    ):
        return None
    expected_id = record_id(agency, dataset, registry_number, version, kind.operation)
    if own_id != expected_id.encode():
        return None
    return Envelope(
        record_id=expected_id,
        agency=agency,
        system=kind.system,
        event_time=event_time,
        schema_id=kind.schema_id,
        operation=kind.operation,
        version=version,
        supersedes=None if supersedes is None else RecordId(supersedes),
        lane=kind.lane,
        resolves=resolves,
        group=group,
        is_unreadable_row=kind.is_unreadable_row,
        traceparent=sent.traceparent,
    )


def _first_flaw(
    headers: Headers, *, agency: AgencyCode, dataset: DatasetCode, key: bytes
) -> Flaw | None:
    """Name the first flaw, or None."""
    present = dict(headers)
    flawed_name = _first_flawed_name(headers, present)
    if flawed_name is not None:
        return flawed_name
    try:
        texts = {name: present[name].decode() for name in SIGNED if name in present}
        registry_number = key.decode()
    except (UnicodeDecodeError, AttributeError):
        return Flaw(reason=Reason.HEADER_MALFORMED, header=_first_not_text(present))
    malformed = _first_malformed(texts, dataset)
    if malformed is not None:
        return Flaw(reason=Reason.HEADER_MALFORMED, header=malformed)
    if not texts["ce_source"].startswith(f"{SOURCE_PREFIX}{agency}:"):
        return Flaw(reason=Reason.FOREIGN_SOURCE, header="ce_source")
    version, operation = int(texts["bus_version"]), texts["bus_op"]
    if texts["ce_id"] != record_id(agency, dataset, registry_number, version, operation):
        return Flaw(reason=Reason.RECORD_ID_MISMATCH, header="ce_id")
    return None


def _first_flawed_name(headers: Headers, present: Mapping[str, bytes]) -> Flaw | None:
    """Name the first header that should not be there, or should, or None."""
    if len(present) != len(headers):
        return Flaw(reason=Reason.HEADER_DOUBLED, header=_first_doubled(headers))
    for name in ADDED_BY_THE_BUS:
        if name in present:
            return Flaw(reason=Reason.HEADER_MALFORMED, header=name)
    if not all(map(is_utf_8, present)):
        return Flaw(reason=Reason.HEADER_MALFORMED, header="other")
    for name in REQUIRED:
        if not present.get(name):
            return Flaw(reason=Reason.HEADER_MISSING, header=name)
    return None


def _first_malformed(texts: Mapping[str, str], dataset: DatasetCode) -> str | None:
    """Name the first header whose form is wrong, or None."""
    operation = _OPERATIONS.get(texts["bus_op"])
    checks = (
        ("ce_specversion", texts["ce_specversion"] == SPEC_VERSION),
        ("content-type", texts["content-type"] in _CONTENT_TYPES),
        ("bus_op", operation is not None),
        ("ce_type", texts["ce_type"] == f"registry.{dataset}.{texts['bus_op']}"),
        ("ce_time", event_time_ms(texts["ce_time"]) is not None),
        ("ce_dataschema", schema_id_of_header(texts["ce_dataschema"]) is not None),
        ("bus_version", version_of(texts["bus_version"]) is not None),
        ("bus_supersedes", fits_operation(operation, texts.get("bus_supersedes"))),
        ("bus_lane", texts["bus_lane"] in _LANES),
        ("bus_resolves", is_position(texts.get("bus_resolves"))),
        ("bus_group", "bus_group" not in texts or parse_group(texts["bus_group"]) is not None),
    )
    return next((name for name, fits in checks if not fits), None)


def _first_doubled(headers: Headers) -> str:
    seen: set[str] = set()
    for name, _ in headers:
        if name in seen:
            # Why not the name itself: an unknown header's name is a stranger's text.
            return name if name in SIGNED or name in ADDED_BY_THE_BUS else "other"
        seen.add(name)
    raise InvariantBroken("no header stands twice")


def _first_not_text(present: Mapping[str, bytes]) -> str:
    for name in SIGNED:
        try:
            present.get(name, b"").decode()
        except (UnicodeDecodeError, AttributeError):
            return name
    return "key"
