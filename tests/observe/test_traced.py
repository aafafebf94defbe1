"""Which traced records stand for others on a page, and which spans their batch gives."""

from __future__ import annotations

from dataclasses import replace

from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics

from bus.enforce.judge import judge
from bus.model.identifiers import RecordId
from bus.model.record import Lane
from bus.model.verdict import Accepted, Verdict
from bus.observe import series
from bus.observe.board import Board
from bus.observe.traced import TRACED_MAX, enforced, exemplars_of, spans_of
from bus.wire.signature import SignatureChecker
from bus.wire.trace_context import TraceContext, own_trace
from tests.factories import DATASET, SOURCE, Raw, signed, snapshot, unsigned

FOREIGN = TraceContext("72157215721572157215721572157215", "b7ad6b7169203331", is_sampled=True)


def traced(key: str, context: TraceContext | None, **fields: object) -> Raw:
    (raw,) = signed([unsigned(key=key, **fields)])  # type: ignore[arg-type]
    if context is None:
        context = own_trace(RecordId(dict(raw.headers)["ce_id"].decode()), 1.0)
    return replace(raw, headers=[*raw.headers, ("traceparent", str(context).encode())])


def test_only_an_accepted_records_own_trace_stands_for_others() -> None:
    records = [
        traced("a", FOREIGN),
        traced("b", None),
        traced("c", None, inn="6317000001"),
        signed([unsigned(key="d")])[0],
        replace(traced("e", None), timestamp=1_774_987_200_999),
        traced("f", FOREIGN._replace(is_sampled=False)),
    ]
    verdicts = judge(records, source=SOURCE, snapshot=snapshot(), checker=SignatureChecker())
    found = enforced(verdicts, "bus.enforce")
    assert [one.attributes["bus.outcome"] for one in found] == [
        "accepted",
        "accepted",
        "rule_violated",
        "accepted",
    ]
    own = [dict(raw.headers)["ce_id"].decode() for raw in records]
    assert exemplars_of(found) == {
        (DATASET, records[1].timestamp): own[1],
        (DATASET, records[4].timestamp): own[4],
    }
    spans = list(spans_of(found, 5, 9))
    assert [span.failed for span in spans] == [None, None, "rule_violated", None]
    assert {(span.begun_ns, span.ended_ns) for span in spans} == {(5, 9)}
    assert "bus.record_id" not in spans[2].attributes, "it is not known to be who it says it is"
    assert len({span.span_id for span in spans}) == len(spans)


def test_history_stands_for_nothing_and_one_sender_traces_no_more_than_so_many() -> None:
    many = [traced(str(number), None) for number in range(TRACED_MAX + 1)]
    checker = SignatureChecker()
    verdicts = judge(many, source=SOURCE, snapshot=snapshot(), checker=checker)
    found = enforced(verdicts, "bus.enforce")
    assert len(found) == TRACED_MAX
    assert exemplars_of(found)
    assert exemplars_of([one._replace(is_live=False) for one in found]) == {}
    assert enforced([as_backfill(verdicts[0])], "bus.enforce")[0].is_live is False


def as_backfill(verdict: Verdict) -> Verdict:
    assert isinstance(verdict, Accepted)
    return verdict._replace(envelope=verdict.envelope._replace(lane=Lane.BACKFILL))


def test_an_exemplar_stands_at_its_bucket_in_openmetrics_alone() -> None:
    board, record_id = Board(), RecordId("5d41402abc4b2a76b9719d911017c592")
    board.observe(series.FUND_LATENCY, (DATASET,), 0.2, 3)
    board.observe(series.FUND_LATENCY, (DATASET,), 0.3, exemplar=record_id)
    page = openmetrics(board.registry).decode()  # type: ignore[no-untyped-call]
    (line,) = [line for line in page.splitlines() if record_id in line]
    assert 'le="0.5"' in line
    assert f'{{trace_id="{record_id}"}} 0.3' in line
    assert record_id not in generate_latest(board.registry).decode()
