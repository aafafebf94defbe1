"""Topics of the fake bus, and the consumers that read them."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Final

from tests.chaos.evidence import Delivered, Entitled, GroupPlace, LogRecord, Place, digest_of
from tests.chaos.fake_run import ENTITLED, Run
from tests.chaos.history import Sent

PARTITIONS: Final = 3


@dataclass(frozen=True, slots=True)
class Passed:
    """A record that enforcement let through, and where it had come in."""

    sent: Sent
    inbound: Place
    group: GroupPlace | None


def partition_of(sent: Sent) -> int:
    """Tell where records of an entry lie that stand for themselves."""
    return int(sent.key) % PARTITIONS


class FakeTopics:
    """Appends to the accepted topics and views of a run."""

    def __init__(self, run: Run, dice: random.Random) -> None:
        self._run = run
        self._dice = dice
        self._ends: dict[tuple[str, int], int] = defaultdict(int)
        self._log: dict[tuple[str, int], list[list[Passed]]] = defaultdict(list)
        """Units by dataset and partition, each taken whole; repeats included."""

    def inbound(self, sent: Sent, partition: int | None = None) -> Place:
        at = partition_of(sent) if partition is None else partition
        return self._next(f"in.{sent.agency}.{sent.dataset}", at)

    def _next(self, topic: str, partition: int) -> Place:
        place = Place(topic, partition, self._ends[topic, partition])
        self._ends[topic, partition] += 1
        return place

    def pass_on(self, unit: list[Passed]) -> None:
        """Write a record or a group to the accepted topic and to each view of it."""
        dataset, partition = unit[0].sent.dataset, unit[0].inbound.partition
        self._log[dataset, partition].append(unit)
        self._write(f"accepted.{dataset}", self._run.accepted, unit, frozenset())
        for entitled in {one.topic: one for one in ENTITLED}.values():
            share = [one for one in unit if entitled.may_see(one.sent)]
            if share and entitled.topic.startswith("view."):
                self._write(entitled.topic, self._run.views, share, entitled.fields)

    def _write(
        self, topic: str, log: list[LogRecord], unit: list[Passed], fields: frozenset[str]
    ) -> None:
        shows_stamp = not fields or "stamp" in fields
        for index, one in enumerate(unit):
            group = None
            if one.group is not None and len(unit) > 1:
                group = replace(one.group, index=index, size=len(unit))
            log.append(
                LogRecord(
                    place=self._next(topic, one.inbound.partition),
                    inbound=one.inbound,
                    record_id=one.sent.record_id,
                    key=one.sent.key,
                    version=one.sent.version,
                    stamp=one.sent.stamp if shows_stamp else None,
                    is_proved=True,
                    group=group,
                    fields=fields,
                    digest=None if fields else digest_of(one.sent.stamp.encode()),
                )
            )

    def read_again(self) -> None:
        """A worker was killed between outputs and commit: its batch goes out once more."""
        for units in list(self._log.values()):
            for unit in units[-self._dice.randint(1, 4) :]:
                self.pass_on(unit)

    def partitions(self) -> list[tuple[str, int]]:
        return sorted(self._ends)

    def consume(self, entitled: Entitled) -> None:
        """Take unit after unit, now and then some of them again."""
        partitions: dict[int, list[list[LogRecord]]] = defaultdict(list)
        for record in (*self._run.accepted, *self._run.views):
            if record.place.topic == entitled.topic:
                if record.group is None or record.group.index == 0:
                    partitions[record.place.partition].append([])
                partitions[record.place.partition][-1].append(record)
        positions = dict.fromkeys(partitions, 0)
        while positions:
            partition = self._dice.choice(list(positions))
            for record in partitions[partition][positions[partition]]:
                self._run.delivered.append(_delivered(entitled, record))
            positions[partition] += 1
            if self._dice.random() < 0.05:
                positions[partition] = max(0, positions[partition] - self._dice.randint(1, 5))
            if positions[partition] == len(partitions[partition]):
                del positions[partition]


def _delivered(entitled: Entitled, record: LogRecord) -> Delivered:
    return Delivered(
        consumer=entitled.consumer,
        place=record.place,
        record_id=str(record.record_id),
        key=str(record.key),
        version=record.version,
        stamp=record.stamp,
        fields=entitled.fields,
        group=record.group,
    )
