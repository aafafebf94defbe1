from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bus.merge import EMPTY_ENTRY, Entry, Outcome, Version, merge_entries
from bus.model.identifiers import RecordId
from bus.model.record import Operation

HISTORIES = 10_000
Unit = Sequence[tuple[str, Version]]
"""A record, or the members of a group."""


@dataclass(frozen=True, slots=True)
class World:
    """Units without conflicts, over several entries."""

    names: Sequence[str]
    units: Sequence[Unit]

    @property
    def rows(self) -> list[tuple[str, Version]]:
        return [member for unit in self.units for member in unit]


def row(
    name: str,
    version: int,
    operation: Operation = Operation.CREATE,
    supersedes: str | None = None,
    group: str | None = None,
) -> tuple[str, Version]:
    content = f"{name}.{version}".encode()
    record_id = RecordId(f"{name}.{version}.{operation}")
    return name, Version(
        version=version,
        record_id=record_id,
        operation=operation,
        supersedes=None if supersedes is None else RecordId(supersedes),
        content=content,
        group=group,
    )


def random_world(dice: random.Random) -> World:
    """Draw histories whose predecessors are mostly there, and put some of their rows in groups."""
    names = ["a", "b", "c"][: dice.randint(1, 3)]
    rows: list[tuple[str, Version]] = []
    for name in names:
        known: list[Version] = []
        for version in sorted(dice.sample(range(1, 9), dice.randint(1, 5))):
            operation = dice.choice(list(Operation)) if known else Operation.CREATE
            target = None
            if operation is not Operation.CREATE:
                target = dice.choice([*known, *known]).record_id
                target = RecordId(f"{name}.99.create") if dice.random() < 0.1 else target
            known.append(row(name, version, operation, target)[1])
        rows += [(name, one) for one in known]
    dice.shuffle(rows)
    units: list[Unit] = []
    while rows:
        size = dice.choice([1, 1, 2, 3])
        taken, rows = rows[:size], rows[size:]
        group = f"g{len(units)}" if len(taken) > 1 else None
        units.append([(name, replace(one, group=group)) for name, one in taken])
    return World(names=names, units=units)


def joined_by_definition(world: World) -> set[RecordId]:
    """Find the least set that every unit joins whose predecessors are in it or in the unit."""
    places = {one.record_id: (name, one.version) for name, one in world.rows}
    joined: set[RecordId] = set()

    def may_join(unit: Unit) -> bool:
        among = {one.record_id for _, one in unit} | joined
        return all(
            one.operation is Operation.CREATE
            or (one.supersedes in among and places[one.supersedes] < (name, one.version))
            for name, one in unit
        )

    grown = True
    while grown:
        fresh = [unit for unit in world.units if may_join(unit)]
        size = len(joined)
        joined |= {one.record_id for unit in fresh for _, one in unit}
        grown = len(joined) > size
    return joined


def arrive(
    world: World, arrivals: Sequence[Unit], dice: random.Random
) -> tuple[Mapping[str, Entry], list[Outcome]]:
    """Merge arrivals in batches, looking after each that no group is half in a history."""
    entries: Mapping[str, Entry] = dict.fromkeys(world.names, EMPTY_ENTRY)
    outcomes: list[Outcome] = []
    waiting = list(arrivals)
    while waiting:
        size = dice.randint(1, len(waiting))
        batch, waiting = waiting[:size], waiting[size:]
        found, merged = merge_entries(entries, [member for unit in batch for member in unit])
        entries = {name: one.entry for name, one in merged.items()}
        outcomes += found
        for unit in world.units:
            assert len({one.version in entries[name].versions for name, one in unit}) == 1
    return entries, outcomes


def test_groups_join_whole_in_any_order_batches_and_repeats() -> None:
    for seed in range(HISTORIES):
        dice = random.Random(seed)
        world = random_world(dice)
        expected = joined_by_definition(world)
        states = []
        for _ in range(2):
            repeated = dice.choices(world.units, k=dice.randint(0, 2))
            arrivals = [*world.units, *repeated]
            dice.shuffle(arrivals)
            entries, outcomes = arrive(world, arrivals, dice)
            assert outcomes.count(Outcome.REPEAT) == sum(map(len, repeated)), seed
            states.append(entries)
        assert states[0] == states[1], seed
        found = {one.record_id for entry in states[0].values() for one in entry.versions.values()}
        held = {one.record_id for entry in states[0].values() for one in entry.held.values()}
        assert found == expected, seed
        assert held == {one.record_id for _, one in world.rows} - expected, seed


def test_a_group_waits_whole_for_one_member_s_predecessor() -> None:
    create = row("a", 1)
    group = [row("a", 2, Operation.ANNUL, "a.1.create", "g"), row("b", 1, group="g")]
    entries: Mapping[str, Entry] = {"a": EMPTY_ENTRY, "b": EMPTY_ENTRY}
    outcomes, merged = merge_entries(entries, group)
    assert outcomes == (Outcome.HELD, Outcome.HELD)
    assert merged["b"].entry.current is None
    outcomes, after = merge_entries({name: one.entry for name, one in merged.items()}, [create])
    assert outcomes == (Outcome.INSERTED,)
    assert (after["a"].entry.current, after["b"].entry.current) == (None, 1)
    assert not any(one.entry.held for one in after.values())


def test_a_conflict_of_one_member_refuses_the_others() -> None:
    entries = {name: one.entry for name, one in merge_entries(
        {"a": EMPTY_ENTRY, "b": EMPTY_ENTRY}, [row("a", 1)]
    )[1].items()}  # fmt: skip
    name, rival = row("a", 1, group="g")
    group = [(name, replace(rival, content=b"other")), row("b", 1, group="g")]
    outcomes, merged = merge_entries(entries, group)
    assert outcomes == (Outcome.CONFLICT, Outcome.GROUP_REFUSED)
    assert {name: one.entry for name, one in merged.items()} == entries


def test_members_may_follow_each_other() -> None:
    group = [row("a", 2, Operation.CORRECT, "a.1.create", "g"), row("a", 1, group="g")]
    outcomes, merged = merge_entries({"a": EMPTY_ENTRY}, group)
    assert outcomes == (Outcome.INSERTED, Outcome.INSERTED)
    assert [one.version for one in merged["a"].joined] == [1, 2]
