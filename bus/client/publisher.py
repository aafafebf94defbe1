"""Publishing rows of one dataset as one system.

The log is the publisher's state: what it has sent, it reads from its own topic, so that a run may
stop at any point and the next one sends what is missing and nothing twice. Rows of one registry
number become versions that follow each other, across files and within one.

Not kept away: a publisher on another host that works at the same time, and a batch that was under
way when its process was killed and reaches the topic only after the next one has read it. Equal
rows of such two have one record id, which the bus takes for a repeat. Where their rows differ, the
later one in the log finds its version taken when it reads the log back, and says so.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Final, Self, TypeAlias

from bus.catalogue.snapshot import locked_schema_id
from bus.client.choosing import Chooser
from bus.client.faults import translated
from bus.client.judgement import outcome_of
from bus.client.ledger import Ledger
from bus.client.log_reader import LogReader
from bus.client.outlet import BATCH_BYTES_MAX, Outlet
from bus.client.own_log import Source
from bus.client.paced import paced
from bus.client.region import read_region
from bus.client.replay import NOTHING_SAID, Said
from bus.client.report import Outcome, PublishReport
from bus.client.row_fitting import RowFitter
from bus.client.row_rules import CheckedRows, RowRules
from bus.client.rows import RowEncoder, RowGiven, UnsendableRow
from bus.client.run import Run
from bus.client.sending import as_group, check_group_size, source_of
from bus.contracts.contract import Contract
from bus.errors import Unavailable
from bus.kafka.cluster import Cluster
from bus.kafka.producer import BatchProducer
from bus.model.identifiers import DatasetCode, RecordId, SystemCode
from bus.model.record import Lane
from bus.process.lock import alone
from bus.tables.mapping import MappingFile
from bus.texts import message
from bus.tracing.exporting import UNKEPT, Spans
from bus.wire.signature import BatchSigner
from bus.wire.trace_context import TRACED_SHARE

Progress: TypeAlias = Callable[[PublishReport], None]
"""Told the counts so far; `keys_more_than_once` is counted at the end only."""

PENDING_MAX: Final = 50_000
"""Entries with versions on their way that are kept in memory; then the log is read."""
_ROWS_PER_NOTE: Final = 1_000


class Publisher:
    """Sends rows of one dataset as registry records of one system."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        source: Source,
        chooser: Chooser,
        checked: CheckedRows,
        ledger: Ledger,
        log: LogReader,
        outlet: Outlet,
        starts: Mapping[int, int],
        contract: Contract,
    ) -> None:
        """Take what is connected; `open` is the way in."""
        self._cluster = cluster
        self._source = source
        self._chooser = chooser
        self._checked = checked
        self._ledger = ledger
        self._log = log
        self._outlet = outlet
        self._starts = starts
        self.ends = starts
        """Partition → end of the own log when it was read last: all that was published till then
        lies before it."""
        self._is_usable = True
        self.contract = contract
        """That was in force when the publisher was opened."""

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        cluster: Cluster,
        *,
        home: Path,
        system: SystemCode,
        dataset: DatasetCode,
        signer: BatchSigner,
        clock: Callable[[], datetime],
        event_time_field: str | None = None,
        send_broken: bool = False,
        barrier: Mapping[int, int] | None = None,
        traced_share: float = TRACED_SHARE,
        spans: Spans = UNKEPT,
    ) -> AsyncIterator[Self]:
        """Connect, and learn from the log what this system has sent of the dataset.

        Args:
            cluster: Reached as the system.
            home: Folder of the installation; the memory lies in its `publish`.
            system: Who publishes.
            dataset: What it publishes.
            signer: With the system's key.
            clock: Gives the present, aware: the event time of rows that do not say theirs.
            event_time_field: Field that says when a row's content came to be.
            send_broken: Send rows that break a rule of the contract too; they come into quarantine.
                Without it such a row is not sent, and told with every rule that it breaks.
            barrier: `ends` when the position was kept that a connector reads on from: events told
                in the log behind it are not told again. None: nothing was.
            traced_share: Of live records, those that begin a trace, 0 to 1.
            spans: Told when traced records are durable.

        Raises:
            DocumentError: The system does not provide the dataset, lacks a right, or its memory
                does not fit the log.
            Unavailable: Kafka does not answer, or another process publishes the same.
        """
        region = await read_region(cluster)
        source = source_of(region, system, dataset)
        contract = region.contracts[dataset]
        schema_id = locked_schema_id(region, dataset, contract.newest.number)
        rows = RowEncoder(contract, schema_id, event_time_field)
        checked = CheckedRows(rows, RowRules(contract, schema_id), clock)
        folder = home / "publish" / system
        folder.mkdir(parents=True, exist_ok=True)
        memory = folder / f"{dataset}.sqlite"
        async with AsyncExitStack() as stack:
            stack.enter_context(_single_writer(folder / f"{dataset}.lock", source))
            ledger = Ledger.open(memory, source.inbound)
            stack.callback(ledger.close)
            log = await stack.enter_async_context(LogReader(cluster, source, ledger, memory))
            starts = await log.read_to_end()
            producer = BatchProducer(
                cluster, client_id=f"{system}.publisher", batch_bytes=BATCH_BYTES_MAX
            )
            doing = message("doing.client.publishing", source=source)
            with translated(doing):
                await stack.enter_async_context(producer)
            outlet = Outlet(producer, signer, log.partitions, doing, spans)
            said = NOTHING_SAID
            if barrier is not None:
                said = await Said.since(cluster, source, ledger, barrier=barrier, ends=starts)
            chooser = Chooser(
                rows=rows if send_broken else checked,
                memory=ledger,
                source=source,
                partition_of=outlet.partition_of,
                clock=clock,
                said=said,
                traced_share=traced_share,
            )
            ledger.contested()
            yield cls(
                cluster=cluster,
                source=source,
                chooser=chooser,
                checked=checked,
                ledger=ledger,
                log=log,
                outlet=outlet,
                starts=starts,
                contract=contract,
            )

    def fitter(self, mapping: MappingFile | None, *, is_sparse: bool = False) -> RowFitter:
        """Make values of the contract's fields of cells; see `RowFitter`."""
        return RowFitter(self.contract, mapping, is_sparse=is_sparse)

    def check(self, rows: Iterable[RowGiven]) -> tuple[UnsendableRow, ...]:
        """Tell every row that would not be sent, with all its problems at once; sends nothing."""
        return self._checked.unsendable(rows)

    async def publish(
        self,
        rows: AsyncIterable[RowGiven] | Iterable[RowGiven],
        *,
        lane: Lane = Lane.LIVE,
        progress: Progress | None = None,
    ) -> PublishReport:
        """Send what is new in the rows, and return when all of it is durable.

        Args:
            rows: In the order in which they came to be.
            lane: `backfill` for history, of which no delay is measured.
            progress: Called every thousand rows and at the end.

        Raises:
            Unavailable: Kafka did not take them all in time. Publish the same rows again with a
                new publisher: what the topic holds is not sent twice.
        """
        self._take_over()
        run = Run()
        self._ledger.forget_seen()
        async for row in paced(rows, self._outlet):
            await self._publish_row(run, row, lane)
            if run.rows % _ROWS_PER_NOTE == 0:
                self._note_keys(run)
                if progress is not None:
                    progress(run.report(keys_more_than_once=0))
            if run.pending_count >= PENDING_MAX:
                await self._read_back(run)
        await self._read_back(run)
        self._note_keys(run)
        report = run.report(keys_more_than_once=self._ledger.seen_more_than_once())
        self._is_usable = True
        if progress is not None:
            progress(report)
        return report

    async def publish_group(
        self, rows: Sequence[RowGiven], *, lane: Lane = Lane.LIVE
    ) -> PublishReport:
        """Send rows as one correction that no consumer sees half of, and return when it is durable.

        For one change that touches several entries or versions: what stood under a wrong registry
        number is annulled, and created under the right one. A row that can't be sent holds back
        all; rows that are known already are left out.

        Args:
            rows: 2 to 64, in the order in which they are to be read.
            lane: As in `publish`.

        Raises:
            DocumentError: There are fewer or more rows, or they are too large together.
            Unavailable: As in `publish`.
        """
        check_group_size(len(rows))
        self._take_over()
        run = Run()
        self._ledger.forget_seen()
        found = [self._chooser.choose(run, row, lane) for row in rows]
        chosen = [one for one in found if one is not None]
        if chosen and run.is_sound:
            await self._outlet.add_together(
                as_group(chosen) if len(chosen) > 1 else [chosen[0].delivery]
            )
            for one in chosen:
                run.count_sent(one)
        await self._read_back(run)
        self._note_keys(run)
        self._is_usable = True
        return run.report(keys_more_than_once=self._ledger.seen_more_than_once())

    def _take_over(self) -> None:
        """Begin a run; one that ends in a fault leaves the publisher unusable.

        Why: after a fault it is not known what was sent, and only reading the log anew tells.
        """
        if not self._is_usable:
            raise Unavailable(message("error.client.publisher_used", source=self._source))
        self._is_usable = False

    async def _publish_row(self, run: Run, row: RowGiven, lane: Lane) -> None:
        chosen = self._chooser.choose(run, row, lane)
        if chosen is not None:
            await self._outlet.add(chosen.delivery)
            run.count_sent(chosen)

    async def _read_back(self, run: Run) -> None:
        """Make durable what was sent, and take it into the memory as the log has it."""
        await self._outlet.settle()
        self.ends = await self._log.read_to_end()
        for lost in self._ledger.contested():
            # Why asked: what others lost, or this system by another hand, is not this run's matter.
            if run.has_sent(lost.key, lost.version, lost.fingerprint):
                told = {"source": self._source, "key": lost.key, "version": lost.version}
                raise Unavailable(message("error.client.contested", **told))
        run.forget_pending()

    def _note_keys(self, run: Run) -> None:
        self._ledger.see(run.keys)
        run.keys.clear()

    def newest(self, key: str) -> RecordId | None:
        """Name the record that was sent last of an entry; None: none was, as far as the log goes.

        By it the gateway tells what became of the record (`GET /records/<dataset>/<id>`).
        """
        known = self._ledger.known(key)
        return known[0].record_id if known else None

    async def outcome(self, *, timeout_s: float) -> Outcome:
        """Wait until the bus has judged everything that this publisher sent since it was opened.

        Args:
            timeout_s: How long to wait; what is not judged then is told as pending.

        Raises:
            DocumentError: The system may not ask how far enforcement is.
            Unavailable: Kafka does not answer.
        """
        return await outcome_of(
            self._cluster, self._source, self._ledger, self._log, self._starts, timeout_s=timeout_s
        )


def _single_writer(path: Path, source: Source) -> AbstractContextManager[None]:
    """Keep a second publisher of this host away: two would number versions twice."""
    return alone(
        path,
        lambda pid: Unavailable(message("error.client.published_already", what=source, pid=pid)),
    )
