"""A client that does not use the bus's library, and what it gets wrong on the wire. Pure.

One round is one record of every kind of fault, and records that are sent correctly but carelessly:
once more, once more with other content, and a correction before what it corrects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from bus.demo.breaking import INSTITUTIONS
from bus.model.identifiers import KeyId, RecordId, SystemCode
from bus.model.record import Envelope, Lane, Operation
from bus.model.verdict import Reason
from bus.wire.frame import FRAME_BYTES, frame
from bus.wire.headers import compose, format_time, signed_values
from bus.wire.record_id import record_id
from bus.wire.signature import BatchSigner, leaf_hash
from bus.wire.topics import Inbound

_AN_HOUR_MS: Final = 60 * 60 * 1000
_UNKNOWN_SCHEMA: Final = 4_000_000
_TOO_LARGE_BYTES: Final = 256 * 1024 + 1
_FOREIGN_AGENCY: Final = b"urn:bus:health-samara:edu-registry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is sent."""

    topic: str
    key: bytes
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What the careless client works with."""

    source: Inbound
    system: SystemCode
    signer: BatchSigner
    foreign_signer: BatchSigner
    """Of another system: two share a computer."""
    encode: Callable[[Mapping[str, object]], bytes]
    """Values → framed value, by the dataset's newest schema."""
    schema_id: int
    foreign_schema_id: int
    """Of another dataset."""
    now_ms: int

    def compose(
        self,
        values: Mapping[str, object],
        *,
        key: str | None = None,
        value: bytes | None = None,
        corrects: bool = False,
    ) -> Message:
        """Write a record's message, not signed yet.

        Args:
            values: Its content.
            key: In place of its registry number.
            value: In place of its encoded content.
            corrects: Whether it is version 2, which follows version 1.
        """
        number = key or str(values["registry_number"])
        version, operation = (2, Operation.CORRECT) if corrects else (1, Operation.CREATE)
        envelope = Envelope(
            record_id=self._record_id(number, version, operation),
            agency=self.source.agency,
            system=self.system,
            event_time=format_time(self.now_ms),
            schema_id=self.schema_id,
            operation=operation,
            version=version,
            supersedes=self._record_id(number, 1, Operation.CREATE) if corrects else None,
            lane=Lane.LIVE,
            resolves=None,
        )
        return Message(
            topic=str(self.source),
            key=number.encode(),
            value=self.encode(values) if value is None else value,
            headers=compose(envelope, self.source.dataset),
        )

    def _record_id(self, number: str, version: int, operation: Operation) -> RecordId:
        return record_id(self.source.agency, self.source.dataset, number, version, operation)


def sign(message: Message, signer: BatchSigner) -> Message:
    """Sign a message alone."""
    leaf = leaf_hash(
        message.topic, message.key, signed_values(message.headers), message.value or b""
    )
    return replace(message, headers=[*message.headers, ("bus_sig", signer.sign([leaf])[0])])


def _with_header(message: Message, name: str, value: bytes) -> Message:
    headers = [(known, value if known == name else old) for known, old in message.headers]
    return replace(message, headers=headers)


def _with_frame_of(message: Message, schema_id: int) -> Message:
    assert message.value is not None
    return replace(
        _with_header(message, "ce_dataschema", f"urn:bus:schema:{schema_id}".encode()),
        value=frame(schema_id, message.value[FRAME_BYTES:]),
    )


def without_value(means: Means, values: Mapping[str, object]) -> Message:
    """A null value, meant as a deletion."""
    return replace(sign(means.compose(values), means.signer), value=None)


def with_huge_value(means: Means, values: Mapping[str, object]) -> Message:
    """A scanned document inside the record."""
    return sign(means.compose(values, value=b"\0" * _TOO_LARGE_BYTES), means.signer)


def without_event_time(means: Means, values: Mapping[str, object]) -> Message:
    """A required header left out."""
    message = means.compose(values)
    kept = [(name, value) for name, value in message.headers if name != "ce_time"]
    return sign(replace(message, headers=kept), means.signer)


def with_doubled_header(means: Means, values: Mapping[str, object]) -> Message:
    """Two versions in one record."""
    message = sign(means.compose(values), means.signer)
    return replace(message, headers=[*message.headers, ("bus_version", b"2")])


def with_version_in_words(means: Means, values: Mapping[str, object]) -> Message:
    """A version that is no number."""
    return sign(_with_header(means.compose(values), "bus_version", b"first"), means.signer)


def in_anothers_name(means: Means, values: Mapping[str, object]) -> Message:
    """The source of another agency."""
    message = _with_header(means.compose(values), "ce_source", _FOREIGN_AGENCY)
    return sign(message, means.signer)


def with_id_of_its_own(means: Means, values: Mapping[str, object]) -> Message:
    """A record id that the client made up."""
    return sign(_with_header(means.compose(values), "ce_id", b"0" * 32), means.signer)


def from_the_future(means: Means, values: Mapping[str, object]) -> Message:
    """A clock that is an hour fast."""
    fast = format_time(means.now_ms + _AN_HOUR_MS).encode()
    return sign(_with_header(means.compose(values), "ce_time", fast), means.signer)


def unsigned(means: Means, values: Mapping[str, object]) -> Message:
    """No signature at all."""
    return means.compose(values)


def with_unknown_key(means: Means, values: Mapping[str, object]) -> Message:
    """A key that was never handed over."""
    return sign(means.compose(values), BatchSigner(KeyId(f"{means.system}.99"), b"\x07" * 32))


def with_foreign_key(means: Means, values: Mapping[str, object]) -> Message:
    """The key of another system."""
    return sign(means.compose(values), means.foreign_signer)


def with_a_changed_byte(means: Means, values: Mapping[str, object]) -> Message:
    """One bit turned after signing."""
    message = sign(means.compose(values), means.signer)
    assert message.value is not None
    return replace(message, value=message.value[:-1] + bytes([message.value[-1] ^ 1]))


def without_frame(means: Means, values: Mapping[str, object]) -> Message:
    """Avro alone, without the five bytes before it."""
    bare = b"{" + means.encode(values)[FRAME_BYTES:]
    return sign(means.compose(values, value=bare), means.signer)


def with_unknown_schema(means: Means, values: Mapping[str, object]) -> Message:
    """A schema id of another registry."""
    return sign(_with_frame_of(means.compose(values), _UNKNOWN_SCHEMA), means.signer)


def with_foreign_schema(means: Means, values: Mapping[str, object]) -> Message:
    """The schema of another dataset."""
    return sign(_with_frame_of(means.compose(values), means.foreign_schema_id), means.signer)


def cut_short(means: Means, values: Mapping[str, object]) -> Message:
    """The end of the value lost in a buffer."""
    return sign(means.compose(values, value=means.encode(values)[:-4]), means.signer)


def with_bytes_behind(means: Means, values: Mapping[str, object]) -> Message:
    """A line break behind the value."""
    return sign(means.compose(values, value=means.encode(values) + b"\n"), means.signer)


def with_nul_in_text(means: Means, values: Mapping[str, object]) -> Message:
    """A text from a language that ends it with NUL."""
    # Why by replacing: the bus's own encoder refuses to write such a text.
    clean = means.encode({**values, "founder": "Администрация#"})
    return sign(means.compose(values, value=clean.replace(b"#", b"\0")), means.signer)


def with_other_key(means: Means, values: Mapping[str, object]) -> Message:
    """A row number for Kafka's key, where the registry number belongs."""
    return sign(means.compose(values, key=f"row-{values['registry_number']}"), means.signer)


CARELESS: Final[Mapping[Reason, Callable[[Means, Mapping[str, object]], Message]]] = (
    MappingProxyType(
        {
            Reason.EMPTY_VALUE: without_value,
            Reason.VALUE_TOO_LARGE: with_huge_value,
            Reason.HEADER_MISSING: without_event_time,
            Reason.HEADER_DOUBLED: with_doubled_header,
            Reason.HEADER_MALFORMED: with_version_in_words,
            Reason.FOREIGN_SOURCE: in_anothers_name,
            Reason.RECORD_ID_MISMATCH: with_id_of_its_own,
            Reason.EVENT_TIME_IN_FUTURE: from_the_future,
            Reason.UNSIGNED: unsigned,
            Reason.KEY_UNKNOWN: with_unknown_key,
            Reason.KEY_FOREIGN: with_foreign_key,
            Reason.SIGNATURE_INVALID: with_a_changed_byte,
            Reason.UNFRAMED: without_frame,
            Reason.SCHEMA_UNKNOWN: with_unknown_schema,
            Reason.SCHEMA_FOREIGN: with_foreign_schema,
            Reason.MALFORMED_AVRO: cut_short,
            Reason.TRAILING_BYTES: with_bytes_behind,
            Reason.INVALID_TEXT: with_nul_in_text,
            Reason.KEY_MISMATCH: with_other_key,
        }
    )
)
"""What the bus must say → what the client gets wrong."""
AFTERTHOUGHTS: Final = 5
"""Records of a round beside the faults: a correction, what it corrects, a sound record, the same
again, and it with other content."""
ROUND_RECORDS: Final = len(CARELESS) + AFTERTHOUGHTS
ROUND_SOUND: Final = len(CARELESS) + 2
"""Sound records that a round is made from."""


def careless_round(means: Means, records: Sequence[Mapping[str, object]]) -> list[Message]:
    """Write one round.

    Args:
        means: What to write it with.
        records: `ROUND_SOUND` sound ones of the dataset, with numbers that nobody else uses: one
            for each fault, one that is corrected before it comes, and one more.

    Returns: `ROUND_RECORDS` messages, to be sent in this order. The last five are a correction,
        its predecessor (the fund holds the first until the second comes), a record, the same again
        (a repeat), and its version with another content (`conflicting_version`).
    """
    assert means.source.dataset == INSTITUTIONS, "the faults are written for institutions"
    assert len(records) == ROUND_SOUND, f"{ROUND_SOUND} records, not {len(records)}"
    faulty = [make(means, values) for make, values in zip(CARELESS.values(), records, strict=False)]
    late, last = records[-2], records[-1]
    thoughts = [
        means.compose({**late, "places": 2_000}, corrects=True),
        means.compose(late),
        means.compose(last),
        means.compose({**last, "places": 1}),
    ]
    correction, corrected, sound, changed = [sign(one, means.signer) for one in thoughts]
    return [*faulty, correction, corrected, sound, sound, changed]
