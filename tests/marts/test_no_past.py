"""An agreement whose filter reads what may change gives what stands now, and nothing before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from bus.catalogue.agreement import Condition, ConditionOperator
from bus.fund.store import FundStore
from bus.marts.reconcile import reconcile_marts
from bus.marts.wanted import marts_of
from bus.postgres.session import Session
from tests.marts.conftest import Reader
from tests.marts.samples import (
    CEASE,
    CONTRACT,
    CORRECT,
    NOW,
    agreement,
    batch,
    layouts,
    record,
    region,
)

LARGE = Condition(field="places", op=ConditionOperator.AT_LEAST, values=("100",))
CHANGING = replace(CONTRACT, immutable_fields=CONTRACT.immutable_fields - {"places"})


def _keys(reader: Reader, of: str) -> list[object]:
    return [key for (key,) in reader.execute(f"SELECT key FROM {of} ORDER BY key").fetchall()]


@pytest.fixture
async def reader(session: Session, store: FundStore, log_in: Callable[[], Reader]) -> Reader:
    """One entry that stands inside, one that left, one that was ceased inside."""
    stays = record("1", 1, fields={"places": 200})
    inside = record("2", 1, fields={"places": 200})
    left = record("2", 2, CORRECT, inside, fields={"places": 50})
    alive = record("3", 1, fields={"places": 200})
    ceased = record("3", 2, CEASE, alive, fields={"places": 200})
    await store.apply([batch(0, [stays, inside, left, alive, ceased])])
    made = region(agreement(rows=(LARGE,)), contracts=[CHANGING])
    await reconcile_marts(session, marts_of(made, layouts(made), NOW))
    return log_in()


async def test_what_left_or_was_ceased_is_not_in_the_mart(reader: Reader) -> None:
    assert _keys(reader, "schools") == ["1"]


@pytest.mark.parametrize("past", ["schools_history", "schools_as_of()"])
async def test_there_is_no_past_of_it(reader: Reader, past: str) -> None:
    assert _keys(reader, past) == []


async def test_beside_an_agreement_without_such_a_filter_that_one_gives_the_past(
    session: Session, store: FundStore, log_in: Callable[[], Reader]
) -> None:
    await store.apply([batch(0, [record("1", 1, fields={"places": 200})])])
    made = region(agreement(rows=(LARGE,)), agreement("whole"), contracts=[CHANGING])
    await reconcile_marts(session, marts_of(made, layouts(made), NOW))
    assert _keys(log_in(), "schools_history") == ["1"]
