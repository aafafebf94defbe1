"""One run of a publisher: its counts, and what it has sent and not yet read back. Pure."""

from __future__ import annotations

from typing import Final

from bus.client.decision import KnownVersion, Next, Standing
from bus.client.report import PublishReport
from bus.client.rows import UnsendableRow
from bus.client.sending import Chosen
from bus.model.identifiers import RecordId
from bus.model.record import Operation

UNSENDABLE_SHOWN_MAX: Final = 100


class Run:
    """Counts rows and remembers versions on their way, until they are read from the log."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.rows = 0
        self.repeats = 0
        self.unreadable = 0
        self.keys: list[str] = []
        """That rows brought since they were noted last."""
        self._sent: dict[Operation, int] = dict.fromkeys(Operation, 0)
        self._unsendable: list[UnsendableRow] = []
        self._unsendable_count = 0
        self._pending: dict[str, list[KnownVersion]] = {}

    @property
    def is_sound(self) -> bool:
        """Whether every row could be sent."""
        return not self._unsendable_count

    @property
    def pending_count(self) -> int:
        """Entries with a version that was not read from the log yet."""
        return len(self._pending)

    def pending(self, key: str) -> list[KnownVersion] | None:
        """Tell all versions of an entry that has one on its way, newest first; else None."""
        return self._pending.get(key)

    def has_sent(self, key: str, version: int, fingerprint: bytes) -> bool:
        """Tell whether a version is on its way with this content."""
        return any(
            (one.version, one.fingerprint) == (version, fingerprint)
            for one in self._pending.get(key, ())
        )

    def note_unsendable(self, row: UnsendableRow) -> None:
        """Count a row that can't be sent."""
        self._unsendable_count += 1
        if len(self._unsendable) < UNSENDABLE_SHOWN_MAX:
            self._unsendable.append(row)

    def count_sent(self, sent: Chosen) -> None:
        """Count a record that was handed over."""
        if sent.is_unreadable:
            self.unreadable += 1
        else:
            self._sent[sent.decision.operation] += 1

    def note_chosen(
        self,
        key: str,
        known: list[KnownVersion],
        decision: Next,
        record_id: RecordId,
        fingerprint: bytes,
    ) -> None:
        """Know a version on its way from now on.

        Args:
            key: Of its entry.
            known: The entry's versions before it, newest first.
            decision: What was decided to be sent.
            record_id: Of the new version.
            fingerprint: Of its value.
        """
        sent = KnownVersion(
            version=decision.version,
            record_id=record_id,
            operation=decision.operation,
            supersedes=decision.supersedes,
            fingerprint=fingerprint,
            standing=Standing.STANDS,
            quarantine_id=None,
        )
        self._pending[key] = sorted([sent, *known], key=lambda one: one.version, reverse=True)

    def forget_pending(self) -> None:
        """All that was sent has been read back from the log."""
        self._pending.clear()

    def report(self, keys_more_than_once: int) -> PublishReport:
        """Tell the counts so far."""
        return PublishReport(
            rows=self.rows,
            sent=sum(self._sent.values()) + self.unreadable,
            created=self._sent[Operation.CREATE],
            corrected=self._sent[Operation.CORRECT],
            annulled=self._sent[Operation.ANNUL],
            ceased=self._sent[Operation.CEASE],
            unreadable=self.unreadable,
            repeats=self.repeats,
            unsendable=tuple(self._unsendable),
            unsendable_count=self._unsendable_count,
            keys_more_than_once=keys_more_than_once,
        )
