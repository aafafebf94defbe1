"""`/metrics` and `/healthz` of one process, answered by a thread of their own, on loopback.

Not in the event loop: while that is busy or blocked is when somebody asks.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from bus.observe.report import REPORT, WorkerReport

HOST: Final = "127.0.0.1"
REQUEST_TIMEOUT_S: Final = 5.0
_POLL_S: Final = 0.1
"""How soon the end is noticed."""


@contextmanager
def serving(
    registry: CollectorRegistry, report: Callable[[], WorkerReport] | None, port: int = 0
) -> Iterator[int]:
    """Serve until the block ends; give the port.

    Args:
        registry: What `/metrics` shows, in Prometheus' text or, where asked for, OpenMetrics.
        report: What `/healthz` shows; called in the server's threads. None: there is no such page.
        port: 0: the system chooses one.
    """
    pages = "/metrics" if report is None else "/metrics and /healthz"

    class Handler(BaseHTTPRequestHandler):
        timeout = REQUEST_TIMEOUT_S

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/metrics":
                encoder, content_type = choose_encoder(self.headers.get("Accept", ""))
                self._answer(HTTPStatus.OK, content_type, encoder(registry))
            elif path == "/healthz" and report is not None:
                now = report()
                status = HTTPStatus.OK if now.is_healthy else HTTPStatus.SERVICE_UNAVAILABLE
                self._answer(status, "application/json", REPORT.dump_json(now))
            else:
                told = f"here is {pages}\n".encode()
                self._answer(HTTPStatus.NOT_FOUND, "text/plain", told)

        def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Be quiet: a scrape every few seconds is no happening."""

    server = ThreadingHTTPServer((HOST, port), Handler)
    server.daemon_threads = True
    thread = threading.Thread(
        target=server.serve_forever, args=[_POLL_S], name="metrics", daemon=True
    )
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
