"""A tracing backend's door: OTLP over HTTP, read with OpenTelemetry's own protocol classes."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A span as it came."""

    service: str
    name: str
    kind: int
    trace_id: str
    span_id: str
    parent_id: str
    """Empty: none."""
    took_ns: int
    attributes: Mapping[str, str | int]
    failed: str
    """Empty: it did not."""


@dataclass(slots=True, kw_only=True)
class Backend:
    """What came, by now."""

    url: str = ""
    paths: set[str] = field(default_factory=set)
    spans: list[Received] = field(default_factory=list)

    def of(self, trace_id: str) -> dict[str, Received]:
        """Give the spans of a trace by name."""
        return {one.name: one for one in list(self.spans) if one.trace_id == trace_id}


@contextmanager
def receiving(status: int = 200) -> Iterator[Backend]:
    """Take spans on a loopback port until the block ends; any other status refuses them."""
    backend = Backend()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            backend.paths.add(self.path)
            if status == 200:
                backend.spans.extend(_spans(ExportTraceServiceRequest.FromString(body)))
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Be quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=[0.05], daemon=True)
    thread.start()
    backend.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield backend
    finally:
        server.shutdown()
        server.server_close()


def _spans(request: ExportTraceServiceRequest) -> Iterator[Received]:
    for of_resource in request.resource_spans:
        resource = {one.key: one.value.string_value for one in of_resource.resource.attributes}
        for of_scope in of_resource.scope_spans:
            for span in of_scope.spans:
                yield Received(
                    service=resource["service.name"],
                    name=span.name,
                    kind=span.kind,
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    took_ns=span.end_time_unix_nano - span.start_time_unix_nano,
                    attributes={
                        one.key: getattr(one.value, one.value.WhichOneof("value") or "string_value")
                        for one in span.attributes
                    },
                    failed=span.status.message,
                )
