"""What a connector reads again behind its position: the end stays what it was."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

from bus.client import MappedRow, RehearsalLog, RehearsalPublisher, SourceRow


def _publisher(log: RehearsalLog, barrier: dict[int, int] | None) -> RehearsalPublisher:
    return RehearsalPublisher(
        log,
        key_field="number",
        is_numbered=False,
        clock=lambda: datetime(2026, 1, 5, tzinfo=UTC),
        barrier=barrier,
        step=lambda _: None,
    )


async def _rows(*given: tuple[str, str]) -> AsyncIterator[SourceRow]:
    for event, name in given:
        row = MappedRow(number=0, values={"number": "k", "name": name})
        yield SourceRow(row=row, event=event, place="k", raw="")


async def _told(first_digit: str) -> list[object]:
    log = RehearsalLog()
    one, two, three = (f"{first_digit}{number:015x}" for number in (1, 2, 3))
    publisher = _publisher(log, None)
    await publisher.publish(_rows((one, "first")))
    barrier = log.ends()
    behind = ((two, "first"), (three, "second"))
    await publisher.publish(_rows(*behind))
    await _publisher(log, barrier).publish(_rows(*behind))
    return [record.content["name"] for record in log.records()]


async def test_the_end_is_right_though_a_row_that_changed_nothing_seems_to_change_it_now() -> None:
    assert (await _told("f"))[-1] == "second"


async def test_events_that_are_in_order_are_told_once() -> None:
    assert await _told("0") == ["first", "second"]
