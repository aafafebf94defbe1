"""What the leaves of the audit log say: one JSON object each, without a person or a registry key.

    {"leaf":"batch","writer":"bus.enforce.host.0","topic":"in.town.roads","partition":0,"start":0,
     "end":120,"accepted":118,"refused":2,"catalogue":7,"root":"9a41…"}
    {"leaf":"note","number":12,"kind":"read","digest":"77e0…"}

Both are pure bytes: the tree hashes them as they are. Source: ADR-0024.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from bus.audit.tree import leaf_hash
from bus.model.verdict import Accepted, Verdict
from bus.wire.signature import tree_levels

_OUTCOMES: Final = b"bus/1 outcomes\x00"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLeaf:
    """What enforcement made of one partition batch."""

    writer: str
    """Its worker."""
    topic: str
    """`in.…` or `release.…`."""
    partition: int
    start: int
    """First offset that the batch covers; markers of transactions are covered, too."""
    end: int
    """Offset behind the last."""
    accepted: int
    refused: int
    """Into quarantine."""
    catalogue: int
    """Version that judged it."""
    root: str
    """RFC 6962 root over the outcomes in hex, `outcomes_root`."""

    @property
    def content(self) -> bytes:
        """As it is written."""
        return _written(
            {
                "leaf": "batch",
                "writer": self.writer,
                "topic": self.topic,
                "partition": self.partition,
                "start": self.start,
                "end": self.end,
                "accepted": self.accepted,
                "refused": self.refused,
                "catalogue": self.catalogue,
                "root": self.root,
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteLeaf:
    """That a note was written, and what seals it."""

    number: int
    kind: str
    digest: str
    """Keyed, of the whole row, in hex: `bus.audit.note.digest_of`."""

    @property
    def content(self) -> bytes:
        """As it is written."""
        return _written(
            {"leaf": "note", "number": self.number, "kind": self.kind, "digest": self.digest}
        )


Leaf: TypeAlias = BatchLeaf | NoteLeaf


def parse_leaf(content: bytes) -> Leaf | None:
    """Read a leaf; None where this version of the bus knows no such one."""
    try:
        told: Any = json.loads(content)
        kind = told.pop("leaf")
        leaf = {"batch": BatchLeaf, "note": NoteLeaf}[kind](**told)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return leaf if leaf.content == content else None


def outcomes(topic: str, partition: int, verdicts: Iterable[Verdict]) -> list[bytes]:
    """Say what became of each record, a line each.

    Args:
        topic: Inbound; of released records the one they came through at first.
        partition: Of it.
        verdicts: On its records, in their order.

    Returns: `in.town.roads/0/17 <record id> accepted`, or `in.town.roads/0/18 - <reason> <rules>`:
        a record that was refused has no proven id, its place stands for it.
    """
    place = f"{topic}/{partition}/"
    return [
        f"{place}{one.raw.offset} {one.envelope.record_id} accepted".encode()
        if isinstance(one, Accepted)
        else " ".join(
            [f"{place}{one.raw.offset} - {one.reason}", *(rule.rule for rule in one.violations)]
        ).encode()
        for one in verdicts
    ]


def outcomes_root(key: bytes, place: str, lines: Sequence[bytes]) -> str:
    """Hash the outcomes of one batch to one root, in hex.

    Why a blind of its own for each batch: ids of records can be guessed from registry numbers, and
    whoever is shown one batch's blind and a path can check one outcome, and no other batch's.

    Args:
        key: The audit key.
        place: `topic/partition/start` of the batch.
        lines: As `outcomes` gives them, one at least.
    """
    blind = hmac.digest(key, _OUTCOMES + place.encode(), "sha256")
    return tree_levels([leaf_hash(blind + line) for line in lines])[-1][0].hex()


def _written(content: dict[str, object]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()
