"""How old the oldest waiting record of each partition is, asking Kafka as little as possible.

Known are the records that the agent has in hand. Of a partition whose records wait in the log the
first one has to be read, once for each position. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from bus.observe.health import TopicPartition

Span: TypeAlias = tuple[int, int]
"""Committed position and log's end."""


class Ages:
    """Append times of the oldest waiting records, milliseconds since 1970 UTC."""

    def __init__(self) -> None:
        self._spans: dict[TopicPartition, Span] = {}
        self._known: dict[TopicPartition, int | None] = {}

    def keep(
        self, spans: Mapping[TopicPartition, Span], handed: Mapping[TopicPartition, int | None]
    ) -> None:
        """Take in a look: forget what has moved, and learn what the agent has in hand.

        Args:
            spans: Of the partitions whose position is below the log's end.
            handed: Append time of the oldest record in the agent's hands, or None.
        """
        self._known = {
            place: found
            for place, found in self._known.items()
            if place in spans and _still(found, self._spans[place], spans[place])
        }
        self._spans = dict(spans)
        for place, appended_ms in handed.items():
            if appended_ms is not None and place in spans:
                self._known[place] = appended_ms

    def unknown(self) -> dict[TopicPartition, int]:
        """Name the positions at which a record has to be read."""
        return {
            place: position
            for place, (position, _) in self._spans.items()
            if place not in self._known
        }

    def learn(self, found: Mapping[TopicPartition, int | None]) -> None:
        """Take in what was read; None: nothing but transaction markers."""
        self._known.update(found)

    def of_waiting(self) -> dict[TopicPartition, int | None]:
        """Tell the partitions where a record waits; None: its append time isn't known yet."""
        return {
            place: self._known.get(place)
            for place in self._spans
            if self._known.get(place, 0) is not None
        }


def _still(found: int | None, before: Span, now: Span) -> bool:
    """Tell whether an answer still stands: of markers alone only while the end is the same."""
    return before == now if found is None else before[0] == now[0]
