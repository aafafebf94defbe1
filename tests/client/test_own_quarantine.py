from __future__ import annotations

from datetime import UTC, datetime
from itertools import permutations

from bus.client.own_quarantine import OwnQuarantine, by_cause
from bus.model.verdict import Reason
from bus.quarantine.entry import QuarantineEntry, QuarantineState
from bus.quarantine.receipt import Receipt, parse_receipt, receipt_delivery
from tests.factories import AGENCY, DATASET, Raw, one_signed
from tests.quarantine.waiting import entry, quarantine_id

RAW = one_signed()
ID = quarantine_id(RAW)


def receipt(state: QuarantineState, attempt: int, reason: Reason = Reason.RULE_VIOLATED) -> Receipt:
    return Receipt(
        quarantine_id=ID,
        agency=AGENCY,
        dataset=DATASET,
        state=state,
        state_at=datetime(2026, 3, 1, tzinfo=UTC),
        reason=reason,
        path="",
        rules=("inn-check-digits",),
        attempt=attempt,
        record_id=None,
        because="rule mended",
    )


def test_a_receipt_is_read_as_it_was_written() -> None:
    sent = receipt(QuarantineState.RELEASED, 1)
    delivery = receipt_delivery(sent)
    assert delivery.topic == f"receipts.{AGENCY}"
    raw = Raw(topic=delivery.topic, partition=delivery.partition, value=delivery.value)
    assert parse_receipt(raw) == sent


def test_what_became_of_a_record_does_not_depend_on_which_topic_was_read_first() -> None:
    first = entry(RAW)
    again = entry(RAW, Reason.NO_CONTRACT, attempt=1)
    done = receipt(QuarantineState.RELEASED, 1)
    gone = receipt(QuarantineState.DISCARDED, 1, Reason.NO_CONTRACT)
    refused = receipt(QuarantineState.OPEN, 0, Reason.CONFLICTING_VERSION)
    histories: list[tuple[list[Receipt | QuarantineEntry], tuple[QuarantineState, Reason]]] = [
        ([first], (QuarantineState.OPEN, Reason.RULE_VIOLATED)),
        ([first, done], (QuarantineState.RELEASED, Reason.RULE_VIOLATED)),
        ([first, done, again], (QuarantineState.OPEN, Reason.NO_CONTRACT)),
        ([first, again, gone], (QuarantineState.DISCARDED, Reason.NO_CONTRACT)),
        ([refused], (QuarantineState.OPEN, Reason.CONFLICTING_VERSION)),
    ]
    for taken, expected in histories:
        for order in permutations(taken):
            own = OwnQuarantine()
            for one in order:
                own.received(one) if isinstance(one, Receipt) else own.set_aside(one)
            (told,) = own.entries()
            assert (told.state, told.reason) == expected


def test_own_entries_are_grouped_by_cause_and_state() -> None:
    own = OwnQuarantine()
    for offset in range(3):
        own.set_aside(entry(one_signed(offset=offset)))
    own.set_aside(entry(one_signed(offset=9), Reason.UNSIGNED))
    first, second = by_cause(own.entries())
    assert (first.count, first.reason, first.rules) == (
        3,
        Reason.RULE_VIOLATED,
        ("inn-check-digits",),
    )
    assert (second.count, second.example[-2:]) == (1, "/9")
