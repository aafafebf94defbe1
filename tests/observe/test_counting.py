from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from bus.catalogue.agreement import Agreement
from bus.enforce.judge import judge
from bus.fund import refuse
from bus.fund.batch import BatchOutcome, FundBatch, FundRecord
from bus.merge import Outcome
from bus.model.record import Lane
from bus.model.verdict import (
    FUND_REASONS,
    Quarantined,
    Reason,
    Severity,
    Stage,
    Verdict,
    Violation,
)
from bus.observe import series
from bus.observe.board import Board
from bus.observe.happenings import RecordsRefused, batch_enforced, group_funded
from bus.observe.known import (
    known_to_enforcement,
    known_to_fund,
    known_to_housekeeping,
    readers_by_topic,
)
from bus.observe.meter import Meter
from bus.route.plan import plan
from bus.wire.headers import parse_delivered
from bus.wire.signature import SignatureChecker
from tests.catalogue.drawn import agreements_like, moments_around
from tests.factories import (
    AGENCY,
    APPENDED_MS,
    DATASET,
    SOURCE,
    VALID,
    Raw,
    noon,
    one_signed,
    signed,
    signer,
    snapshot,
    unsigned,
)

NOW_MS = APPENDED_MS + 40


def judged(*raws: Raw) -> list[Verdict]:
    return judge(list(raws), source=SOURCE, snapshot=snapshot(), checker=SignatureChecker())


def told(verdicts: list[Verdict], *, is_release: bool = False, now_ms: int = NOW_MS) -> Meter:
    meter = Meter(known_to_enforcement)
    meter.know(snapshot())
    deliveries = plan(verdicts, snapshot=snapshot(), signer=signer("bus"))
    written = Counter(delivery.topic for delivery in deliveries)
    happening = batch_enforced(verdicts, written, snapshot=snapshot(), is_release=is_release)
    happening.tell(meter.board, meter.readers, now_ms)
    return meter


def samples(board: Board) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    page = generate_latest(board.registry).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if not sample.name.startswith("bus_process_")
    }


def value(board: Board, name: str, **labels: str) -> float:
    return samples(board)[name, tuple(sorted(labels.items()))]


def test_a_batch_is_counted_by_provider_lane_reason_rule_and_consumer() -> None:
    good = [unsigned(key=f"63-{n}", offset=n) for n in range(3)]
    verdicts = judged(
        *signed([*good, unsigned(key="63-9", offset=9, inn="6317000001")]),
        replace(one_signed(key="63-10", offset=10), value=b""),
    )
    board = told(verdicts).board
    of = {"agency": AGENCY, "dataset": DATASET}
    assert value(board, "bus_records_accepted_total", **of, lane="live") == 3
    assert value(board, "bus_records_accepted_total", **of, lane="backfill") == 0
    assert value(board, "bus_records_quarantined_total", **of, reason="rule_violated") == 1
    assert value(board, "bus_records_quarantined_total", **of, reason="empty_value") == 1
    assert value(board, "bus_records_quarantined_total", **of, reason="unsigned") == 0
    broken = [
        v for verdict in verdicts if isinstance(verdict, Quarantined) for v in verdict.violations
    ]
    assert broken
    for violation in broken:
        labels = {"dataset": DATASET, "rule": violation.rule, "severity": violation.severity}
        assert value(board, "bus_rule_violations_total", **labels) == 1
    assert set(delivered(board).values()) == {3}
    with pytest.raises(KeyError):
        value(board, "bus_records_quarantined_total", **of, reason="unknown_predecessor")


def delivered(board: Board) -> dict[tuple[tuple[str, str], ...], float]:
    return {
        labels: count
        for (name, labels), count in samples(board).items()
        if name == "bus_records_delivered_total" and count
    }


def read_at(moment: datetime, *agreements: Agreement) -> list[str]:
    """Tell who counts as reading the dataset's topics at a moment."""
    region = replace(snapshot().region, agreements=agreements)
    return [
        reader.consumer
        for readers in readers_by_topic(replace(snapshot(), region=region)).values()
        for reader in readers
        if reader.may_read(int(moment.timestamp() * 1000))
    ]


GRANTING = next(one for one in snapshot().region.agreements if one.dataset == DATASET)


@given(agreements_like(GRANTING))
def test_a_record_counts_as_delivered_while_an_agreement_is_in_force_and_at_no_other_time(
    one: Agreement,
) -> None:
    for moment in moments_around(one):
        assert read_at(moment, one) == [one.consumer] * one.is_in_force(moment)


def test_a_record_counts_once_however_many_agreements_of_a_consumer_give_it() -> None:
    other = replace(GRANTING, id="other", purpose=GRANTING.purpose)
    assert read_at(noon(GRANTING.valid_from), GRANTING, other) == [GRANTING.consumer]


def test_nothing_counts_as_delivered_to_a_consumer_whose_agreement_has_ended() -> None:
    year_2100_ms = 4_102_444_800_000
    assert delivered(told(judged(one_signed())).board) != {}
    assert delivered(told(judged(one_signed()), now_ms=year_2100_ms).board) == {}


def test_a_rule_that_only_observes_is_counted_though_the_record_is_accepted() -> None:
    (accepted,) = judged(one_signed())
    assert not isinstance(accepted, Quarantined)
    seen = Violation(rule="places-plausible", path="places", severity=Severity.OBSERVE)
    observed = accepted._replace(examined=accepted.examined._replace(violations=(seen,)))
    board = told([observed]).board
    labels = {"dataset": DATASET, "rule": "places-plausible", "severity": "observe"}
    assert value(board, "bus_rule_violations_total", **labels) == 1


def test_latency_is_measured_on_live_records_and_not_on_released_ones() -> None:
    verdicts = judged(*signed([unsigned(key=f"63-{n}", offset=n) for n in range(5)]))
    fresh, released = told(verdicts).board, told(verdicts, is_release=True).board
    assert value(fresh, "bus_accept_latency_seconds_count", dataset=DATASET) == 5
    assert value(fresh, "bus_accept_latency_seconds_bucket", dataset=DATASET, le="0.025") == 0
    assert value(fresh, "bus_accept_latency_seconds_bucket", dataset=DATASET, le="0.05") == 5
    assert round(value(fresh, "bus_accept_latency_seconds_sum", dataset=DATASET), 3) == 0.2
    assert value(released, "bus_accept_latency_seconds_count", dataset=DATASET) == 0


def test_no_series_is_born_by_a_record_whatever_it_breaks() -> None:
    """The number of series is bounded by the catalogue alone."""
    meter = Meter(known_to_enforcement)
    meter.know(snapshot())
    before = set(samples(meter.board))
    region = snapshot().region
    verdicts: list[Verdict] = []
    for dataset, contract in region.contracts.items():
        rules = {rule.id: rule for version in contract.schema_versions for rule in version.rules}
        broken = tuple(
            Violation(rule=rule.id, path="", severity=rule.severity) for rule in rules.values()
        )
        verdicts += [
            Quarantined(raw=Raw(), agency=agency, dataset=dataset, reason=reason, violations=broken)
            for agency in region.providers_of(dataset)
            for reason in Reason
            if reason.stage is not Stage.FUND
        ]
    verdicts += judged(one_signed())
    deliveries = plan(verdicts[-1:], snapshot=snapshot(), signer=signer("bus"))
    written = Counter(delivery.topic for delivery in deliveries)
    happening = batch_enforced(verdicts, written, snapshot=snapshot(), is_release=False)
    happening.tell(meter.board, meter.readers, NOW_MS)
    of = (("agency", AGENCY), ("dataset", DATASET))
    newest = ("bus_dataset_last_event_timestamp_seconds", of)
    assert set(samples(meter.board)) == {*before, newest}
    pairs = sum(len(region.providers_of(dataset)) for dataset in region.contracts)
    assert len(before) / pairs * 300 < 40_000, "too many for a region of 300 datasets"
    assert sum(count for (name, _), count in samples(meter.board).items() if "quar" in name) > 50


def test_the_fund_counts_what_arrived_and_what_it_refused() -> None:
    board = Board()
    board.bear(known_to_fund(snapshot()))
    board.bear(known_to_housekeeping(snapshot()))
    before = set(samples(board))
    (accepted,) = plan(judged(one_signed()), snapshot=snapshot(), signer=signer("bus"))[:1]
    raw = Raw(
        topic=accepted.topic, key=accepted.key, value=accepted.value, headers=accepted.headers
    )
    record = parse_delivered(raw, DATASET)
    assert record.lane is Lane.LIVE
    batch = FundBatch(
        topic=raw.topic,
        partition=0,
        start=0,
        end=3,
        records=[FundRecord(offset=n, record=record) for n in range(3)],
    )
    outcome = BatchOutcome(
        topic=raw.topic,
        partition=0,
        records=3,
        history=1,
        repeats=1,
        refused=1,
        held=0,
        outcomes=(Outcome.INSERTED, Outcome.REPEAT, Outcome.CONFLICT),
    )
    group_funded([batch], [outcome], 0.004).tell(board, NOW_MS)
    assert set(refuse._PATHS) == FUND_REASONS
    refusals = [(AGENCY, DATASET, reason) for reason in FUND_REASONS]
    RecordsRefused(refusals=refusals).tell(board)
    for kind in ("inserted", "repeat", "conflict"):
        assert value(board, "bus_fund_records_total", dataset=DATASET, outcome=kind) == 1
    assert value(board, "bus_fund_latency_seconds_count", dataset=DATASET) == 3
    for reason in FUND_REASONS:
        of = {"agency": AGENCY, "dataset": DATASET, "reason": reason}
        assert value(board, "bus_records_quarantined_total", **of) == 1
    assert set(samples(board)) == before, "each was born at 0"


def test_a_new_catalogue_bears_what_it_adds_and_keeps_what_was_counted() -> None:
    meter = told(judged(one_signed()))
    meter.know(replace(snapshot(), version=snapshot().version + 1))
    of = {"agency": AGENCY, "dataset": DATASET}
    assert value(meter.board, "bus_records_accepted_total", **of, lane="live") == 1


def test_no_value_of_a_record_reaches_the_page() -> None:
    page = generate_latest(told(judged(one_signed(), one_signed(inn="6317000001"))).board.registry)
    values = [str(content) for content in VALID.values() if len(str(content)) > 6]
    assert [word for word in [*values, "6317000001"] if word.encode() in page] == []


def test_a_gauge_of_what_is_gone_ceases_or_falls_to_zero_as_asked() -> None:
    board = Board()
    here, gone = ("in.a.b", "0"), ("in.a.b", "1")
    board.replace(series.LAG_RECORDS, {here: 3.0, gone: 4.0}, gone=None)
    board.replace(series.LAG_RECORDS, {here: 5.0}, gone=None)
    assert value(board, "bus_position_lag_records", topic="in.a.b", partition="0") == 5
    assert ("bus_position_lag_records", (("partition", "1"), ("topic", "in.a.b"))) not in samples(
        board
    )
    board.replace(series.HELD, {("x",): 2.0}, gone=0)
    board.replace(series.HELD, {}, gone=0)
    assert value(board, "bus_fund_held_records", dataset="x") == 0
