"""The fund against the pure merge of the same records, over thousands of random ones."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import pytest

from bus.fund.batch import FundBatch
from bus.fund.reader import FundReader
from bus.fund.store import FundStore
from bus.merge import EMPTY_ENTRY, Entry, Outcome, Version, merge, version_of
from bus.model.record import Operation, RegistryRecord
from bus.postgres.session import Session
from tests.fund.samples import LAYOUTS, SAMARA, SCHOOLS, TOPIC, batch, record

PARTITIONS = 3
KEYS = 60
VERSIONS = 12
RECORDS = 2_500


def random_history(dice: random.Random, key: str) -> list[RegistryRecord]:
    """Give versions of one entry; some supersede what never comes, or a later one."""
    versions: dict[int, RegistryRecord] = {}
    for number in range(1, dice.randint(2, VERSIONS)):
        operation = dice.choice([Operation.CREATE, Operation.CORRECT, *Operation])
        if operation is Operation.CREATE or not versions:
            versions[number] = record(key, number)
        elif dice.random() < 0.1:
            unknown = record(key, 90 + number)
            versions[number] = record(key, number, operation, unknown)
        else:
            versions[number] = record(key, number, operation, dice.choice([*versions.values()]))
    return [*versions.values()]


def random_arrivals(dice: random.Random) -> list[tuple[int, RegistryRecord, str]]:
    """Give partition, record and a label of its content, in a random order, with repeats.

    A rival has other content under the same id; one of three repeats is another encoding.
    """
    arrivals = []
    for key in map(str, range(KEYS)):
        history = random_history(dice, key)
        for number in range(RECORDS // KEYS):
            one = dice.choice(history)
            label, number_of_schema = f"{one.version}", 1
            fields: Mapping[str, object] = {}
            if dice.random() < 0.05:
                label, fields = "rival", {"title": "Another"}
            elif number % 3 == 0:
                number_of_schema, fields = 2, DEFAULTS
            sent = record(
                key,
                one.version,
                one.operation,
                one.supersedes,
                bus_in=f"in.{SAMARA}.{SCHOOLS}/{key}/{number}",
                schema_number=number_of_schema,
                fields=fields,
            )
            arrivals.append((int(key) % PARTITIONS, sent, label))
    dice.shuffle(arrivals)
    return arrivals


DEFAULTS: Mapping[str, object] = {"budget": Decimal(0), "inspected": 1, "branches": []}


@dataclass
class Expected:
    """What the pure merge, record by record, says the fund must hold."""

    entries: dict[str, Entry] = field(default_factory=lambda: defaultdict(lambda: EMPTY_ENTRY))
    outcomes: dict[int, list[Outcome]] = field(default_factory=lambda: defaultdict(list))

    def receive(self, partition: int, sent: RegistryRecord, label: str) -> None:
        step = merge(self.entries[sent.key], [version_of(sent, label.encode())])
        self.entries[sent.key] = step.entry
        self.outcomes[partition] += step.outcomes


async def apply_in_random_groups(
    dice: random.Random, dsn: str, arrivals: Sequence[tuple[int, RegistryRecord, str]]
) -> dict[int, list[Outcome]]:
    """Send all records through stores that come and go, several batches a transaction."""
    store = await FundStore.open(dsn, LAYOUTS)
    offsets = await store.positions({(TOPIC, part): 100 * part for part in range(PARTITIONS)})
    outcomes: dict[int, list[Outcome]] = defaultdict(list)
    waiting = [*arrivals]
    while waiting:
        group: list[FundBatch] = []
        for _ in range(dice.randint(1, 4)):
            cut = dice.randint(1, 120)
            head, waiting = waiting[:cut], waiting[cut:]
            for part in range(PARTITIONS):
                sent = [one for place, one, _ in head if place == part]
                one = batch(offsets[TOPIC, part], *sent, partition=part, markers=dice.randint(0, 2))
                offsets[TOPIC, part] = one.end
                group.append(one)
        for outcome in await store.apply(group):
            outcomes[outcome.partition] += outcome.outcomes
        if dice.random() < 0.2:
            await store.close()
            store = await FundStore.open(dsn, LAYOUTS)
            kept = await store.positions({(TOPIC, part): 0 for part in range(PARTITIONS)})
            assert kept == offsets
    await store.close()
    return outcomes


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_the_fund_holds_what_the_pure_merge_says_and_its_account_is_exact(
    seed: int, dsn: str, reader: FundReader, session: Session
) -> None:
    dice = random.Random(seed)
    arrivals = random_arrivals(dice)
    outcomes = await apply_in_random_groups(dice, dsn, arrivals)
    expected = Expected()
    for arrival in arrivals:
        expected.receive(*arrival)
    assert outcomes == expected.outcomes
    for key, entry in expected.entries.items():
        history = await reader.history(SCHOOLS, SAMARA, key)
        assert {row.version: row.record_id for row in history} == ids(entry.versions)
        row = await reader.get(SCHOOLS, SAMARA, key)
        assert (None if row is None else row.version) == entry.current
        assert (row is not None and row.ceased_at is not None) == (entry.ceased_by is not None)
    held = await session.execute("SELECT key, version FROM bus.held ORDER BY key, version")
    waiting = sorted(
        (key, number) for key, entry in expected.entries.items() for number in entry.held
    )
    assert await held.fetchall() == waiting
    counters = await reader.counters()
    assert counters == await reader.recount()
    assert sum(one.records for one in counters) == len(arrivals)
    assert sum(one.refused for one in counters) > 20
    assert sum(one.held for one in counters) == len(waiting) > 5
    assert all(one.difference == 0 for one in counters)
    assert all(one.next_offset - one.first_offset > one.records for one in counters), "markers too"


def ids(versions: Mapping[int, Version]) -> dict[int, str]:
    return {number: version.record_id for number, version in versions.items()}
