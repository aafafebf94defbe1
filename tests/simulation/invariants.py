"""What holds after every step, checked where a step may have broken it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bus.fund.batch import Arrival
from bus.fund.change import entry_key
from bus.fund.stored import EntryKey
from bus.merge import Version, standing, version_of
from bus.postgres.positions import TopicPartition
from tests.chaos.anomaly import Name
from tests.simulation.database import Tables
from tests.simulation.log import Log, Place, Record
from tests.simulation.rows import ACCEPTED, QUARANTINE

MISJUDGED = Name.MISJUDGED.value

FAULT = "fault"
"""The product itself says that its invariants are broken."""
STUCK = "stuck"
"""Nothing fails any more, and yet something does not come to its end."""


class AnomalyFound(AssertionError):
    """The first thing that is wrong in a history."""

    def __init__(self, name: str, what: str, why: str) -> None:
        super().__init__(f"{name}: {what}: {why}")
        self.name = str(name)
        self.what = what


class Outputs:
    """What enforcement wrote for each inbound record, under which catalogue."""

    def __init__(self) -> None:
        self._written: dict[str, set[str]] = {}
        self._verdicts: dict[tuple[str, str], tuple[str, bytes | None, bytes]] = {}

    def note(self, appended: Iterable[Record]) -> None:
        """Note records of an accepted topic or quarantine; judging again must not change them."""
        for record in appended:
            if record.topic not in {ACCEPTED, QUARANTINE}:
                continue
            headers = dict(record.headers)
            origin, version = headers["bus_in"].decode(), headers["bus_catalogue"].decode()
            self._written.setdefault(origin, set()).add(record.topic)
            verdict = (record.topic, record.value, headers.get("bus_reason", b""))
            if self._verdicts.setdefault((origin, version), verdict) != verdict:
                raise AnomalyFound(
                    MISJUDGED, origin, f"two verdicts under one catalogue, {version}"
                )

    def missing(self, log: Log, place: Place) -> int:
        """Count the inbound records of a partition without an outcome."""
        return sum(one.position not in self._written for one in log.read(place, 0))

    def check_committed(self, log: Log, place: Place, end: int) -> None:
        """Whatever lies below a committed offset has a durable outcome."""
        for record in log.records(place, end):
            if record.position not in self._written:
                raise AnomalyFound(Name.LOST, record.position, "committed, and nothing is written")


def check_fund(tables: Tables, log: Log, arrivals: Sequence[Arrival]) -> None:
    """What a transaction touched is right: who stands, groups whole, the conservation law."""
    for key in dict.fromkeys(map(entry_key, arrivals)):
        _check_standing(tables, key)
    for place in dict.fromkeys(arrival.place for arrival in arrivals):
        check_law(tables, log, place)


def _check_standing(tables: Tables, key: EntryKey) -> None:
    versions = {number: _version(row) for number, row in tables.history[key].items()}
    current = tables.current.get(key)
    found = (None, None) if current is None else (current.version, current.ceased_by)
    if standing(versions) != found:
        why = f"{found} stands, and {standing(versions)} ought to"
        raise AnomalyFound(Name.STALE, key[1], why)


def _version(row: Arrival) -> Version:
    return version_of(row.record, b"")


def check_law(tables: Tables, log: Log, place: TopicPartition) -> None:
    """Records up to the position = history + repeats + refused + held; counters agree with rows."""
    counted = tables.counters[place]
    position = tables.positions["fund", place].next
    below = len(log.records(place, position))
    parts = sum(counted[name] for name in ("history", "repeats", "refused", "held"))
    if not counted["records"] == parts == below:
        why = f"{below} records, {counted['records']} counted, {parts} with an outcome"
        raise AnomalyFound(Name.SKIPPED, f"{place[0]}/{place[1]}", why)
    for name, rows in (
        ("history", (row for versions in tables.history.values() for row in versions.values())),
        ("held", (row for versions in tables.held.values() for row in versions.values())),
        ("refused", (row for row, _ in tables.refusals)),
    ):
        count = sum(row.place == place for row in rows)
        if count != counted[name]:
            why = f"{count} rows of {name}, {counted[name]} counted"
            raise AnomalyFound(Name.SKIPPED, f"{place[0]}/{place[1]}", why)


def check_positions(tables: Tables, log: Log) -> None:
    """No position lies beyond the end of its partition."""
    for (consumer, place), position in tables.positions.items():
        if not position.first <= position.next <= log.end(place):
            why = f"{consumer} reads on at {position.next}, and the log ends at {log.end(place)}"
            raise AnomalyFound(Name.SKIPPED, f"{place[0]}/{place[1]}", why)
