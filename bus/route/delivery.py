"""One record on its way to one topic-partition."""

from __future__ import annotations

from dataclasses import dataclass

from bus.model.record import Group


@dataclass(slots=True, kw_only=True)
class Delivery:
    """What to write where. Not frozen: a batch's signature is added when the batch is known."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]
    group: Group | None = None
    """Members of a group stand side by side and are written as one Kafka batch."""
