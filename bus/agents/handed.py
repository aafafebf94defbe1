"""What an agent has in its hands, partition by partition; looked at from another thread."""

from __future__ import annotations

from collections import deque

from faust.types import TP


class Handed:
    """The batches that were handed out and are not settled yet."""

    def __init__(self) -> None:
        self._batches: dict[TP, deque[tuple[int, int]]] = {}

    def add(self, place: TP, end: int, first_ms: int) -> None:
        """Note a batch, by its end and the append time of its first record."""
        self._batches.setdefault(place, deque()).append((end, first_ms))

    def settled(self, place: TP, end: int) -> None:
        """Forget the batches up to and with the one that ends at `end`."""
        batches = self._batches.get(place, deque())
        while batches and batches[0][0] <= end:
            batches.popleft()

    def clear(self) -> None:
        """Forget all: another assignment begins."""
        self._batches.clear()

    def oldest_ms(self, place: TP) -> int | None:
        """Tell the append time of the oldest record; None: there is none. From any thread."""
        try:
            return self._batches[place][0][1]
        except LookupError:  # none, or settled by the other thread a moment ago
            return None
