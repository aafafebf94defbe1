"""What a provider is told about a record of its own: a value, and its bytes in `receipts.…`. Pure.

Enforcement's own finding stands in `quarantine.<agency>`. A receipt tells what that topic does
not: the fund's refusals, and what became of an entry (ADR-0012). Written at least once; the latest
of an entry, in the order of its partition, counts.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from bus.errors import InvariantBroken
from bus.model.identifiers import AgencyCode, DatasetCode, RecordId
from bus.model.record import RawRecord
from bus.model.verdict import Reason
from bus.quarantine.entry import QuarantineState
from bus.wire import topics
from bus.wire.delivery import Delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """One state of one entry."""

    quarantine_id: str
    agency: AgencyCode
    dataset: DatasetCode
    state: QuarantineState
    state_at: datetime
    reason: Reason
    """Why the record was set aside, the last time."""
    path: str
    rules: tuple[str, ...]
    attempt: int
    """How often the record was released."""
    record_id: RecordId | None
    because: str | None
    """Of the decision, where a person took one."""


def receipt_delivery(receipt: Receipt) -> Delivery:
    """Write a receipt for the agency's own topic, beside the entry's partition number."""
    content = {
        "quarantine_id": receipt.quarantine_id,
        "agency": receipt.agency,
        "dataset": receipt.dataset,
        "state": receipt.state.value,
        "state_at": receipt.state_at.isoformat(),
        "reason": receipt.reason.value,
        "path": receipt.path,
        "rules": list(receipt.rules),
        "attempt": receipt.attempt,
        "record_id": receipt.record_id,
        "because": receipt.because,
    }
    return Delivery(
        topic=topics.receipts(receipt.agency),
        partition=topics.parse_position(receipt.quarantine_id).partition,
        key=receipt.quarantine_id.encode(),
        value=json.dumps(content, ensure_ascii=False).encode(),
        headers=[("content-type", b"application/json")],
    )


def parse_receipt(raw: RawRecord) -> Receipt:
    """Read a record of `receipts.<agency>`.

    Raises:
        InvariantBroken: The bus did not write it so.
    """
    try:
        content = json.loads(raw.value or b"")
        return Receipt(
            quarantine_id=content["quarantine_id"],
            agency=AgencyCode(content["agency"]),
            dataset=DatasetCode(content["dataset"]),
            state=QuarantineState(content["state"]),
            state_at=datetime.fromisoformat(content["state_at"]),
            reason=Reason(content["reason"]),
            path=content["path"],
            rules=tuple(content["rules"]),
            attempt=content["attempt"],
            record_id=content["record_id"],
            because=content["because"],
        )
    except (ValueError, KeyError, TypeError) as problem:
        raise InvariantBroken(
            f"record {raw.topic}/{raw.partition}/{raw.offset} is no receipt of the bus's "
            f"({problem!r}); the bus may be newer than this client: update the client"
        ) from problem
