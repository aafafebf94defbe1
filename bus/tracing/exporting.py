"""Spans on their way to a tracing backend, by OTLP over HTTP; nothing of the bus waits for them.

A backend that is away, or slow, costs spans and nothing else: they wait in a bounded queue that a
thread of the SDK's empties.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from bus.errors import DocumentError
from bus.texts import message
from bus.tracing.span import Span


class Spans(Protocol):
    """Where spans are told."""

    are_kept: bool
    """Whether anybody keeps them; what a caller would make of them for nothing it leaves out."""

    def tell(self, spans: Iterable[Span]) -> None:
        """Take spans; safe from any thread, and never waits."""


class _Unkept:
    """Where no tracing backend is set."""

    are_kept = False

    def tell(self, spans: Iterable[Span]) -> None:
        """Drop them."""


UNKEPT: Final[Spans] = _Unkept()


@contextmanager
def exporting(url: str | None, service: str) -> Iterator[Spans]:
    """Send spans to a backend while the block lives.

    Args:
        url: Of its OTLP receiver over HTTP, without the path: `http://127.0.0.1:4318`. Headers,
            certificates and compression are OpenTelemetry's own `OTEL_EXPORTER_OTLP_…`. None: no
            span is kept.
        service: Name of this process there: `bus.enforce`.

    Raises:
        DocumentError: The extra `tracing` is not installed.
    """
    if url is None:
        yield UNKEPT
        return
    try:
        from bus.tracing.otlp import Otlp  # noqa: PLC0415 - 0.2 s and an extra, for those who ask
    except ImportError as problem:
        raise DocumentError(message("error.tracing.not_installed", name=problem.name)) from problem
    otlp = Otlp(url, service)
    try:
        yield otlp
    finally:
        otlp.end()
