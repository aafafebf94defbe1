"""An exported audit log, and ways to tamper with what its checkpoints cover."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from bus.audit import standalone
from bus.audit.checkpoint import CheckpointSigner, checkpoint_time, parse_checkpoint
from bus.audit.leaf import BatchLeaf
from bus.audit.standalone import verify
from bus.wire import topics
from tests.factories import AGENCY, DATASET

IN = topics.inbound(AGENCY, DATASET)


@dataclass
class Log:
    """An exported log."""

    leaves: dict[int, list[bytes]]
    checkpoints: list[tuple[bytes, bytes]]

    @classmethod
    def read(cls, file: Path) -> Log:
        leaves = {tree: list(own) for tree, own in standalone.trees_of(file).items()}
        return cls(leaves, standalone.checkpoints_of(file))

    def copy(self) -> Log:
        return Log({tree: [*own] for tree, own in self.leaves.items()}, [*self.checkpoints])

    def verify(self, keys: Mapping[str, bytes]) -> Mapping[str, object]:
        return verify(self.leaves, self.checkpoints, keys)

    def covered(self, chance: random.Random, at_least: int = 1) -> tuple[list[bytes], int]:
        """Choose a tree, and tell how many of its leaves the last checkpoint covers."""
        last = parse_checkpoint(self.checkpoints[-1][0])
        assert last is not None
        sizes = {tree: head.size for tree, head in last.trees.items() if head.size >= at_least}
        tree = chance.choice(sorted(sizes))
        return self.leaves[tree], sizes[tree]


def _edit(log: Log, chance: random.Random, _: CheckpointSigner) -> None:
    own, size = log.covered(chance)
    place = chance.randrange(size)
    leaf = bytearray(own[place])
    leaf[chance.randrange(len(leaf))] ^= 1 << chance.randrange(8)
    own[place] = bytes(leaf)


def _delete(log: Log, chance: random.Random, _: CheckpointSigner) -> None:
    own, size = log.covered(chance)
    del own[chance.randrange(size)]


def _insert(log: Log, chance: random.Random, _: CheckpointSigner) -> None:
    own, size = log.covered(chance)
    forged = BatchLeaf(
        writer="bus.enforce.host.0",
        topic=IN,
        partition=0,
        start=0,
        end=1,
        accepted=1,
        refused=0,
        catalogue=1,
        root="00" * 32,
    )
    own.insert(chance.randrange(size), forged.content)


def _reorder(log: Log, chance: random.Random, _: CheckpointSigner) -> None:
    while True:
        own, size = log.covered(chance, at_least=2)
        one, other = chance.sample(range(size), 2)
        if own[one] != own[other]:  # a batch that was judged again may have left an equal leaf
            break
    own[one], own[other] = own[other], own[one]


def _truncate(log: Log, chance: random.Random, _: CheckpointSigner) -> None:
    own, size = log.covered(chance)
    del own[chance.randrange(size) :]


def _fork(log: Log, chance: random.Random, signer: CheckpointSigner) -> None:
    """Put another checkpoint of one number beside it, or in its place, with a good signature."""
    place = chance.randrange(len(log.checkpoints) - 1)
    told = parse_checkpoint(log.checkpoints[place][0])
    assert told is not None
    text = replace(told, at=checkpoint_time(told.moment + timedelta(milliseconds=1))).text
    forged = (text, signer.sign(text))
    if chance.random() < 0.5:
        log.checkpoints[place] = forged
    else:
        log.checkpoints.insert(place + 1, forged)


def _edit_checkpoint(log: Log, chance: random.Random, _: CheckpointSigner) -> None:
    place = chance.randrange(len(log.checkpoints))
    parts = [bytearray(part) for part in log.checkpoints[place]]
    part = chance.choice(parts)
    part[chance.randrange(len(part))] ^= 1 << chance.randrange(8)
    log.checkpoints[place] = (bytes(parts[0]), bytes(parts[1]))


def _delete_checkpoint(log: Log, chance: random.Random, _: CheckpointSigner) -> None:
    del log.checkpoints[chance.randrange(len(log.checkpoints) - 1)]


TAMPERINGS = [_edit, _delete, _insert, _reorder, _truncate, _fork, _edit_checkpoint]
TAMPERINGS.append(_delete_checkpoint)
