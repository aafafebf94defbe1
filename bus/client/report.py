"""What a publisher tells about its work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bus.client.rows import UnsendableRow
from bus.model.verdict import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishReport:
    """What became of the rows given: `rows = sent + repeats + unsendable_count`."""

    rows: int
    sent: int
    """Acknowledged by all in-sync replicas; `created + corrected + annulled + ceased +
    unreadable`."""
    created: int
    corrected: int
    annulled: int
    ceased: int
    unreadable: int
    """Rows of a connector of which no record could be made; they lie in quarantine."""
    repeats: int
    """Rows whose newest version in the log is equal already."""
    unsendable: tuple[UnsendableRow, ...]
    """The first hundred of them, in the rows' order."""
    unsendable_count: int
    keys_more_than_once: int
    """Registry numbers that stood in more than one row; their versions follow each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the bus has made of the records sent: `sent = accepted + quarantined + pending`."""

    sent: int
    accepted: int
    quarantined: Mapping[Reason, int]
    pending: int
    """Not judged yet when the time was over; they are safe in the topic."""

    @property
    def quarantined_count(self) -> int:
        """Records in quarantine, whatever the reason."""
        return sum(self.quarantined.values())
