from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bus.client.ledger import LoggedRefusal, LoggedRelease
from bus.client.own_log import (
    Source,
    fingerprint_of,
    own_version,
    receipt_of,
    refusal_of,
    starting_offsets,
)
from bus.enforce.judge import judge
from bus.errors import DocumentError
from bus.model.identifiers import SystemCode
from bus.model.record import Operation
from bus.model.verdict import Reason
from bus.quarantine.entry import QuarantineState
from bus.quarantine.receipt import Receipt, receipt_delivery
from bus.route.plan import plan
from bus.wire.signature import SignatureChecker
from tests import factories
from tests.factories import AGENCY, DATASET, SYSTEM, Raw, one_signed

SOURCE = Source(agency=AGENCY, system=SYSTEM, dataset=DATASET)
IN = (SOURCE.inbound, 0)
AFTER = (SOURCE.quarantine, 0)


def quarantined(raw: Raw) -> Raw:
    verdicts = judge(
        [raw],
        source=factories.SOURCE,
        snapshot=factories.snapshot(),
        checker=SignatureChecker(),
    )
    (delivery,) = plan(verdicts, snapshot=factories.snapshot(), signer=factories.signer("bus"))
    return Raw(
        topic=delivery.topic,
        key=delivery.key,
        value=delivery.value,
        headers=delivery.headers,
    )


def test_an_own_record_is_known_by_its_key_and_version() -> None:
    raw = one_signed(version=4, operation=Operation.CORRECT, supersedes="0" * 32)
    version = own_version(raw, SOURCE)
    assert version is not None
    assert (version.key, version.version, version.supersedes) == ("63-0001", 4, "0" * 32)
    assert version.fingerprint == fingerprint_of(raw.value or b"")
    assert (version.partition, version.offset) == (2, 40)


def test_a_record_of_another_system_of_the_agency_is_not_own() -> None:
    other = Source(agency=AGENCY, system=SystemCode("edu-archive"), dataset=DATASET)
    assert own_version(one_signed(), other) is None


def test_a_record_that_is_not_sound_is_nobodys() -> None:
    assert own_version(Raw(key=b"63-0001", value=b"x"), SOURCE) is None
    assert own_version(Raw(value=b"x"), SOURCE) is None


def test_a_refusal_names_the_place_of_the_inbound_record() -> None:
    refusal = refusal_of(quarantined(one_signed(kind="castle")), SOURCE)
    assert refusal is not None
    assert (refusal.partition, refusal.offset) == (2, 40)
    assert refusal.reason is Reason.RULE_VIOLATED


def test_a_refusal_of_another_dataset_is_passed_over() -> None:
    raw = quarantined(one_signed(kind="castle"))
    headers = [
        (name, b"in.education-samara.teachers/0/1" if name == "bus_in" else value)
        for name, value in raw.headers
    ]
    assert refusal_of(Raw(key=raw.key, value=raw.value, headers=headers), SOURCE) is None


def receipt(state: QuarantineState, attempt: int, topic: str = SOURCE.inbound) -> Raw:
    delivery = receipt_delivery(
        Receipt(
            quarantine_id=f"{topic}/2/40",
            agency=AGENCY,
            dataset=DATASET,
            state=state,
            state_at=datetime(2026, 3, 1, tzinfo=UTC),
            reason=Reason.CONFLICTING_VERSION,
            path="",
            rules=(),
            attempt=attempt,
            record_id=None,
            because=None,
        )
    )
    return Raw(topic=delivery.topic, key=delivery.key, value=delivery.value)


@pytest.mark.parametrize(
    ("state", "attempt"), [(QuarantineState.RELEASED, 2), (QuarantineState.SUPERSEDED, 1)]
)
def test_a_receipt_of_a_record_that_came_out_answers_the_refusals_before(
    state: QuarantineState, attempt: int
) -> None:
    found = LoggedRelease(partition=2, offset=40, attempt=2)
    assert receipt_of(receipt(state, attempt), SOURCE) == found


@pytest.mark.parametrize(
    "state", [QuarantineState.OPEN, QuarantineState.RESOLVED, QuarantineState.DISCARDED]
)
def test_any_other_receipt_tells_a_refusal_that_may_be_the_funds(state: QuarantineState) -> None:
    assert receipt_of(receipt(state, 1), SOURCE) == LoggedRefusal(
        partition=2, offset=40, reason=Reason.CONFLICTING_VERSION, attempt=1
    )


def test_a_receipt_of_another_dataset_is_passed_over() -> None:
    other = receipt(QuarantineState.RELEASED, 1, "in.education-samara.teachers")
    assert receipt_of(other, SOURCE) is None


def test_reading_goes_on_where_it_stopped_and_begins_at_the_beginning() -> None:
    starts = starting_offsets(
        {IN: 5}, beginnings={IN: 3, AFTER: 0}, ends={IN: 9, AFTER: 2}, memory="m"
    )
    assert starts == {IN: 5, AFTER: 0}


@pytest.mark.parametrize(
    ("stored", "found"),
    [({}, "never read, or its memory is lost"), ({IN: 2}, "was read to 2")],
)
def test_records_that_went_unread_are_told_with_the_next_step(
    stored: dict[tuple[str, int], int], found: str
) -> None:
    with pytest.raises(DocumentError, match=found) as caught:
        starting_offsets(stored, beginnings={IN: 3}, ends={IN: 9}, memory="/home/m.sqlite")
    assert "/home/m.sqlite" in str(caught.value)
    assert "restore the file from a backup" in str(caught.value)


def test_what_others_topics_let_go_of_is_passed_over() -> None:
    outcomes = ("quarantine.education-samara", 0)
    starts = starting_offsets(
        {outcomes: 2},
        beginnings={IN: 0, outcomes: 7},
        ends={IN: 9, outcomes: 9},
        memory="m",
        may_be_cut=[outcomes[0]],
    )
    assert starts == {IN: 0, outcomes: 7}


def test_a_log_shorter_than_what_was_read_is_another_log() -> None:
    with pytest.raises(DocumentError, match="it is another log"):
        starting_offsets({IN: 12}, beginnings={IN: 0}, ends={IN: 9}, memory="m")
