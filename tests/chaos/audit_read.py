"""The audit log after a run: whole as it was signed, and with a leaf for every inbound offset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from bus.audit import standalone
from bus.audit.leaf import BatchLeaf, parse_leaf
from bus.audit.log import export
from bus.audit.spans import Spans, spans_of
from bus.catalogue.parties import BUS
from bus.catalogue.snapshot import Snapshot
from bus.kafka.cluster import Cluster
from tests.chaos.evidence import LawBalance


async def audited(
    cluster: Cluster, snapshot: Snapshot, ends: Mapping[tuple[str, int], int]
) -> list[LawBalance]:
    """Say what the audit log lacks.

    Args:
        cluster: Reached as the bus.
        snapshot: Knows the bus's keys.
        ends: Of the inbound partitions.
    """
    keys = {
        str(key.key_id): key.public_key
        for key in snapshot.region.keys.values()
        if key.system == BUS
    }
    with TemporaryDirectory() as folder:
        file = Path(folder) / "log"
        await export(cluster, file)
        spans = spans_of(_batches(file))
        return [*told_of(spans, ends), _chain(file, keys)]


def told_of(spans: Spans, ends: Mapping[tuple[str, int], int]) -> Iterator[LawBalance]:
    """Hold every inbound offset against the leaves of enforcement."""
    contradicted = Counter((one.topic, one.partition) for one in spans.contradictions)
    for place, end in ends.items():
        told = sum(min(stop, end) - min(start, end) for start, stop in spans.covered(place))
        yield LawBalance(
            place=f"audit of {place[0]}/{place[1]}",
            missing=end - told,
            surplus=contradicted[place],
        )


def _batches(file: Path) -> Iterator[BatchLeaf]:
    for leaves in standalone.trees_of(file).values():
        for content in leaves:
            leaf = parse_leaf(content)
            if isinstance(leaf, BatchLeaf):
                yield leaf


def _chain(file: Path, keys: Mapping[str, bytes]) -> LawBalance:
    try:
        checkpoints = standalone.checkpoints_of(file)
        standalone.verify(standalone.trees_of(file), checkpoints, keys)
    except standalone.Unsound as wrong:
        return LawBalance(place=f"the audit log: {wrong}", missing=1, surplus=0)
    return LawBalance(place="the audit log", missing=0, surplus=0)
