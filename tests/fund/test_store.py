from __future__ import annotations

import traceback
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest

from bus.errors import Fenced, InvariantBroken
from bus.fund.reader import FundReader
from bus.fund.store import FundStore
from bus.merge import Outcome
from bus.model.identifiers import AgencyCode, RecordId
from bus.model.record import Operation
from bus.model.verdict import Reason
from bus.postgres.session import Session
from tests.fund.samples import (
    LAYOUTS,
    PLACE,
    SAMARA,
    SCHOOLS,
    TOPIC,
    age,
    batch,
    record,
)

CREATE, CORRECT, ANNUL, CEASE = Operation
ADDED = [("bus_in", b"in.education-samara.schools/0/1"), ("bus_catalogue", b"7")]


async def test_a_record_becomes_history_and_a_typed_current_row(
    store: FundStore, reader: FundReader
) -> None:
    await store.positions({PLACE: 0})
    fields = {"budget": Decimal("12.50"), "inspected": date(2026, 1, 2), "branches": ["север"]}
    sent = record("17", 1, fields={"places": 300, **fields}, schema_number=2)
    (outcome,) = await store.apply([batch(0, sent, markers=1)])
    assert (outcome.history, outcome.outcomes) == (1, (Outcome.INSERTED,))
    row = await reader.get(SCHOOLS, SAMARA, "17")
    assert row is not None
    assert (row.version, row.record_id, row.operation) == (1, sent.record_id, CREATE)
    assert row.event_time == datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
    assert row.values == {
        "registry_number": "17",
        "title": "School 17 v1",
        "places": 300,
        "opened": date(1990, 9, 1),
        **fields,
    }
    (kept,) = await reader.history(SCHOOLS, SAMARA, "17")
    assert (kept.value, kept.accepted, kept.bus_in) == (sent.value, f"{TOPIC}/0/0", sent.bus_in)
    assert await store.positions({PLACE: 0}) == {PLACE: 2}


async def test_a_record_of_an_older_schema_gets_the_newest_ones_defaults(
    store: FundStore, reader: FundReader
) -> None:
    await store.positions({PLACE: 0})
    await store.apply([batch(0, record("17", 1, schema_number=1))])
    row = await reader.get(SCHOOLS, SAMARA, "17")
    assert row is not None
    assert row.values["budget"] == Decimal("0.00")
    assert row.values["inspected"] == date(1970, 1, 2)
    assert row.values["branches"] == []


async def test_the_same_batch_applied_twice_counts_once_and_fences_the_second(
    store: FundStore, reader: FundReader
) -> None:
    await store.positions({PLACE: 0})
    await store.apply([batch(0, record("1", 1))])
    with pytest.raises(Fenced, match=r"accepted\.schools/0 at 0"):
        await store.apply([batch(0, record("1", 1))])
    assert (await reader.count(SCHOOLS)).history == 1


async def test_a_record_delivered_again_at_a_later_offset_is_a_repeat(
    store: FundStore, reader: FundReader
) -> None:
    await store.positions({PLACE: 0})
    first = record("1", 1)
    (outcome,) = await store.apply([batch(0, first, first), batch(2, first)])
    assert outcome.outcomes == (Outcome.INSERTED, Outcome.REPEAT, Outcome.REPEAT)
    (outcome,) = await store.apply([batch(3, first)])
    assert outcome.repeats == 1
    assert (await reader.count(SCHOOLS)).history == 1


async def test_equal_values_under_two_schemas_are_a_repeat_and_other_values_a_conflict(
    store: FundStore,
) -> None:
    await store.positions({PLACE: 0})
    old = record("1", 1, schema_number=1)
    same = record("1", 1, schema_number=2, fields={"budget": Decimal(0), "inspected": 1})
    other = record("1", 1, schema_number=2, fields={"budget": Decimal(5), "inspected": 1})
    (at_once,) = await store.apply([batch(0, old, same, other)])
    assert at_once.outcomes == (Outcome.INSERTED, Outcome.REPEAT, Outcome.CONFLICT)
    (later,) = await store.apply([batch(3, old, other, same)])
    assert later.outcomes == (Outcome.REPEAT, Outcome.CONFLICT, Outcome.REPEAT)


async def test_a_late_older_version_joins_history_and_not_the_current_row(
    store: FundStore, reader: FundReader
) -> None:
    await store.positions({PLACE: 0})
    await store.apply([batch(0, record("1", 5))])
    await store.apply([batch(1, record("1", 3))])
    row = await reader.get(SCHOOLS, SAMARA, "1")
    assert row is not None
    assert row.version == 5
    assert [kept.version for kept in await reader.history(SCHOOLS, SAMARA, "1")] == [3, 5]


async def test_equal_keys_of_two_agencies_are_two_entries(
    store: FundStore, reader: FundReader
) -> None:
    await store.positions({PLACE: 0})
    other = replace(
        record("17", 2), agency=AgencyCode("education-togliatti"), record_id=RecordId("f" * 32)
    )
    await store.apply([batch(0, record("17", 1), other)])
    assert (await reader.count(SCHOOLS)).current == 2


async def test_a_conflicting_version_goes_to_quarantine_and_to_the_outbox(
    store: FundStore, reader: FundReader, session: Session
) -> None:
    await store.positions({PLACE: 0})
    rival = record("1", 1, fields={"title": "Another"}, bus_in="in.education-samara.schools/3/42")
    headers = [("ce_id", rival.record_id.encode()), ("bus_sig", b"\0\xff"), *ADDED]
    await store.apply([batch(0, record("1", 1))])
    (outcome,) = await store.apply([batch(1, rival, headers=headers)])
    assert (outcome.refused, outcome.history) == (1, 0)
    row = await reader.get(SCHOOLS, SAMARA, "1")
    assert row is not None
    assert row.values["title"] == "School 1 v1"
    kept = await session.execute(
        "SELECT reason, stage, state, record_id, value, key, header_names FROM bus.quarantine "
        "WHERE topic = 'in.education-samara.schools' AND partition = 3 AND \"offset\" = 42"
    )
    expected = ("conflicting_version", "fund", "open", rival.record_id, rival.value, b"1")
    assert await kept.fetchall() == [(*expected, [b"ce_id", b"bus_sig"])]
    (refusal,) = await store.refusals(10)
    assert (refusal.quarantine_id, refusal.reason) == (rival.bus_in, Reason.CONFLICTING_VERSION)
    await store.refusals_told([refusal.number])
    assert await store.refusals(10) == ()


async def test_a_refused_record_delivered_again_is_a_repeat(store: FundStore) -> None:
    await store.positions({PLACE: 0})
    rival = record("1", 1, fields={"title": "Another"})
    (first,) = await store.apply([batch(0, record("1", 1), rival, rival)])
    (again,) = await store.apply([batch(3, rival)])
    assert (first.refused, first.repeats) == (1, 1)
    assert (again.refused, again.repeats) == (0, 1)


async def test_a_held_record_joins_by_itself_when_its_predecessor_comes(
    store: FundStore, reader: FundReader
) -> None:
    await store.positions({PLACE: 0})
    first = record("1", 1)
    second = record("1", 2, CORRECT, first)
    third = record("1", 3, CORRECT, second)
    (waiting,) = await store.apply([batch(0, third, second, third)])
    assert (waiting.held, waiting.history, waiting.repeats) == (2, 0, 1)
    assert await reader.get(SCHOOLS, SAMARA, "1") is None
    (released,) = await store.apply([batch(3, first)])
    assert (released.held, released.history) == (-2, 3)
    row = await reader.get(SCHOOLS, SAMARA, "1")
    assert row is not None
    assert row.version == 3
    places = [kept.accepted for kept in await reader.history(SCHOOLS, SAMARA, "1")]
    assert places == [f"{TOPIC}/0/3", f"{TOPIC}/0/1", f"{TOPIC}/0/0"]
    assert [one.difference for one in await reader.recount()] == [0]


async def test_a_held_record_whose_predecessor_never_comes_is_refused_after_its_age(
    store: FundStore, reader: FundReader, session: Session
) -> None:
    await store.positions({PLACE: 0})
    orphan = record("1", 2, CORRECT, record("1", 1))
    await store.apply([batch(0, orphan, headers=[("ce_time", b"t"), *ADDED])])
    assert await store.refuse_held(age() + timedelta(minutes=1)) == 0
    assert await store.refuse_held(age() - timedelta(minutes=1)) == 1
    (refusal,) = await store.refusals(10)
    assert refusal.reason is Reason.UNKNOWN_PREDECESSOR
    kept = await session.execute("SELECT header_names, path FROM bus.quarantine")
    assert await kept.fetchall() == [([b"ce_time"], "bus_supersedes")]
    (account,) = await reader.recount()
    assert (account.refused, account.held, account.difference) == (1, 0, 0)
    assert list(await reader.counters()) == [account]


async def test_annulling_the_current_version_uncovers_the_one_before(
    store: FundStore, reader: FundReader
) -> None:
    await store.positions({PLACE: 0})
    first = record("1", 1)
    second = record("1", 2, CORRECT, first)
    await store.apply([batch(0, first, second)])
    await store.apply([batch(2, record("1", 3, ANNUL, second))])
    row = await reader.get(SCHOOLS, SAMARA, "1")
    assert row is not None
    assert (row.version, row.values["title"]) == (1, "School 1 v1")
    await store.apply([batch(3, record("1", 4, ANNUL, first))])
    assert await reader.get(SCHOOLS, SAMARA, "1") is None
    assert (await reader.count(SCHOOLS)).history == 4


async def test_a_cease_closes_valid_time_and_a_later_correction_leaves_it_closed(
    store: FundStore, reader: FundReader
) -> None:
    await store.positions({PLACE: 0})
    first = record("1", 1)
    cease = record("1", 2, CEASE, first)
    await store.apply([batch(0, first, cease, record("1", 3, CORRECT, cease))])
    row = await reader.get(SCHOOLS, SAMARA, "1")
    assert row is not None
    assert (row.version, row.ceased_at) == (3, datetime(2026, 3, 3, 9, 30, tzinfo=UTC))
    await store.apply([batch(3, record("1", 4))])
    row = await reader.get(SCHOOLS, SAMARA, "1")
    assert row is not None
    assert row.ceased_at is None


async def test_several_partitions_are_written_in_one_transaction_or_not_at_all(
    store: FundStore, reader: FundReader, dsn: str
) -> None:
    await store.positions({PLACE: 0, (TOPIC, 1): 10})
    rival = await FundStore.open(dsn, LAYOUTS)
    await rival.apply([batch(10, record("2", 1), partition=1)])
    with pytest.raises(Fenced, match="1 of 2 positions"):
        await store.apply([batch(0, record("1", 1)), batch(10, record("3", 1), partition=1)])
    assert (await reader.count(SCHOOLS)).history == 1
    assert await store.positions({PLACE: 0, (TOPIC, 1): 0}) == {PLACE: 0, (TOPIC, 1): 11}
    await rival.close()


async def test_a_batch_of_markers_alone_moves_the_position(
    store: FundStore, reader: FundReader
) -> None:
    await store.positions({PLACE: 0})
    (outcome,) = await store.apply([batch(0, markers=3)])
    assert (outcome.records, outcome.outcomes) == (0, ())
    (account,) = await reader.counters()
    assert (account.next_offset, account.records, account.difference) == (3, 0, 0)


async def test_nothing_to_apply_and_nothing_assigned_is_no_fault(store: FundStore) -> None:
    assert await store.positions({}) == {}
    assert await store.apply([]) == ()


async def test_batches_that_leave_a_gap_are_refused(store: FundStore) -> None:
    await store.positions({PLACE: 0})
    with pytest.raises(InvariantBroken, match="1 was expected"):
        await store.apply([batch(0, record("1", 1)), batch(2, record("2", 1))])


async def test_a_value_that_postgresql_refuses_stops_the_fund_and_names_its_record(
    store: FundStore, reader: FundReader
) -> None:
    await store.positions({PLACE: 0})
    good = [record(str(number), 1) for number in range(40)]
    bad = record("666", 1, fields={"title": "nul \0 secret"})
    with pytest.raises(InvariantBroken, match=r"accepted\.schools/0/23: .*22021") as caught:
        await store.apply([batch(0, *good[:23], bad, *good[23:])])
    assert "secret" not in "".join(traceback.format_exception(caught.value))
    assert (await reader.count(SCHOOLS)).history == 0
    (outcome,) = await store.apply([batch(0, *good)])
    assert outcome.history == 40


async def test_a_value_that_cannot_be_decoded_stops_the_fund_and_names_its_record(
    store: FundStore,
) -> None:
    await store.positions({PLACE: 0})
    broken = replace(record("1", 1), value=record("1", 1).value[:9])
    with pytest.raises(InvariantBroken, match=r"accepted\.schools/0/1: .*schema 11"):
        await store.apply([batch(0, record("2", 1), broken)])


async def test_a_dataset_outside_the_catalogue_stops_the_fund(dsn: str) -> None:
    store = await FundStore.open(dsn, {})
    await store.positions({PLACE: 0})
    with pytest.raises(InvariantBroken, match="dataset schools is not in this worker's catalogue"):
        await store.apply([batch(0, record("1", 1))])
    store.adopt(LAYOUTS)
    await store.apply([batch(0, record("1", 1))])
    await store.close()


async def test_a_partition_whose_positions_were_never_asked_for_is_fenced(
    store: FundStore,
) -> None:
    with pytest.raises(Fenced):
        await store.apply([batch(0, record("1", 1))])


async def test_the_database_itself_refuses_counters_that_break_the_law(
    store: FundStore, session: Session
) -> None:
    await store.positions({PLACE: 0})
    with pytest.raises(psycopg.errors.CheckViolation, match="conservation_law"):
        await session.execute("UPDATE bus.fund_counters SET repeats = repeats + 1")
