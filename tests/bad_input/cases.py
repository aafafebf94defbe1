"""The table of bad inputs: for each what is sent, and the reason with which it is set aside.

`docs/explanation/bad-input.md` tells the same table to people; a test holds them together.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import count
from typing import Final

import fastavro

from bus.client import BatchSigner
from bus.enforce.judge import KEY_BYTES_MAX
from bus.model.identifiers import KeyId, RecordId
from bus.model.record import Envelope, Group, Lane, Operation
from bus.model.verdict import Reason
from bus.wire import topics
from bus.wire.frame import frame
from bus.wire.headers import compose, format_time, with_group
from bus.wire.record_id import record_id
from tests.bad_input.shapes_region import FORMER, LAPSED_KEYS, SCHEMA, SHAPES, lapsed_key_id
from tests.factories import AGENCY, SYSTEM, Raw, signed

SOURCE: Final = topics.Inbound(agency=AGENCY, dataset=SHAPES)
RECURSION_ID: Final = 900_001
ZERO_SIZE_ID: Final = 900_002
_PARSED: Final = fastavro.parse_schema(dict(SCHEMA))
_NUMBERS: Final = count(1)
ERASED_KEY: Final = "erased-1"
"""Of an entry that the bench notes as erased."""
_YEAR_300000_MS: Final = 9_403_444_800_000_000
_FIFTY_MILLION: Final = b"\x80\xe1\xeb\x17\x00"
_HOUR_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What the sender knows of the bus it sends to."""

    signer: BatchSigner
    foreign_signer: BatchSigner
    """Of another system that is known."""
    schema_id: int
    ended_schema_id: int
    """Of a version that was accepted until yesterday."""
    foreign_schema_id: int
    now_ms: int


Make = Callable[[World], list[Raw]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One kind of bad input. The last record that `make` gives is the bad one."""

    make: Make
    reason: Reason
    where: str
    """Header or field that the entry names."""


def number() -> str:
    return f"shape-{next(_NUMBERS)}"


def datum(key: str, **fields: object) -> bytes:
    values: Mapping[str, object] = {
        "registry_number": key,
        "count": 7,
        "colour": "RED",
        "moment": 1_775_000_000_000,
        "ratio": 0.5,
        "note": "sound",
        **fields,
    }
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, _PARSED, values)
    return buffer.getvalue()


def unsigned(
    world: World,
    key: str,
    *,
    value: bytes | None = None,
    version: int = 1,
    operation: Operation = Operation.CREATE,
    supersedes: RecordId | None = None,
    ahead_ms: int = 0,
    schema_id: int | None = None,
    is_unreadable_row: bool = False,
) -> Raw:
    envelope = Envelope(
        record_id=record_id(AGENCY, SHAPES, key, version, operation),
        agency=AGENCY,
        system=SYSTEM,
        event_time=format_time(world.now_ms + ahead_ms),
        schema_id=schema_id or world.schema_id,
        operation=operation,
        version=version,
        supersedes=supersedes,
        lane=Lane.LIVE,
        resolves=None,
        is_unreadable_row=is_unreadable_row,
    )
    return Raw(
        topic=str(SOURCE),
        key=key.encode(),
        value=frame(world.schema_id, datum(key)) if value is None else value,
        headers=compose(envelope, SHAPES),
    )


def sound(world: World) -> Raw:
    """A record that nothing is wrong with."""
    return signed([unsigned(world, number())], world.signer)[0]


def _content(**fields: object) -> Make:
    """Values that Avro carries and the contract refuses."""

    def make(world: World) -> list[Raw]:
        key = number()
        value = frame(world.schema_id, datum(key, **fields))
        return signed([unsigned(world, key, value=value)], world.signer)

    return make


def _unreadable_row(world: World) -> list[Raw]:
    """A row of a source of which a connector could make no record."""
    row = b'{"place": "a.csv:7", "problems": [], "row": "a;b"}'
    return signed([unsigned(world, number(), value=row, is_unreadable_row=True)], world.signer)


def _bytes(change: Callable[[bytes], bytes]) -> Make:
    """Bytes that are no value of the schema, signed as they are."""

    def make(world: World) -> list[Raw]:
        key = number()
        value = frame(world.schema_id, change(datum(key)))
        return signed([unsigned(world, key, value=value)], world.signer)

    return make


def _replaced(old: bytes, new: bytes) -> Make:
    def change(sound_datum: bytes) -> bytes:
        assert sound_datum.count(old) == 1, "the place to spoil is found"
        return sound_datum.replace(old, new)

    return _bytes(change)


def _of_an_ended_version(world: World) -> list[Raw]:
    key, ended = number(), world.ended_schema_id
    value = frame(ended, datum(key))
    return signed([unsigned(world, key, value=value, schema_id=ended)], world.signer)


def _framed(schema_id: int | None, body: bytes | None = None) -> Make:
    """A frame that names another schema; None: the one of another dataset."""

    def make(world: World) -> list[Raw]:
        key, named = number(), schema_id or world.foreign_schema_id
        value = frame(named, datum(key) if body is None else body)
        return signed([unsigned(world, key, value=value, schema_id=named)], world.signer)

    return make


def _raw_value(value: bytes | None) -> Make:
    def make(world: World) -> list[Raw]:
        return [replace(sound(world), value=value)]

    return make


def _signed_value(value: Callable[[World], bytes]) -> Make:
    def make(world: World) -> list[Raw]:
        return signed([unsigned(world, number(), value=value(world))], world.signer)

    return make


def _header(name: str, value: bytes) -> Make:
    """One header with another value, signed so."""

    def make(world: World) -> list[Raw]:
        raw = unsigned(world, number())
        headers = [(known, value if known == name else old) for known, old in raw.headers]
        return signed([replace(raw, headers=headers)], world.signer)

    return make


def _more_headers(*more: tuple[str, bytes]) -> Make:
    def make(world: World) -> list[Raw]:
        raw = sound(world)
        return [replace(raw, headers=[*raw.headers, *more])]

    return make


def _without_header(name: str) -> Make:
    def make(world: World) -> list[Raw]:
        raw = unsigned(world, number())
        kept = [pair for pair in raw.headers if pair[0] != name]
        return signed([replace(raw, headers=kept)], world.signer)

    return make


def _signed_by(choose: Callable[[World], BatchSigner]) -> Make:
    def make(world: World) -> list[Raw]:
        return signed([unsigned(world, number())], choose(world))

    return make


def _lapsed(name: str) -> Make:
    return _signed_by(lambda _: BatchSigner(lapsed_key_id(name), LAPSED_KEYS[name]))


def _changed_value(world: World) -> list[Raw]:
    raw = sound(world)
    assert raw.value is not None
    return [replace(raw, value=raw.value[:-1] + bytes([raw.value[-1] ^ 1]))]


def _changed_header(world: World) -> list[Raw]:
    raw = sound(world)
    headers = [(name, b"backfill" if name == "bus_lane" else value) for name, value in raw.headers]
    return [replace(raw, headers=headers)]


def _changed_key(world: World) -> list[Raw]:
    raw = sound(world)
    assert raw.key is not None
    return [replace(raw, key=raw.key[:-1] + b"x")]


def _conflict(world: World) -> list[Raw]:
    key = number()
    other = frame(world.schema_id, datum(key, note="other"))
    return signed([unsigned(world, key)], world.signer) + signed(
        [unsigned(world, key, value=other)], world.signer
    )


def _annulment_of_nothing(world: World) -> list[Raw]:
    key = number()
    never = record_id(AGENCY, SHAPES, key, 1, Operation.CREATE)
    return signed(
        [unsigned(world, key, version=2, operation=Operation.ANNUL, supersedes=never)],
        world.signer,
    )


def _of_erased_entry(world: World) -> list[Raw]:
    return signed([unsigned(world, ERASED_KEY)], world.signer)


def _cease(world: World) -> list[Raw]:
    key = number()
    first = record_id(AGENCY, SHAPES, key, 1, Operation.CREATE)
    return signed(
        [unsigned(world, key, version=2, operation=Operation.CEASE, supersedes=first)],
        world.signer,
    )


def _group(*notes: Mapping[str, object], size: int) -> Make:
    """Members of one group, each with fields of its own, written as one Kafka batch."""

    def make(world: World) -> list[Raw]:
        group_id = f"{next(_NUMBERS):016x}"
        members = []
        for index, fields in enumerate(notes):
            key = number()
            raw = unsigned(world, key, value=frame(world.schema_id, datum(key, **fields)))
            group = Group(id=group_id, index=index, size=size)
            members.append(replace(raw, headers=with_group(raw.headers, group)))
        return signed(members, world.signer)

    return make


def _of_a_former_dataset(world: World) -> list[Raw]:
    return [replace(sound(world), topic=topics.inbound(AGENCY, FORMER))]


def _future(world: World) -> list[Raw]:
    return signed([unsigned(world, number(), ahead_ms=_HOUR_MS)], world.signer)


def _wrong_number(world: World) -> list[Raw]:
    value = frame(world.schema_id, datum("another number"))
    return signed([unsigned(world, number(), value=value)], world.signer)


def _long_key(world: World) -> list[Raw]:
    return signed([unsigned(world, "k" * (KEY_BYTES_MAX + 1))], world.signer)


def _without_key(world: World) -> list[Raw]:
    return [replace(sound(world), key=None)]


def _case(make: Make, reason: Reason, where: str) -> Case:
    return Case(make=make, reason=reason, where=where)


_BIG: Final = b"\0" * (256 * 1024 + 1)
_BIG_NOTE: Final = "n" * (200 * 1024)
_NOTE: Final = b"\x0asound"

CASES: Final[Mapping[str, Case]] = {
    "empty-value": _case(_raw_value(b""), Reason.EMPTY_VALUE, "value"),
    "null-value": _case(_raw_value(None), Reason.EMPTY_VALUE, "value"),
    "value-over-256-kib": _case(_signed_value(lambda _: _BIG), Reason.VALUE_TOO_LARGE, "value"),
    "headers-over-16-kib": _case(
        _more_headers(("x-note", b"n" * (16 * 1024))), Reason.HEADERS_TOO_LARGE, "headers"
    ),
    "no-key": _case(_without_key, Reason.KEY_MISMATCH, "key"),
    "key-over-512-bytes": _case(_long_key, Reason.KEY_TOO_LARGE, "key"),
    "contract-left": _case(_of_a_former_dataset, Reason.NO_CONTRACT, "topic"),
    "header-missing": _case(_without_header("ce_time"), Reason.HEADER_MISSING, "ce_time"),
    "header-doubled": _case(
        _more_headers(("bus_version", b"2")), Reason.HEADER_DOUBLED, "bus_version"
    ),
    "header-malformed": _case(
        _header("bus_version", b"first"), Reason.HEADER_MALFORMED, "bus_version"
    ),
    "source-of-another-agency": _case(
        _header("ce_source", b"urn:bus:tax-samara:edu-registry"),
        Reason.FOREIGN_SOURCE,
        "ce_source",
    ),
    "record-id-made-up": _case(_header("ce_id", b"0" * 32), Reason.RECORD_ID_MISMATCH, "ce_id"),
    "event-time-in-the-future": _case(_future, Reason.EVENT_TIME_IN_FUTURE, "ce_time"),
    "unsigned": _case(lambda world: [unsigned(world, number())], Reason.UNSIGNED, "bus_sig"),
    "key-unknown": _case(
        _signed_by(lambda _: BatchSigner(KeyId(f"{SYSTEM}.99"), b"\x99" * 32)),
        Reason.KEY_UNKNOWN,
        "bus_sig",
    ),
    "key-of-another-system": _case(
        _signed_by(lambda world: world.foreign_signer), Reason.KEY_FOREIGN, "bus_sig"
    ),
    "key-expired": _case(_lapsed("expired"), Reason.KEY_NOT_VALID, "bus_sig"),
    "key-revoked": _case(_lapsed("revoked"), Reason.KEY_NOT_VALID, "bus_sig"),
    "key-not-yet-valid": _case(_lapsed("future"), Reason.KEY_NOT_VALID, "bus_sig"),
    "changed-byte-in-value": _case(_changed_value, Reason.SIGNATURE_INVALID, "bus_sig"),
    "changed-byte-in-header": _case(_changed_header, Reason.SIGNATURE_INVALID, "bus_sig"),
    "changed-byte-in-key": _case(_changed_key, Reason.RECORD_ID_MISMATCH, "ce_id"),
    "no-frame": _case(_signed_value(lambda _: b"{" + datum("bare")), Reason.UNFRAMED, "value"),
    "row-unreadable": _case(_unreadable_row, Reason.ROW_UNREADABLE, "value"),
    "schema-unknown": _case(_framed(4_000_000), Reason.SCHEMA_UNKNOWN, "value"),
    "schema-of-another-dataset": _case(_framed(None), Reason.SCHEMA_FOREIGN, "value"),
    "schema-ended": _case(_of_an_ended_version, Reason.SCHEMA_EXPIRED, "value"),
    "operation-not-in-contract": _case(_cease, Reason.OPERATION_NOT_ALLOWED, "bus_op"),
    "recursion-bomb": _case(
        _framed(RECURSION_ID, b"\x02" * 5_000 + b"\x00"), Reason.SCHEMA_UNKNOWN, "value"
    ),
    "zero-size-array-bomb": _case(
        _framed(ZERO_SIZE_ID, _FIFTY_MILLION), Reason.SCHEMA_UNKNOWN, "value"
    ),
    "datum-cut-short": _case(_bytes(lambda whole: whole[:-2]), Reason.MALFORMED_AVRO, "note"),
    "trailing-bytes": _case(_bytes(lambda whole: whole + b"\x00"), Reason.TRAILING_BYTES, ""),
    "number-over-32-bits": _case(
        _replaced(b"\x0e\x00", b"\x80\x80\x80\x80\x20\x00"), Reason.VALUE_OUT_OF_RANGE, "count"
    ),
    "enum-index-too-high": _case(
        _replaced(b"\x0e\x00", b"\x0e\x04"), Reason.MALFORMED_AVRO, "colour"
    ),
    "enum-index-negative": _case(
        _replaced(b"\x0e\x00", b"\x0e\x01"), Reason.MALFORMED_AVRO, "colour"
    ),
    "year-300000": _case(_content(moment=_YEAR_300000_MS), Reason.VALUE_OUT_OF_RANGE, "moment"),
    "not-a-number": _case(_content(ratio=math.nan), Reason.VALUE_OUT_OF_RANGE, "ratio"),
    "infinity": _case(_content(ratio=math.inf), Reason.VALUE_OUT_OF_RANGE, "ratio"),
    "invalid-utf-8": _case(_replaced(_NOTE, b"\x0aso\xff\xfed"), Reason.INVALID_TEXT, "note"),
    "unpaired-surrogate": _case(
        _replaced(_NOTE, b"\x0as\xed\xa0\x80d"), Reason.INVALID_TEXT, "note"
    ),
    "nul-in-text": _case(_replaced(_NOTE, b"\x0aso\x00nd"), Reason.INVALID_TEXT, "note"),
    "key-differs-from-value": _case(_wrong_number, Reason.KEY_MISMATCH, "registry_number"),
    "rule-broken": _case(_content(count=1_001), Reason.RULE_VIOLATED, ""),
    "group-without-its-rest": _case(_group({}, size=2), Reason.GROUP_INCOMPLETE, "bus_group"),
    "group-over-384-kib": _case(
        _group({"note": _BIG_NOTE}, {"note": _BIG_NOTE}, size=2),
        Reason.GROUP_TOO_LARGE,
        "bus_group",
    ),
    "group-with-a-bad-member": _case(
        _group({"count": 1_001}, {}, size=2), Reason.GROUP_REFUSED, "bus_group"
    ),
    "version-conflict": _case(_conflict, Reason.CONFLICTING_VERSION, "bus_version"),
    "annulment-of-what-never-came": _case(
        _annulment_of_nothing, Reason.UNKNOWN_PREDECESSOR, "bus_supersedes"
    ),
    "entry-that-was-erased": _case(_of_erased_entry, Reason.ENTRY_ERASED, "ce_id"),
}
"""Name → case; those of the fund (`Stage.FUND`) come to quarantine from behind enforcement."""
