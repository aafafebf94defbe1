"""What is sent for one row, if anything: the same whether it goes to a broker or to a stand-in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from bus.client.decision import KnownVersion, Next, Repeat
from bus.client.outlet import RECORD_BYTES_MAX, size_bytes_of
from bus.client.own_log import Source, fingerprint_of
from bus.client.replay import Said
from bus.client.rows import (
    PreparedRow,
    RowGiven,
    SourceRow,
    UnsendableRow,
    unreadable,
    unreadable_key,
)
from bus.client.run import Run
from bus.client.sending import Chosen, decide_row, envelope_of, too_large
from bus.model.record import Lane
from bus.wire.delivery import Delivery
from bus.wire.header_names import EVENT
from bus.wire.headers import compose
from bus.wire.trace_context import TRACED_SHARE, trace_headers


class Encoding(Protocol):
    """Makes values of rows: `RowEncoder`, or `CheckedRows` behind it."""

    is_numbered: bool
    schema_id: int

    def prepare(self, row: RowGiven, place: int) -> PreparedRow | UnsendableRow:
        """Encode one row, or tell why it can't be."""


class Memory(Protocol):
    """What was sent: `Ledger`."""

    def known(self, key: str, *, whole: bool = False) -> list[KnownVersion]:
        """Tell the versions sent of one entry, newest first."""

    def holds_unreadable(self) -> bool:
        """Tell whether any row was ever sent as one of which no record could be made."""


class Chooser:
    """Decides for rows of one run after another."""

    def __init__(
        self,
        *,
        rows: Encoding,
        memory: Memory,
        source: Source,
        partition_of: Callable[[bytes], int],
        clock: Callable[[], datetime],
        said: Said,
        traced_share: float = TRACED_SHARE,
    ) -> None:
        """Take what a decision rests on.

        Args:
            rows: Encodes.
            memory: Of what was sent before this run.
            source: Who sends.
            partition_of: Partition of a key.
            clock: Gives the present, aware.
            said: Events of the source that were told already, behind the position read from.
            traced_share: Of live records, those that begin a trace, 0 to 1.
        """
        self._rows = rows
        self._memory = memory
        self._source = source
        self._partition_of = partition_of
        self._clock = clock
        self._said = said
        self._traced_share = traced_share
        self._told_again: set[str] = set()
        """Entries of which something was told behind the position, and now something else."""
        self._mends = memory.holds_unreadable()
        """Whether a row may stand where one stood that could not be read."""

    def choose(self, run: Run, row: RowGiven, lane: Lane) -> Chosen | None:
        """Count a row, and decide what is sent for it; None where nothing is."""
        run.rows += 1
        if isinstance(row, SourceRow) and row.is_history:
            lane = Lane.BACKFILL
        prepared = self._rows.prepare(row, run.rows)
        chosen = (
            prepared
            if isinstance(prepared, UnsendableRow)
            else self._chosen(run, row, prepared, lane)
        )
        if isinstance(chosen, UnsendableRow) and isinstance(row, SourceRow):
            self._mends = True
            chosen = self._chosen(run, row, unreadable(row, chosen), lane)
        if isinstance(chosen, UnsendableRow):
            run.note_unsendable(chosen)
            return None
        if chosen is None:
            run.repeats += 1
        return chosen

    def _chosen(
        self, run: Run, row: RowGiven, prepared: PreparedRow, lane: Lane
    ) -> Chosen | UnsendableRow | None:
        run.keys.append(prepared.key)
        fingerprint = fingerprint_of(prepared.value)
        # Why not where it was told again: an event that changed nothing then, and left no record,
        # has changed it by now; what was told behind it has to stand above that.
        if (
            isinstance(row, SourceRow)
            and prepared.key not in self._told_again
            and self._said.holds(row.event, prepared.key, fingerprint)
        ):
            return None
        known = self._known(run, prepared.key)
        if isinstance(row, SourceRow) and row.is_history and known and prepared.version is None:
            return None  # what stands is newer than any history
        decision = decide_row(prepared, known, fingerprint)
        if not isinstance(decision, Next):
            return None if isinstance(decision, Repeat) else decision
        envelope = envelope_of(
            prepared,
            decision,
            self._source,
            lane=lane,
            now=self._clock(),
            schema_id=self._rows.schema_id,
            resolves=self._mended(run, row, prepared),
        )
        headers = compose(envelope, self._source.dataset)
        headers += trace_headers(envelope, self._traced_share)
        if isinstance(row, SourceRow):
            headers.append((EVENT, row.event.encode()))
        key = prepared.key.encode()
        delivery = Delivery(
            topic=self._source.inbound,
            partition=self._partition_of(key),
            key=key,
            value=prepared.value,
            headers=headers,
        )
        if size_bytes_of(delivery) > RECORD_BYTES_MAX:
            return too_large(prepared, delivery)
        if self._said.tells_of(prepared.key):
            self._told_again.add(prepared.key)
        run.note_chosen(prepared.key, known, decision, envelope.record_id, fingerprint)
        return Chosen(
            decision=decision,
            delivery=delivery,
            record_id=envelope.record_id,
            is_unreadable=prepared.is_unreadable,
        )

    def _known(self, run: Run, key: str) -> list[KnownVersion]:
        known = run.pending(key)
        return self._memory.known(key, whole=self._rows.is_numbered) if known is None else known

    def _mended(self, run: Run, row: RowGiven, prepared: PreparedRow) -> str | None:
        """Find the quarantine id of the row that could not be read where this one stands now."""
        if not (self._mends and isinstance(row, SourceRow)) or prepared.is_unreadable:
            return None
        before = self._known(run, unreadable_key(row.place))
        return before[0].quarantine_id if before else None
