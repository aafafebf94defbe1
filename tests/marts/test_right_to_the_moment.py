"""A right ends by the clock, whoever reads at the time, and no command needs to run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from bus.catalogue.agreement import Ending, Suspension
from bus.catalogue.decision import Side
from bus.fund.store import FundStore
from bus.marts.reconcile import reconcile_marts
from bus.postgres.session import Session
from tests.marts.conftest import Reader
from tests.marts.samples import NOW, agreement, batch, marts, record


def in_s(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def ending(at: datetime) -> Ending:
    return Ending(side=Side.PROVIDER, by="head of department", at=at)


def rest(begins: datetime, ends: datetime | None) -> Suspension:
    return Suspension(side=Side.PROVIDER, by="head of department", begins=begins, ends=ends)


def count(reader: Reader, of: str = "schools") -> int:
    (row,) = reader.execute(f"SELECT count(*) FROM {of}").fetchall()
    assert isinstance(row[0], int)
    return row[0]


@pytest.fixture(autouse=True)
async def stored(store: FundStore) -> None:
    await store.apply([batch(0, [record(f"{number:04}", 1) for number in range(500)])])


ALL = ("schools", "schools_history", "schools_as_of()")


@pytest.mark.parametrize("of", ALL)
async def test_an_end_written_ahead_needs_no_command(
    session: Session, log_in: Callable[[], Reader], of: str
) -> None:
    end = in_s(0.7)
    await reconcile_marts(session, marts(agreement(ending=ending(end))))
    reader = log_in()
    assert count(reader, of) == 500
    await asyncio.sleep((end - datetime.now(UTC)).total_seconds())
    assert count(reader, of) == 0


async def test_a_suspension_written_ahead_needs_no_command(
    session: Session, log_in: Callable[[], Reader]
) -> None:
    begins, ends = in_s(0.7), in_s(1.2)
    await reconcile_marts(session, marts(agreement(suspensions=(rest(begins, ends),))))
    reader = log_in()
    assert count(reader) == 500
    await asyncio.sleep((begins - datetime.now(UTC)).total_seconds())
    assert count(reader) == 0
    await asyncio.sleep((ends - datetime.now(UTC)).total_seconds())
    assert count(reader) == 500


async def test_a_suspension_without_an_end_and_an_agreement_to_come_give_nothing(
    session: Session, log_in: Callable[[], Reader]
) -> None:
    resting = agreement("rests", suspensions=(rest(in_s(-60), None),))
    later = agreement("later", valid_from=(NOW + timedelta(days=2)).date())
    await reconcile_marts(session, marts(resting, later))
    assert [count(log_in(), of) for of in ALL] == [0, 0, 0]


async def test_an_open_cursor_gives_no_row_after_the_end(
    session: Session, log_in: Callable[[], Reader]
) -> None:
    end = in_s(0.7)
    await reconcile_marts(session, marts(agreement(ending=ending(end))))
    reader = log_in()
    with reader.transaction(), reader.cursor(name="slow") as cursor:
        cursor.itersize = 1
        cursor.execute("SELECT key FROM schools")
        assert len(cursor.fetchmany(10)) == 10
        await asyncio.sleep((end - datetime.now(UTC)).total_seconds())
        assert cursor.fetchmany(500) == []


async def test_a_transaction_of_one_snapshot_gives_no_row_after_the_end(
    session: Session, log_in: Callable[[], Reader]
) -> None:
    end = in_s(0.7)
    await reconcile_marts(session, marts(agreement(ending=ending(end))))
    reader = log_in()
    with reader.transaction():
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        assert count(reader) == 500
        await asyncio.sleep((end - datetime.now(UTC)).total_seconds())
        assert count(reader) == 0


async def test_a_reader_who_loses_everything_is_ended(
    session: Session, log_in: Callable[[], Reader]
) -> None:
    await reconcile_marts(session, marts(agreement()))
    reader = log_in()
    with reader.cursor(name="sorted", withhold=True) as cursor:
        cursor.execute("SELECT key FROM schools ORDER BY title")
        await reconcile_marts(session, marts())
        with pytest.raises(psycopg.OperationalError):
            cursor.fetchall()
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        log_in()


async def test_a_reader_who_holds_a_view_does_not_keep_it_from_being_replaced(
    session: Session, log_in: Callable[[], Reader]
) -> None:
    await reconcile_marts(session, marts(agreement()))
    holding, other = log_in(), log_in()
    holding.autocommit = False
    assert count(holding) == 500
    await reconcile_marts(session, marts(agreement(fields=("title",))))
    with pytest.raises(psycopg.OperationalError):
        holding.execute("SELECT 1")
    assert count(other) == 500, "who reads nothing that changes stays"
