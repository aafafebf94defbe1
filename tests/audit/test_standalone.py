"""The verifier against honest logs, which pass, and against a thousand that were tampered with."""

from __future__ import annotations

import base64
import json
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.audit import standalone
from bus.audit.checkpoint import (
    NO_PREVIOUS,
    SIGNED_DOMAIN,
    Checkpoint,
    TreeHead,
    parse_checkpoint,
)
from bus.audit.standalone import Unsound, is_signed, verify
from bus.audit.tree import Frontier
from bus.model.identifiers import KeyId

KEY = Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)
PUBLIC = KEY.public_key().public_bytes_raw()
KEYS = {"bus.1": PUBLIC}
TAMPERED = 1_000


@dataclass(frozen=True, slots=True)
class Log:
    """A log and its checkpoints."""

    leaves: dict[int, list[bytes]]
    checkpoints: list[tuple[bytes, bytes]]

    def verify(self) -> dict[str, object]:
        return verify(self.leaves, self.checkpoints, KEYS)


def honest(chance: random.Random) -> Log:
    """Let some trees grow, with a checkpoint from time to time."""
    trees = [Frontier.empty() for _ in range(chance.randint(1, 3))]
    leaves: dict[int, list[bytes]] = {number: [] for number in range(len(trees))}
    checkpoints: list[tuple[bytes, bytes]] = []
    previous = NO_PREVIOUS
    for number in range(1, chance.randint(3, 6)):
        for tree, own in zip(trees, leaves.values(), strict=True):
            for _ in range(chance.randint(1, 6)):
                own.append(chance.randbytes(8))
                tree.append(own[-1])
        made = Checkpoint(
            region="samara",
            number=number,
            at=f"2026-11-29T12:{number:02}:00.000Z",
            previous=previous,
            key=KeyId("bus.1"),
            trees={place: TreeHead(tree.size, tree.root) for place, tree in enumerate(trees)},
        )
        previous = made.digest
        checkpoints.append((made.text, KEY.sign(SIGNED_DOMAIN + made.text)))
    return Log(leaves, checkpoints)


def _edit(log: Log, chance: random.Random) -> None:
    own = log.leaves[chance.choice(list(log.leaves))]
    place, leaf = chance.randrange(len(own)), bytearray()
    leaf += own[place]
    leaf[chance.randrange(len(leaf))] ^= 1 << chance.randrange(8)
    own[place] = bytes(leaf)


def _delete(log: Log, chance: random.Random) -> None:
    own = log.leaves[chance.choice(list(log.leaves))]
    del own[chance.randrange(len(own))]


def _insert(log: Log, chance: random.Random) -> None:
    own = log.leaves[chance.choice(list(log.leaves))]
    own.insert(chance.randrange(len(own)), chance.randbytes(8))


def _reorder(log: Log, chance: random.Random) -> None:
    own = log.leaves[chance.choice([n for n, own in log.leaves.items() if len(own) > 1])]
    one, other = chance.sample(range(len(own)), 2)
    own[one], own[other] = own[other], own[one]


def _truncate(log: Log, chance: random.Random) -> None:
    own = log.leaves[chance.choice(list(log.leaves))]
    del own[chance.randrange(len(own)) :]


def _edit_checkpoint(log: Log, chance: random.Random) -> None:
    place = chance.randrange(len(log.checkpoints))
    parts = [bytearray(part) for part in log.checkpoints[place]]
    part = chance.choice(parts)
    part[chance.randrange(len(part))] ^= 1 << chance.randrange(8)
    log.checkpoints[place] = (bytes(parts[0]), bytes(parts[1]))


def _delete_checkpoint(log: Log, chance: random.Random) -> None:
    del log.checkpoints[chance.randrange(len(log.checkpoints) - 1)]


def _repeat_checkpoint(log: Log, chance: random.Random) -> None:
    log.checkpoints.insert(chance.randrange(len(log.checkpoints)), log.checkpoints[-1])


def _reorder_checkpoints(log: Log, chance: random.Random) -> None:
    one, other = chance.sample(range(len(log.checkpoints)), 2)
    both = log.checkpoints[other], log.checkpoints[one]
    log.checkpoints[one], log.checkpoints[other] = both


TAMPERINGS: list[Callable[[Log, random.Random], None]] = [
    *(_edit, _delete, _insert, _reorder, _truncate),
    *(_edit_checkpoint, _delete_checkpoint, _repeat_checkpoint, _reorder_checkpoints),
]


def test_every_one_of_a_thousand_tamperings_is_found() -> None:
    chance = random.Random(20261129)
    for number in range(TAMPERED):
        log = honest(chance)
        tamper = TAMPERINGS[number % len(TAMPERINGS)]
        tamper(log, chance)
        with pytest.raises(Unsound):
            log.verify()


def test_an_untouched_log_is_sound_and_says_what_it_covers() -> None:
    chance = random.Random(1)
    for _ in range(20):
        log = honest(chance)
        log.leaves[0].append(b"not in a checkpoint yet")
        found = log.verify()
        assert found["is_sound"]
        assert found["leaves"] == sum(map(len, log.leaves.values()))
        assert found["leaves_after_the_last_checkpoint"] == 1
        assert found["checkpoints"] == len(log.checkpoints)


def test_a_log_without_a_checkpoint_is_not_taken_for_sound() -> None:
    with pytest.raises(Unsound, match="no checkpoint"):
        verify({0: [b"leaf"]}, [], KEYS)


def test_a_checkpoint_that_another_key_signed_is_refused() -> None:
    log = honest(random.Random(2))
    other = Ed25519PrivateKey.from_private_bytes(b"\x08" * 32)
    text, _ = log.checkpoints[0]
    log.checkpoints[0] = (text, other.sign(SIGNED_DOMAIN + text))
    with pytest.raises(Unsound, match=r"not signed by key bus\.1"):
        log.verify()


@pytest.mark.parametrize("changed", ["shrunk", "left out", "back in time", "other region"])
def test_what_the_bus_itself_signs_wrongly_is_found(changed: str) -> None:
    log = honest(random.Random(3))
    last = parse_checkpoint(log.checkpoints[-1][0])
    assert last is not None
    one = log.leaves[0][:1]
    tree = Frontier.empty()
    tree.extend(one)
    wrong = {
        "shrunk": replace(last, trees={**last.trees, 0: TreeHead(1, tree.root)}),
        "left out": replace(last, trees={}),
        "back in time": replace(last, at="2025-11-29T12:00:00.000Z"),
        "other region": replace(last, region="penza"),
    }[changed]
    log.checkpoints[-1] = (wrong.text, KEY.sign(SIGNED_DOMAIN + wrong.text))
    with pytest.raises(Unsound):
        log.verify()


@settings(deadline=None)  # plain arithmetic, on a machine that may be busy
@given(st.binary(max_size=100), st.integers(min_value=0, max_value=511))
def test_signatures_are_judged_as_a_well_known_library_judges_them(
    content: bytes, flipped: int
) -> None:
    signature = KEY.sign(content)
    assert is_signed(PUBLIC, content, signature)
    damaged = bytearray(signature)
    damaged[flipped // 8] ^= 1 << flipped % 8
    assert not is_signed(PUBLIC, content, bytes(damaged))
    assert not is_signed(PUBLIC, content + b"x", signature)


def test_the_file_alone_checks_files_without_the_bus(tmp_path: Path) -> None:
    log = honest(random.Random(4))
    alone = tmp_path / "bus_audit_verify.py"
    alone.write_bytes(Path(standalone.__file__).read_bytes())
    lines = [
        {"tree": tree, "index": index, "leaf": base64.b64encode(leaf).decode()}
        for tree, own in log.leaves.items()
        for index, leaf in enumerate(own)
    ]
    told = [
        {"text": base64.b64encode(text).decode(), "signature": base64.b64encode(signed).decode()}
        for text, signed in log.checkpoints
    ]
    # The last one twice, as two processes may have written it.
    for name, content in (("log", lines), ("kept", [*told, told[-1]]), ("both", [*lines, *told])):
        (tmp_path / name).write_text("".join(json.dumps(one) + "\n" for one in content))
    # Why -I: neither this folder nor the installed bus is importable.
    program = [sys.executable, "-I", str(alone)]
    for files in (["log", "kept"], ["both"]):
        for key in (
            base64.b64encode(PUBLIC).decode(),
            f"bus.1={base64.b64encode(PUBLIC).decode()}",
        ):
            command = [*program, *files, "--key", key]
            ran = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
            assert ran.returncode == 0, ran.stderr
            assert json.loads(ran.stdout)["is_sound"]
    command = [*program, "log", "kept", "--key"]
    (tmp_path / "log").write_text("".join(json.dumps(one) + "\n" for one in lines[1:]))
    ran = subprocess.run([*command, key], cwd=tmp_path, capture_output=True, check=False)
    assert ran.returncode == 1
    assert "leaf 1 of tree 0, where leaf 0 belongs" in json.loads(ran.stdout)["wrong"]
    (tmp_path / "log").write_text("nothing\n")
    ran = subprocess.run([*command, key], cwd=tmp_path, capture_output=True, check=False)
    assert ran.returncode == 2
    assert b"JSONDecodeError" in ran.stderr
