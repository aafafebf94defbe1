"""Batch signatures: one Ed25519 signature over an RFC 6962 tree, provable record by record.

A producer signs what it sends together for one topic-partition: each record is a leaf, the root
is signed once, and each record carries the root's signature, its place and the sibling hashes up
to the root (header `bus_sig`). A checker that holds the whole batch rebuilds the root once; a
record alone is proved along its path. One signature costs 70 µs to check, a leaf about one.

What a leaf covers: topic, key, every signed header as sent (`bus.wire.headers.SIGNED`), value. So
a record can't be moved to another topic, key or version, nor a byte of it changed.
Source: RFC 6962 §2.1 (tree), RFC 8032 (Ed25519), ADR-0006.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from functools import cache
from hashlib import sha256
from operator import eq
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from bus.model.identifiers import KeyId
from bus.model.record import BatchSignature

BATCH_LEAVES_MAX: Final = 256
_VERSION: Final = 1
_HASH_BYTES: Final = 32
_SIGNATURE_BYTES: Final = 64
_ABSENT: Final = 0xFFFFFFFF
_LEAF_DOMAIN: Final = b"\x00bus/1 leaf\x00"
_ROOT_DOMAIN: Final = b"bus/1 root\x00"
_PLACE: Final = struct.Struct(">HH")
_ROOT_FIELDS: Final = 3
"""Of `BatchSignature`: key id, tree size and signature, equal for all leaves of one root."""


def leaf_hash(topic: str, key: bytes, headers: Sequence[bytes | None], value: bytes) -> bytes:
    """Hash one record as a leaf.

    Args:
        topic: The topic it was first sent to (`in.…`, or a view's own).
        key: Kafka key.
        headers: Values of the signed headers in the order of `SIGNED`; None where absent.
        value: Kafka value, frame included.

    Returns: 32 bytes. Every part is length-prefixed, so no two records share an encoding.
    """
    parts = [topic.encode(), key, *headers, value]
    lengths = [_ABSENT if part is None else len(part) for part in parts]
    packed = _packer(len(lengths))(*lengths)
    return sha256(b"".join([_LEAF_DOMAIN, packed, *filter(None, parts)])).digest()


@cache
def _packer(count: int) -> Callable[..., bytes]:
    """Give what packs that many lengths; a format's text needn't be read for each record."""
    return struct.Struct(f">{count}I").pack


def tree_levels(leaves: Sequence[bytes]) -> list[list[bytes]]:
    """Build the RFC 6962 tree, leaves first and root last; an odd node moves up unchanged."""
    level = list(leaves)
    levels = [level]
    while len(level) > 1:
        paired = [
            sha256(b"\x01" + level[i] + level[i + 1]).digest() for i in range(0, len(level) - 1, 2)
        ]
        if len(level) % 2:
            paired.append(level[-1])
        levels.append(paired)
        level = paired
    return levels


def paths_to_root(levels: Sequence[Sequence[bytes]]) -> list[bytes]:
    """Join for each leaf the sibling hashes, from the leaf's own level upwards.

    From the root down: a node's path is its sibling and the path of the node above both, so that
    a tree takes two steps for each leaf and not as many as it has levels.
    """
    paths = [b""]
    for level in reversed(levels[:-1]):
        siblings = [
            sibling for pair in zip(level[1::2], level[::2], strict=False) for sibling in pair
        ]
        if len(level) % 2:
            siblings.append(b"")  # an odd node moves up unchanged
        above = [path for path in paths for _ in "lr"]
        paths = [sibling + path for sibling, path in zip(siblings, above, strict=False)]
    return paths


def root_along_path(leaf: bytes, index: int, tree_size: int, path: bytes) -> bytes | None:
    """Follow a path from a leaf to its root; None where the path does not fit the place."""
    node, at = leaf, 0
    while tree_size > 1:
        if index ^ 1 < tree_size:
            sibling = path[at : at + _HASH_BYTES]
            if len(sibling) < _HASH_BYTES:
                return None
            at += _HASH_BYTES
            left, right = (sibling, node) if index & 1 else (node, sibling)
            node = sha256(b"\x01" + left + right).digest()
        index >>= 1
        tree_size = (tree_size + 1) >> 1
    return node if at == len(path) else None


def _root_message(key_id: KeyId, tree_size: int, root: bytes) -> bytes:
    return b"".join([_ROOT_DOMAIN, key_id.encode(), b"\x00", struct.pack(">H", tree_size), root])


class BatchSigner:
    """Signs batches with one system's key."""

    def __init__(self, key_id: KeyId, private_key: bytes) -> None:
        """Take the key.

        Args:
            key_id: Name under which the catalogue knows the public half.
            private_key: Ed25519 seed, 32 bytes.
        """
        self.key_id = key_id
        self._key = Ed25519PrivateKey.from_private_bytes(private_key)

    def sign(self, leaves: Sequence[bytes]) -> list[bytes]:
        """Sign a batch and give the `bus_sig` header of each of its leaves.

        Args:
            leaves: 1 to 256 leaf hashes, in the order in which the records are sent.
        """
        assert 0 < len(leaves) <= BATCH_LEAVES_MAX, f"1 to 256 leaves, not {len(leaves)}"
        levels = tree_levels(leaves)
        size = len(leaves)
        signature = self._key.sign(_root_message(self.key_id, size, levels[-1][0]))
        name = self.key_id.encode()
        head = bytes([_VERSION, len(name)]) + name
        return [
            b"".join([head, _PLACE.pack(size, index), signature, path])
            for index, path in enumerate(paths_to_root(levels))
        ]


def parse_signature(header: bytes) -> BatchSignature | None:
    """Read header `bus_sig`; None where it has another form.

    Layout: version 1, key id length (1 byte), key id, tree size and index (2 bytes each,
    big-endian), Ed25519 signature (64), sibling hashes (32 each).
    """
    if len(header) < 2 or header[0] != _VERSION:  # noqa: PLR2004 - version and length byte
        return None
    place = 2 + header[1]
    signature = place + _PLACE.size
    path = signature + _SIGNATURE_BYTES
    if len(header) < path or (len(header) - path) % _HASH_BYTES:
        return None
    tree_size, index = _PLACE.unpack_from(header, place)
    if not 0 <= index < tree_size <= BATCH_LEAVES_MAX:
        return None
    try:
        key_id = KeyId(header[2:place].decode("ascii"))
    except UnicodeDecodeError:
        return None
    return BatchSignature(key_id, tree_size, header[signature:path], index, header[path:])


class SignatureChecker:
    """Checks batch signatures and remembers the roots it has found good, a bounded number."""

    _ROOTS_MAX: Final = 4096

    def __init__(self) -> None:
        self._good_roots: dict[tuple[bytes, bytes, bytes], None] = {}
        self._keys: dict[bytes, Ed25519PublicKey] = {}

    def check(
        self,
        signatures: Sequence[BatchSignature],
        leaves: Sequence[bytes],
        public_keys: Sequence[bytes],
    ) -> list[bool]:
        """Tell for each record whether its signature covers it.

        Records of one batch that lie side by side and are all there are checked by one rebuilt
        root; others along their own path. The verdict on a record never depends on its neighbours.

        Args:
            signatures: Parsed `bus_sig` headers.
            leaves: Leaf hashes of the same records.
            public_keys: Ed25519 public key (32 bytes) of each signature's key id.
        """
        verdicts = [False] * len(leaves)
        start = 0
        while start < len(leaves):
            signature, public_key = signatures[start], public_keys[start]
            end = start + signature.tree_size
            if self._is_whole(signatures, start, end):
                levels = tree_levels(leaves[start:end])
                if self._root_is_signed(signature, levels[-1][0], public_key):
                    # Why the path too: a record travels on alone, and must stay provable then.
                    carried = [signature.path for signature in signatures[start:end]]
                    verdicts[start:end] = map(eq, carried, paths_to_root(levels))
                    start = end
                    continue
            # A stray, or a batch in which something is wrong: each stands for itself.
            verdicts[start] = self._check_alone(signature, leaves[start], public_key)
            start += 1
        return verdicts

    @staticmethod
    def _is_whole(signatures: Sequence[BatchSignature], start: int, end: int) -> bool:
        if end > len(signatures) or end - start < 2:  # noqa: PLR2004 - one leaf is its own root
            return False
        first, last = signatures[start], signatures[end - 1]
        if first.place or last.place != first.tree_size - 1:
            return False  # at once: most strays show here
        batch = signatures[start:end]
        places = [signature.place for signature in batch]
        roots = [signature[:_ROOT_FIELDS] for signature in batch]
        return places == list(range(len(batch))) and roots.count(roots[0]) == len(roots)

    def _check_alone(self, signature: BatchSignature, leaf: bytes, public_key: bytes) -> bool:
        root = root_along_path(leaf, signature.place, signature.tree_size, signature.path)
        return root is not None and self._root_is_signed(signature, root, public_key)

    def _root_is_signed(self, signature: BatchSignature, root: bytes, public_key: bytes) -> bool:
        message = _root_message(signature.key_id, signature.tree_size, root)
        known = (message, signature.root_signature, public_key)
        if known in self._good_roots:
            return True
        key = self._keys.get(public_key)
        if key is None:
            key = self._keys[public_key] = Ed25519PublicKey.from_public_bytes(public_key)
        try:
            key.verify(signature.root_signature, message)
        except InvalidSignature:
            return False
        self._good_roots[known] = None
        if len(self._good_roots) > self._ROOTS_MAX:
            self._good_roots.pop(next(iter(self._good_roots)))
        return True
