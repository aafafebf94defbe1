"""Reading a worker's page as Prometheus does."""

from __future__ import annotations

from http.client import HTTPConnection

from bus.observe.report import Target

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def scrape(target: Target, path: str, accept: str = "text/plain") -> tuple[int, bytes]:
    host, _, port = target.address.partition(":")
    connection = HTTPConnection(host, int(port), timeout=10)
    try:
        connection.request("GET", path, headers={"Accept": accept})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
