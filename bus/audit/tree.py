"""A Merkle tree that only grows: its root is known without its leaves. Pure.

Source: RFC 6962 §2.1, leaf and node hashes and the shape of the tree; ADR-0019.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Self

_LEAF: Final = b"\x00"
_NODE: Final = b"\x01"


def leaf_hash(content: bytes) -> bytes:
    """Hash a leaf."""
    return sha256(_LEAF + content).digest()


@dataclass(slots=True)
class Frontier:
    """The roots of the whole subtrees that a tree is made of, largest first.

    Their sizes are the powers of two that add up to the tree's.
    """

    size: int
    subtrees: list[bytes]

    @classmethod
    def empty(cls) -> Self:
        """Begin a tree."""
        return cls(0, [])

    def append(self, content: bytes) -> None:
        """Add a leaf."""
        node, bits = leaf_hash(content), self.size
        while bits & 1:
            node = sha256(_NODE + self.subtrees.pop() + node).digest()
            bits >>= 1
        self.subtrees.append(node)
        self.size += 1

    def extend(self, contents: Iterable[bytes]) -> None:
        """Add leaves in their order."""
        for content in contents:
            self.append(content)

    def copy(self) -> Self:
        """Give one that grows apart."""
        return type(self)(self.size, [*self.subtrees])

    @property
    def root(self) -> bytes:
        """Hash of the whole tree, 32 bytes; of an empty one that of nothing."""
        if not self.subtrees:
            return sha256().digest()
        node = self.subtrees[-1]
        for subtree in reversed(self.subtrees[:-1]):
            node = sha256(_NODE + subtree + node).digest()
        return node
