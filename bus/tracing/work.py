"""Spans of a consumer's own work: from when a record is handed over until the next is asked for."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Final

from bus.model.identifiers import DatasetCode, RecordId
from bus.tracing.exporting import Spans
from bus.tracing.span import Side, Span, of_record, read_by
from bus.wire.topics import Position
from bus.wire.trace_context import kept_trace


class RecordsInWork:
    """Traced records that a consumer was given and has not done with."""

    def __init__(self, group: str | None, spans: Spans) -> None:
        """Begin with none.

        Args:
            group: Under which the consumer reads; None: under none.
            spans: Told of each record when it is done with.
        """
        self._group: Final = group
        self._spans: Final = spans
        self._begun: list[Span] = []

    def begin(
        self, traceparent: str | None, place: Position, record_id: RecordId, dataset: DatasetCode
    ) -> None:
        """Note a record that is handed over."""
        if traceparent is None or not self._spans.are_kept:
            return
        context = kept_trace(traceparent.encode())
        if context is None:
            return
        now_ns = time.time_ns()
        self._begun.append(
            Span(
                context=context,
                name=f"process {place.topic}",
                side=Side.CONSUMER,
                begun_ns=now_ns,
                ended_ns=now_ns,
                attributes=read_by(place, self._group) | of_record(record_id, dataset),
            )
        )

    def end(self) -> None:
        """Tell of all that were handed over: what comes next is asked for."""
        if self._begun:
            now_ns = time.time_ns()
            self._spans.tell([replace(one, ended_ns=now_ns) for one in self._begun])
            self._begun.clear()
