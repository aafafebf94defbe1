"""Spans of records that a source sent, or a gateway for it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bus.model.identifiers import RecordId
from bus.tracing.span import Side, Span, of_kafka, of_record
from bus.wire.delivery import Delivery
from bus.wire.topics import parse_inbound
from bus.wire.trace_context import is_own, trace_of


def sent_spans(deliveries: Iterable[Delivery], *, begun_ns: int, ended_ns: int) -> Iterator[Span]:
    """Tell of traced records that they are durable in an in-topic.

    Of a trace that is the record's own this is the first span, the parent of all that follow.

    Args:
        deliveries: Records with all their headers.
        begun_ns: When they were handed over, since 1970 UTC.
        ended_ns: When all in-sync replicas had them.
    """
    for one in deliveries:
        context = trace_of(one.headers)
        if context is None:
            continue
        record_id = RecordId(dict(one.headers)["ce_id"].decode())
        yield Span(
            context=context,
            name=f"send {one.topic}",
            side=Side.PRODUCER,
            begun_ns=begun_ns,
            ended_ns=ended_ns,
            attributes=of_kafka(one.topic, one.partition)
            | of_record(record_id, parse_inbound(one.topic).dataset),
            is_parent=is_own(context, record_id),
        )
