"""Taking all batches that wait: one transaction costs much the same for one batch as for many."""

from __future__ import annotations

from typing import Final, cast

import faust
from faust.types import ChannelT

from bus.agents.transport import PartitionBatch

TRANSACTION_RECORDS_MAX: Final = 8_000


def waiting_batches(
    stream: faust.StreamT[PartitionBatch], first: PartitionBatch, epoch: int
) -> list[PartitionBatch]:
    """Take `first` and what waits behind it, without waiting for more.

    Batches of one partition are joined into one run, so that a transaction moves each position
    once. Batches of an earlier assignment are left out: they will be read again.

    Args:
        stream: The agent's own.
        first: Taken from it already.
        epoch: The assignment in force.
    """
    runs: dict[tuple[str, int], PartitionBatch] = {}
    records = 0
    queue = cast("ChannelT[PartitionBatch]", stream.channel).queue
    batch = first
    while True:
        if batch.epoch == epoch:
            place = (batch.topic, batch.partition)
            runs[place] = batch if place not in runs else runs[place].joined_with(batch)
            records += len(batch.records)
        if records >= TRANSACTION_RECORDS_MAX or queue.empty():
            return list(runs.values())
        batch = queue.get_nowait()
