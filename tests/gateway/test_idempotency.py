from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import psycopg
import pytest

from bus.gateway.idempotency import KEPT_HOURS, AnsweredOnce
from bus.gateway.problems import Problem
from bus.model.identifiers import SystemCode
from tests.fund.conftest import empty_dsn, postgres

__all__ = ["empty_dsn", "postgres"]

ONE, OTHER = SystemCode("one"), SystemCode("other")


class Sending:
    """Counts how often records were sent; may be held up, and may fail."""

    def __init__(self) -> None:
        self.count = 0
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.fault: Exception | None = None

    async def __call__(self) -> str:
        await self.go_on.wait()
        if self.fault is not None:
            raise self.fault
        self.count += 1
        return f"receipt {self.count}"


@pytest.fixture
async def once(empty_dsn: str) -> AnsweredOnce:
    made = AnsweredOnce(empty_dsn)
    await made.prepare()
    await made.prepare()
    return made


async def code(asked: Awaitable[object]) -> tuple[int, str]:
    with pytest.raises(Problem) as caught:
        await asked
    return caught.value.status, caught.value.code


async def test_a_receipt_is_given_again_to_whom_it_was_given(once: AnsweredOnce) -> None:
    sending = Sending()
    assert await once.answer(ONE, "k", b"a", sending) == ("receipt 1", False)
    assert await once.answer(ONE, "k", b"a", sending) == ("receipt 1", True)
    assert await once.answer(OTHER, "k", b"a", sending) == ("receipt 2", False)
    assert await once.answer(ONE, "l", b"a", sending) == ("receipt 3", False)
    assert await code(once.answer(ONE, "k", b"b", sending)) == (422, "key_used")
    assert sending.count == 3


async def test_of_two_at_once_the_second_waits_for_the_firsts_receipt(once: AnsweredOnce) -> None:
    sending = Sending()
    sending.go_on.clear()
    both = [asyncio.create_task(once.answer(ONE, "k", b"a", sending)) for _ in range(2)]
    await asyncio.sleep(0.5)
    assert not any(one.done() for one in both)
    sending.go_on.set()
    assert sorted(await asyncio.gather(*both)) == [("receipt 1", False), ("receipt 1", True)]


async def test_one_that_takes_too_long_is_told_to_be_under_way(
    once: AnsweredOnce, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bus.gateway.idempotency._SETTINGS", {"lock_timeout": "200ms"})
    sending = Sending()
    sending.go_on.clear()
    first = asyncio.create_task(once.answer(ONE, "k", b"a", sending))
    await asyncio.sleep(0.3)
    assert await code(once.answer(ONE, "k", b"a", sending)) == (409, "under_way")
    sending.go_on.set()
    assert await first == ("receipt 1", False)


@pytest.mark.parametrize("how", ["fails", "is cut off"])
async def test_of_a_request_that_came_to_nothing_nothing_stays(
    once: AnsweredOnce, how: str
) -> None:
    sending = Sending()
    if how == "fails":
        sending.fault = Problem(503, "not_durable", seconds=1.0)
        assert await code(once.answer(ONE, "k", b"a", sending)) == (503, "not_durable")
    else:
        sending.go_on.clear()
        cut_off = asyncio.create_task(once.answer(ONE, "k", b"a", sending))
        await asyncio.sleep(0.3)
        cut_off.cancel()
        await asyncio.gather(cut_off, return_exceptions=True)
    again = Sending()
    assert await once.answer(ONE, "k", b"another", again) == ("receipt 1", False)


async def test_a_key_is_free_again_after_a_day(
    once: AnsweredOnce, empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bus.gateway.idempotency._FORGET_EACH_S", 0.0)
    send: Callable[[], Awaitable[str]] = Sending()
    await once.answer(ONE, "k", b"a", send)
    with psycopg.connect(empty_dsn, autocommit=True) as session:
        session.execute(
            "UPDATE bus.gateway_requests SET taken_at = now() - make_interval(hours => %s)",
            [KEPT_HOURS + 1],
        )
    await once.answer(ONE, "l", b"a", send)  # at the end of which old ones are forgotten
    assert await once.answer(ONE, "k", b"b", send) == ("receipt 3", False)
