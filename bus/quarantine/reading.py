"""Reading records of `quarantine.<agency>`, which only enforcement writes. Pure."""

from __future__ import annotations

import json

from bus.errors import InvariantBroken
from bus.model.identifiers import RecordId
from bus.model.record import RawRecord
from bus.model.verdict import Reason, Severity, Violation
from bus.quarantine.entry import QuarantineEntry
from bus.wire import topics
from bus.wire.headers import ADDED_BY_THE_BUS
from bus.wire.original import received
from bus.wire.record_id import is_record_id


def parse_entry(raw: RawRecord) -> QuarantineEntry:
    """Take a quarantined record apart into the original and the reasons added behind it.

    Raises:
        InvariantBroken: Enforcement did not write it so.
    """
    count = len(ADDED_BY_THE_BUS)
    original, added = raw.headers[:-count], raw.headers[-count:]
    place = f"{raw.topic}/{raw.partition}/{raw.offset}"
    if tuple(name for name, _ in added) != ADDED_BY_THE_BUS:
        raise InvariantBroken(
            f"record {place} does not end with the headers {', '.join(ADDED_BY_THE_BUS)}: "
            "somebody else wrote to the topic; find who with `bus access diff`"
        )
    headers = received(original)
    texts = {name: value.decode() for name, value in added}
    position = topics.parse_position(texts["bus_in"])
    source = topics.parse_inbound(position.topic)
    return QuarantineEntry(
        topic=position.topic,
        partition=position.partition,
        offset=position.offset,
        agency=source.agency,
        dataset=source.dataset,
        reason=Reason(texts["bus_reason"]),
        path=texts["bus_path"],
        violations=tuple(
            Violation(
                rule=violation["rule"],
                path=violation["path"],
                severity=Severity(violation["severity"]),
            )
            for violation in json.loads(texts["bus_violations"])
        ),
        catalogue=int(texts["bus_catalogue"]),
        record_id=_claimed_id(headers),
        key=raw.key,
        headers=headers,
        value=raw.value,
        appended_ms=int(texts["bus_appended"]),
        attempt=int(texts["bus_attempt"]),
    )


def _claimed_id(headers: list[tuple[str, bytes]]) -> RecordId | None:
    """Take the sender's record id where it has an id's form; it may be anything at all."""
    for name, value in headers:
        if name == "ce_id":
            text = (value or b"").decode("ascii", errors="replace")
            return RecordId(text) if is_record_id(text) else None
    return None
