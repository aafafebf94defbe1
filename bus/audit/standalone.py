#!/usr/bin/env python3
"""Check an audit log against the bus's checkpoints. This file needs Python 3.10+ and nothing else.

    python bus_audit_verify.py LOG [CHECKPOINTS] --key KEY

LOG has one JSON object a line, `{"tree": 0, "index": 5, "leaf": "<base64>"}`, trees in any order,
leaves of each in theirs, and among them `{"text": "<base64>", "signature": "<base64>"}`: the
checkpoints, oldest first. CHECKPOINTS has such lines, too, and takes their place: let it be a copy
of your own of topic `control.checkpoints`, for what you have kept yourself nobody can have changed
or cut short. KEY is the bus's public key, base64 of 32 bytes; repeat it as `ID=KEY` where there
were several.

What is checked: every checkpoint is signed, follows the one before without a gap and names it by
its digest; no tree shrinks and no time goes back; and the leaves give each root that a checkpoint
names. So nothing at or below the last checkpoint was changed, taken out, put in or moved. It knows
nothing of the bus's own code: hashes and signatures are written here again, from RFC 6962 and
RFC 8032.

It prints one JSON object and ends with 0, or with 1 where something is wrong, 2 where it could not
read its input.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

# --- Ed25519, RFC 8032 §5.1 ---------------------------------------------------------------------

_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_ROOT_OF_MINUS_1 = pow(2, (_P - 1) // 4, _P)
_KEY_BYTES = 32
_SIGNATURE_BYTES = 64


class _Point(NamedTuple):
    """In extended coordinates: x = X/Z, y = Y/Z, x*y = T/Z."""

    x: int
    y: int
    z: int
    t: int


def _recover_x(y: int, sign: int) -> int | None:
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT_OF_MINUS_1 % _P
    if (x * x - square) % _P or (x == 0 and sign):
        return None
    return x if x & 1 == sign else _P - x


def _point(encoded: bytes) -> _Point | None:
    number = int.from_bytes(encoded, "little")
    y, sign = number & (1 << 255) - 1, number >> 255
    x = _recover_x(y, sign)
    return None if x is None else _Point(x, y, 1, x * y % _P)


def _add(one: _Point, other: _Point) -> _Point:
    x1, y1, z1, t1 = one
    x2, y2, z2, t2 = other
    a, b = (y1 - x1) * (y2 - x2) % _P, (y1 + x1) * (y2 + x2) % _P
    c, d = 2 * t1 * t2 * _D % _P, 2 * z1 * z2 % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return _Point(e * f % _P, g * h % _P, f * g % _P, e * h % _P)


def _times(factor: int, point: _Point) -> _Point:
    total = _Point(0, 1, 1, 0)
    while factor:
        if factor & 1:
            total = _add(total, point)
        point = _add(point, point)
        factor >>= 1
    return total


def is_signed(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether an Ed25519 key signed a message."""
    if len(public_key) != _KEY_BYTES or len(signature) != _SIGNATURE_BYTES:
        return False
    commitment, scalar = signature[:_KEY_BYTES], int.from_bytes(signature[_KEY_BYTES:], "little")
    key, committed = _point(public_key), _point(commitment)
    base = _point((4 * pow(5, _P - 2, _P) % _P).to_bytes(_KEY_BYTES, "little"))
    if key is None or committed is None or base is None or scalar >= _ORDER:
        return False
    hashed = hashlib.sha512(commitment + public_key + message).digest()
    left = _times(scalar, base)
    right = _add(committed, _times(int.from_bytes(hashed, "little") % _ORDER, key))
    is_x_equal = (left.x * right.z - right.x * left.z) % _P == 0
    return is_x_equal and (left.y * right.z - right.y * left.z) % _P == 0


# --- Trees, RFC 6962 §2.1 -----------------------------------------------------------------------


class Tree:
    """The whole subtrees of a tree, largest first."""

    def __init__(self) -> None:
        """Begin without leaves."""
        self.size = 0
        self.subtrees: list[bytes] = []

    def append(self, leaf: bytes) -> None:
        """Add a leaf."""
        node, size = hashlib.sha256(b"\x00" + leaf).digest(), self.size
        while size & 1:
            node = hashlib.sha256(b"\x01" + self.subtrees.pop() + node).digest()
            size >>= 1
        self.subtrees.append(node)
        self.size += 1

    def root(self) -> bytes:
        """Hash all of it."""
        if not self.subtrees:
            return hashlib.sha256().digest()
        node = self.subtrees[-1]
        for subtree in self.subtrees[-2::-1]:
            node = hashlib.sha256(b"\x01" + subtree + node).digest()
        return node


# --- Checkpoints --------------------------------------------------------------------------------

_DOMAIN = b"bus/1 audit\x00"
_CHECKPOINT = re.compile(
    r"bus/1 checkpoint\nregion ([a-z][a-z0-9-]*)\nnumber ([1-9][0-9]*)\n"
    r"at ([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{3}Z)\n"
    r"previous ([0-9a-f]{64})\nkey ([a-z0-9.-]+)\n((?:tree [0-9]+ [0-9]+ [0-9a-f]{64}\n)*)"
)


class Unsound(Exception):
    """What is wrong, in words."""


class _Before(NamedTuple):
    """What the next checkpoint has to follow."""

    region: str
    number: int
    at: str
    digest: str


def verify(
    leaves: Mapping[int, Iterable[bytes]],
    checkpoints: Sequence[tuple[bytes, bytes]],
    keys: Mapping[str, bytes],
) -> dict[str, object]:
    """Check leaves against checkpoints.

    Args:
        leaves: Number of a tree -> its leaves, which are gone through once.
        checkpoints: Pairs of text and signature, oldest first.
        keys: Key id -> 32 bytes; under "" one that stands for every id.

    Returns: What was found, as it is printed.

    Raises:
        Unsound: At the first thing that is wrong.
    """
    trees: dict[int, Tree] = {}
    unread = {tree: iter(own) for tree, own in leaves.items()}
    before: _Before | None = None
    if not checkpoints:
        raise Unsound("there is no checkpoint to hold the log against")
    for place, (text, signature) in enumerate(checkpoints, start=1):
        found = _CHECKPOINT.fullmatch(text.decode("ascii", errors="replace"))
        if found is None:
            raise Unsound(f"checkpoint {place} of the file is not a checkpoint")
        region, digits, at, previous, key_id, lines = found.groups()
        number, heads = int(digits), [line.split(" ") for line in lines.splitlines()]
        name = f"checkpoint {number} of {at}"
        key = keys.get(key_id, keys.get(""))
        if key is None:
            raise Unsound(f"{name} is signed with key {key_id}, which was not given")
        if not is_signed(key, _DOMAIN + text, signature):
            raise Unsound(f"{name} is not signed by key {key_id}")
        _check_place(before, _Before(region, number, at, previous), name)
        before = _Before(region, number, at, hashlib.sha256(text).hexdigest())
        for _, tree, size, root in heads:
            _grow(
                trees.setdefault(int(tree), Tree()),
                unread.get(int(tree), iter(())),
                int(size),
                root,
                f"{name}: tree {tree}",
            )
        left_out = set(trees) - {int(tree) for _, tree, _, _ in heads}
        if left_out:
            raise Unsound(f"{name} leaves out tree {min(left_out)}")
    covered = sum(tree.size for tree in trees.values())
    uncovered = sum(1 for own in unread.values() for _ in own)
    return {
        "is_sound": True,
        "checkpoints": len(checkpoints),
        "trees": len(trees),
        "leaves": covered + uncovered,
        "leaves_after_the_last_checkpoint": uncovered,
        "last_checkpoint_at": None if before is None else before.at,
    }


def _check_place(before: _Before | None, now: _Before, name: str) -> None:
    """Hold a checkpoint against the one before; of `now`, `digest` is what it names as previous."""
    if before is None:
        if now.number != 1 or now.digest != "0" * 64:
            raise Unsound(f"{name} is the first of the file, but checkpoint 1 is not")
        return
    if now.region != before.region:
        raise Unsound(f"{name} is of region {now.region}, the one before of {before.region}")
    if now.number != before.number + 1:
        raise Unsound(f"{name} comes after checkpoint {before.number}")
    if now.digest != before.digest:
        raise Unsound(f"{name} does not name the checkpoint before it, but another")
    if now.at < before.at:
        raise Unsound(f"{name} is older than the one before, of {before.at}")


def _grow(tree: Tree, leaves: Iterator[bytes], size: int, root: str, name: str) -> None:
    if size < tree.size:
        raise Unsound(f"{name} has {size} leaves; it had {tree.size}")
    for leaf in islice(leaves, size - tree.size):
        tree.append(leaf)
    if tree.size < size:
        raise Unsound(f"{name} has {size} leaves; the log has {tree.size}")
    if tree.root().hex() != root:
        raise Unsound(f"{name} has another root than the first {size} leaves of the log")


# --- Files --------------------------------------------------------------------------------------


def leaves_of(log: Path, tree: int) -> Iterator[bytes]:
    """Read one tree's leaves; raises Unsound where one is missing or twice."""
    expected = 0
    with log.open(encoding="ascii") as lines:
        for line, content in enumerate(map(json.loads, lines), start=1):
            if content.get("tree") != tree:
                continue
            if content["index"] != expected:
                raise Unsound(
                    f"line {line} of the log is leaf {content['index']} of tree {tree}, "
                    f"where leaf {expected} belongs"
                )
            expected += 1
            yield base64.b64decode(content["leaf"], validate=True)


def trees_of(log: Path) -> dict[int, Iterator[bytes]]:
    """Find the trees of a log; each is read when it is gone through, and none is held whole."""
    with log.open(encoding="ascii") as lines:
        numbers = {content["tree"] for content in map(json.loads, lines) if "text" not in content}
    return {tree: leaves_of(log, tree) for tree in sorted(numbers)}


def checkpoints_of(file: Path) -> list[tuple[bytes, bytes]]:
    """Read checkpoints: pairs of text and signature; one that stands twice, in equal bytes, once.

    The bus may write one twice, where two of its processes did the same.
    """
    with file.open(encoding="ascii") as lines:
        found = [
            (
                base64.b64decode(content["text"], validate=True),
                base64.b64decode(content["signature"], validate=True),
            )
            for content in map(json.loads, lines)
            if "text" in content
        ]
    return list(dict.fromkeys(found))


def _key(text: str) -> tuple[str, bytes]:
    """Read `ID=KEY` or `KEY`; base64 of 32 bytes ends with an equals sign itself."""
    key_id, _, key = text[:-1].rpartition("=")
    return key_id, base64.b64decode(key + text[-1:], validate=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the files that are named; give the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("log")
    parser.add_argument("checkpoints", nargs="?")
    parser.add_argument("--key", action="append", required=True, metavar="[ID=]KEY")
    given = parser.parse_args(arguments)
    try:
        keys = dict(map(_key, given.key))
        log = Path(given.log)
        checkpoints = checkpoints_of(Path(given.checkpoints or log))
        found = verify(trees_of(log), checkpoints, keys)
    except Unsound as wrong:
        sys.stdout.write(json.dumps({"is_sound": False, "wrong": str(wrong)}) + "\n")
        return 1
    except (OSError, ValueError, KeyError, TypeError, binascii.Error) as problem:
        sys.stderr.write(f"{type(problem).__name__}: {problem}\n")
        return 2
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
