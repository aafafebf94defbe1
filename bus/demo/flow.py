"""What the demonstration has seen so far, for the screen and for the account at its end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from bus.model.identifiers import DatasetCode, RecordId, SystemCode
from bus.model.verdict import Reason

CONSUMERS_CONNECTING_MAX: Final = 4
OUT_OF_FORCE_S: Final = 5.0
"""Nothing may reach a reader later than this after its right ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One look at the bus; each number is of committed work."""

    enforce_lag: int = 0
    """Records in inbound topics that enforcement has not passed."""
    fund_lag: int = 0
    """Accepted records that the fund has not passed."""
    quarantine_lag: int = 0
    """Records in quarantine topics that are not in the table."""
    fund_rows: int = 0
    """Accepted versions in the fund's history."""
    quarantined: Mapping[Reason, int] = field(default_factory=dict)
    """Rows of the quarantine table, whatever became of them later."""
    example: str | None = None
    """Quarantine id of a record that broke a rule."""

    @property
    def is_settled(self) -> bool:
        """Whether nothing is on its way."""
        return self.enforce_lag == self.fund_lag == self.quarantine_lag == 0


@dataclass(slots=True, kw_only=True)
class Receipts:
    """What one consumer's system received of one dataset."""

    system: SystemCode
    dataset: DatasetCode
    is_masked: bool
    """Whether it reads a view."""
    is_late: bool = False
    """Whether it begins in the middle, by a first load from the data fund."""
    counts: Counter[RecordId] = field(default_factory=Counter)
    """Times that each record was delivered."""

    @property
    def doubled(self) -> int:
        """Deliveries beyond the first of a record."""
        return self.counts.total() - len(self.counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetime:
    """What came of an agreement on stage, from its reader's side."""

    granted_after_s: float
    """From the second approval to the first record that reached the reader."""
    revoked_after_s: float
    """From the moment of the end to the last record that reached any of the reader's clients; with
    fetches that wait, to when it was appended."""
    leaked: int
    """Records later than `OUT_OF_FORCE_S`, counted as `revoked_after_s` is; records, of any time,
    with what was not agreed; and what a data request showed after the end."""


@dataclass(slots=True, kw_only=True)
class Flow:
    """Counts, written by the tasks of one event loop."""

    receipts: tuple[Receipts, ...]
    headline: str = ""
    """What is going on, in the language chosen."""
    published: Counter[SystemCode] = field(default_factory=Counter)
    """Rows given to publishers, and records of the careless client."""
    repeats: int = 0
    """Rows that publishers knew already and did not send."""
    reading: Reading = field(default_factory=Reading)
    to_consumer_ms: list[float] = field(default_factory=list)
    to_fund_ms: list[float] = field(default_factory=list)
    late_may_begin: asyncio.Event = field(default_factory=asyncio.Event)
    contracts_refused: int = 0
    """Refusals in the gate's record."""
    version_then: int | None = None
    """Version of the example that the fund had recorded as standing when the first act ended."""
    version_now: int | None = None
    """The same at the end."""
    connecting: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(CONSUMERS_CONNECTING_MAX)
    )
    requests: Counter[str] = field(default_factory=Counter)
    """Data requests by what they came to."""
    answer_ms: list[float] = field(default_factory=list)
    """How long each took that was answered from the fund."""
    lifetime: Lifetime | None = None
    """Of the agreement that was drafted and ended on stage."""
    letters_replaced: int = 0
