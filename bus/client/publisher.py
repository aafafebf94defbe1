"""Publishing rows of one dataset as one system.

The log is the publisher's state: what it has sent, it reads from its own topic, so that a run may
stop at any point and the next one sends what is missing and nothing twice. Rows of one registry
number become versions that follow each other, across files and within one.

What is not guarded against: a publisher on another host that works at the same time, and a batch
that was under way when its process was killed and reaches the topic only after the next one has
read it. Equal rows of such two have one record id, which the bus takes for a repeat.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Final, Self, TypeAlias

from bus.catalogue.region import Region, parse_region
from bus.catalogue.snapshot import locked_schema_id
from bus.client.decision import Next, Repeat
from bus.client.faults import translated
from bus.client.judgement import await_judged
from bus.client.ledger import Ledger
from bus.client.log_reader import LogReader
from bus.client.outlet import BATCH_BYTES_MAX, RECORD_BYTES_MAX, Outlet, size_bytes_of
from bus.client.own_log import Source, fingerprint_of
from bus.client.paced import paced
from bus.client.report import Outcome, PublishReport
from bus.client.rows import PreparedRow, RowEncoder, UnsendableRow, unsendable
from bus.client.run import Run
from bus.client.sending import decide_row, envelope_of, source_of
from bus.client.single_writer import single_writer
from bus.errors import Unavailable
from bus.kafka.catalogue_topic import CatalogueReader
from bus.kafka.cluster import Cluster
from bus.kafka.producer import BatchProducer
from bus.model.identifiers import DatasetCode, SystemCode
from bus.model.record import Envelope, Lane
from bus.model.verdict import Reason
from bus.route.delivery import Delivery
from bus.tables.fitting import MappedRow
from bus.tables.table import BadRow
from bus.wire import topics
from bus.wire.headers import compose
from bus.wire.signature import BatchSigner

RowGiven: TypeAlias = MappedRow | BadRow | Mapping[str, object]
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
        rows: RowEncoder,
        ledger: Ledger,
        log: LogReader,
        outlet: Outlet,
        clock: Callable[[], datetime],
        starts: Mapping[int, int],
    ) -> None:
        """Take what is connected; `open` is the way in."""
        self._cluster = cluster
        self._source = source
        self._rows = rows
        self._ledger = ledger
        self._log = log
        self._outlet = outlet
        self._clock = clock
        self._starts = starts
        self._is_usable = True
        self._keys: list[str] = []

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

        Raises:
            DocumentError: The system does not provide the dataset, lacks a right, or its memory
                does not fit the log.
            Unavailable: Kafka does not answer, or another process publishes the same.
        """
        region = await _read_region(cluster)
        source = source_of(region, system, dataset)
        contract = region.contracts[dataset]
        schema_id = locked_schema_id(region, dataset, contract.newest.number)
        rows = RowEncoder(contract, schema_id, event_time_field)
        folder = home / "publish" / system
        folder.mkdir(parents=True, exist_ok=True)
        memory = folder / f"{dataset}.sqlite"
        async with AsyncExitStack() as stack:
            stack.enter_context(single_writer(folder / f"{dataset}.lock", str(source)))
            ledger = Ledger.open(memory, source.inbound)
            stack.callback(ledger.close)
            log = await stack.enter_async_context(LogReader(cluster, source, ledger, memory))
            starts = await log.read_to_end()
            producer = BatchProducer(
                cluster, client_id=f"{system}.publisher", batch_bytes=BATCH_BYTES_MAX
            )
            doing = f"publishing {source}"
            with translated(doing):
                await stack.enter_async_context(producer)
            yield cls(
                cluster=cluster,
                source=source,
                rows=rows,
                ledger=ledger,
                log=log,
                outlet=Outlet(producer, signer, log.partitions, doing),
                clock=clock,
                starts=starts,
            )

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
                self._note_keys()
                if progress is not None:
                    progress(run.report(keys_more_than_once=0))
            if run.pending_count >= PENDING_MAX:
                await self._read_back(run)
        await self._read_back(run)
        self._note_keys()
        report = run.report(keys_more_than_once=self._ledger.seen_more_than_once())
        self._is_usable = True
        if progress is not None:
            progress(report)
        return report

    def _take_over(self) -> None:
        """Begin a run; one that ends in a fault leaves the publisher unusable.

        Why: after a fault it is not known what was sent, and only reading the log anew tells.
        """
        if not self._is_usable:
            raise Unavailable(
                f"publishing {self._source}: this publisher is at work, or stopped at a fault "
                "before; open a new one, it reads from the log what was sent"
            )
        self._is_usable = False

    async def _publish_row(self, run: Run, row: RowGiven, lane: Lane) -> None:
        run.rows += 1
        prepared = self._rows.prepare(row, run.rows)
        if isinstance(prepared, UnsendableRow):
            run.note_unsendable(prepared)
            return
        self._keys.append(prepared.key)
        known = run.pending(prepared.key)
        if known is None:
            known = self._ledger.known(prepared.key, whole=self._rows.is_numbered)
        fingerprint = fingerprint_of(prepared.value)
        match decide_row(prepared, known, fingerprint):
            case Repeat():
                run.repeats += 1
            case UnsendableRow() as refused:
                run.note_unsendable(refused)
            case Next() as decision:
                now = self._clock()
                envelope = envelope_of(prepared, decision, self._source, lane=lane, now=now)
                delivery = self._delivery(prepared, envelope)
                if size_bytes_of(delivery) > RECORD_BYTES_MAX:
                    run.note_unsendable(_too_large(prepared, delivery))
                    return
                await self._outlet.add(delivery)
                run.note_sent(prepared.key, known, decision, envelope.record_id, fingerprint)

    def _delivery(self, row: PreparedRow, envelope: Envelope) -> Delivery:
        key = row.key.encode()
        return Delivery(
            topic=self._source.inbound,
            partition=self._outlet.partition_of(key),
            key=key,
            value=row.value,
            headers=compose(envelope, self._source.dataset),
        )

    async def _read_back(self, run: Run) -> None:
        """Make durable what was sent, and take it into the memory as the log has it."""
        await self._outlet.settle()
        await self._log.read_to_end()
        run.forget_pending()

    def _note_keys(self) -> None:
        self._ledger.see(self._keys)
        self._keys.clear()

    async def outcome(self, *, timeout_s: float) -> Outcome:
        """Wait until the bus has judged everything that this publisher sent since it was opened.

        Args:
            timeout_s: How long to wait; what is not judged then is told as pending.

        Raises:
            DocumentError: The system may not ask how far enforcement is.
            Unavailable: Kafka does not answer.
        """
        sent = {
            partition: self._ledger.tally(partition, start)
            for partition, start in self._starts.items()
        }
        ends = {partition: tally.end for partition, tally in sent.items() if tally.records}
        judged = await await_judged(self._cluster, self._source.inbound, ends, timeout_s=timeout_s)
        await self._log.read_to_end()
        accepted = 0
        quarantined: Counter[Reason] = Counter()
        for partition, start in self._starts.items():
            quarantined.update(self._ledger.tally(partition, start).refused)
            passed = self._ledger.tally(partition, start, judged.get(partition, 0))
            accepted += passed.records - sum(passed.refused.values())
        count = sum(tally.records for tally in sent.values())
        return Outcome(
            sent=count,
            accepted=accepted,
            quarantined=dict(quarantined),
            pending=count - accepted - quarantined.total(),
        )


async def _read_region(cluster: Cluster) -> Region:
    with translated(f"reading the catalogue as system {cluster.principal}"):
        async with CatalogueReader(cluster) as reader:
            await reader.read_to_end()
            documents = reader.documents()
    if not documents:
        raise Unavailable(f"topic {topics.CATALOGUE} holds no catalogue; run `bus catalogue apply`")
    return parse_region(documents)


def _too_large(row: PreparedRow, delivery: Delivery) -> UnsendableRow:
    size_bytes = size_bytes_of(delivery)
    return unsendable(
        row.number,
        None,
        f"the record has {size_bytes:,} bytes; the bus carries at most {RECORD_BYTES_MAX:,}",
        f"запись занимает {size_bytes:,} байт; шина передаёт не более {RECORD_BYTES_MAX:,}",
    )
