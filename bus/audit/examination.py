"""Checking the live audit log: the standalone verifier over it, and what only the bus can check.

The verifier (`bus.audit.standalone`) proves that the log is the one that checkpoints were signed
over. Beside it: leaves of enforcement join without a hole and reach what was committed, notes are
what their leaves seal, and the chain ends where the bus's database says that it does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bus.audit import standalone
from bus.audit.chain import Head, read_head
from bus.audit.leaf import BatchLeaf, parse_leaf
from bus.audit.log import export, last_checkpoint
from bus.audit.note import digest_of
from bus.audit.notes import every_note, notes_numbered, untold_numbers
from bus.audit.spans import Contradiction, Hole, Spans
from bus.kafka.cluster import Cluster
from bus.kafka.scan import committed_offsets
from bus.postgres.session import Session
from bus.wire import topics


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What checking the log came to."""

    wrong: str
    """What the verifier found first, in English as it says it; empty: nothing."""
    verified: Mapping[str, object]
    """What it checked, as it prints it; empty where something is wrong."""
    batches: int
    """Leaves of enforcement."""
    repeats: int
    """Of them, those that tell again of a span, after a fault."""
    holes: tuple[Hole, ...]
    unreached: tuple[Hole, ...]
    """What was committed as judged, and no leaf tells of it."""
    contradictions: tuple[Contradiction, ...]
    notes: int
    waiting: int
    """Notes whose leaf is still to be written."""
    changed: tuple[int, ...]
    """Notes that say something else than their leaf seals."""
    missing: tuple[int, ...]
    """Notes whose leaf is there, and they are not."""
    unsealed: tuple[int, ...]
    """Notes without a leaf that do not wait for one."""
    unknown: int
    """Leaves that this version of the bus can't read."""
    is_cut: bool
    """Whether checkpoints end before the last one that the database knows was written."""

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return not (
            self.wrong
            or self.holes
            or self.unreached
            or self.contradictions
            or self.changed
            or self.missing
            or self.unsealed
            or self.unknown
            or self.is_cut
        )


async def examine(
    cluster: Cluster,
    session: Session,
    *,
    keys: Mapping[str, bytes],
    audit_key: bytes,
    folder: Path,
) -> Examination:
    """Check the whole log; it may grow meanwhile.

    Args:
        cluster: Reached as the bus.
        session: On the bus's database.
        keys: The bus's public keys by id.
        audit_key: Seals notes.
        folder: For a copy of the log, as large as it; the caller removes it.

    Raises:
        Unavailable: An engine does not answer.
        InvariantBroken: Leaves are gone from the log, or strangers wrote there.
    """
    # Why in this order: a note that is there now has its leaf below, or waits; an offset that is
    # committed now has its leaf below; a checkpoint that is the last now is among those below.
    sealed = {one.number: digest_of(one, audit_key) async for one in every_note(session)}
    waiting = await untold_numbers(session)
    committed = await committed_offsets(cluster, topics.ENFORCE_GROUP)
    head = await read_head(session)
    file = folder / "log"
    await export(cluster, file)
    wrong, verified = _verified(file, keys)
    leaves = _Leaves()
    for content in _contents(file):
        leaves.take(content)
    reached = leaves.spans.reached()
    late = [number for number in leaves.notes if number not in sealed]
    sealed |= {one.number: digest_of(one, audit_key) for one in await notes_numbered(session, late)}
    return Examination(
        wrong=wrong,
        verified=verified,
        batches=leaves.spans.batches,
        repeats=leaves.spans.repeats,
        holes=tuple(leaves.spans.holes()),
        unreached=tuple(
            Hole(topic=topic, partition=partition, start=end, end=done)
            for (topic, partition), end in sorted(reached.items())
            for done in [committed.get((topic, partition), 0)]
            if done > end
        ),
        contradictions=tuple(leaves.spans.contradictions),
        notes=len(sealed),
        waiting=len(waiting),
        changed=tuple(
            sorted(
                number
                for number, digests in leaves.notes.items()
                if number in sealed and digests != {sealed[number]}
            )
        ),
        missing=tuple(sorted(number for number in leaves.notes if number not in sealed)),
        unsealed=tuple(sorted(sealed.keys() - leaves.notes.keys() - waiting)),
        unknown=leaves.unknown,
        is_cut=await _is_cut(cluster, head),
    )


@dataclass(slots=True)
class _Leaves:
    """What the leaves of a log say."""

    spans: Spans = field(default_factory=Spans)
    notes: dict[int, set[str]] = field(default_factory=dict)
    """Number → digests; one, unless somebody wrote a second leaf."""
    unknown: int = 0

    def take(self, content: bytes) -> None:
        match parse_leaf(content):
            case None:
                self.unknown += 1
            case BatchLeaf() as leaf:
                self.spans.add(leaf)
            case leaf:
                self.notes.setdefault(leaf.number, set()).add(leaf.digest)


def _contents(file: Path) -> Iterator[bytes]:
    for leaves in standalone.trees_of(file).values():
        yield from leaves


def _verified(file: Path, keys: Mapping[str, bytes]) -> tuple[str, Mapping[str, object]]:
    try:
        checkpoints = standalone.checkpoints_of(file)
        return "", standalone.verify(standalone.trees_of(file), checkpoints, keys)
    except standalone.Unsound as wrong:
        return str(wrong), {}


async def _is_cut(cluster: Cluster, head: Head | None) -> bool:
    if head is None or not head.is_told:
        return False
    last = await last_checkpoint(cluster)
    return last is None or last.number < head.signed.number
