"""The names of record headers; what they say stands in `bus.wire.headers`. Pure."""

from __future__ import annotations

from typing import Final

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
    "bus_group",
)
"""Headers that a leaf covers, in the order in which it covers them."""
TRACEPARENT: Final = "traceparent"
"""W3C trace context of a record (`bus.wire.trace_context`)."""
OPTIONAL: Final = frozenset({"bus_supersedes", "bus_resolves", "bus_group", TRACEPARENT})
QUARANTINE_ONLY: Final = (
    "bus_appended",
    "bus_reason",
    "bus_path",
    "bus_violations",
    "bus_attempt",
)
ADDED_BY_THE_BUS: Final = ("bus_in", "bus_catalogue", *QUARANTINE_ONLY)
"""What enforcement puts behind the provider's headers, in this order."""
ADDED_TO_ACCEPTED: Final = ("bus_in", "bus_catalogue", "bus_attempt")
"""What stands behind an accepted record's headers; the attempt only where it was released."""
EVENT: Final = "bus_event"
"""Which event of its source a record tells; a connector's own word to itself (ADR-0028)."""
REQUIRED: Final = tuple(name for name in SIGNED if name not in OPTIONAL)
