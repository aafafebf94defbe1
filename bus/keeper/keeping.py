"""Rights on Kafka, brought to what the agreements grant whenever that turns, and looked after."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Final

from bus.access.parked import ARMED_S, roll_no_more, roll_soon
from bus.access.reconcile import AccessDiff, AccessEntry, reconcile
from bus.access.rights import Pattern, Resource, Right, read_topics, rights_of
from bus.audit.note import KEEPER, Note
from bus.catalogue.granted import next_turn
from bus.catalogue.region import Region
from bus.catalogue.snapshot import Snapshot
from bus.errors import Unavailable
from bus.kafka.administration import Administration
from bus.observe import series
from bus.observe.board import Board
from bus.observe.health import Ailment, Problem
from bus.observe.series import Change
from bus.provision.noted import right_notes

logger = logging.getLogger(__name__)

LOOK_S: Final = 0.5
"""How often it is seen whether anything has turned."""
DRIFT_LOOK_S: Final = 30.0
"""How often the cluster is asked although nothing has turned."""
LATE_S: Final = 5.0
"""Rights that turned so long ago and are not yet in effect are a problem."""


class RightsKeeper:
    """Keeps the rights of one cluster."""

    def __init__(
        self,
        admin: Administration,
        catalogue: Callable[[], Snapshot],
        clock: Callable[[], datetime],
        board: Board,
        put_on_record: Callable[[Sequence[Note]], None],
    ) -> None:
        """Prepare; `run` keeps.

        Args:
            admin: May see and change rights.
            catalogue: Gives the one in force.
            clock: Gives aware moments.
            board: Where changes and drift are counted.
            put_on_record: Writes notes of the audit log; called outside of the event loop, raises
                Unavailable where they can't be written.
        """
        self._admin = admin
        self._catalogue = catalogue
        self._clock = clock
        self._board = board
        self._put_on_record = put_on_record
        self._unnoted: list[Note] = []
        self._kept_version = 0
        self._turns_at: datetime | None = None
        self._looked_s = 0.0
        self._due_since_s: float | None = None
        self._rights: frozenset[Right] = frozenset()
        self._to_arm: frozenset[str] = frozenset()
        self._armed: dict[str, float] = {}
        """Topic → when it rolls no more, on the clock of `time.monotonic`."""

    async def run(self) -> None:
        """Keep until cancelled; while Kafka does not answer it is asked again.

        Raises:
            DocumentError: Kafka refuses: the administrator may not change rights, or a system is
                named like a super user.
        """
        while True:
            try:
                await self.look()
            except Unavailable as problem:
                logger.warning("keeper.no_answer problem=%s", problem)
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Bring rights up to date where anything has turned, or where it is time to look.

        Raises:
            Unavailable: Kafka does not answer.
            DocumentError: As in `run`.
        """
        await self._keep()
        # Why behind it: whatever keeps these from being done must keep no right from ending.
        await self._roll()
        if self._unnoted:
            await asyncio.to_thread(self._note, [])

    async def _keep(self) -> None:
        snapshot, moment, now_s = self._catalogue(), self._clock(), time.monotonic()
        has_turned = snapshot.version != self._kept_version or (
            self._turns_at is not None and moment >= self._turns_at
        )
        if has_turned and self._due_since_s is None:
            self._due_since_s = now_s
        if not has_turned and now_s - self._looked_s < DRIFT_LOOK_S:
            return
        rights = rights_of(snapshot.region, moment)
        announce = partial(self._announce, region=snapshot.region)
        diff = await asyncio.to_thread(reconcile, self._admin, rights, announce)
        # Why both: what others took away is only in the one, what was taken away before this
        # process began, or had been granted by hand, only in the other.
        self._to_arm |= read_topics(self._rights - rights) | _read_by(diff.surplus)
        self._rights = rights
        self._tell(diff, snapshot, has_turned=has_turned)
        self._kept_version = snapshot.version
        self._turns_at = next_turn(snapshot.region, moment)
        self._looked_s, self._due_since_s = now_s, None
        self._board.set(series.RIGHTS_KEPT, (), moment.timestamp())

    def _announce(self, diff: AccessDiff, *, region: Region) -> None:
        self._note(list(right_notes(diff, region, KEEPER)))

    def _note(self, notes: Sequence[Note]) -> None:
        """Put notes on record, and those that could not be before.

        Why not first of all: an end does not wait for the database.
        """
        waiting = [*self._unnoted, *notes]
        if not waiting:
            return
        try:
            self._put_on_record(waiting)
        except Unavailable as problem:
            logger.warning("keeper.not_noted count=%d problem=%s", len(waiting), problem)
            self._unnoted = waiting
        else:
            self._unnoted = []

    async def _roll(self) -> None:
        """Let fetches end that wait on topics which somebody may not read any more."""
        if self._to_arm:
            await asyncio.to_thread(roll_soon, self._admin, self._to_arm)
            self._armed.update(dict.fromkeys(self._to_arm, time.monotonic() + ARMED_S))
            self._to_arm = frozenset()
        now_s = time.monotonic()
        over = frozenset(topic for topic, until_s in self._armed.items() if until_s <= now_s)
        if over:
            await asyncio.to_thread(roll_no_more, self._admin, over)
            for topic in over:
                del self._armed[topic]

    def _tell(self, diff: AccessDiff, snapshot: Snapshot, *, has_turned: bool) -> None:
        for change, entries in ((Change.TAKEN, diff.surplus), (Change.GRANTED, diff.missing)):
            if not entries:
                continue
            # Why apart: what differs though nothing has turned was changed past the documents.
            cause = "turn" if has_turned else "drift"
            logger.info(
                "keeper.rights_changed change=%s cause=%s count=%d catalogue=%d first=%s",
                change,
                cause,
                len(entries),
                snapshot.version,
                entries[0],
            )
            counted = series.RIGHTS_CHANGED if has_turned else series.RIGHTS_DRIFTED
            self._board.add(counted, (change,), len(entries))
        if diff.nameless:
            logger.error(
                "keeper.not_removable count=%d first=%s", len(diff.nameless), diff.nameless[0]
            )

    def problems(self) -> tuple[Problem, ...]:
        """Tell what is wrong now; called from any thread."""
        since_s = self._due_since_s
        late_s = 0.0 if since_s is None else time.monotonic() - since_s
        if late_s < LATE_S:
            return ()
        return (Problem(ailment=Ailment.RIGHTS_LATE, where="", since_s=late_s),)


def _read_by(entries: Iterable[AccessEntry]) -> frozenset[str]:
    """Name the topics with records that somebody could read by an entry."""
    return frozenset(
        entry.name
        for entry in entries
        if entry.resource == Resource.TOPIC
        and entry.pattern == Pattern.LITERAL
        and entry.name.startswith(("accepted.", "view."))
    )
