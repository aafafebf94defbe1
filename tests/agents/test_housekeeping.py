"""Housekeeping beside the fund's work: no duty's fault stops it or another duty."""

from __future__ import annotations

import asyncio

import pytest

from bus.agents import housekeeping
from bus.agents.housekeeping import one_round
from bus.errors import Unavailable
from bus.observe.board import Board
from bus.observe.series import Duty


async def test_a_duty_that_fails_is_told_and_counted_and_the_others_are_done(
    caplog: pytest.LogCaptureFixture,
) -> None:
    board, done = Board(), list[Duty]()

    async def fails() -> None:
        raise Unavailable("PostgreSQL does not answer")

    async def breaks() -> None:
        raise ZeroDivisionError

    async def works() -> None:
        done.append(Duty.MEASURE)

    duties = {Duty.REFUSE_HELD: fails, Duty.CLOSE_ENTRIES: breaks, Duty.MEASURE: works}
    await one_round(duties, board)
    await one_round(duties, board)
    assert done == [Duty.MEASURE, Duty.MEASURE]
    failed = [
        board.registry.get_sample_value("bus_housekeeping_failures_total", {"duty": duty})
        for duty in (Duty.REFUSE_HELD, Duty.CLOSE_ENTRIES)
    ]
    assert failed == [2, 2]
    told = [record.getMessage() for record in caplog.records]
    assert "duty=refuse_held again_in_s=10 problem=PostgreSQL does not answer" in told[0]
    assert [bool(record.exc_info) for record in caplog.records[:2]] == [False, True]


async def test_a_duty_that_does_not_end_is_told_and_the_others_are_done(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "DUTY_MAX_S", 0.05)
    board, done = Board(), asyncio.Event()

    async def never() -> None:
        await asyncio.Event().wait()

    async def works() -> None:
        done.set()

    await one_round({Duty.GIVE_RECEIPTS: never, Duty.MEASURE: works}, board)
    assert done.is_set()
    name = "bus_housekeeping_failures_total"
    assert board.registry.get_sample_value(name, {"duty": Duty.GIVE_RECEIPTS}) == 1
    assert "duty=give_receipts again_in_s=10 problem=TimeoutError()" in caplog.text


async def test_a_round_that_is_cancelled_ends() -> None:
    async def never() -> None:
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(one_round({Duty.MEASURE: never}, Board()), 0.05)
