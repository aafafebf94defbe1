"""The data fund's writer: all that waits, in one transaction, exactly once.

Source: design of the bus, ADR-0005.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Final, Self, cast

import psycopg

from bus.catalogue.snapshot import Snapshot
from bus.errors import InvariantBroken
from bus.fund.account import Account, open_counters, tally
from bus.fund.batch import FUND_CONSUMER, Arrival, BatchOutcome, FundBatch, Refusal
from bus.fund.change import Change
from bus.fund.copying import QUERIES
from bus.fund.deciding import AloneNeeded, decided, refusals_of, take_alone
from bus.fund.entries import held_arrival
from bus.fund.layout import DatasetLayout, Layouts
from bus.fund.refuse import refuse, untold
from bus.fund.resolutions import resolutions_of, resolutions_of_held
from bus.fund.rows import EntryMoved, write_change
from bus.fund.standing import tell_changes
from bus.merge import Outcome
from bus.model.identifiers import DatasetCode
from bus.model.verdict import Reason
from bus.postgres.positions import Span, TopicPartition, coalesce, fenced, read_positions
from bus.postgres.session import BY_INDEX, Session, connect, translated
from bus.quarantine.resolutions import note_resolutions
from bus.texts import message

HELD_REFUSED_MAX: Final = 200
"""Held records that one transaction refuses for their age, with their groups: values and headers
come here, up to 75 MiB of them."""
ATTEMPTS_MAX: Final = 4
"""Of one transaction whose entries another worker's group keeps changing."""


class FundStore:
    """One worker's way to write the fund; its batches follow one another, never side by side."""

    def __init__(self, session: Session, layouts: Layouts) -> None:
        self._session = session
        self._layouts = layouts
        self._views: Snapshot | None = None

    @classmethod
    async def open(cls, dsn: str, layouts: Layouts) -> Self:
        """Connect; the tables must have been applied.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        return cls(await connect(dsn, f"bus {FUND_CONSUMER}", BY_INDEX), layouts)

    async def close(self) -> None:
        """End the session."""
        await self._session.close()

    def adopt(self, layouts: Layouts) -> None:
        """Use a new catalogue's layouts from the next batch on."""
        self._layouts = layouts

    def serve(self, snapshot: Snapshot) -> None:
        """Tell a catalogue's standing views what changes, from the next batch on."""
        self._views = snapshot

    async def positions(self, starts: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """Tell where to read on in each partition; ask once for each assignment.

        Args:
            starts: Partition → offset to begin at where the fund never read.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        async with translated(message("doing.fund.counters")):
            await open_counters(self._session, starts)
        return await read_positions(self._session, FUND_CONSUMER, starts)

    async def apply(self, batches: Sequence[FundBatch]) -> tuple[BatchOutcome, ...]:
        """Write history, current rows, held and refused records, counters and positions.

        Args:
            batches: Of any partitions; those of one partition follow one another without a gap.

        Returns:
            One outcome for each partition, in the order of first appearance.

        Raises:
            Fenced: Another worker owns a partition; nothing is written.
            Unavailable: PostgreSQL failed; whether the batch was written, the positions tell.
            InvariantBroken: A record can't be written; nothing is.
        """
        spans = coalesce([batch.span for batch in batches])
        arrivals = _arrivals(batches)
        try:
            outcomes, account = await self._attempt(spans, arrivals)
        except psycopg.DataError as error:
            raise await self._blame(arrivals, error) from None
        return tuple(_outcome(span, arrivals, outcomes, account) for span in spans)

    async def refuse_held(self, older_than: timedelta) -> int:
        """Refuse records whose predecessor has not come in time.

        Args:
            older_than: For so long the accepted topic has had the records, by PostgreSQL's clock:
                a worker's, which may jump, must not refuse anything for good.

        Returns:
            How many left, groups whole; call again while it is `HELD_REFUSED_MAX` or more.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        named = {"older_than": older_than, "limit": HELD_REFUSED_MAX}
        async with translated(message("doing.fund.held")), self._session.transaction():
            waiting = await self._session.execute(QUERIES.get("old_held_datasets"), named)
            for (dataset,) in await waiting.fetchall():
                # As who brings a group: its members' rows are taken in no order of their own.
                await take_alone(self._session, cast("DatasetCode", dataset))
            rows = await (await self._session.execute(QUERIES.get("old_held"), named)).fetchall()
            old = [held_arrival(cast("DatasetCode", row[0]), row[1:]) for row in rows]
            account = Account()
            for reason, arrivals in (await refusals_of(self._session, old)).items():
                await self._refuse(arrivals, reason, account)
            account.held.subtract(tally(old))
            await account.post(self._session)
        return len(old)

    async def refusals(self, limit: int) -> tuple[Refusal, ...]:
        """Read refusals still to be told on `control.refusals`, oldest first."""
        async with translated(message("doing.fund.refusals")):
            return await untold(self._session, limit)

    async def refusals_told(self, numbers: Sequence[int]) -> None:
        """Note that refusals were told, once their records are acknowledged."""
        async with translated(message("doing.fund.refusals")):
            await self._session.execute(QUERIES.get("told"), {"numbers": list(numbers)})

    async def _attempt(
        self, spans: Sequence[Span], arrivals: Sequence[Arrival]
    ) -> tuple[list[Outcome], Account]:
        """Do the work, again where another worker's group wrote to the same entries meanwhile."""
        alone: set[DatasetCode] = set()
        attempts_left = ATTEMPTS_MAX
        while True:
            try:
                return await fenced(
                    self._session, FUND_CONSUMER, spans, lambda: self._work(arrivals, alone)
                )
            except AloneNeeded as needed:
                alone.update(needed.datasets)  # more of them each time, so there is an end of it
            except EntryMoved:
                attempts_left -= 1
                if not attempts_left:
                    raise

    async def _work(
        self, arrivals: Sequence[Arrival], alone: Collection[DatasetCode]
    ) -> tuple[list[Outcome], Account]:
        account = Account(records=tally(arrivals))
        numbers: dict[DatasetCode, list[int]] = defaultdict(list)
        for number, arrival in enumerate(arrivals):
            numbers[arrival.record.dataset].append(number)
        outcomes = [Outcome.REPEAT] * len(arrivals)
        of_dataset = {
            dataset: [arrivals[place] for place in places]
            for dataset, places in sorted(numbers.items())  # in one order, as it locks each
        }
        for dataset, change in (await self._decide(of_dataset, alone)).items():
            await self._write(change, self._layout(dataset), account)
            await self._tell(dataset, change, of_dataset[dataset])
            for place, outcome in zip(numbers[dataset], change.outcomes, strict=True):
                outcomes[place] = outcome
        await account.post(self._session)
        return outcomes, account

    async def _decide(
        self, of_dataset: Mapping[DatasetCode, Sequence[Arrival]], alone: Collection[DatasetCode]
    ) -> dict[DatasetCode, Change]:
        """Decide on every dataset before anything is written; tell all that want a lock at once."""
        changes: dict[DatasetCode, Change] = {}
        wanted: set[DatasetCode] = set()
        for dataset, arrivals in of_dataset.items():
            try:
                changes[dataset] = await decided(
                    self._session, arrivals, self._layout(dataset), is_alone=dataset in alone
                )
            except AloneNeeded as needed:
                wanted.update(needed.datasets)
        if wanted:
            raise AloneNeeded(wanted)
        return changes

    async def _write(self, change: Change, layout: DatasetLayout, account: Account) -> None:
        resolutions = await resolutions_of_held(self._session, layout.dataset, change.released)
        await write_change(self._session, change, layout)
        await note_resolutions(self._session, [*resolutions_of(change.history), *resolutions])
        account.history.update(tally((*change.history, *change.released)))
        account.repeats.update(tally(change.repeats))
        account.held.update(tally(change.held))
        account.held.subtract(tally(change.released))
        await self._refuse(change.conflicts, Reason.CONFLICTING_VERSION, account)
        await self._refuse(change.refused_with_group, Reason.GROUP_REFUSED, account)
        await self._refuse(change.erased, Reason.ENTRY_ERASED, account)
        if change.surplus:
            for reason, surplus in (await refusals_of(self._session, change.surplus)).items():
                await self._refuse(surplus, reason, account)

    async def _tell(
        self, dataset: DatasetCode, change: Change, arrivals: Sequence[Arrival]
    ) -> None:
        views = self._views
        if views is not None and dataset in views.standing and change.standings:
            await tell_changes(self._session, dataset, change.standings, arrivals, views)

    async def _refuse(self, arrivals: Sequence[Arrival], reason: Reason, account: Account) -> None:
        if arrivals:
            refused = tally(await refuse(self._session, arrivals, reason))
            account.refused.update(refused)
            account.repeats.update(tally(arrivals) - refused)

    def _layout(self, dataset: DatasetCode) -> DatasetLayout:
        layout = self._layouts.get(dataset)
        if layout is None:
            raise InvariantBroken(
                f"dataset {dataset} is not in this worker's catalogue, yet its records were "
                "accepted; wait for the catalogue named in header bus_catalogue before applying"
            )
        return layout

    async def _blame(
        self, arrivals: Sequence[Arrival], error: psycopg.DataError
    ) -> InvariantBroken:
        """Find the record that PostgreSQL refuses, by halving; its values stay untold."""
        fine, broken = 0, len(arrivals)
        while broken - fine > 1:
            middle = (fine + broken) // 2
            if await self._is_writable(arrivals[:middle]):
                fine = middle
            else:
                broken = middle
        culprit = arrivals[broken - 1]
        return InvariantBroken(
            f"{culprit.position}: PostgreSQL refuses a value with {error.sqlstate} "
            f"({type(error).__name__}) though enforcement accepted it (bus_in "
            f"{culprit.record.bus_in}, schema {culprit.record.schema_id}). The guard lacks a "
            "check; the fund stays here until the bus is mended."
        )

    async def _is_writable(self, arrivals: Sequence[Arrival]) -> bool:
        try:
            async with self._session.transaction(force_rollback=True):
                # Alone in all of them: it is rolled back, and must not ask to be done again.
                await self._work(arrivals, {arrival.record.dataset for arrival in arrivals})
        except psycopg.DataError:
            return False
        return True


def _arrivals(batches: Sequence[FundBatch]) -> list[Arrival]:
    return [
        Arrival(
            topic=batch.topic,
            partition=batch.partition,
            offset=one.offset,
            record=one.record,
            headers=one.headers,
        )
        for batch in batches
        for one in batch.records
    ]


def _outcome(
    span: Span, arrivals: Sequence[Arrival], outcomes: Sequence[Outcome], account: Account
) -> BatchOutcome:
    place = span.place
    return BatchOutcome(
        topic=span.topic,
        partition=span.partition,
        records=account.records[place],
        history=account.history[place],
        repeats=account.repeats[place],
        refused=account.refused[place],
        held=account.held[place],
        outcomes=tuple(
            outcome
            for arrival, outcome in zip(arrivals, outcomes, strict=True)
            if arrival.place == place
        ),
    )
