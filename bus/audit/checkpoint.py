"""A checkpoint: what all trees came to at one moment, chained to the one before, and signed. Pure.

Written as lines of text, so that any language reads it and a person does:

    bus/1 checkpoint
    region samara
    number 17
    at 2026-11-29T12:00:00.000Z
    previous 5f0c…  SHA-256 of the text of checkpoint 16; zeros in the first, number 1
    key bus.1
    tree 0 120 9a41…  number of the tree, its leaves, its root
    tree 1 88 77e0…

Each line ends with a line feed. Ed25519 signs `SIGNED_DOMAIN` and the text. Source: ADR-0019.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bus.model.identifiers import KeyId

SIGNED_DOMAIN: Final = b"bus/1 audit\x00"
NO_PREVIOUS: Final = "0" * 64
_FIRST_LINE: Final = "bus/1 checkpoint"
_TEXT: Final = re.compile(
    _FIRST_LINE + r"\nregion (?P<region>[a-z][a-z0-9-]*)\nnumber (?P<number>[1-9][0-9]*)\n"
    r"at (?P<at>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{3}Z)\n"
    r"previous (?P<previous>[0-9a-f]{64})\nkey (?P<key>[a-z0-9.-]+)\n(?P<trees>(?:tree .*\n)*)"
)
_TREE: Final = re.compile(r"tree (0|[1-9][0-9]*) (0|[1-9][0-9]*) ([0-9a-f]{64})")


class TreeHead(NamedTuple):
    """What a tree came to."""

    size: int
    root: bytes
    """32 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What all trees came to at one moment."""

    region: str
    number: int
    """From 1, without a gap."""
    at: str
    """UTC with milliseconds, `2026-11-29T12:00:00.000Z`."""
    previous: str
    """SHA-256 of the checkpoint before, in hex."""
    key: KeyId
    """Of the bus, that signs it."""
    trees: Mapping[int, TreeHead]
    """By number of the tree, ascending."""

    @property
    def moment(self) -> datetime:
        """When it was signed; aware."""
        return datetime.fromisoformat(self.at)

    @property
    def text(self) -> bytes:
        """As it is signed and chained."""
        lines = [
            _FIRST_LINE,
            f"region {self.region}",
            f"number {self.number}",
            f"at {self.at}",
            f"previous {self.previous}",
            f"key {self.key}",
            *(f"tree {n} {head.size} {head.root.hex()}" for n, head in self.trees.items()),
        ]
        return "".join(f"{line}\n" for line in lines).encode()

    @property
    def digest(self) -> str:
        """What the next one names as its previous."""
        return sha256(self.text).hexdigest()


class CheckpointSigner:
    """Signs checkpoints with the bus's key."""

    def __init__(self, key_id: KeyId, private_key: bytes) -> None:
        """Take the key.

        Args:
            key_id: Name under which the catalogue knows the public half.
            private_key: Ed25519 seed, 32 bytes.
        """
        self.key_id = key_id
        self._key = Ed25519PrivateKey.from_private_bytes(private_key)

    def sign(self, text: bytes) -> bytes:
        """Sign a checkpoint's text; 64 bytes."""
        return self._key.sign(SIGNED_DOMAIN + text)


def checkpoint_time(moment: datetime) -> str:
    """Write a moment, which is aware, as a checkpoint does."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_checkpoint(text: bytes) -> Checkpoint | None:
    """Read a checkpoint; None where the text is not one, to the last byte."""
    found = _TEXT.fullmatch(text.decode("ascii", errors="replace"))
    if found is None:
        return None
    trees: dict[int, TreeHead] = {}
    for line in found["trees"].splitlines():
        tree = _TREE.fullmatch(line)
        if tree is None:
            return None
        trees[int(tree[1])] = TreeHead(int(tree[2]), bytes.fromhex(tree[3]))
    checkpoint = Checkpoint(
        region=found["region"],
        number=int(found["number"]),
        at=found["at"],
        previous=found["previous"],
        key=KeyId(found["key"]),
        trees=trees,
    )
    return checkpoint if checkpoint.text == text else None
