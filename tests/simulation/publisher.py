"""A publisher's process: what it sends, and what it writes down of it.

What a row becomes is decided by the product (`decide_numbered`, `as_group`), from what the
publisher finds of its own in the inbound topic when it begins.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from random import Random

from bus.client.decision import KnownVersion, Next, Standing, decide_numbered
from bus.client.own_log import Source, fingerprint_of, own_version
from bus.client.run import Run
from bus.client.sending import Chosen, as_group
from bus.wire.delivery import Delivery, sign
from tests.chaos.history import Event, Fate, Outcome, Sent
from tests.factories import AGENCY, DATASET, SYSTEM
from tests.simulation.broken import Broken
from tests.simulation.catalogue import NEW_SIGNER, OLD_SIGNER
from tests.simulation.log import Log, Unplaced
from tests.simulation.producer import Producer, Request, Stage
from tests.simulation.rows import INBOUND, PARTITIONS, chosen, value_of
from tests.simulation.script import Flaw, Row, Unit

_SOURCE = Source(agency=AGENCY, system=SYSTEM, dataset=DATASET)


class Publisher:
    """One life of the process; `told` and `log` outlive it."""

    def __init__(
        self, log: Log, units: Sequence[Unit], told: list[Event], broken: Broken | None
    ) -> None:
        self.producer = Producer()
        self._told = told
        self._tried = {event.sent.mark for event in told if event.sent is not None}
        self._broken = broken
        self._waiting = list(reversed(units))
        self._known = _known(log)
        self._run = Run()

    @property
    def is_done(self) -> bool:
        """Whether every row is acknowledged, or was found in the log."""
        return not self._waiting and not self.producer.on_their_way()

    def can_send(self) -> bool:
        return bool(self._waiting)

    def send(self, count: int, chance: Random) -> None:
        """Send the next rows or groups, each partition's as one batch."""
        batches: dict[int, list[tuple[str, Delivery]]] = defaultdict(list)
        for _ in range(min(count, len(self._waiting))):
            for mark, delivery in self._deliveries(self._waiting.pop(), chance):
                batches[delivery.partition].append((mark, delivery))
        for partition, batch in batches.items():
            records = [
                Unplaced(key=one.key, value=one.value, headers=one.headers) for _, one in batch
            ]
            marks = [mark for mark, _ in batch]
            self.producer.add(Request(place=(INBOUND, partition), records=records, marks=marks))

    def _deliveries(self, unit: Unit, chance: Random) -> list[tuple[str, Delivery]]:
        picked = [(row, self._choose(row)) for row in unit.rows]
        sent = [(row, one) for row, one in picked if one is not None]
        made = [one for _, one in sent]
        deliveries = as_group(made) if len(made) > 1 else [one.delivery for one in made]
        if unit.is_cut:
            sent, deliveries = sent[:-1], deliveries[:-1]
        marked = [
            (row, self._with_id(row, delivery, chance))
            for (row, _), delivery in zip(sent, deliveries, strict=True)
        ]
        for (row, one), delivery in zip(sent, deliveries, strict=True):
            self._tell(_sent(row, one, delivery, unit))
        _sign(marked)
        return [(row.mark, delivery) for row, delivery in marked]

    def _choose(self, row: Row) -> Chosen | None:
        known = self._run.pending(row.key)
        if known is None:
            known = self._known.get(row.key, [])
        fingerprint = fingerprint_of(value_of(row))
        decision = decide_numbered(known, fingerprint, row.version, row.operation)
        if not isinstance(decision, Next):
            return None
        made = chosen(row, decision)
        self._run.note_chosen(row.key, known, decision, made.record_id, fingerprint)
        return made

    def _with_id(self, row: Row, delivery: Delivery, chance: Random) -> Delivery:
        if self._broken is not Broken.RANDOM_IDS or row.mark not in self._tried:
            return delivery
        random_id = f"{chance.getrandbits(128):032x}".encode()
        headers = [
            (name, random_id if name == "ce_id" else value) for name, value in delivery.headers
        ]
        return replace(delivery, headers=headers)

    def _tell(self, sent: Sent) -> None:
        self._told.append(Event(at_ms=0, outcome=Outcome.INVOKE, sent=sent))

    def hear(self, request: Request) -> None:
        """Write down that a request is durable."""
        self._told.append(Event(at_ms=0, outcome=Outcome.OK, marks=tuple(request.marks)))

    def give_up(self, request: Request) -> None:
        """Write down that a request was given up: it failed for certain, or nobody knows."""
        outcome = Outcome.FAIL if request.stage is Stage.WAITING else Outcome.INFO
        self._told.append(Event(at_ms=0, outcome=outcome, marks=tuple(request.marks)))


def _known(log: Log) -> dict[str, list[KnownVersion]]:
    """Read the own records of the log, of each entry the newest first."""
    known: dict[str, dict[int, KnownVersion]] = defaultdict(dict)
    for partition in range(PARTITIONS):
        for raw in log.read((INBOUND, partition), 0):
            version = own_version(raw, _SOURCE)
            if version is not None:
                known[version.key][version.version] = KnownVersion(
                    version=version.version,
                    record_id=version.record_id,
                    operation=version.operation,
                    supersedes=version.supersedes,
                    fingerprint=version.fingerprint,
                    standing=Standing.STANDS,  # what is refused here has no later version
                    quarantine_id=None,
                )
    return {
        key: [versions[number] for number in sorted(versions, reverse=True)]
        for key, versions in known.items()
    }


def _sent(row: Row, made: Chosen, delivery: Delivery, unit: Unit) -> Sent:
    group = delivery.group
    return Sent(
        mark=row.mark,
        process="publisher",
        agency=AGENCY,
        dataset=DATASET,
        key=row.key,
        version=row.version,
        record_id=made.record_id,
        supersedes=made.decision.supersedes,
        stamp=row.mark,
        fate=_fate(row, unit),
        group=None if group is None else group.id,
        group_size=1 if group is None else group.size,
    )


def _fate(row: Row, unit: Unit) -> Fate:
    if unit.is_refused:
        return Fate.QUARANTINED
    return Fate.EITHER if row.flaw is Flaw.NEW_KEY else Fate.ACCEPTED


def _sign(marked: Iterable[tuple[Row, Delivery]]) -> None:
    """Sign what is sent together; a row with another key alone, and one that forgets it not."""
    marked = list(marked)
    old = [one for row, one in marked if row.flaw not in {Flaw.NEW_KEY, Flaw.UNSIGNED}]
    if old:
        sign(old, OLD_SIGNER)
    for row, one in marked:
        if row.flaw is Flaw.NEW_KEY:
            sign([one], NEW_SIGNER)
