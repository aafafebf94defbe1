from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import psycopg
import pytest

from bus.errors import DocumentError
from bus.fund.store import FundStore
from bus.model.record import Group, Operation
from bus.model.verdict import Reason
from bus.postgres.session import Session
from bus.quarantine.decision import DecisionKind, Grounds, Selection, grounds_of
from bus.quarantine.decisions import DecisionStore
from bus.quarantine.release import ReleaseReport, release, try_release
from bus.quarantine.store import QuarantineStore
from bus.wire.delivery import Delivery
from tests.factories import AGENCY, DATASET, Raw, one_signed, signed, snapshot, unsigned
from tests.fund.samples import PLACE, SAMARA, SCHOOLS, batch, record
from tests.quarantine.waiting import (
    MENDED,
    USELESS,
    Custody,
    ReleaseTopic,
    entry,
    quarantine_id,
)

GOOD, OTHER = one_signed(offset=3), one_signed(key="63-0002", offset=5)
FORGED = replace(one_signed(offset=4), value=b"\0\0\0\0\x01changed")
ALL = Selection(dataset=DATASET)


@pytest.fixture
async def decisions(dsn: str) -> AsyncIterator[DecisionStore]:
    opened = await DecisionStore.open(dsn)
    yield opened
    await opened.close()


@pytest.fixture
def custody(keeper: QuarantineStore) -> Custody:
    return Custody(keeper)


@pytest.fixture
def topic() -> ReleaseTopic:
    return ReleaseTopic()


def quiet(_: ReleaseReport) -> None:
    """Show no progress."""


async def released(
    store: DecisionStore, topic: ReleaseTopic, selection: Selection = ALL
) -> ReleaseReport:
    return await release(
        store,
        selection,
        snapshot(),
        grounds=MENDED,
        deliver=topic.deliver,
        rate_per_s=10_000,
        progress=quiet,
    )


async def test_a_dry_run_tells_what_would_pass_and_moves_nothing(
    decisions: DecisionStore, custody: Custody, session: Session
) -> None:
    await custody.take(entry(GOOD), entry(FORGED), entry(OTHER))
    report = await try_release(decisions, ALL, snapshot())
    assert (report.selected, report.passing, report.decision) == (3, 2, None)
    assert report.refused == {Reason.SIGNATURE_INVALID: 1}
    rows = await session.execute("SELECT state, count(*) FROM bus.quarantine GROUP BY state")
    assert await rows.fetchall() == [("open", 3)]
    assert (await try_release(decisions, Selection(rule="inn-check-digits"), snapshot())).passing
    for nothing in (Selection(rule="other"), Selection(reason=Reason.UNSIGNED), Selection(ids=())):
        assert (await try_release(decisions, nothing, snapshot())).selected == 0


async def test_what_passes_is_sent_as_it_was_and_the_decision_is_kept(
    decisions: DecisionStore, custody: Custody, topic: ReleaseTopic
) -> None:
    await custody.take(entry(GOOD), entry(FORGED), entry(OTHER))
    report = await released(decisions, topic)
    assert (report.passing, report.refused) == (2, {Reason.SIGNATURE_INVALID: 1})
    assert topic.places() == [(3, 1), (5, 1)]
    sent = topic.written[0]
    assert (sent.topic, sent.partition) == (f"release.{AGENCY}", GOOD.partition)
    assert (sent.key, sent.value) == (GOOD.key, GOOD.value)
    assert sent.headers[:-4] == list(GOOD.headers)
    assert [(await custody.state(raw))[0] for raw in (GOOD, FORGED, OTHER)] == [
        "released",
        "open",
        "released",
    ]
    (kept,) = await decisions.decisions_of(quarantine_id(GOOD))
    assert (kept.kind, kept.by, kept.because) == (DecisionKind.RELEASE, "steward", "rule mended")
    assert (kept.number, kept.count, kept.catalogue) == (report.decision, 2, 7)
    assert await decisions.decisions_of(quarantine_id(FORGED)) == ()
    again = await released(decisions, topic)
    assert (again.selected, again.passing, again.decision) == (1, 0, None)
    assert len(topic.written) == 2


async def test_a_release_stopped_before_it_was_durable_is_completed_by_the_next(
    decisions: DecisionStore, custody: Custody, topic: ReleaseTopic
) -> None:
    await custody.take(entry(GOOD), entry(OTHER))
    topic.fails = True
    with pytest.raises(ConnectionError):
        await released(decisions, topic)
    assert await custody.state(GOOD) == ("releasing", Reason.RULE_VIOLATED, 1)
    topic.fails = False
    report = await released(decisions, topic)
    assert (report.selected, report.resumed, report.passing) == (2, 2, 0)
    assert topic.places() == [(3, 1), (5, 1), (3, 1), (5, 1)]
    assert await custody.state(GOOD) == ("released", Reason.RULE_VIOLATED, 1)
    assert [one.count for one in await decisions.decisions_of(quarantine_id(GOOD))] == [2]


async def test_a_released_record_that_is_refused_again_is_open_with_the_new_reason(
    decisions: DecisionStore, custody: Custody, topic: ReleaseTopic
) -> None:
    await custody.take(entry(GOOD))
    await released(decisions, topic)
    assert await custody.take(entry(GOOD)) == 0, "a late repeat of what was released since"
    assert (await custody.state(GOOD))[0] == "released"
    again = entry(GOOD, Reason.NO_CONTRACT, attempt=1, catalogue=8)
    assert await custody.take(again, again) == 1
    assert await custody.take(again) == 0
    assert await custody.state(GOOD) == ("open", Reason.NO_CONTRACT, 1)
    await released(decisions, topic)
    assert topic.places() == [(3, 1), (3, 2)]
    assert await custody.take(again) == 0, "the answer to the release before"
    assert await custody.state(GOOD) == ("released", Reason.NO_CONTRACT, 2)


async def test_a_table_made_anew_from_its_topic_ends_with_the_latest_attempt(
    custody: Custody,
) -> None:
    again = entry(GOOD, Reason.NO_CONTRACT, attempt=1, catalogue=8)
    other = entry(OTHER, Reason.NO_CONTRACT, attempt=1)
    await custody.take(entry(GOOD), other, entry(OTHER))
    await custody.take(again, entry(GOOD))
    assert await custody.state(GOOD) == ("open", Reason.NO_CONTRACT, 1)
    assert await custody.state(OTHER) == ("open", Reason.NO_CONTRACT, 1)


async def test_an_answer_that_overtakes_the_release_keeps_the_entry_open(
    decisions: DecisionStore, custody: Custody, topic: ReleaseTopic
) -> None:
    await custody.take(entry(GOOD), entry(OTHER))

    async def deliver(deliveries: Sequence[Delivery]) -> None:
        await topic.deliver(deliveries)
        await custody.take(entry(GOOD, Reason.UNSIGNED, attempt=1))

    await release(
        decisions,
        ALL,
        snapshot(),
        grounds=MENDED,
        deliver=deliver,
        rate_per_s=10_000,
        progress=quiet,
    )
    assert await custody.state(GOOD) == ("open", Reason.UNSIGNED, 1)
    assert (await custody.state(OTHER))[0] == "released"


async def test_a_stopped_release_that_was_accepted_counts_as_released(
    decisions: DecisionStore, keeper: QuarantineStore, store: FundStore, custody: Custody
) -> None:
    topic = ReleaseTopic()
    topic.fails = True
    await store.positions({PLACE: 0})
    accepted = record("1", 1, bus_in=quarantine_id(GOOD))
    await custody.take(
        replace(entry(GOOD), dataset=SCHOOLS, record_id=accepted.record_id), entry(OTHER)
    )
    with pytest.raises(ConnectionError):
        await released(decisions, topic, Selection(ids=(quarantine_id(GOOD),)))
    await store.apply([batch(0, accepted)])
    assert (await keeper.sweep({SCHOOLS})).closed == 1
    assert [(await custody.state(raw))[0] for raw in (GOOD, OTHER)] == ["released", "open"]


def group_of(*keys: str) -> list[Raw]:
    """Records of one correction group at consecutive offsets."""
    group = "0123456789abcdef"
    return signed(
        [
            replace(
                raw := unsigned(key=key, offset=10 + number),
                headers=[
                    *raw.headers,
                    ("bus_group", str(Group(id=group, index=number, size=len(keys))).encode()),
                ],
            )
            for number, key in enumerate(keys)
        ]
    )


async def test_members_of_a_correction_group_are_decided_on_together(
    decisions: DecisionStore, custody: Custody, topic: ReleaseTopic
) -> None:
    members = group_of("63-1", "63-2", "63-3")
    one = Selection(ids=(quarantine_id(members[1]),))
    await custody.take(*(entry(raw) for raw in members[:2]))
    report = await try_release(decisions, one, snapshot())
    assert (report.selected, report.refused) == (2, {Reason.GROUP_INCOMPLETE: 2})
    await custody.take(entry(members[2]), entry(GOOD))
    report = await released(decisions, topic, one)
    assert (report.selected, report.passing) == (3, 3)
    assert topic.places() == [(10, 1), (11, 1), (12, 1)]
    await custody.take(*(entry(raw, Reason.GROUP_REFUSED, attempt=1) for raw in members))
    assert len(await decisions.discard([quarantine_id(members[2])], USELESS)) == 3
    assert [(await custody.state(raw))[0] for raw in (*members, GOOD)] == [
        *["discarded"] * 3,
        "open",
    ]


async def test_a_discard_needs_two_posts_and_open_entries(
    decisions: DecisionStore, custody: Custody, topic: ReleaseTopic, keeper: QuarantineStore
) -> None:
    for second in (None, " ", "Steward"):
        with pytest.raises(DocumentError, match="--second"):
            grounds_of(DecisionKind.DISCARD, by="steward", because="x", second=second)
    with pytest.raises(DocumentError, match=r"--by(.|\n)*--because"):
        grounds_of(DecisionKind.RELEASE, by="", because=" ")
    await custody.take(entry(GOOD), entry(OTHER))
    await released(decisions, topic, Selection(ids=(quarantine_id(OTHER),)))
    with pytest.raises(DocumentError, match="/5: found not open"):
        await decisions.discard([quarantine_id(GOOD), quarantine_id(OTHER)], USELESS)
    assert (await custody.state(GOOD))[0] == "open"
    assert await decisions.discard([quarantine_id(GOOD)], USELESS) == (quarantine_id(GOOD),)
    assert (await custody.state(GOOD))[0] == "discarded"
    kept = await keeper.original(quarantine_id(GOOD))
    assert kept is not None
    assert kept.value == GOOD.value
    (decision,) = await decisions.decisions_of(quarantine_id(GOOD))
    assert (decision.by, decision.second) == ("steward", "operator")


async def test_decisions_can_be_neither_changed_nor_taken_back(
    decisions: DecisionStore, custody: Custody, session: Session
) -> None:
    await custody.take(entry(GOOD))
    await decisions.record_reveal(quarantine_id(GOOD), Grounds(by="auditor", because="complaint"))
    for statement in (
        "UPDATE bus.quarantine_decisions SET because = 'other'",
        "DELETE FROM bus.quarantine_decided",
        "TRUNCATE bus.quarantine_decisions CASCADE",
    ):
        with pytest.raises(psycopg.errors.RaiseException, match="only grows"):
            await session.execute(statement)
    (kept,) = await decisions.decisions_of(quarantine_id(GOOD))
    assert (kept.kind, kept.by, kept.because) == (DecisionKind.REVEAL, "auditor", "complaint")


@pytest.mark.parametrize("answered_first", [True, False])
async def test_a_resubmission_in_the_fund_resolves_its_entry_once(
    keeper: QuarantineStore,
    store: FundStore,
    decisions: DecisionStore,
    custody: Custody,
    *,
    answered_first: bool,
) -> None:
    faulty = replace(GOOD, topic=f"in.{SAMARA}.{SCHOOLS}")
    await store.positions({PLACE: 0})
    header = ("bus_resolves", quarantine_id(faulty).encode())
    answer = batch(0, record("1", 2), headers=[header])
    if answered_first:
        await store.apply([answer])
        assert (await keeper.sweep({SCHOOLS})).closed == 0
    await custody.take(entry(faulty), entry(OTHER))
    if not answered_first:
        await store.apply([answer])
    assert (await keeper.sweep({SCHOOLS})).closed == 1
    assert (await keeper.sweep({SCHOOLS})).closed == 0
    assert (await custody.state(faulty))[0] == "resolved"
    assert (await custody.state(OTHER))[0] == "open"
    assert await decisions.resolved_by(quarantine_id(faulty)) == record("1", 2).record_id


async def test_an_answer_counts_only_for_what_came_before_it(
    keeper: QuarantineStore, store: FundStore, decisions: DecisionStore, custody: Custody
) -> None:
    faulty = replace(GOOD, topic=f"in.{SAMARA}.{SCHOOLS}")
    header = ("bus_resolves", quarantine_id(faulty).encode())
    early = replace(record("1", 1), appended_ms=faulty.timestamp - 1)
    # Of the same partition the offsets tell, whatever the clocks say.
    before = record("1", 2, bus_in=f"{faulty.topic}/{faulty.partition}/{faulty.offset - 1}")
    await store.positions({PLACE: 0})
    await store.apply([batch(0, early, before, headers=[header])])
    await custody.take(entry(faulty))
    assert (await keeper.sweep({SCHOOLS})).closed == 0
    assert await decisions.resolved_by(quarantine_id(faulty)) is None
    answer, other = record("1", 3), replace(record("2", 1), appended_ms=early.appended_ms)
    await store.apply([batch(2, answer, other, headers=[header])])
    assert (await keeper.sweep({SCHOOLS})).closed == 1
    assert await decisions.resolved_by(quarantine_id(faulty)) == answer.record_id


async def test_a_held_record_answers_when_it_joins(
    keeper: QuarantineStore, store: FundStore, custody: Custody
) -> None:
    faulty = replace(GOOD, topic=f"in.{SAMARA}.{SCHOOLS}")
    header = ("bus_resolves", quarantine_id(faulty).encode())
    await custody.take(entry(faulty))
    await store.positions({PLACE: 0})
    held = record("1", 2, Operation.CORRECT, record("1", 1))
    await store.apply([batch(0, held, headers=[("other", b"\xff"), header])])
    assert (await keeper.sweep({SCHOOLS})).closed == 0
    await store.apply([batch(1, record("1", 1))])
    assert (await keeper.sweep({SCHOOLS})).closed == 1


@pytest.mark.parametrize(
    "named",
    [
        f"in.tax-samara.{SCHOOLS}/2/3",
        quarantine_id(GOOD),
        f"in.{SAMARA}.{SCHOOLS}/2/{2**63}",
        f"in.{SAMARA}.{SCHOOLS}/-{2**40}/3",
    ],
)
async def test_a_record_answers_for_nobody_else_and_for_no_other_dataset(
    keeper: QuarantineStore, store: FundStore, custody: Custody, named: str
) -> None:
    await custody.take(entry(GOOD), entry(replace(GOOD, topic=f"in.tax-samara.{SCHOOLS}")))
    await store.positions({PLACE: 0})
    await store.apply([batch(0, record("1", 1), headers=[("bus_resolves", named.encode())])])
    assert (await keeper.sweep({SCHOOLS})).closed == 0


async def test_the_fund_refuses_a_released_record_anew_and_counts_it_as_refused(
    decisions: DecisionStore, keeper: QuarantineStore, store: FundStore, session: Session
) -> None:
    await store.positions({PLACE: 0})
    rival = record("1", 1, fields={"title": "Another"}, bus_in=quarantine_id(GOOD))

    async def arrives(start: int, attempt: int) -> tuple[int, int]:
        added = [("bus_in", rival.bus_in.encode()), ("bus_catalogue", b"7")]
        if attempt:
            added.append(("bus_attempt", str(attempt).encode()))
        (outcome,) = await store.apply([batch(start, rival, headers=[*GOOD.headers, *added])])
        return outcome.refused, outcome.repeats

    await store.apply([batch(0, record("1", 1))])
    assert [await arrives(1, 0), await arrives(2, 0)] == [(1, 0), (0, 1)]
    topic = ReleaseTopic()
    report = await released(decisions, topic, Selection(ids=(rival.bus_in,)))
    assert (report.passing + len(report.refused), report.selected) == (1, 1)
    await session.execute("UPDATE bus.quarantine SET state = 'released', attempt = 1")
    assert [await arrives(3, 0), await arrives(4, 1), await arrives(5, 1)] == [
        (0, 1),
        (1, 0),
        (0, 1),
    ]
    shown = await keeper.show(rival.bus_in)
    assert shown is not None
    assert (shown.state.value, shown.reason, shown.attempt) == (
        "open",
        Reason.CONFLICTING_VERSION,
        1,
    )
    original = await keeper.original(rival.bus_in)
    assert original is not None
    assert list(original.headers) == list(GOOD.headers)


async def test_a_provider_is_told_what_its_quarantine_topic_does_not_say(
    decisions: DecisionStore,
    keeper: QuarantineStore,
    store: FundStore,
    custody: Custody,
    topic: ReleaseTopic,
) -> None:
    async def told() -> list[tuple[str, str, str | None]]:
        receipts = await keeper.untold(100)
        await keeper.told(receipts)
        return [(one.quarantine_id, one.state.value, one.because) for one in receipts]

    await custody.take(entry(GOOD), entry(OTHER))
    assert await told() == []
    await released(decisions, topic, Selection(ids=(quarantine_id(GOOD),)))
    await decisions.discard([quarantine_id(OTHER)], USELESS)
    assert await told() == [
        (quarantine_id(GOOD), "released", "rule mended"),
        (quarantine_id(OTHER), "discarded", "a test record"),
    ]
    await custody.take(entry(GOOD, Reason.UNSIGNED, attempt=1))
    assert await told() == [(quarantine_id(GOOD), "open", None)]
    await store.positions({PLACE: 0})
    fresh = record("1", 1, fields={"title": "Another"})
    known = record("2", 1, fields={"title": "Another"}, bus_in=quarantine_id(FORGED))
    await custody.take(entry(FORGED))
    await store.apply([batch(0, record("1", 1), record("2", 1), fresh, known)])
    assert sorted(await told()) == sorted(
        [(fresh.bus_in, "open", None), (known.bus_in, "open", None)]
    )
    member = one_signed(key="63-0009", offset=9)
    await custody.take(replace(entry(member, Reason.GROUP_REFUSED), refused_by_fund=True))
    assert await told() == [(quarantine_id(member), "open", None)]
    assert await told() == []
