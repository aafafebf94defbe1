"""The head of the chain of checkpoints: one row, whose number is the fence against a fork.

Who signs number n finds n-1 in it, acknowledged in `control.checkpoints`, and changes it in one
statement; of two who try, one does. Source: ADR-0024.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from bus.audit.tree import Frontier
from bus.errors import InvariantBroken
from bus.postgres.queries import Queries
from bus.postgres.session import Session, translated
from bus.texts import message

QUERIES: Final = Queries.load("bus.audit", "audit")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedCheckpoint:
    """A signed checkpoint, and what the trees need to grow on from it."""

    number: int
    text: bytes
    signature: bytes
    frontiers: Mapping[int, Frontier]
    """By number of the tree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The last checkpoint, as the database has it."""

    signed: SignedCheckpoint
    is_told: bool
    """Whether `control.checkpoints` is known to have it."""


async def read_head(session: Session) -> Head | None:
    """Read the last checkpoint; None before the first."""
    async with translated(message("doing.audit.chain")):
        row = await (await session.execute(QUERIES.get("head"))).fetchone()
    if row is None:
        return None
    number, text, signature, frontiers, is_told = row
    signed = SignedCheckpoint(
        number=cast("int", number),
        text=cast("bytes", text),
        signature=cast("bytes", signature),
        frontiers=parse_frontiers(str(frontiers)),
    )
    return Head(signed=signed, is_told=bool(is_told))


async def put_head(
    session: Session, signed: SignedCheckpoint, before: Head | None, *, is_told: bool = False
) -> bool:
    """Put a checkpoint into the place of the one before.

    Args:
        session: Autocommit.
        signed: The next one.
        before: As it was read; None: the first.
        is_told: Whether `control.checkpoints` has it already.

    Returns: False where another process has done it: then nothing was changed.
    """
    named = {
        "number": signed.number,
        "text": signed.text,
        "signature": signed.signature,
        "frontiers": render_frontiers(signed.frontiers),
        "is_told": is_told,
        "before": None if before is None else before.signed.number,
    }
    statement = QUERIES.get("begin" if before is None else "advance")
    async with translated(message("doing.audit.chain")):
        return (await session.execute(statement, named)).rowcount == 1


async def head_told(session: Session, number: int) -> None:
    """Say that a checkpoint is durable in its topic."""
    async with translated(message("doing.audit.chain")):
        await session.execute(QUERIES.get("head_told"), {"number": number})


def render_frontiers(frontiers: Mapping[int, Frontier]) -> str:
    """Write frontiers: `{"0": [120, "9a41…", …]}`, size first, then subtrees, largest first."""
    return json.dumps(
        {
            str(tree): [one.size, *(subtree.hex() for subtree in one.subtrees)]
            for tree, one in frontiers.items()
        },
        separators=(",", ":"),
    )


def parse_frontiers(text: str) -> dict[int, Frontier]:
    """Read frontiers.

    Raises:
        InvariantBroken: Nobody but the bus writes them, and it writes others.
    """
    try:
        read: dict[str, list[object]] = json.loads(text)
        return {
            int(tree): Frontier(
                int(cast("int", size)), [bytes.fromhex(str(subtree)) for subtree in subtrees]
            )
            for tree, (size, *subtrees) in read.items()
        }
    except (ValueError, TypeError, AttributeError) as problem:
        raise InvariantBroken(
            f"frontiers of the audit log's trees can't be read: {type(problem).__name__}; what "
            "stands in bus.audit_head, or in a header of control.checkpoints, is not the bus's own"
        ) from None
