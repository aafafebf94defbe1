"""Releasing records from quarantine: tried against today's catalogue, then sent at a given rate."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Final

from bus.catalogue.snapshot import Snapshot
from bus.model.verdict import Reason
from bus.quarantine.decision import DecisionKind, Grounds, Selection
from bus.quarantine.decisions import DecisionStore
from bus.quarantine.entry import QuarantineState
from bus.quarantine.rehearsal import WaitingEntry, rehearse
from bus.quarantine.sweep import START
from bus.wire import topics
from bus.wire.delivery import Delivery
from bus.wire.headers import group_of
from bus.wire.release import ReleasedRecord, release_headers
from bus.wire.signature import SignatureChecker

RATE_PER_S: Final = 200
"""Records a second where nobody asks for another rate: a twentieth of what enforcement can do."""
RATE_PER_S_MAX: Final = 10_000
PAGE_RECORDS_MAX: Final = 200
REHEARSED_AT_ONCE: Final = 1_000

Deliver = Callable[[Sequence[Delivery]], Awaitable[None]]
"""Writes deliveries and returns when all in-sync replicas have them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseReport:
    """What a release, or its dry run, came to."""

    catalogue: int
    """Version that the records were tried against."""
    selected: int
    passing: int
    """Of them, those that enforcement accepts today; a release sends just these."""
    fund_decides: int
    """Of the passing ones, those that the fund had refused, and may refuse again."""
    refused: Mapping[Reason, int]
    """Those that stay open, by the reason of today."""
    resumed: int
    """Beside them, those that a stopped release had marked: whether it sent them can't be told,
    so they are sent again, and enforcement judges."""
    decision: int | None
    """Number of the decision; None: a dry run, or nothing new passed."""


Progress = Callable[[ReleaseReport], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    """Entries at hand, and what is to be done with them."""

    resumed: Sequence[WaitingEntry]
    passing: Sequence[WaitingEntry]
    refused: Sequence[tuple[WaitingEntry, Reason]]


@dataclass(slots=True, kw_only=True)
class _Account:
    """Counts as pages go by."""

    catalogue: int
    decision: int | None = None
    selected: int = 0
    passing: int = 0
    fund_decides: int = 0
    resumed: int = 0
    refused: Counter[Reason] = field(default_factory=Counter)

    def add(self, found: _Page) -> None:
        self.selected += len(found.resumed) + len(found.passing) + len(found.refused)
        self.passing += len(found.passing)
        self.fund_decides += sum(one.fund_decides for one in found.passing)
        self.resumed += len(found.resumed)
        self.refused.update(reason for _, reason in found.refused)

    def report(self) -> ReleaseReport:
        return ReleaseReport(
            catalogue=self.catalogue,
            selected=self.selected,
            passing=self.passing,
            fund_decides=self.fund_decides,
            refused=dict(self.refused.most_common()),
            resumed=self.resumed,
            decision=self.decision,
        )


async def try_release(
    store: DecisionStore, selection: Selection, snapshot: Snapshot
) -> ReleaseReport:
    """Tell what a release would come to, without releasing anything.

    Raises:
        DocumentError: A named id has no id's form.
        Unavailable: PostgreSQL does not answer.
    """
    account, checker = _Account(catalogue=snapshot.version), SignatureChecker()
    after = START
    while True:
        async with store.transaction():
            page = await store.page(selection, after, REHEARSED_AT_ONCE)
        if not page:
            return account.report()
        account.add(_tried(page, snapshot, checker))
        after = page[-1].place


async def release(
    store: DecisionStore,
    selection: Selection,
    snapshot: Snapshot,
    *,
    grounds: Grounds,
    deliver: Deliver,
    rate_per_s: int,
    progress: Progress,
) -> ReleaseReport:
    """Release the selected entries that pass today; the others stay open and are counted.

    May be stopped anywhere and run again: an entry is marked before it is sent, and as released
    when it is durable. What was sent twice carries one `bus_in` and one attempt, and everybody
    downstream drops repeats.

    Args:
        store: One that nobody else uses meanwhile.
        selection: Which entries.
        snapshot: The catalogue in force.
        grounds: Who decides, and why.
        deliver: To `release.<agency>`, as the bus.
        rate_per_s: Records a second at most, 1 to 10,000.
        progress: Told the account after each page.

    Raises:
        DocumentError: A named id has no id's form.
        Unavailable: An engine does not answer; run it again.
    """
    loop = asyncio.get_running_loop()
    account, checker = _Account(catalogue=snapshot.version), SignatureChecker()
    after, limit = START, min(rate_per_s, PAGE_RECORDS_MAX)
    while True:
        began_at = loop.time()
        async with store.alone():
            async with store.transaction():
                page = await store.page(selection, after, limit)
                found = _tried(page, snapshot, checker)
                sending = await _begin(store, found, selection, grounds, account)
            if sending:
                await deliver([_delivery(record) for record in sending])
                await store.finish_release(sending)
        if not page:
            return account.report()
        account.add(found)
        progress(account.report())
        after = page[-1].place
        await asyncio.sleep(max(0.0, began_at + len(sending) / rate_per_s - loop.time()))


def _tried(page: Sequence[WaitingEntry], snapshot: Snapshot, checker: SignatureChecker) -> _Page:
    """Set apart what a stopped release had begun with, and try the rest."""
    begun = {_group(one) for one in page if one.state is QuarantineState.RELEASING}
    found = rehearse([one for one in page if _group(one) not in begun], snapshot, checker)
    return _Page(
        resumed=[one for one in page if _group(one) in begun],
        passing=found.passing,
        refused=found.refused,
    )


async def _begin(
    store: DecisionStore,
    found: _Page,
    selection: Selection,
    grounds: Grounds,
    account: _Account,
) -> list[ReleasedRecord]:
    """Record the decision and mark the entries; those resumed were decided on before."""
    fresh = [one.place for one in found.passing]
    if fresh and account.decision is None:
        account.decision = await store.record(
            DecisionKind.RELEASE, grounds, selection, account.catalogue
        )
    if account.decision is not None:
        await store.decided(account.decision, fresh)
    in_order = sorted([*found.resumed, *found.passing], key=lambda entry: entry.place)
    sending = list(_numbered(in_order, account.catalogue))
    await store.begin_release(sending)
    return sending


def _group(entry: WaitingEntry) -> tuple[object, ...]:
    """Name the correction group that an entry belongs to; its own place where it has none."""
    if entry.group_id is None:
        return entry.place
    return (*entry.place[:2], entry.group_first, entry.group_id)


def _numbered(entries: Sequence[WaitingEntry], catalogue: int) -> Iterator[ReleasedRecord]:
    """Give each record its attempt; members of one correction group get the same."""
    for _, run in groupby(entries, key=_group):
        members = list(run)
        latest = max(one.record.attempt for one in members)
        is_resumed = all(
            one.state is QuarantineState.RELEASING and one.record.attempt == latest
            for one in members
        )
        for one in members:
            attempt = latest if is_resumed else latest + 1
            yield replace(one.record, attempt=attempt, catalogue=catalogue)


def _delivery(record: ReleasedRecord) -> Delivery:
    return Delivery(
        topic=topics.release(topics.parse_inbound(record.topic).agency),
        partition=record.partition,
        key=record.key,
        value=record.value,
        headers=release_headers(record),
        group=group_of(record.headers),
    )
