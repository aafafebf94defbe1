"""How far a folder is read: which contents of which files, in as few bytes as chance allows.

A file's **fingerprint** is 48 bits of a digest of its path and its whole content. The fingerprints
of what was read are kept sorted, as differences in Golomb-Rice code: some 37 bits each among
10,000 of them, so that a position stays below the 64 KiB that the bus keeps. That a content which
was never read has the fingerprint of one that was happens once in 28,000 million new files.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from connectors.source import Json

FINGERPRINT_BITS: Final = 48
FILES_MAX: Final = 10_000
"""Files that were read and still lie in the folder; more of them do not fit a position."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A file of which some rows are read."""

    name: str
    content: str
    """Digest of its content, and of what its reading is told."""
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderPosition:
    """What was read of a folder."""

    known: frozenset[int] = frozenset()
    """Fingerprints of the files that are read to their end."""
    begun: Begun | None = None

    def to_json(self) -> Json:
        """Write it."""
        found: dict[str, Json] = {"files": len(self.known), "known": _packed(self.known)}
        if self.begun is not None:
            begun = self.begun
            found["begun"] = {"file": begun.name, "content": begun.content, "rows": begun.rows}
        return found

    @classmethod
    def of(cls, position: Json) -> FolderPosition:
        """Read it; None: nothing was read."""
        if position is None:
            return cls()
        begun = position.get("begun")
        return cls(
            known=_unpacked(position["known"], position["files"]),
            begun=None
            if begun is None
            else Begun(name=begun["file"], content=begun["content"], rows=begun["rows"]),
        )


def fingerprint(name: str, content: str) -> int:
    """Name a content of a file by 48 bits.

    Args:
        name: Path of the file in the folder.
        content: Digest of its content.
    """
    digest = blake2b(f"{name}\0{content}".encode(errors="surrogateescape"), digest_size=6)
    return int.from_bytes(digest.digest())


@lru_cache(maxsize=2)
def _packed(numbers: frozenset[int]) -> str:
    """Write the differences between numbers in their order: quotient in unary, rest in binary.

    Why remembered: all positions within one file have the same.
    """
    if not numbers:
        return ""
    rest_bits = _rest_bits(len(numbers))
    before, bits = 0, list[str]()
    for number in sorted(numbers):
        quotient, rest = divmod(number - before, 1 << rest_bits)
        bits.append("0" * quotient + f"1{rest:0{rest_bits}b}")
        before = number
    written = "".join(bits)
    written += "0" * (-len(written) % 8)
    return b64encode(int(written, 2).to_bytes(len(written) // 8)).decode()


@lru_cache(maxsize=2)
def _unpacked(text: str, count: int) -> frozenset[int]:
    return frozenset(_numbers(text, count))


def _numbers(text: str, count: int) -> Iterator[int]:
    packed = b64decode(text)
    bits = f"{int.from_bytes(packed):0{len(packed) * 8}b}"
    rest_bits = _rest_bits(count)
    number = at = 0
    for _ in range(count):
        one = bits.index("1", at)
        end = one + 1 + rest_bits
        number += ((one - at) << rest_bits) + int(bits[one + 1 : end], 2)
        at = end
        yield number


def _rest_bits(count: int) -> int:
    """Choose how much of a difference is written in binary: all but the usual size of it."""
    return FINGERPRINT_BITS - max(1, count.bit_length())
