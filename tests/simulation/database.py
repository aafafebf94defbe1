"""The tables of the fund and of quarantine, with the locks that transactions meet in.

Tables change at a commit alone, whole; what another transaction has not committed nobody sees.
The rules that live in SQL are stated anew here, each beside the name of the statement it follows.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bus.fund.batch import Arrival
from bus.fund.stored import EntryKey
from bus.model.identifiers import RecordId
from bus.postgres.positions import TopicPartition
from bus.quarantine.entry import QuarantineEntry, QuarantineState

if TYPE_CHECKING:
    from tests.simulation.transaction import Transaction


@dataclass(slots=True, kw_only=True)
class Position:
    """A row of `bus.positions`."""

    first: int
    next: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Current:
    """A row of the dataset's current table."""

    version: int
    record_id: RecordId
    ceased_by: int | None
    value: bytes


@dataclass(slots=True, kw_only=True)
class Kept:
    """A row of `bus.quarantine`."""

    entry: QuarantineEntry
    state: QuarantineState


@dataclass(slots=True)
class Tables:
    """What is committed."""

    positions: dict[tuple[str, TopicPartition], Position] = field(default_factory=dict)
    history: dict[EntryKey, dict[int, Arrival]] = field(default_factory=lambda: defaultdict(dict))
    held: dict[EntryKey, dict[int, Arrival]] = field(default_factory=lambda: defaultdict(dict))
    current: dict[EntryKey, Current] = field(default_factory=dict)
    quarantine: dict[str, Kept] = field(default_factory=dict)
    refusals: list[tuple[Arrival, str]] = field(default_factory=list)
    """Arrival and reason, as `bus.refusals` has them."""
    counters: dict[TopicPartition, Counter[str]] = field(
        default_factory=lambda: defaultdict(Counter)
    )


class Database:
    """Tables and who holds which of their rows."""

    def __init__(self, *, is_fenced: bool) -> None:
        self.tables = Tables()
        self.is_fenced = is_fenced
        """False plays a bus whose positions move whoever moves them."""
        self.locks: dict[Hashable, Transaction] = {}
        self.sharing: list[Transaction] = []
        """Who shares the dataset's lock for groups."""
        self.alone: Transaction | None = None
        """Who has it for itself."""
        self.open: list[Transaction] = []

    def positions(self, consumer: str, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        """Tell where a consumer reads on (`add`, `read`)."""
        kept = self.tables.positions
        return {
            place: kept.setdefault((consumer, place), Position(first=0, next=0)).next
            for place in places
        }

    def end_sessions(self) -> None:
        """Go down: whatever is open is rolled back."""
        for transaction in [*self.open]:
            transaction.roll_back()

    def sweep(self) -> None:
        """Close entries whose record was accepted after all (`close_superseded`)."""
        for kept in self.tables.quarantine.values():
            if kept.state is QuarantineState.OPEN and self._is_in_history(kept.entry):
                kept.state = QuarantineState.SUPERSEDED

    def _is_in_history(self, entry: QuarantineEntry) -> bool:
        return any(
            row.record.record_id == entry.record_id and row.record.bus_in == entry.id
            for versions in self.tables.history.values()
            for row in versions.values()
        )
