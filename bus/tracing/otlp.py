"""Our spans as OpenTelemetry's, handed to its SDK; imported only where a backend is set."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from bus import __version__
from bus.tracing.span import Side, Span

EXPORT_S: Final = 5
"""How long the backend may take to answer."""
END_S: Final = 3.0
"""How long the last spans may take to leave when a process ends."""
_KINDS: Final[Mapping[Side, SpanKind]] = {
    Side.SERVER: SpanKind.SERVER,
    Side.PRODUCER: SpanKind.PRODUCER,
    Side.CONSUMER: SpanKind.CONSUMER,
    Side.CLIENT: SpanKind.CLIENT,
}
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)


class Otlp:
    """Sends spans from a thread of its own; what its bounded queue can't hold is lost."""

    are_kept = True

    def __init__(self, url: str, service: str) -> None:
        """Prepare; the first spans connect.

        Args:
            url: As for `exporting`.
            service: As for `exporting`.
        """
        self._resource = Resource.create({"service.name": service, "service.version": __version__})
        self._scope = InstrumentationScope("bus", __version__)
        endpoint = f"{url.rstrip('/')}/v1/traces"
        self._exporter = OTLPSpanExporter(endpoint=endpoint, timeout=EXPORT_S)
        self._queue = BatchSpanProcessor(self._exporter)

    def tell(self, spans: Iterable[Span]) -> None:
        """Queue spans."""
        for span in spans:
            self._queue.on_end(self._readable(span))

    def end(self) -> None:
        """Let the last spans leave, for as long as a process that ends has time."""
        # Why a thread: the SDK tries a silent backend again and again, whatever limit it is given.
        last = threading.Thread(target=self._queue.shutdown, name="spans", daemon=True)
        last.start()
        last.join(END_S)
        if last.is_alive():
            self._exporter.shutdown()  # type: ignore[no-untyped-call]

    def _readable(self, span: Span) -> ReadableSpan:
        parent_id = span.parent_id
        return ReadableSpan(
            name=span.name,
            context=_context(span.context.trace_id, span.span_id, is_remote=False),
            parent=None
            if parent_id is None
            else _context(span.context.trace_id, parent_id, is_remote=True),
            resource=self._resource,
            attributes=dict(span.attributes),
            kind=_KINDS[span.side],
            status=Status(StatusCode.UNSET)
            if span.failed is None
            else Status(StatusCode.ERROR, span.failed),
            start_time=span.begun_ns,
            end_time=span.ended_ns,
            instrumentation_scope=self._scope,
        )


def _context(trace_id: str, span_id: str, *, is_remote: bool) -> SpanContext:
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote, _SAMPLED)
