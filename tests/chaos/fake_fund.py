"""Fund and quarantine of the fake bus."""

from __future__ import annotations

from collections import defaultdict
from typing import TypeAlias

from tests.chaos.evidence import (
    CurrentRow,
    FundRow,
    HeldRow,
    LogRecord,
    Place,
    QuarantineRow,
    RefusedRow,
    digest_of,
)
from tests.chaos.fake_run import Run
from tests.chaos.history import Sent

Entry: TypeAlias = tuple[str, str, str]
"""Agency, dataset, key."""


class FakeFund:
    """Keeps what it is told to keep."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._kept: list[Sent] = []
        self._standing: dict[Entry, list[int]] = defaultdict(list)
        self._newest: dict[Entry, str] = {}

    def newest(self, entry: Entry) -> str | None:
        """Name the record of an entry that came last."""
        return self._newest.get(entry)

    def keep(self, sent: Sent) -> None:
        self._kept.append(sent)
        self._standing[entry_of(sent)].append(sent.version)
        self._newest[entry_of(sent)] = str(sent.record_id)

    def annul_newest(self, sent: Sent) -> None:
        """Keep an annulment, which never stands, and take away what stood."""
        standing = self._standing[entry_of(sent)]
        if standing:
            standing.remove(max(standing))
        self.keep(sent)
        standing.remove(sent.version)

    def hold(self, sent: Sent) -> None:
        self._run.held.append(
            HeldRow(
                dataset=sent.dataset,
                agency=sent.agency,
                key=sent.key,
                version=sent.version,
                record_id=str(sent.record_id),
                stamp=sent.stamp,
            )
        )

    def refuse(self, sent: Sent, inbound: Place) -> None:
        reason = "conflicting_version"
        own = str(sent.record_id)
        self._run.refused.append(RefusedRow(inbound=inbound, record_id=own, reason=reason))
        self.set_aside(sent, reason, inbound)

    def set_aside(self, sent: Sent, reason: str, inbound: Place, state: str = "open") -> None:
        self._run.quarantine.append(
            QuarantineRow(
                inbound=inbound,
                mark=sent.mark,
                reasons=(reason,),
                state=state,
                is_resolved=state != "open",
            )
        )

    def settle(self) -> None:
        """Write down history and what is current."""
        places = _first_places(self._run.accepted)
        for sent in self._kept:
            row = FundRow(
                dataset=sent.dataset,
                agency=sent.agency,
                key=sent.key,
                version=sent.version,
                record_id=str(sent.record_id),
                stamp=sent.stamp,
                accepted=places[sent.stamp],
                is_standing=sent.version in self._standing[entry_of(sent)],
                digest=digest_of(sent.stamp.encode()),
            )
            self._run.history.append(row)
            if row.is_standing and row.version == max(self._standing[entry_of(sent)]):
                self._run.current.append(current_of(row))


def _first_places(accepted: list[LogRecord]) -> dict[str | None, Place]:
    places: dict[str | None, Place] = {}
    for record in accepted:
        places.setdefault(record.stamp, record.place)
    return places


def entry_of(sent: Sent) -> Entry:
    """Name the registry entry of a record."""
    return (sent.agency, sent.dataset, sent.key)


def current_of(row: FundRow) -> CurrentRow:
    """Make the current row of a version."""
    return CurrentRow(
        dataset=row.dataset,
        agency=row.agency,
        key=row.key,
        version=row.version,
        record_id=row.record_id,
        stamp=row.stamp,
    )
