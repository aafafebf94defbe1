"""Spans leave for a backend, and a backend that is away keeps nobody waiting."""

from __future__ import annotations

import socket
import sys
import threading
import time

import pytest

from bus.errors import DocumentError, say
from bus.model.identifiers import DatasetCode, RecordId
from bus.tracing.exporting import UNKEPT, exporting
from bus.tracing.sent import sent_spans
from bus.tracing.span import Side, Span, of_record, read_by
from bus.wire.delivery import Delivery
from bus.wire.trace_context import TraceContext, own_trace
from tests.factories import SOURCE, Raw, unsigned
from tests.tracing.receiver import receiving

RECORD = RecordId("5d41402abc4b2a76b9719d911017c592")
GIVEN = TraceContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", is_sampled=True)


def span(number: int = 0, **changed: object) -> Span:
    told: dict[str, object] = {
        "context": GIVEN,
        "name": f"process in.a.{number}",
        "side": Side.CONSUMER,
        "begun_ns": 1_000,
        "ended_ns": 3_000,
        "attributes": of_record(RECORD, DatasetCode("schools")),
        **changed,
    }
    return Span(**told)  # type: ignore[arg-type]


def test_spans_arrive_as_they_were_told() -> None:
    own = own_trace(RECORD, 1.0)
    assert own is not None
    told = [
        span(1, context=own, is_parent=True, side=Side.PRODUCER),
        span(2, failed="rule_violated"),
        span(3, side=Side.SERVER),
        span(4, side=Side.CLIENT),
    ]
    with receiving() as backend:
        with exporting(backend.url + "/", "bus-enforce") as spans:
            assert spans.are_kept
            spans.tell(told)
        assert backend.paths == {"/v1/traces"}
        by_name = {one.name: one for one in backend.spans}
    assert len(by_name) == len(told)
    root, failed = by_name["process in.a.1"], by_name["process in.a.2"]
    assert (root.trace_id, root.span_id, root.parent_id) == (RECORD, RECORD[16:], "")
    assert (failed.trace_id, failed.parent_id) == (GIVEN.trace_id, GIVEN.parent_id)
    assert failed.span_id == told[1].span_id
    assert (failed.failed, root.failed) == ("rule_violated", "")
    assert {one.service for one in by_name.values()} == {"bus-enforce"}
    assert {one.took_ns for one in by_name.values()} == {2_000}
    assert dict(failed.attributes) == {"bus.dataset": "schools", "bus.record_id": RECORD}
    assert len({one.kind for one in by_name.values()}) == 4


def test_equal_work_on_a_record_is_one_span_however_often_it_is_done() -> None:
    first, again = span(), span(begun_ns=9, ended_ns=10)
    assert first.span_id == again.span_id
    others = [
        span(1),
        span(context=GIVEN._replace(parent_id="1" * 16)),
        span(attributes={"bus.record_id": "another"}),
        span(attributes={**first.attributes, "messaging.consumer.group.name": "portal.schools"}),
    ]
    assert len({first.span_id, *(one.span_id for one in others)}) == 5
    aside = [
        span(attributes=read_by(Raw(offset=number), "bus.enforce"), begun_ns=began)
        for number, began in ((1, 5), (2, 5), (1, 6))
    ]
    assert aside[0].span_id != aside[1].span_id, "two records that nobody knows the ids of"
    assert aside[0].span_id == aside[2].span_id
    asked = [span(attributes={}, begun_ns=number) for number in range(2)]
    assert asked[0].span_id != asked[1].span_id, "two requests of one caller are two"


@pytest.mark.parametrize("refuses", [True, False])
def test_a_backend_that_is_away_or_refuses_keeps_nobody_waiting(refuses: bool) -> None:
    with receiving(400) as backend, socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()  # takes connections and never answers
        url = backend.url if refuses else f"http://127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        with exporting(url, "bus-fund") as spans:
            spans.tell(span(number) for number in range(5_000))
            told_s = time.monotonic() - began
        ended_s = time.monotonic() - began
        for thread in threading.enumerate():
            if thread.name == "spans" or thread.name.startswith("Otel"):
                thread.join(15)
                assert not thread.is_alive(), "nothing goes on trying behind the end"
    assert told_s < 5, "telling is not sending"
    assert ended_s < 15
    assert not backend.spans


def test_without_a_backend_nothing_is_kept() -> None:
    with exporting(None, "bus-fund") as spans:
        assert spans is UNKEPT
        assert not spans.are_kept
        spans.tell([span()])


def test_what_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bus.tracing.otlp", None)
    with pytest.raises(DocumentError) as caught, exporting("http://127.0.0.1:4318", "x"):
        raise AssertionError("entered")
    assert "interagency-bus[tracing]" in say(caught.value.message, "en")


def test_a_sent_record_begins_its_own_trace_or_goes_on_with_its_senders() -> None:
    raws = [unsigned(key=f"{number}") for number in range(3)]
    own = own_trace(RecordId(dict(raws[0].headers)["ce_id"].decode()), 1.0)
    headers = [
        [*raw.headers, *([("traceparent", str(context).encode())] if context else [])]
        for raw, context in zip(raws, [own, GIVEN, None], strict=True)
    ]
    deliveries = [
        Delivery(topic=str(SOURCE), partition=1, key=raw.key, value=raw.value, headers=headers[at])
        for at, raw in enumerate(raws)
    ]
    first, second = sent_spans(deliveries, begun_ns=1, ended_ns=2)
    assert (first.parent_id, second.parent_id) == (None, GIVEN.parent_id)
    assert first.context == own
    assert second.context == GIVEN
    assert first.name == f"send {SOURCE}"
    assert first.attributes["messaging.destination.partition.id"] == "1"
