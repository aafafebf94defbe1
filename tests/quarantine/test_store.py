from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bus.errors import DocumentError, Fenced
from bus.fund.store import FundStore
from bus.model.record import RegistryRecord
from bus.model.verdict import Reason, Severity, Violation
from bus.postgres.session import Session
from bus.quarantine.entry import QuarantineEntry, QuarantineState
from bus.quarantine.store import (
    QuarantineBatch,
    QuarantineFilter,
    QuarantineStore,
)
from tests.fund.samples import APPENDED_MS, PLACE, SAMARA, SCHOOLS, batch, record

TOPIC = "quarantine.education-samara"
INBOUND = "in.education-samara.schools"
CUSTODY = (TOPIC, 0)
INN = Violation(rule="inn-check-digits", path="inn", severity=Severity.QUARANTINE)
NOTE = Violation(rule="title-long", path="title", severity=Severity.OBSERVE)


def entry(offset: int, reason: Reason = Reason.RULE_VIOLATED) -> QuarantineEntry:
    return QuarantineEntry(
        topic=INBOUND,
        partition=0,
        offset=offset,
        agency=SAMARA,
        dataset=SCHOOLS,
        reason=reason,
        path="" if reason is Reason.RULE_VIOLATED else "ce_id",
        violations=(INN, NOTE) if reason is Reason.RULE_VIOLATED else (),
        catalogue=7,
        record_id=None,
        key=b"17",
        headers=[("ce_id", b"x"), ("bus_sig", b"\0\xff"), ("ce_id", b"again"), ("n\udcff", b"")],
        value=b"\0\0\0\0\x01payload",
        appended_ms=APPENDED_MS + offset,
    )


def run_of(start: int, *entries: QuarantineEntry) -> QuarantineBatch:
    return QuarantineBatch(
        topic=TOPIC, partition=0, start=start, end=start + len(entries), entries=entries
    )


async def test_entries_are_kept_whole_and_shown_without_their_bytes(
    keeper: QuarantineStore,
) -> None:
    await keeper.positions({CUSTODY: 0})
    assert await keeper.apply([run_of(0, entry(5))]) == 1
    shown = await keeper.show(f"{INBOUND}/0/5")
    assert shown is not None
    assert (shown.reason, shown.state) == (Reason.RULE_VIOLATED, QuarantineState.OPEN)
    assert shown.violations == (INN, NOTE)
    assert shown.appended_at == datetime.fromtimestamp(APPENDED_MS / 1000, UTC).replace(
        microsecond=5_000
    )
    original = await keeper.original(f"{INBOUND}/0/5")
    assert original is not None
    assert (original.key, original.value) == (b"17", entry(5).value)
    assert original.headers == entry(5).headers
    assert "payload" not in repr(original) + repr(shown) + repr(entry(5))


async def test_what_postgresql_text_cannot_hold_is_kept_all_the_same(
    keeper: QuarantineStore,
) -> None:
    await keeper.positions({CUSTODY: 0})
    strange = replace(
        entry(0, Reason.HEADER_DOUBLED),
        path="nul \0 and surrogate \ud800",
        key=None,
        value=None,
        headers=[("na\0me", b"\0"), ("\udcff", b"")],
    )
    assert await keeper.apply([run_of(0, strange)]) == 1
    shown = await keeper.show(strange.id)
    assert shown is not None
    assert shown.path == "nul \N{REPLACEMENT CHARACTER} and surrogate ?"
    original = await keeper.original(strange.id)
    assert original is not None
    assert (original.key, original.value, original.headers) == (None, None, strange.headers)


async def test_a_record_set_aside_twice_is_one_entry(keeper: QuarantineStore) -> None:
    await keeper.positions({CUSTODY: 0})
    again = replace(entry(1), catalogue=8, reason=Reason.NO_CONTRACT)
    assert await keeper.apply([run_of(0, entry(1), again, entry(2))]) == 2
    assert await keeper.apply([run_of(3, again)]) == 0
    shown = await keeper.show(entry(1).id)
    assert shown is not None
    assert (shown.catalogue, shown.reason) == (7, Reason.RULE_VIOLATED)


async def test_the_same_batch_twice_is_fenced(keeper: QuarantineStore) -> None:
    await keeper.positions({CUSTODY: 0})
    await keeper.apply([run_of(0, entry(1))])
    with pytest.raises(Fenced):
        await keeper.apply([run_of(0, entry(1))])
    assert await keeper.positions({CUSTODY: 0}) == {CUSTODY: 1}


async def test_records_are_listed_by_cause_the_most_frequent_first(
    keeper: QuarantineStore,
) -> None:
    await keeper.positions({CUSTODY: 0})
    entries = [entry(1), entry(2), entry(3, Reason.SIGNATURE_INVALID)]
    await keeper.apply([run_of(0, *entries)])
    first, second = await keeper.causes(QuarantineFilter())
    assert (first.count, first.rules, first.example) == (2, ("inn-check-digits",), entries[1].id)
    assert (first.last_at - first.first_at).microseconds == 1_000
    assert (second.reason, second.path, second.rules) == (Reason.SIGNATURE_INVALID, "ce_id", ())
    (only,) = await keeper.causes(QuarantineFilter(agency=SAMARA, reason=second.reason))
    assert only == second
    assert await keeper.causes(QuarantineFilter(state=QuarantineState.RELEASED)) == ()


async def test_an_unknown_id_shows_nothing_and_a_malformed_one_is_told(
    keeper: QuarantineStore,
) -> None:
    assert await keeper.show(f"{INBOUND}/0/5") is None
    with pytest.raises(DocumentError, match="topic/partition/offset"):
        await keeper.show("17")


@pytest.mark.parametrize("accepted_first", [True, False])
async def test_of_two_outcomes_of_one_record_the_accepted_one_wins(
    keeper: QuarantineStore, store: FundStore, *, accepted_first: bool
) -> None:
    await keeper.positions({CUSTODY: 0})
    await store.positions({PLACE: 0})
    accepted = record("1", 1, bus_in=entry(4).id)
    aside = replace(entry(4), record_id=accepted.record_id)
    other = replace(entry(5), record_id=accepted.record_id)
    if accepted_first:
        await store.apply([batch(0, accepted)])
    await keeper.apply([run_of(0, aside, other)])
    if not accepted_first:
        await store.apply([batch(0, accepted)])
    assert (await keeper.sweep({SCHOOLS})).closed == 1
    assert (await keeper.sweep({SCHOOLS})).closed == 0
    closed, still_open = await keeper.show(aside.id), await keeper.show(other.id)
    assert closed is not None
    assert still_open is not None
    assert (closed.state, still_open.state) == (
        QuarantineState.SUPERSEDED,
        QuarantineState.OPEN,
    )


@pytest.mark.parametrize("refused_first", [True, False])
async def test_the_funds_refusal_stands_for_a_record_that_enforcement_set_aside_too(
    keeper: QuarantineStore, store: FundStore, session: Session, *, refused_first: bool
) -> None:
    await keeper.positions({CUSTODY: 0})
    await store.positions({PLACE: 0})
    rival = record("1", 1, fields={"title": "Another"}, bus_in=entry(4).id)

    async def refuse(sent: RegistryRecord) -> None:
        (outcome,) = await store.apply([batch(0, record("1", 1), sent)])
        assert outcome.refused == 1

    if refused_first:
        await refuse(rival)
    await keeper.apply([run_of(0, entry(4))])
    if not refused_first:
        await refuse(rival)
    shown = await keeper.show(entry(4).id)
    assert shown is not None
    assert shown.reason is Reason.CONFLICTING_VERSION
    rows = await session.execute("SELECT count(*) FROM bus.quarantine")
    assert await rows.fetchall() == [(1,)]


async def test_open_entries_are_swept_page_by_page_and_around(
    keeper: QuarantineStore, store: FundStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bus.quarantine.sweep.SWEPT_AT_ONCE", 2)
    await keeper.positions({CUSTODY: 0})
    await store.positions({PLACE: 0})
    accepted = record("1", 1, bus_in=entry(7).id)
    waiting = [replace(entry(offset), record_id=accepted.record_id) for offset in (4, 5, 6, 7)]
    await keeper.apply([run_of(0, *waiting)])
    await store.apply([batch(0, accepted)])
    first = await keeper.sweep({SCHOOLS})
    assert (first.closed, first.next_after) == (0, (INBOUND, 0, 5))
    second = await keeper.sweep({SCHOOLS}, (INBOUND, 0, 5))
    assert (second.closed, second.next_after) == (1, (INBOUND, 0, 7))
    last = await keeper.sweep({SCHOOLS}, (INBOUND, 0, 7))
    assert (last.closed, last.next_after) == (0, None)
