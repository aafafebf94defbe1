"""What is done by the clock: sign the audit log, refuse what waited too long, mind requests, tell.

It runs beside the fund's work and must not end it: a duty that fails is told and tried again at
the next round, and the other duties are done all the same.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TypeAlias

from bus.audit.signing import Notary, Seals, tell_notes
from bus.catalogue.snapshot import instant_ms
from bus.errors import BusError
from bus.fund.batch import Refusal
from bus.fund.catch_up import catch_up_page, forget_views
from bus.fund.layout import layouts_of
from bus.fund.past import PastReader
from bus.fund.store import HELD_REFUSED_MAX, FundStore
from bus.fund.watermark import note_watermarks
from bus.kafka.catalogue_topic import CatalogueFollower
from bus.kafka.cluster import Cluster
from bus.kafka.producer import BatchProducer
from bus.observe import series
from bus.observe.board import Board
from bus.observe.happenings import RecordsRefused
from bus.observe.requests import read_request_counts, show_requests
from bus.observe.series import Duty
from bus.observe.standing import read_standing, show_standing
from bus.observe.status import read_check, show_check
from bus.observe.terms import show_terms
from bus.postgres.session import BY_INDEX, Session, connect
from bus.quarantine.receipt import receipt_delivery
from bus.quarantine.store import QuarantineStore
from bus.quarantine.sweep import START, Place
from bus.requests.store import DUE_AT_ONCE, notes_told, pass_time, untold_notes
from bus.requests.telling import note_deliveries
from bus.wire import topics
from bus.wire.delivery import Delivery

logger = logging.getLogger(__name__)

EVERY_S: Final = 10.0
HELD_MAX: Final = timedelta(days=7)
"""Age at which a record whose predecessor never came is refused as `unknown_predecessor`."""
DUTY_MAX_S: Final = 60.0
"""A duty that takes longer waits for an engine, perhaps for ever; the others must not."""
PAGES_MAX: Final = 25
"""Of any one duty in a round; what is left waits for the next."""
NOTICED_WITHIN: Final = timedelta(seconds=10)
"""Twice the time within which every worker knows a new catalogue."""
_REFUSALS_AT_ONCE: Final = 500
_RECEIPTS_AT_ONCE: Final = 1_000
_NOTES_AT_ONCE: Final = 500

Duties: TypeAlias = Mapping[Duty, Callable[[], Awaitable[None]]]


async def keep_house(
    home: Path,
    dsn: str,
    catalogue: CatalogueFollower,
    cluster: Cluster,
    board: Board,
    seals: Seals,
) -> None:
    """Do all of it every ten seconds, for as long as the process lives."""
    house = _House(
        home=home, dsn=dsn, catalogue=catalogue, cluster=cluster, board=board, seals=seals
    )
    duties: Duties = {
        # Why first: a checkpoint is due each 30 seconds, however long the others take.
        Duty.TELL_NOTES: house.tell_notes,
        Duty.SIGN_CHECKPOINT: house.sign_checkpoint,
        Duty.REFUSE_HELD: house.refuse_held,
        Duty.TELL_REFUSALS: house.tell_refusals,
        Duty.CLOSE_ENTRIES: house.close_entries,
        Duty.GIVE_RECEIPTS: house.give_receipts,
        Duty.MIND_REQUESTS: house.mind_requests,
        Duty.NOTE_WATERMARKS: house.note_watermarks,
        Duty.MEASURE: house.measure,
        Duty.CATCH_UP: house.catch_up,
    }
    while True:
        await asyncio.sleep(EVERY_S)
        await one_round(duties, board)


async def one_round(duties: Duties, board: Board) -> None:
    """Do each duty once; one that fails, or does not end, is told and counted."""
    for name, duty in duties.items():
        try:
            async with asyncio.timeout(DUTY_MAX_S):
                await duty()
        except Exception as problem:
            board.add(series.HOUSEKEEPING_FAILURES, (name,))
            # Why no traceback for the bus's own errors: their text says what to do.
            trace = None if isinstance(problem, BusError) else problem
            logger.error(  # noqa: TRY400 - with a traceback where it helps
                "housekeeping.failed duty=%s again_in_s=%.0f problem=%s",
                name,
                EVERY_S,
                str(problem) or repr(problem),
                exc_info=trace,
            )


@dataclass(slots=True, kw_only=True)
class _House:
    """What the duties work with; each opens what it needs anew, so that no fault outlives it."""

    home: Path
    dsn: str
    catalogue: CatalogueFollower
    cluster: Cluster
    board: Board
    seals: Seals
    swept_to: Place = START

    async def tell_notes(self) -> None:
        """Write the leaves of the audit log's notes."""
        async with self._session() as session:
            for _ in range(PAGES_MAX):
                if not await tell_notes(session, self.seals, self._deliver):
                    return

    async def sign_checkpoint(self) -> None:
        """Sign what the audit log's trees came to, where it is time."""
        async with self._session() as session:
            notary = Notary(
                session=session,
                cluster=self.cluster,
                region=self.catalogue.snapshot.region.code,
                seals=self.seals,
                deliver=self._deliver,
            )
            now = datetime.now(UTC)  # noqa: TID251 - a duty of the clock
            signed = await notary.sign_next(now)
        if signed is not None:
            self.board.set(series.AUDIT_SIGNED, (), signed.moment.timestamp())

    async def refuse_held(self) -> None:
        """Refuse records whose predecessor has not come in time."""
        async with self._fund() as store:
            for _ in range(PAGES_MAX):
                if await store.refuse_held(HELD_MAX) < HELD_REFUSED_MAX:
                    return

    async def tell_refusals(self) -> None:
        """Write refusals to `control.refusals`, durable before they are noted as told."""
        async with self._fund() as store:
            for _ in range(PAGES_MAX):
                refusals = await store.refusals(_REFUSALS_AT_ONCE)
                if not refusals:
                    return
                await self._deliver([_delivery(refusal) for refusal in refusals])
                await store.refusals_told([refusal.number for refusal in refusals])
                told = [(refusal.agency, refusal.dataset, refusal.reason) for refusal in refusals]
                RecordsRefused(refusals=told).tell(self.board)

    async def close_entries(self) -> None:
        """Close quarantine entries that the fund has settled; go on where the last round ended."""
        datasets = self.catalogue.snapshot.region.contracts
        async with self._quarantine() as store:
            for _ in range(PAGES_MAX):
                swept = await store.sweep(datasets, self.swept_to)
                self.swept_to = swept.next_after or START
                if swept.next_after is None:
                    return

    async def give_receipts(self) -> None:
        """Tell providers what became of their entries, durable before it is noted as told."""
        async with self._quarantine() as store:
            for _ in range(PAGES_MAX):
                receipts = await store.untold(_RECEIPTS_AT_ONCE)
                if not receipts:
                    return
                await self._deliver([receipt_delivery(receipt) for receipt in receipts])
                await store.told(receipts)

    async def mind_requests(self) -> None:
        """Let time pass for data requests, and tell agencies, durable before it is noted."""
        session = await connect(self.dsn, "bus requests", BY_INDEX)
        try:
            for _ in range(PAGES_MAX):
                if await pass_time(session, datetime.now(UTC)) < DUE_AT_ONCE:  # noqa: TID251 - a hand
                    break
            for _ in range(PAGES_MAX):
                notes = await untold_notes(session, _NOTES_AT_ONCE)
                if not notes:
                    return
                await self._deliver([one for note in notes for one in note_deliveries(note)])
                await notes_told(session, [note.number for note in notes])
        finally:
            await session.close()

    async def note_watermarks(self) -> None:
        """Note how far the fund is complete, for readers of marts."""
        reader = await PastReader.open(self.dsn, {})
        try:
            await note_watermarks(self.cluster, reader)
        finally:
            await reader.close()

    async def measure(self) -> None:
        """Show what the catalogue promises, what the law came to, what stands in the database."""
        now = datetime.now(UTC)  # noqa: TID251 - a duty of the clock
        show_terms(self.catalogue.snapshot.region, now, self.board)
        check = read_check(self.home)
        if check is not None:
            show_check(check, self.board)
        show_standing(await read_standing(self.dsn), self.board)
        show_requests(await read_request_counts(self.dsn), self.board)

    async def catch_up(self) -> None:
        """Tell standing views what stood when they came into force."""
        snapshot = self.catalogue.snapshot
        views = [view for of_dataset in snapshot.standing.values() for view in of_dataset]
        now = datetime.now(UTC)  # noqa: TID251 - an outermost caller
        if now < self.catalogue.applied_at + NOTICED_WITHIN:
            return  # Why: a worker without the view would change behind us what it doesn't tell.
        session = await connect(self.dsn, "bus catch-up", BY_INDEX)
        try:
            await forget_views(session, [view.view.code for view in views])
            for view in views:
                for _ in range(PAGES_MAX):
                    if not await catch_up_page(session, view, snapshot, now_ms=instant_ms(now)):
                        break
        finally:
            await session.close()

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[Session]:
        session = await connect(self.dsn, "bus audit")
        try:
            yield session
        finally:
            await session.close()

    @asynccontextmanager
    async def _fund(self) -> AsyncIterator[FundStore]:
        region = self.catalogue.snapshot.region
        layouts = layouts_of(region.contracts.values(), region.lock)
        store = await FundStore.open(self.dsn, layouts)
        try:
            yield store
        finally:
            await store.close()

    @asynccontextmanager
    async def _quarantine(self) -> AsyncIterator[QuarantineStore]:
        store = await QuarantineStore.open(self.dsn, settings=BY_INDEX)
        try:
            yield store
        finally:
            await store.close()

    async def _deliver(self, deliveries: Sequence[Delivery]) -> None:
        # Why a producer each time: one that has failed once may never send again.
        client_id = f"{topics.FUND_GROUP}.housekeeping"
        async with BatchProducer(self.cluster, client_id=client_id) as producer:
            await producer.deliver(deliveries)


def _delivery(refusal: Refusal) -> Delivery:
    content = {
        "quarantine_id": refusal.quarantine_id,
        "agency": refusal.agency,
        "dataset": refusal.dataset,
        "reason": refusal.reason.value,
        "record_id": refusal.record_id,
        "catalogue": refusal.catalogue,
    }
    return Delivery(
        topic=topics.REFUSALS,
        partition=0,
        key=refusal.agency.encode(),
        value=json.dumps(content).encode(),
        headers=[("content-type", b"application/json")],
    )
