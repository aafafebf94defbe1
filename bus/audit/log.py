"""The audit log in Kafka: leaves in `control.audit`, checkpoints in `control.checkpoints`.

A checkpoint's record has its text as value; headers carry the signature and the trees' frontiers,
with which a database that was lost or set back takes up the chain again.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import IO, Final, NamedTuple

from aiokafka import TopicPartition

from bus.audit import standalone
from bus.audit.chain import SignedCheckpoint, parse_frontiers, render_frontiers
from bus.audit.checkpoint import parse_checkpoint
from bus.errors import DocumentError, InvariantBroken
from bus.kafka.cluster import Cluster
from bus.kafka.scan import offsets, read_between, topic_partitions
from bus.texts import message
from bus.wire import topics
from bus.wire.delivery import Delivery

_SIGNATURE: Final = "signature"
_FRONTIERS: Final = "frontiers"
_LAST_LOOKED_AT: Final = 20
"""Records at the end of `control.checkpoints` of which the last checkpoint is one."""


class PlacedLeaf(NamedTuple):
    """A leaf at its place."""

    tree: int
    number: int
    content: bytes


async def trees(cluster: Cluster) -> list[TopicPartition]:
    """Name the trees; none before the first catalogue was applied."""
    return [
        place
        for place in await topic_partitions(cluster, [topics.AUDIT])
        if place.topic == topics.AUDIT
    ]


async def read_leaves(
    cluster: Cluster, starts: Mapping[int, int], *, limit: int | None = None
) -> AsyncIterator[PlacedLeaf]:
    """Read on in every tree, leaf by leaf without a gap.

    Args:
        cluster: Reached as the bus.
        starts: Tree → first leaf wanted; of others all.
        limit: Leaves of each tree at most.

    Raises:
        InvariantBroken: Leaves are gone from the log, or it has an offset without one.
    """
    spans: dict[TopicPartition, tuple[int, int]] = {}
    for place, (begin, end) in (await offsets(cluster, await trees(cluster))).items():
        start = starts.get(place.partition, 0)
        if begin > start or end < start:
            raise InvariantBroken(
                f"{place.topic}/{place.partition} has leaves {begin} to {end}, and leaf {start} is "
                "the next to be read: a part of the audit log is gone. Nothing is signed any more; "
                "find out who took it, and restore the topic."
            )
        spans[place] = (start, end if limit is None else min(end, start + limit))
    expected = {place.partition: start for place, (start, _) in spans.items()}
    async for record in read_between(cluster, spans):
        tree = record.partition
        if record.offset != expected[tree]:
            raise InvariantBroken(
                f"{topics.AUDIT}/{tree} has offset {record.offset} where leaf {expected[tree]} "
                "belongs: something but the bus's writers wrote there"
            )
        expected[tree] += 1
        yield PlacedLeaf(tree, record.offset, record.value or b"")


async def read_checkpoints(cluster: Cluster) -> list[SignedCheckpoint]:
    """Read every checkpoint in the order written; one that was written twice stands there once."""
    found: dict[tuple[bytes, bytes], SignedCheckpoint] = {}
    async for signed in _signed(cluster, None):
        found.setdefault((signed.text, signed.signature), signed)
    return list(found.values())


async def last_checkpoint(cluster: Cluster) -> SignedCheckpoint | None:
    """Read the last checkpoint; None before the first."""
    found = [signed async for signed in _signed(cluster, _LAST_LOOKED_AT)]
    return max(found, key=lambda signed: signed.number, default=None)


async def _signed(cluster: Cluster, last: int | None) -> AsyncIterator[SignedCheckpoint]:
    places = [
        place
        for place in await topic_partitions(cluster, [topics.CHECKPOINTS])
        if place.topic == topics.CHECKPOINTS
    ]
    ends = await offsets(cluster, places)
    spans = {
        place: (begin if last is None else max(begin, end - last), end)
        for place, (begin, end) in ends.items()
    }
    async for record in read_between(cluster, spans):
        text, headers = record.value or b"", dict(record.headers)
        checkpoint = parse_checkpoint(text)
        if checkpoint is None:
            raise InvariantBroken(
                f"{topics.CHECKPOINTS}/0/{record.offset} is no checkpoint: something but the bus "
                "wrote there"
            )
        yield SignedCheckpoint(
            number=checkpoint.number,
            text=text,
            signature=headers.get(_SIGNATURE, b""),
            frontiers=parse_frontiers(headers.get(_FRONTIERS, b"{}").decode()),
        )


def checkpoint_delivery(signed: SignedCheckpoint) -> Delivery:
    """Write a checkpoint for its topic."""
    return Delivery(
        topic=topics.CHECKPOINTS,
        partition=0,
        key=None,
        value=signed.text,
        headers=[
            (_SIGNATURE, signed.signature),
            (_FRONTIERS, render_frontiers(signed.frontiers).encode()),
        ],
    )


async def export(cluster: Cluster, file: Path) -> None:
    """Write the whole log and its checkpoints as `bus.audit.standalone` reads them.

    Raises:
        OSError: The file can't be written.
    """
    with file.open("w", encoding="ascii") as lines:
        # Why checkpoints first: leaves that came since are told as not covered yet; the other way
        # round a checkpoint could cover leaves that were not read.
        signed = await read_checkpoints(cluster)
        async for leaf in read_leaves(cluster, {}):
            _line(lines, {"tree": leaf.tree, "index": leaf.number, "leaf": _text(leaf.content)})
        for one in signed:
            _line(lines, {"text": _text(one.text), "signature": _text(one.signature)})


async def keep_checkpoints(cluster: Cluster, file: Path) -> int:
    """Add to a copy of checkpoints those that are new, and tell how many.

    Args:
        cluster: Reached as any system.
        file: Lines as `export` writes them; made if it is not there.

    Raises:
        DocumentError: The topic does not begin with what the copy has: one of them was changed.
    """
    shown = [(one.text, one.signature) for one in await read_checkpoints(cluster)]
    kept = _kept(file)
    for place, one in enumerate(kept):
        if shown[place : place + 1] != [one]:
            raise DocumentError(message("error.audit.others", file=file, number=place + 1))
    with file.open("a", encoding="ascii") as lines:
        for text, signature in shown[len(kept) :]:
            _line(lines, {"text": _text(text), "signature": _text(signature)})
    return len(shown) - len(kept)


def _kept(file: Path) -> list[tuple[bytes, bytes]]:
    return standalone.checkpoints_of(file) if file.exists() else []


def _line(lines: IO[str], content: Mapping[str, object]) -> None:
    lines.write(json.dumps(content, separators=(",", ":")) + "\n")


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
