"""What lets the audit log be checked: notes become leaves, and what all trees came to is signed.

Done by the clock, by any number of processes: what two of them do at once is done once, or twice in
equal bytes. Only leaves since the checkpoint before are read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from bus.audit.chain import Head, SignedCheckpoint, head_told, put_head, read_head
from bus.audit.checkpoint import (
    NO_PREVIOUS,
    Checkpoint,
    CheckpointSigner,
    TreeHead,
    checkpoint_time,
    parse_checkpoint,
)
from bus.audit.log import checkpoint_delivery, last_checkpoint, read_leaves, trees
from bus.audit.notes import create_audit_tables, told, untold
from bus.audit.tree import Frontier
from bus.errors import InvariantBroken
from bus.kafka.cluster import Cluster
from bus.postgres.session import Session
from bus.wire import topics
from bus.wire.delivery import Delivery

CHECKPOINT_EVERY: Final = timedelta(seconds=30)
LEAVES_MAX: Final = 200_000
"""Of one tree in one checkpoint; the next ones take what is left."""
NOTES_AT_ONCE: Final = 1_000
_NOTES_TREE: Final = 0

Deliver: TypeAlias = Callable[[Sequence[Delivery]], Awaitable[None]]
"""Writes, and returns when all is durable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seals:
    """What the bus seals its audit log with."""

    signer: CheckpointSigner
    audit_key: bytes = field(repr=False)
    """Of the digests of notes."""


async def tell_notes(session: Session, seals: Seals, deliver: Deliver) -> bool:
    """Write the leaves of notes that have none, durable before it is noted.

    Returns: Whether more may wait.

    Raises:
        Unavailable: An engine does not answer.
    """
    await create_audit_tables(session)
    notes = await untold(session, NOTES_AT_ONCE)
    if notes:
        await deliver(
            [
                Delivery(
                    topic=topics.AUDIT,
                    partition=_NOTES_TREE,
                    key=None,
                    value=one.leaf(seals.audit_key).content,
                    headers=[],
                )
                for one in notes
            ]
        )
        await told(session, [one.number for one in notes])
    return len(notes) == NOTES_AT_ONCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Notary:
    """What signing works with."""

    session: Session
    cluster: Cluster
    """Reached as the bus."""
    region: str
    seals: Seals
    deliver: Deliver

    async def sign_next(
        self, now: datetime, *, every: timedelta = CHECKPOINT_EVERY
    ) -> Checkpoint | None:
        """Sign the next checkpoint where the last is old enough.

        Returns: What was signed; None where nothing was due, or another process has done it.

        Raises:
            Unavailable: An engine does not answer.
            InvariantBroken: A part of the log is gone, or its topic has what the bus did not write.
        """
        await create_audit_tables(self.session)
        head = await read_head(self.session)
        if head is not None and head.is_told and now - _parsed(head.signed).moment < every:
            return None
        if not await trees(self.cluster):
            return None  # before the first catalogue
        head = await self._settled(head)
        before = None if head is None else _parsed(head.signed)
        if before is not None and now - before.moment < every:
            return None
        frontiers = await self._grown({} if head is None else head.signed.frontiers)
        checkpoint = Checkpoint(
            region=self.region,
            number=1 if before is None else before.number + 1,
            # Why the later one: the clock of another host may be ahead.
            at=max(checkpoint_time(now), "" if before is None else before.at),
            previous=NO_PREVIOUS if before is None else before.digest,
            key=self.seals.signer.key_id,
            trees={tree: TreeHead(one.size, one.root) for tree, one in frontiers.items()},
        )
        signed = SignedCheckpoint(
            number=checkpoint.number,
            text=checkpoint.text,
            signature=self.seals.signer.sign(checkpoint.text),
            frontiers=frontiers,
        )
        if not await put_head(self.session, signed, head):
            return None
        await self._tell(signed)
        return checkpoint

    async def _settled(self, head: Head | None) -> Head | None:
        """See that topic and database have the same last checkpoint; give it as it is then.

        A database that was restored from a backup, or made anew, is behind: signing on from there
        would fork the chain. A process that ended before it wrote its checkpoint left it to us.
        """
        last = await last_checkpoint(self.cluster)
        known = 0 if head is None else head.signed.number
        reached = 0 if last is None else last.number
        if last is not None and reached > known:
            _check_frontiers(last)
            if head is not None and not head.is_told:
                await head_told(self.session, known)
                head = await read_head(self.session)
            await put_head(self.session, last, head, is_told=True)
        elif head is not None and not head.is_told:
            await self._tell(head.signed)
        elif reached < known:
            raise InvariantBroken(
                f"{topics.CHECKPOINTS} ends with checkpoint {reached}, but {known} was written: "
                "its end is gone. Nothing is signed any more; restore the topic."
            )
        else:
            return head
        return await read_head(self.session)

    async def _tell(self, signed: SignedCheckpoint) -> None:
        await self.deliver([checkpoint_delivery(signed)])
        await head_told(self.session, signed.number)

    async def _grown(self, frontiers: Mapping[int, Frontier]) -> dict[int, Frontier]:
        """Let the trees grow by what was written since."""
        grown = {tree: one.copy() for tree, one in frontiers.items()}
        starts = {tree: one.size for tree, one in grown.items()}
        for place in await trees(self.cluster):
            grown.setdefault(place.partition, Frontier.empty())
        async for leaf in read_leaves(self.cluster, starts, limit=LEAVES_MAX):
            grown[leaf.tree].append(leaf.content)
        return dict(sorted(grown.items()))


def _parsed(signed: SignedCheckpoint) -> Checkpoint:
    checkpoint = parse_checkpoint(signed.text)
    if checkpoint is None:
        raise InvariantBroken("bus.audit_head holds no checkpoint; the bus alone may write there")
    return checkpoint


def _check_frontiers(signed: SignedCheckpoint) -> None:
    """See that what a topic's header says of the trees is what the checkpoint says.

    Raises:
        InvariantBroken: It is not.
    """
    found = {tree: TreeHead(one.size, one.root) for tree, one in signed.frontiers.items()}
    if found != _parsed(signed).trees:
        raise InvariantBroken(
            f"{topics.CHECKPOINTS}: the frontiers beside checkpoint {signed.number} are not those "
            "of its trees; the bus alone may write there"
        )
