"""A bus that keeps every promise, in memory: gives a history and the evidence that belongs to it.

What may happen on the real one happens here: kills that repeat batches, publications that are
resumed, unknown outcomes, corrections that wait, conflicts, releases, groups, rewound consumers.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from bus.wire.record_id import record_id
from tests.chaos.evidence import GroupPlace, LawBalance, Place
from tests.chaos.fake_fund import Entry, FakeFund, entry_of
from tests.chaos.fake_run import ENTITLED, Run
from tests.chaos.fake_topics import PARTITIONS, FakeTopics, Passed, partition_of
from tests.chaos.history import Event, Fate, Outcome, Sent

AGENCIES: Final = ("north", "south", "west")
DATASETS: Final = ("schools", "roads")
_MEMBERS_MAX: Final = 5


class FakeBus:
    """Makes one clean run."""

    def __init__(self, seed: int, *, keys: int = 12) -> None:
        self.run = Run()
        self._dice = random.Random(seed)
        self._keys = keys
        self._topics = FakeTopics(self.run, self._dice)
        self._fund = FakeFund(self.run)
        self._versions: dict[Entry, int] = defaultdict(int)
        self._stamps = 0

    def play(self, steps: int) -> Run:
        """Send, and drain; every kind of sending at least once."""
        ways = (
            self._correct,
            self._annul,
            self._resume,
            self._happen_unknown,
            self._vanish_unknown,
            self._fail,
            self._break_a_rule,
            self._release,
            self._leave_in_quarantine,
            self._supersede,
            self._accept_late,
            self._forget,
            self._conflict,
            self._hold,
            self._send_group,
            self._hold_group,
            self._topics.read_again,
        )
        for way in ways:
            way()
        weights = (len(ways) * 3, *(1 for _ in ways[1:]))
        for way in self._dice.choices(ways, weights, k=max(0, steps - len(ways))):
            way()
        return self._drained()

    def _drained(self) -> Run:
        """Let the fund and the consumers read everything."""
        self._fund.settle()
        for topic, partition in self._topics.partitions():
            self.run.law.append(LawBalance(place=f"{topic}/{partition}", missing=0, surplus=0))
        for entitled in ENTITLED:
            self._topics.consume(entitled)
        return self.run

    # How a sending may go.

    def _correct(self) -> None:
        self._accept(self._begun(), Outcome.OK)

    def _happen_unknown(self) -> None:
        self._accept(self._begun(), Outcome.INFO)

    def _vanish_unknown(self) -> None:
        self._end(self._begun(), self._dice.choice([Outcome.INFO, None]))

    def _fail(self) -> None:
        self._end(self._begun(), Outcome.FAIL)

    def _annul(self) -> None:
        sent = self._begun("annul")
        self._end(sent, Outcome.OK)
        self._fund.annul_newest(sent)
        self._pass_alone(sent)

    def _resume(self) -> None:
        """Acknowledged to nobody, then sent again by the publisher's next life."""
        sent = self._begun()
        self._accept(sent, None)
        self._begin(sent)
        self._pass_alone(sent)
        self._end(sent, Outcome.OK)

    def _break_a_rule(self) -> None:
        sent = replace(self._planned(), fate=Fate.QUARANTINED)
        if self._dice.random() < 0.5:  # its headers tell nothing that can be trusted
            sent = replace(sent, record_id=None, mark=f"raw-{sent.stamp}")
        self._begin(sent)
        self._end(sent, Outcome.OK)
        self._fund.set_aside(sent, "rule_violated", self._topics.inbound(sent))

    def _release(self) -> None:
        """Set aside, overtaken by the next version, then released."""
        sent = self._begun()
        self._end(sent, Outcome.OK)
        inbound = self._topics.inbound(sent)
        self._fund.set_aside(sent, "rule_violated", inbound, state="released")
        self._accept(self._begun(entry=entry_of(sent)), Outcome.OK)
        self._fund.keep(sent)
        self._topics.pass_on([Passed(sent, inbound, None)])

    def _leave_in_quarantine(self) -> None:
        """Good, but judged by a catalogue that did not know its schema."""
        sent = replace(self._planned(), fate=Fate.EITHER)
        self._begin(sent)
        self._end(sent, Outcome.OK)
        self._fund.set_aside(sent, "schema_unknown", self._topics.inbound(sent))

    def _supersede(self) -> None:
        """A kill and another catalogue gave one place two outcomes: accepted wins."""
        sent = self._begun()
        self._end(sent, Outcome.OK)
        inbound = self._topics.inbound(sent)
        self._fund.set_aside(sent, "schema_unknown", inbound, state="superseded")
        self._fund.keep(sent)
        self._topics.pass_on([Passed(sent, inbound, None)])

    def _accept_late(self) -> None:
        """Refused by a worker that was killed before that was durable, but not what came behind;
        accepted by the next one's catalogue."""
        sent = replace(self._planned(), fate=Fate.EITHER)
        self._begin(sent)
        self._end(sent, Outcome.OK)
        inbound = self._topics.inbound(sent)
        agency, dataset, key = entry_of(sent)
        behind = str((int(key) + PARTITIONS) % self._keys)
        self._accept(self._begun(entry=(agency, dataset, behind)), Outcome.OK)
        self._fund.keep(sent)
        self._topics.pass_on([Passed(sent, inbound, None)])

    def _forget(self) -> None:
        """Never arrived, and sent anew with other content by a publisher without memory."""
        sent = replace(self._begun(), stamp=self._stamp())
        self._begin(sent)
        self._accept(sent, Outcome.OK)

    def _conflict(self) -> None:
        """Another content or operation for a version that is taken: the fund refuses it."""
        first = self._begun()
        self._accept(first, Outcome.OK)
        stamp = self._stamp()
        own = first.record_id
        if self._dice.random() < 0.5:
            own = record_id(*entry_of(first), first.version, "cease")
        sent = replace(
            first, mark=f"other-{stamp}", record_id=own, stamp=stamp, fate=Fate.QUARANTINED
        )
        self._begin(sent)
        self._end(sent, Outcome.OK)
        self._fund.refuse(sent, self._pass_alone(sent))

    def _hold(self) -> None:
        """What it supersedes never comes, or is a later version, which it can't follow."""
        agency, dataset, key = self._entry()
        version = self._versions[agency, dataset, key] + 2
        later = record_id(agency, dataset, key, version, "correct")
        missing = record_id(agency, dataset, key, version, "cease")
        sent = replace(
            self._planned("correct", (agency, dataset, key)),
            supersedes=self._dice.choice([missing, later]),
        )
        self._begin(sent)
        self._end(sent, Outcome.OK)
        self._pass_alone(sent)
        self._fund.hold(sent)
        self._accept(self._begun(entry=entry_of(sent)), Outcome.OK)

    def _send_group(self) -> None:
        members = self._members()
        for sent in members:
            self._begin(sent)
            self._fund.keep(sent)
        self._end_all(members, self._dice.choice([Outcome.OK, Outcome.INFO]))
        for _ in range(self._dice.choice([1, 2])):  # once more by a resumed publisher
            self._pass_together(members)

    def _hold_group(self) -> None:
        """The predecessor of one member never comes; those of the others may be there."""
        first, *others = self._members()
        missing = record_id(*entry_of(first), first.version, "cease")
        members = [replace(first, supersedes=missing), *others]
        for sent in members:
            self._begin(sent)
            self._fund.hold(sent)
        self._end_all(members, Outcome.OK)
        self._pass_together(members)

    def _members(self) -> list[Sent]:
        agency, dataset, _ = self._entry()
        size = self._dice.randint(2, min(_MEMBERS_MAX, self._keys))
        keys = self._dice.sample(range(self._keys), size)
        group = self._stamp()
        return [
            replace(self._planned(entry=(agency, dataset, str(key))), group=group, group_size=size)
            for key in keys
        ]

    def _pass_together(self, members: Sequence[Sent]) -> None:
        partition = partition_of(members[0])
        self._topics.pass_on(
            [
                Passed(
                    sent,
                    self._topics.inbound(sent, partition),
                    GroupPlace(str(sent.group), index, len(members)),
                )
                for index, sent in enumerate(members)
            ]
        )

    # What the bus does.

    def _begun(self, operation: str = "correct", entry: Entry | None = None) -> Sent:
        sent = self._planned(operation, entry)
        self._begin(sent)
        return sent

    def _planned(self, operation: str = "correct", entry: Entry | None = None) -> Sent:
        """Make the next version of an entry."""
        agency, dataset, key = entry or self._entry()
        self._versions[agency, dataset, key] += 1
        version = self._versions[agency, dataset, key]
        own = record_id(agency, dataset, key, version, operation)
        return Sent(
            mark=own,
            process=f"{agency}.publisher",
            agency=agency,
            dataset=dataset,
            key=key,
            version=version,
            record_id=own,
            supersedes=self._fund.newest((agency, dataset, key)),
            stamp=self._stamp(),
        )

    def _entry(self) -> Entry:
        key = str(self._dice.randrange(self._keys))
        return (self._dice.choice(AGENCIES), self._dice.choice(DATASETS), key)

    def _stamp(self) -> str:
        self._stamps += 1
        return f"stamp {self._stamps}"

    def _begin(self, sent: Sent) -> None:
        self.run.events.append(Event(at_ms=0, outcome=Outcome.INVOKE, sent=sent))

    def _end(self, sent: Sent, outcome: Outcome | None) -> None:
        self._end_all([sent], outcome)

    def _end_all(self, sent: Sequence[Sent], outcome: Outcome | None) -> None:
        if outcome is not None:
            marks = tuple(one.mark for one in sent)
            self.run.events.append(Event(at_ms=0, outcome=outcome, marks=marks))

    def _accept(self, sent: Sent, outcome: Outcome | None) -> None:
        self._end(sent, outcome)
        self._fund.keep(sent)
        self._pass_alone(sent)

    def _pass_alone(self, sent: Sent) -> Place:
        inbound = self._topics.inbound(sent)
        self._topics.pass_on([Passed(sent, inbound, None)])
        return inbound


def clean_run(seed: int, *, steps: int = 60, keys: int = 12) -> Run:
    """Play one run in which nothing goes wrong."""
    return FakeBus(seed, keys=keys).play(steps)
