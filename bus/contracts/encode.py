"""Encode records for publishing, strictly, and decode accepted ones for readers.

fastavro alone writes `True` and 1.9 as integers, takes a naive time as this machine's, drops the
microseconds of a millisecond field and reads past trailing bytes in silence. So every value is
checked against the schema first, and every reading must end at the end of the value.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias, cast

import fastavro

from bus.contracts.schema_reader import read_shape
from bus.contracts.value_check import find_misfits
from bus.contracts.value_fit import fits_of
from bus.errors import Finding
from bus.wire.frame import FRAME_BYTES, frame_header

Encode: TypeAlias = Callable[[Mapping[str, object]], bytes]
"""Record by field name → framed value. Raises NotEncodable."""
Decode: TypeAlias = Callable[[bytes], dict[str, object]]
"""Framed value → record by field name. Raises NotDecodable."""

_WHERE: Final = "record"


class NotEncodable(ValueError):
    """A record does not fit its schema; says every field and expectation, never a value."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("\n".join(map(str, findings)))
        self.findings = tuple(findings)


class NotDecodable(ValueError):
    """Bytes are not one framed value of the schema that they were read with."""


def encoder(schema: Mapping[str, object], schema_id: int) -> Encode:
    """Make the function that encodes records of one schema.

    Args:
        schema: Parsed `.avsc`.
        schema_id: For the frame, from the registry lock.

    Raises:
        DocumentError: the bus can't read this schema.
    """
    shape = read_shape(schema, where=_WHERE)
    fits = fits_of(shape)
    parsed = fastavro.parse_schema(dict(schema))
    header = frame_header(schema_id)

    def encode(record: Mapping[str, object]) -> bytes:
        if not fits(record):
            findings = find_misfits(shape, record, "")
            if findings:
                raise NotEncodable(findings)
        stream = io.BytesIO()
        stream.write(header)
        fastavro.schemaless_writer(stream, parsed, dict(record), strict=True)
        return stream.getvalue()

    return encode


def decoder(schema: Mapping[str, object]) -> Decode:
    """Make the function that decodes framed values written with one schema.

    Args:
        schema: Parsed `.avsc` that the values were written with; the caller looked it up by the
            schema id in the frame.

    Raises:
        DocumentError: the bus can't read this schema.
    """
    read_shape(schema, where=_WHERE)  # refuses schemas whose values could exhaust a reader
    parsed = fastavro.parse_schema(dict(schema))

    def decode(value: bytes) -> dict[str, object]:
        stream = io.BytesIO(value)
        if stream.read(FRAME_BYTES)[:1] != b"\0" or len(value) < FRAME_BYTES:
            raise NotDecodable("value without a frame; expected a zero byte and a schema id")
        try:
            # Why Any: fastavro's types allow what only a schema that isn't a record would give.
            record: Any = fastavro.schemaless_reader(stream, parsed, None)
        except Exception as error:  # noqa: BLE001 - fastavro raises a dozen types for bad bytes
            raise NotDecodable(
                f"value that is not of its schema ({type(error).__name__} while decoding); "
                "expected the writer's schema: look it up by the schema id in the frame"
            ) from None
        if stream.tell() != len(value):
            raise NotDecodable(
                f"{len(value) - stream.tell()} bytes after the record; expected none"
            )
        return cast("dict[str, object]", record)

    return decode
