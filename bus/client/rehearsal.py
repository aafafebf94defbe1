"""A publisher without a broker, for tests that stop it between two of its steps.

What is sent for a row is decided by the code that decides it everywhere (`bus.client.choosing`);
the log is played, in memory, and outlives the publisher as a broker does. A real broker can't be
made to stop at a step of our choice; everything else is tested on one.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Final

from bus.client.choosing import Chooser
from bus.client.decision import KnownVersion, Standing
from bus.client.own_log import Source, fingerprint_of
from bus.client.replay import Said
from bus.client.report import PublishReport
from bus.client.rows import (
    PreparedRow,
    RowGiven,
    RowProblem,
    SourceRow,
    UnreadableRow,
    UnsendableRow,
    unsendable,
)
from bus.client.run import Run
from bus.model.identifiers import AgencyCode, DatasetCode, RecordId, SystemCode
from bus.model.record import Lane, Operation
from bus.tables.fitting import MappedRow
from bus.tables.table import BadRow
from bus.texts import message
from bus.wire.header_names import EVENT

REHEARSED: Final = Source(
    agency=AgencyCode("rehearsal"), system=SystemCode("rehearsal"), dataset=DatasetCode("rehearsal")
)
_PARTITIONS: Final = 2
_WAITING_MAX: Final = 32
"""Records that are on their way at most; a kill may lose them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsedRecord:
    """A record of the log that is played."""

    key: str
    version: int
    operation: Operation
    record_id: RecordId
    supersedes: RecordId | None
    content: Mapping[str, object]
    """By field; of a row of which no record could be made: its place, its problems and itself."""
    is_unreadable: bool
    lane: Lane
    event: str | None
    fingerprint: bytes = field(repr=False)


@dataclass(slots=True)
class RehearsalLog:
    """The in-topic of one publisher, in memory: two partitions, each in order."""

    partitions: tuple[list[RehearsedRecord], ...] = field(
        default_factory=lambda: tuple([] for _ in range(_PARTITIONS))
    )

    _of_key: dict[str, list[tuple[int, RehearsedRecord]]] = field(default_factory=dict)
    """By key: offset and record."""

    def append(self, partition: int, record: RehearsedRecord) -> None:
        """Take a record."""
        records = self.partitions[partition]
        self._of_key.setdefault(record.key, []).append((len(records), record))
        records.append(record)

    def ends(self) -> dict[int, int]:
        """Tell the end of each partition."""
        return {number: len(records) for number, records in enumerate(self.partitions)}

    def records(self) -> list[RehearsedRecord]:
        """Give all records, partition after partition."""
        return [record for records in self.partitions for record in records]

    def known(self, key: str, *, whole: bool = False) -> list[KnownVersion]:  # noqa: ARG002 - all
        """Tell the versions of one entry, newest first; see `bus.client.choosing.Memory`."""
        place = _partition_of(key.encode())
        known = [
            KnownVersion(
                version=record.version,
                record_id=record.record_id,
                operation=record.operation,
                supersedes=record.supersedes,
                fingerprint=record.fingerprint,
                standing=Standing.REFUSED if record.is_unreadable else Standing.STANDS,
                quarantine_id=f"rehearsal/{place}/{offset}" if record.is_unreadable else None,
            )
            for offset, record in self._of_key.get(key, [])
        ]
        return sorted(known, key=lambda one: one.version, reverse=True)

    def holds_unreadable(self) -> bool:
        """Tell whether any row was sent of which no record could be made."""
        return any(record.is_unreadable for record in self.records())

    def said_since(self, barrier: Mapping[int, int]) -> Said:
        """Tell the events told behind a barrier."""
        return Said(
            (record.event, record.key, record.fingerprint)
            for number, records in enumerate(self.partitions)
            for record in records[barrier.get(number, 0) :]
            if record.event is not None
        )


class RehearsalPublisher:
    """Publishes into a log in memory, step by step."""

    def __init__(
        self,
        log: RehearsalLog,
        *,
        key_field: str,
        is_numbered: bool,
        clock: Callable[[], datetime],
        barrier: Mapping[int, int] | None,
        step: Callable[[str], None],
    ) -> None:
        """Take the log and what stands for the contract.

        Args:
            log: Outlives the publisher.
            key_field: Field of the registry number.
            is_numbered: Whether rows bring their versions.
            clock: Gives the present, aware.
            barrier: As for `Publisher.open`.
            step: Told each step before it is done; may raise, which is a kill at this point.
        """
        self._log = log
        self._step = step
        self._chooser = Chooser(
            rows=_Plain(key_field, is_numbered=is_numbered),
            memory=log,
            source=REHEARSED,
            partition_of=_partition_of,
            clock=clock,
            said=log.said_since(barrier) if barrier is not None else Said(),
        )
        self._waiting: list[tuple[int, RehearsedRecord]] = []

    async def publish(self, rows: AsyncIterable[RowGiven]) -> PublishReport:
        """Take rows, and return when all are in the log; see `Publisher.publish`."""
        run = Run()
        async for row in rows:
            chosen = self._chooser.choose(run, row, Lane.LIVE)
            if chosen is None:
                continue
            sent = dict(chosen.delivery.headers)
            value = chosen.delivery.value or b""
            event = sent.get(EVENT)
            record = RehearsedRecord(
                key=(chosen.delivery.key or b"").decode(),
                version=chosen.decision.version,
                operation=chosen.decision.operation,
                record_id=chosen.record_id,
                supersedes=chosen.decision.supersedes,
                content=json.loads(value),
                is_unreadable=chosen.is_unreadable,
                lane=Lane(sent["bus_lane"].decode()),
                event=None if event is None else event.decode(),
                fingerprint=fingerprint_of(value),
            )
            self._waiting.append((chosen.delivery.partition, record))
            run.count_sent(chosen)
            self._do(f"sending {record.key}")
            if len(self._waiting) > _WAITING_MAX:
                self._log.append(*self._waiting.pop(0))
        while self._waiting:
            self._do("waiting for acknowledgements")
            self._log.append(*self._waiting.pop(0))
        run.forget_pending()
        return run.report(keys_more_than_once=0)

    def _do(self, step: str) -> None:
        """Tell a step; where it is the last, one partition had its records already, or the other.

        Why: batches of two partitions are acknowledged in no order.
        """
        try:
            self._step(step)
        except BaseException:
            half = len(self._waiting) % _PARTITIONS
            for partition, record in self._waiting:
                if partition == half:
                    self._log.append(partition, record)
            raise


class _Plain:
    """Makes values of rows without a schema: JSON, so that equal rows are equal values."""

    schema_id = 1

    def __init__(self, key_field: str, *, is_numbered: bool) -> None:
        self.is_numbered = is_numbered
        self._key_field = key_field

    def prepare(self, row: RowGiven, place: int) -> PreparedRow | UnsendableRow:
        """Encode one row."""
        match row:
            case SourceRow():
                return self.prepare(row.row, place)
            case BadRow():
                problems = tuple(RowProblem.of(one.field, one) for one in row.problems)
                return UnsendableRow(number=place, problems=problems)
            case UnreadableRow():
                return UnsendableRow(number=place, problems=row.problems)
            case MappedRow():
                return self._prepared(row, place)
            case _:
                raise TypeError(f"{type(row).__name__} is not rehearsed; give a MappedRow")

    def _prepared(self, row: MappedRow, place: int) -> PreparedRow | UnsendableRow:
        key = row.values.get(self._key_field)
        if key is None or key == "":
            return unsendable(place, self._key_field, message("row.no_key"))
        if self.is_numbered and row.version is None:
            return unsendable(place, None, message("row.no_version"))
        return PreparedRow(
            number=place,
            key=str(key),
            value=json.dumps(row.values, sort_keys=True, default=str).encode(),
            version=row.version if self.is_numbered else None,
            event_time=None,
            operation=row.operation,
        )


def _partition_of(key: bytes) -> int:
    return sha256(key).digest()[0] % _PARTITIONS
