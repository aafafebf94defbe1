"""Records on their way to a topic-partition, and the signature of those that go together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bus.model.record import Group
from bus.wire.headers import signed_values
from bus.wire.signature import BATCH_LEAVES_MAX, BatchSigner, leaf_hash


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


def sign(batch: Sequence[Delivery], signer: BatchSigner) -> None:
    """Add header `bus_sig` to deliveries that go to one topic-partition together."""
    for start in range(0, len(batch), BATCH_LEAVES_MAX):
        part = batch[start : start + BATCH_LEAVES_MAX]
        leaves = [
            leaf_hash(
                delivery.topic,
                delivery.key or b"",
                signed_values(delivery.headers),
                delivery.value or b"",
            )
            for delivery in part
        ]
        for delivery, signature in zip(part, signer.sign(leaves), strict=True):
            delivery.headers.append(("bus_sig", signature))
