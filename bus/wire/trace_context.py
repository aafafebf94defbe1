"""W3C trace context of a record: header `traceparent`, carried from the source to every consumer.

One record in some is traced, and its id alone says which: whoever sends it, again or elsewhere,
gives it the same header. The trace then has the record's own id, so that `bus trace` finds by it
what a tracing backend shows, and the other way round. A sender that traces its own work gives a
context of its own instead. The bus passes a header on as it came (ADR-0031).
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from bus.model.identifiers import RecordId
from bus.model.record import Envelope, Headers, Lane
from bus.wire.header_names import TRACEPARENT

TRACED_SHARE: Final = 0.001
"""Of live records, where settings say nothing else."""
_FORM: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_SAMPLED: Final = 0x01
_IDS: Final = 16**8


class TraceContext(NamedTuple):
    """What `traceparent` says."""

    trace_id: str
    """32 hexadecimal digits, not all of them 0."""
    parent_id: str
    """Of the span that the sender was in: 16 hexadecimal digits, not all of them 0."""
    is_sampled: bool
    """Whether spans of this trace are kept."""

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.parent_id}-{int(self.is_sampled):02x}"


def parse_trace_context(text: str) -> TraceContext | None:
    """Read a header of version 00; None where it is none, which W3C says is to be passed over."""
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    trace_id, parent_id, flags = found.groups()
    if not int(trace_id, 16) or not int(parent_id, 16):
        return None
    return TraceContext(trace_id, parent_id, bool(int(flags, 16) & _SAMPLED))


def is_trace_context(value: bytes | None) -> bool:
    """Tell whether a header's bytes are a well-formed `traceparent`."""
    return _context_in(value) is not None


def kept_trace(value: bytes | None) -> TraceContext | None:
    """Read a header's bytes; None where it is none, or no span of its trace is kept."""
    context = _context_in(value)
    return context if context is not None and context.is_sampled else None


def _context_in(value: bytes | None) -> TraceContext | None:
    return parse_trace_context(value.decode()) if value is not None and value.isascii() else None


def trace_of(headers: Headers) -> TraceContext | None:
    """Give the context of a record whose spans are kept; None of any other."""
    return kept_trace(next((value for name, value in headers if name == TRACEPARENT), None))


def own_trace(record_id: RecordId, share: float) -> TraceContext | None:
    """Decide whether a record begins a trace of its own, by its id: 32 hexadecimal digits.

    Args:
        record_id: A hash, so that its digits are evenly spread.
        share: Of the records that do, 0 to 1.
    """
    if int(record_id[:8], 16) >= share * _IDS:
        return None
    return parse_trace_context(f"00-{record_id}-{record_id[16:]}-01")


def is_own(context: TraceContext, record_id: RecordId) -> bool:
    """Tell whether a trace began with this record, and not with work of its sender's."""
    return context.trace_id == record_id


def trace_headers(
    envelope: Envelope, share: float, given: TraceContext | None = None
) -> list[tuple[str, bytes]]:
    """Write the header that a sender adds to a record, if any; history has no delay to look into.

    Args:
        envelope: Of the record.
        share: Of live records without a context that begin a trace, 0 to 1.
        given: The sender's own context.
    """
    context = given
    if given is None and envelope.lane is Lane.LIVE:
        context = own_trace(envelope.record_id, share)
    return [] if context is None else [(TRACEPARENT, str(context).encode())]
