"""Erasing an entry: nothing of its content stays, the law adds up, and it never comes back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bus.errors import DocumentError, Unavailable
from bus.fund.erase import Erased, erase_entry
from bus.fund.reader import FundReader
from bus.fund.store import FundStore
from bus.merge import Outcome
from bus.model.record import Operation, RegistryRecord
from bus.model.verdict import Reason
from bus.postgres.session import Session
from bus.quarantine.decision import Grounds
from tests.fund.samples import PLACE, SAMARA, SCHOOLS, batch, record
from tests.fund.test_groups import group
from tests.fund.test_store import ADDED

CREATE, CORRECT, ANNUL, CEASE = Operation
GROUNDS = Grounds(by="Steward", second="Head of the office", because="A court's decision")
FIRST = record("1", 1, fields={"title": "Smirnova"})
SECOND = record("1", 2, CORRECT, FIRST, fields={"title": "Smirnova-Petrova"})
END = record("1", 3, ANNUL, SECOND, fields={"title": "Smirnova-Petrova"})
ALL = record("1", 4, ANNUL, FIRST, fields={"title": "Smirnova"})
"""Behind both annulments nothing stands."""
OTHER = record("2", 1, fields={"title": "Smirnova, another one"})


async def erase(session: Session, key: str = "1") -> Erased:
    return await erase_entry(session, SCHOOLS, SAMARA, key, GROUNDS)


async def ended(store: FundStore, *more: RegistryRecord) -> int:
    """Let the entry come to its end; tell the next offset."""
    await store.positions({PLACE: 0})
    records = [FIRST, SECOND, END, ALL, OTHER, *more]
    await store.apply([batch(0, *records)])
    return len(records)


async def content(session: Session) -> str:
    """Give all that the database holds, as text."""
    tables = await session.execute(
        "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables "
        "WHERE schemaname IN ('bus', 'history', 'current', 'past')"
    )
    told = []
    for (table,) in await tables.fetchall():
        rows = await session.execute(f"SELECT t::text FROM {table} AS t")
        told += [str(row) for (row,) in await rows.fetchall()]
    return "\n".join(told)


def hexed(text: str) -> str:
    return text.encode().hex()


async def test_nothing_of_its_content_stays_and_the_law_still_adds_up(
    store: FundStore, reader: FundReader, session: Session
) -> None:
    await ended(store)
    before = await content(session)
    assert "Smirnova-Petrova" in before
    assert hexed("Smirnova-Petrova") in before
    assert await erase(session) == Erased(versions=4, set_aside=0, answers=0)
    after = await content(session)
    for of_other in ("Smirnova, another one", hexed("Smirnova, another one")):
        assert of_other in after
        after = after.replace(of_other, "")
    assert "Smirnova" not in after
    assert hexed("Smirnova") not in after
    assert await reader.history(SCHOOLS, SAMARA, "1") == ()
    row = await reader.get(SCHOOLS, SAMARA, "2")
    assert row is not None
    assert row.values["title"] == "Smirnova, another one"
    assert [one.difference for one in await reader.recount()] == [0]
    assert [one.history for one in await reader.recount()] == [5]


async def test_what_comes_again_is_a_repeat_and_what_is_new_is_set_aside(
    store: FundStore, reader: FundReader, session: Session
) -> None:
    offset = await ended(store)
    await erase(session)
    new = record("1", 5, CREATE, fields={"title": "Smirnova again"}, bus_in="in.a.schools/0/77")
    (outcome,) = await store.apply([batch(offset, FIRST, new, END, headers=list(ADDED))])
    assert outcome.outcomes == (Outcome.REPEAT, Outcome.ERASED, Outcome.REPEAT)
    assert (outcome.refused, outcome.repeats, outcome.history) == (1, 2, 0)
    (refusal,) = await store.refusals(10)
    assert (refusal.reason, refusal.quarantine_id) == (Reason.ENTRY_ERASED, "in.a.schools/0/77")
    assert await reader.get(SCHOOLS, SAMARA, "1") is None
    assert [one.difference for one in await reader.recount()] == [0]
    assert hexed("Smirnova again") not in await content(session), "not even in quarantine"
    rows = await session.execute("SELECT state, key, value, reason FROM bus.quarantine")
    assert await rows.fetchall() == [("discarded", None, None, "entry_erased")]
    assert await erase(session) == Erased(versions=0, set_aside=0, answers=0)


async def test_what_was_set_aside_loses_its_bytes_and_is_discarded_on_two_posts(
    store: FundStore, session: Session
) -> None:
    rival = record("1", 1, fields={"title": "Smirnova rival"}, bus_in="in.a.schools/0/76")
    await ended(store, rival)
    assert hexed("Smirnova rival") in await content(session)
    assert await erase(session) == Erased(versions=4, set_aside=1, answers=0)
    assert hexed("Smirnova rival") not in await content(session)
    rows = await session.execute(
        "SELECT kept.state, decision.by_post, decision.second_post, decision.because "
        "FROM bus.quarantine AS kept JOIN bus.quarantine_decided AS decided "
        'USING (topic, partition, "offset") '
        "JOIN bus.quarantine_decisions AS decision ON decision.number = decided.decision"
    )
    assert await rows.fetchall() == [
        ("discarded", GROUNDS.by, GROUNDS.second, GROUNDS.because),
    ]
    assert await erase(session) == Erased(versions=0, set_aside=0, answers=0)


async def test_a_group_with_an_erased_entry_is_refused_whole(
    store: FundStore, reader: FundReader, session: Session
) -> None:
    offset = await ended(store)
    await erase(session)
    members = group(record("1", 5, CREATE), record("3", 1), record("2", 2, CORRECT, OTHER))
    (outcome,) = await store.apply([batch(offset, *members, record("4", 1))])
    assert outcome.outcomes == (
        Outcome.ERASED,
        Outcome.GROUP_REFUSED,
        Outcome.GROUP_REFUSED,
        Outcome.INSERTED,
    )
    row = await reader.get(SCHOOLS, SAMARA, "2")
    assert row is not None
    assert row.version == 1
    assert await reader.get(SCHOOLS, SAMARA, "3") is None
    assert [one.difference for one in await reader.recount()] == [0]


async def test_an_entry_that_stands_is_not_erased(
    store: FundStore, reader: FundReader, session: Session
) -> None:
    await ended(store)
    before = await content(session)
    with pytest.raises(DocumentError, match="stands"):
        await erase(session, "2")
    with pytest.raises(DocumentError, match="neither"):
        await erase(session, "nothing")
    assert await content(session) == before


async def test_an_entry_that_has_ceased_is_erased_with_all_its_past(
    store: FundStore, reader: FundReader, session: Session
) -> None:
    await ended(store, record("2", 2, CEASE, OTHER))
    assert (await erase(session, "2")).versions == 2
    assert await reader.get(SCHOOLS, SAMARA, "2") is None
    assert "another one" not in await content(session)
    assert [one.difference for one in await reader.recount()] == [0]


async def test_what_still_waits_for_a_predecessor_is_waited_for(
    store: FundStore, session: Session
) -> None:
    missing = replace(record("1", 6), record_id=record("1", 5).record_id)
    await ended(store, record("1", 7, CORRECT, missing))
    with pytest.raises(Unavailable, match="waits"):
        await erase(session)
