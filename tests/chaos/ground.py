"""A clean run, and what one has to know of it to plant a fault that shows nowhere else."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import pairwise
from typing import Final, TypeVar

from tests.chaos.evidence import (
    Delivered,
    Entitled,
    FundRow,
    HeldRow,
    LogRecord,
    Place,
    QuarantineRow,
    RefusedRow,
)
from tests.chaos.fake_fund import current_of
from tests.chaos.fake_run import ENTITLED, Run
from tests.chaos.fake_topics import partition_of
from tests.chaos.history import Event, Fate, Outcome, Sent, history_of

T = TypeVar("T")
Row = TypeVar("Row", LogRecord, Delivered)
_VIEW_FIELDS: Final = {one.topic: one.fields for one in ENTITLED if one.topic.startswith("view.")}


NOBODYS: Final = "f" * 32
"""A record id that nobody sent."""


class NowhereToPlantError(Exception):
    """This run has no place for the fault; that of another seed has."""


class Ground:
    """One clean run."""

    def __init__(self, run: Run, dice: random.Random) -> None:
        self.run = run
        self._dice = dice
        history = history_of(run.events)
        self.sent = history.sent
        self.outcomes = history.outcomes
        ids = Counter(sent.record_id for sent in (*history.sent.values(), *history.altered))
        self.shared = {own for own, count in ids.items() if count > 1}
        """Record ids that several contents claim."""
        self.quarantined = {row.mark for row in run.quarantine}
        self._in_history = {row.record_id for row in run.history}
        self._current = {row.record_id for row in run.current}

    def pick(self, things: Iterable[T]) -> T:
        """Choose one of them."""
        choice = list(things)
        if not choice:
            raise NowhereToPlantError
        return self._dice.choice(choice)

    def is_plain(self, sent: Sent) -> bool:
        """Tell whether it is sound, stands alone, was never set aside, and its id is its own."""
        is_alone = sent.group is None and sent.record_id not in self.shared
        return is_alone and sent.fate is Fate.ACCEPTED and sent.mark not in self.quarantined

    def plain_row(self, outcome: Outcome) -> FundRow:
        """Choose a row of the fund that neither stands as current nor is a member of a group."""
        return self.pick(
            row
            for row in self.run.history
            if self.outcomes[row.record_id] is outcome
            and self.is_plain(self.sent[row.record_id])
            and row.record_id not in self._current
        )

    def failed(self, *, seen_by: Entitled | None = None) -> Sent:
        """Choose what certainly failed."""
        failed = self.all_failed()
        return self.pick(sent for sent in failed if seen_by is None or seen_by.may_see(sent))

    def broken(self) -> list[Sent]:
        """Give what enforcement set aside for good, and whose id can be trusted."""
        aside = {row.mark for row in self.run.quarantine if row.reasons == ("rule_violated",)}
        return [
            sent
            for sent in self.sent.values()
            if sent.mark in aside and sent.fate is Fate.QUARANTINED and sent.record_id is not None
        ]

    def all_failed(self) -> list[Sent]:
        """Give all that certainly failed."""
        return [sent for mark, sent in self.sent.items() if self.outcomes[mark] is Outcome.FAIL]

    def log_record(self, sent: Sent, topic: str, partition: int | None = None) -> LogRecord:
        """Make a record of it at the end of a partition; without one, of that of its entry."""
        at = partition_of(sent) if partition is None else partition
        return LogRecord(
            place=Place(topic, at, 10**6),
            # Behind what is set aside or refused by a planting, which is another record.
            inbound=Place(f"in.{sent.agency}.{sent.dataset}", 0, 2 * 10**6),
            record_id=sent.record_id,
            key=sent.key,
            version=sent.version,
            stamp=sent.stamp,
            is_proved=True,
            fields=_VIEW_FIELDS.get(topic, frozenset()),
        )

    def end_of(self, topic: str) -> Place:
        """Give a place behind all records of a topic."""
        return Place(topic, 0, 10**6)

    def fund_row(self, sent: Sent, record_id: str | None = None) -> FundRow:
        """Make a row of the fund of which nothing follows for the current one."""
        return FundRow(
            dataset=sent.dataset,
            agency=sent.agency,
            key=sent.key,
            version=sent.version,
            record_id=record_id or str(sent.record_id),
            stamp=sent.stamp,
            accepted=self.end_of(f"accepted.{sent.dataset}"),
            is_standing=False,
        )

    def keep(self, sent: Sent) -> FundRow:
        """Let it be accepted and in the fund."""
        row = self.fund_row(sent)
        self.run.accepted.append(self.log_record(sent, row.accepted.topic, row.accepted.partition))
        self.run.history.append(row)
        return row

    def held_row(self, sent: Sent) -> HeldRow:
        """Make a row of what waits."""
        return HeldRow(
            dataset=sent.dataset,
            agency=sent.agency,
            key=sent.key,
            version=sent.version,
            record_id=str(sent.record_id),
            stamp=sent.stamp,
        )

    def delivered(self, sent: Sent, entitled: Entitled) -> Delivered:
        """Make a delivery of it to a consumer."""
        return Delivered(
            consumer=entitled.consumer,
            place=self.end_of(entitled.topic),
            record_id=str(sent.record_id),
            key=sent.key,
            version=sent.version,
            stamp=None,
            fields=entitled.fields,
        )

    def send(self, sent: Sent, *outcomes: Outcome) -> None:
        """Add to what was sent."""
        self.run.events.append(Event(at_ms=0, outcome=Outcome.INVOKE, sent=sent))
        for outcome in outcomes:
            self.run.events.append(Event(at_ms=0, outcome=outcome, marks=(sent.mark,)))

    def other_content(self, sent: Sent) -> Sent:
        """Make what a publisher sends that forgot what it had sent under this mark."""
        return replace(sent, stamp=f"{sent.stamp}, changed")

    def member(self, visible_to: Entitled | None = None) -> Sent:
        """Choose a member of a group in the fund of which others go the same way."""
        members = [
            sent
            for sent in self.sent.values()
            if sent.group is not None
            and sent.record_id in self._in_history
            and (visible_to is None or visible_to.may_see(sent))
        ]
        counts = Counter(sent.group for sent in members)
        return self.pick(sent for sent in members if counts[sent.group] > 1)

    def take_away(self, marks: set[str]) -> None:
        """Let topics and consumers have nothing of some records."""
        run = self.run
        run.accepted[:] = [row for row in run.accepted if row.record_id not in marks]
        run.views[:] = [row for row in run.views if row.record_id not in marks]
        run.delivered[:] = [row for row in run.delivered if row.record_id not in marks]

    def swap_versions(
        self,
        rows: list[Row],
        line: Callable[[Row], object],
        *,
        may_be_late: Callable[[Sent], bool] | None = None,
    ) -> None:
        """Let a version come before a lower one of its entry, in one partition.

        Args:
            rows: Of topics or consumers.
            line: What rows have an order within, beside their partition.
            may_be_late: Whether it may be the lower one; None: what is plain.
        """
        is_lower = may_be_late or self.is_plain
        pairs = [
            (lower, higher)
            for places in self._first_rows(rows, line).values()
            for lower, higher in pairwise(places)
            if is_lower(self._sent_of(rows[lower])) and self.is_plain(self._sent_of(rows[higher]))
        ]
        _swap(rows, *self.pick(pairs))
        self.places_again()

    def _first_rows(
        self, rows: list[Row], line: Callable[[Row], object]
    ) -> dict[object, list[int]]:
        """Give where the records of each entry are for the first time, whose id is their own."""
        firsts: dict[object, list[int]] = {}
        seen = set()
        for index, row in enumerate(rows):
            sent = self.sent.get(str(row.record_id))
            name = (line(row), row.place.topic, row.place.partition, sent and sent.agency, row.key)
            if sent is None or row.record_id in self.shared or (name, row.record_id) in seen:
                continue
            seen.add((name, row.record_id))
            if sent.fate is not Fate.QUARANTINED and sent.mark not in self.quarantined:
                firsts.setdefault(name, []).append(index)
        return firsts

    def sent_as(self, record_id: str) -> Sent:
        """Give what was sent under a record id."""
        return next(sent for sent in self.sent.values() if sent.record_id == record_id)

    def _sent_of(self, row: Row) -> Sent:
        return self.sent[str(row.record_id)]

    def accept_before_its_group(self) -> None:
        """Let an accepted record come before the group that has its entry's version before it."""
        rows = self.run.accepted
        pairs = [
            (member, higher)
            for places in self._first_rows(rows, lambda _: None).values()
            for member, higher in pairwise(places)
            if self._sent_of(rows[member]).group is not None
            and self.is_plain(self._sent_of(rows[higher]))
        ]
        member, higher = self.pick(pairs)
        place = rows[member].group
        assert place is not None
        first = member - place.index
        rows.insert(first, rows.pop(higher))
        line = rows[first].place[:2]
        places = sorted(row.place for row in rows if row.place[:2] == line)
        rows[:] = [
            replace(row, place=places.pop(0)) if row.place[:2] == line else row for row in rows
        ]
        self.places_again()

    def swap_entries(self) -> None:
        """Let an accepted record come before one of another entry that came in before it."""
        rows = self.run.accepted
        firsts: dict[object, list[int]] = {}
        seen = set()
        for index, row in enumerate(rows):
            sent = self.sent.get(str(row.record_id))
            is_first = row.inbound not in seen
            seen.add(row.inbound)
            if sent is not None and row.inbound is not None and self.is_plain(sent) and is_first:
                firsts.setdefault((row.place[:2], row.inbound[:2]), []).append(index)
        pairs = [pair for places in firsts.values() for pair in pairwise(places)]
        _swap(rows, *self.pick(pair for pair in pairs if rows[pair[0]].key != rows[pair[1]].key))
        self.places_again()

    def places_again(self) -> None:
        """Let the fund's history say where its records lie in the accepted topics."""
        places: dict[tuple[str | None, str | None], Place] = {}
        for record in self.run.accepted:
            places.setdefault((record.record_id, record.stamp), record.place)
        self.run.history[:] = [
            replace(row, accepted=places.get((row.record_id, row.stamp), row.accepted))
            for row in self.run.history
        ]

    def current_again(self) -> None:
        """Let the fund's current rows follow its history."""
        highest: dict[tuple[str, str, str], FundRow] = {}
        for row in self.run.history:
            entry = (row.agency, row.dataset, row.key)
            if row.is_standing and (entry not in highest or row.version > highest[entry].version):
                highest[entry] = row
        self.run.current[:] = [current_of(row) for row in highest.values()]


def set_aside(mark: str | None, offset: int = 0) -> QuarantineRow:
    """Make an open row of quarantine, behind everything that came in."""
    return QuarantineRow(
        inbound=Place("in.north.roads", 0, 10**6 + offset),
        mark=mark,
        reasons=("rule_violated",),
        state="open",
        is_resolved=False,
    )


def refused(own: str) -> RefusedRow:
    """Make a refusal of the fund."""
    place = Place("in.north.roads", 0, 10**6)
    return RefusedRow(inbound=place, record_id=own, reason="conflicting_version")


def _swap(rows: list[Row], first: int, second: int) -> None:
    """Let two rows change places."""
    rows[first], rows[second] = (
        replace(rows[second], place=rows[first].place),
        replace(rows[first], place=rows[second].place),
    )
