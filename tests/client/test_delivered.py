from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.client.delivered import DeliveredRecord, json_line
from bus.model.identifiers import RecordId
from bus.model.record import Lane, Operation
from bus.wire.topics import Position
from tests.factories import AGENCY, DATASET


def record(**fields: object) -> DeliveredRecord:
    return DeliveredRecord(
        agency=AGENCY,
        dataset=DATASET,
        key="63-0001",
        version=2,
        operation=Operation.CORRECT,
        record_id=RecordId("1" * 32),
        supersedes=RecordId("2" * 32),
        event_time="2026-03-01T09:30:00Z",
        lane=Lane.LIVE,
        fields=fields,
        position=Position(topic="accepted.x", partition=1, offset=7),
    )


def written(value: object) -> object:
    return json.loads(json_line(record(value=value)))["fields"]["value"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (date(2026, 3, 1), "2026-03-01"),
        (datetime(2026, 3, 1, 13, 30, tzinfo=timezone(timedelta(hours=4))), "2026-03-01T09:30:00Z"),
        (datetime(2026, 3, 1, 9, 30, 0, 5, tzinfo=UTC), "2026-03-01T09:30:00.000005Z"),
        (datetime(2026, 3, 1, 9, 30), "2026-03-01T09:30:00"),  # noqa: DTZ001 - a local moment
        (time(9, 30), "09:30:00"),
        (Decimal("541.000"), "541.000"),
        (Decimal("1E+3"), "1000"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (b"\0\xff", "AP8="),
        ("Самара", "Самара"),
        ([date(2026, 3, 1)], ["2026-03-01"]),
        (None, None),
    ],
)
def test_values_are_written_as_json_without_loss(value: object, text: object) -> None:
    assert written(value) == text


def test_a_line_says_everything_about_the_record() -> None:
    assert json.loads(json_line(record(name="Школа"))) == {
        "agency": "education-samara",
        "dataset": "educational-institutions",
        "key": "63-0001",
        "version": 2,
        "operation": "correct",
        "record_id": "1" * 32,
        "supersedes": "2" * 32,
        "event_time": "2026-03-01T09:30:00Z",
        "lane": "live",
        "fields": {"name": "Школа"},
        "position": "accepted.x/1/7",
        "group": None,
    }


@given(st.text())
def test_a_record_is_one_line_whatever_a_text_holds(text: str) -> None:
    line = json_line(record(name=text))
    assert "\n" not in line
    assert "\r" not in line
    assert json.loads(line)["fields"]["name"] == text


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_a_decimal_keeps_every_digit(number: Decimal) -> None:
    assert Decimal(str(written(number))) == number
