from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bus.errors import InvariantBroken
from bus.merge import (
    EMPTY_ENTRY,
    Entry,
    Merged,
    Outcome,
    Version,
    merge,
    needs_whole_history,
)
from bus.model.identifiers import RecordId
from bus.model.record import Operation

HISTORIES = 1_000


dice_of = st.integers(0, 2**32).map(random.Random)
"""Order by a seed: letting hypothesis draw each step of a shuffle takes five times as long."""


def row(
    version: int,
    operation: Operation = Operation.CREATE,
    supersedes: int | None = None,
    content: bytes = b"",
    *,
    of: Operation = Operation.CREATE,
) -> Version:
    """One version; `supersedes` and `of` name its predecessor by version and operation."""
    return Version(
        version=version,
        record_id=RecordId(f"{version}.{operation}"),
        operation=operation,
        supersedes=None if supersedes is None else RecordId(f"{supersedes}.{of}"),
        content=content or f"content of {version}".encode(),
    )


def merged(*arrivals: Version) -> Merged:
    return merge(EMPTY_ENTRY, arrivals)


@st.composite
def histories(draw: st.DrawFn) -> list[Version]:
    """Versions without conflicts: predecessors known, unknown, later than oneself, or oneself."""
    numbers = sorted(draw(st.sets(st.integers(1, 12), min_size=1, max_size=9)))
    operations = {number: draw(st.sampled_from(Operation)) for number in numbers}
    versions = []
    for number in numbers:
        operation, target = operations[number], None
        if operation is not Operation.CREATE:
            target = draw(st.sampled_from([*numbers, 99]))
        of = operations.get(target or 0, Operation.CREATE)
        versions.append(row(number, operation, target, of=of))
    return versions


def judged_by_definition(versions: Sequence[Version]) -> Entry:
    """Compute what merging must come to, by the definitions alone, on the whole set."""
    by_id = {version.record_id: version for version in versions}

    def joins(version: Version) -> bool:
        if version.operation is Operation.CREATE:
            return True
        predecessor = by_id.get(version.supersedes or RecordId(""))
        return (
            predecessor is not None and predecessor.version < version.version and joins(predecessor)
        )

    def is_annulled(version: Version) -> bool:
        return any(
            other.operation is Operation.ANNUL
            and other.supersedes == version.record_id
            and joins(other)
            and not is_annulled(other)
            for other in versions
        )

    history = {version.version: version for version in versions if joins(version)}
    standing = [
        version
        for version in history.values()
        if version.operation is not Operation.ANNUL and not is_annulled(version)
    ]
    creates = [one.version for one in standing if one.operation is Operation.CREATE]
    ceases = [one.version for one in standing if one.operation is Operation.CEASE]
    last_cease = max(ceases, default=None)
    is_open = last_cease is None or max(creates, default=0) > last_cease
    return Entry(
        versions=history,
        held={version.version: version for version in versions if not joins(version)},
        current=max((version.version for version in standing), default=None),
        ceased_by=None if is_open else last_cease,
    )


@settings(max_examples=HISTORIES, deadline=None)
@given(versions=histories(), dice=dice_of, repeats=st.integers(0, 6))
def test_result_does_not_depend_on_order_batches_or_repeats(
    versions: list[Version], dice: random.Random, repeats: int
) -> None:
    arrivals = versions + [dice.choice(versions) for _ in range(repeats)]
    dice.shuffle(arrivals)
    entry, outcomes, joined = EMPTY_ENTRY, list[Outcome](), list[Version]()
    while arrivals:
        size = dice.randint(1, len(arrivals))
        step = merge(entry, arrivals[:size])
        entry, arrivals = step.entry, arrivals[size:]
        outcomes += step.outcomes
        joined += step.joined
    assert entry == judged_by_definition(versions)
    assert outcomes.count(Outcome.REPEAT) == repeats
    assert Outcome.CONFLICT not in outcomes
    assert sorted(one.version for one in joined) == sorted(entry.versions)


@settings(max_examples=HISTORIES, deadline=None)
@given(versions=histories(), dice=dice_of, cut=st.integers(0, 9))
def test_a_partial_entry_gives_what_the_whole_one_gives(
    versions: list[Version], dice: random.Random, cut: int
) -> None:
    dice.shuffle(versions)
    plain = [one for one in versions if not needs_whole_history([one.operation])]
    arrivals = plain[cut:] + plain[:1]
    assume(arrivals)
    # What needs the whole history came before, and none of it waits: not to draw what is no case.
    before = merge(EMPTY_ENTRY, [one for one in versions if one not in plain[cut:]]).entry
    held = {number: one for number, one in before.held.items() if one in plain}
    stored = replace(before, held=held)
    assert not needs_whole_history(one.operation for one in (*arrivals, *held.values()))
    whole = merge(stored, arrivals)
    wanted = {one.version for one in arrivals} | {
        known.version
        for known in stored.versions.values()
        if known.record_id in {one.supersedes for one in arrivals}
    }
    partial = replace(
        stored, versions={number: stored.versions[number] for number in wanted & {*stored.versions}}
    )
    step = merge(partial, arrivals)
    assert step.outcomes == whole.outcomes
    assert step.joined == whole.joined
    assert step.entry.held == whole.entry.held
    assert (step.entry.current, step.entry.ceased_by) == (
        whole.entry.current,
        whole.entry.ceased_by,
    )


@settings(max_examples=HISTORIES, deadline=None)
@given(versions=histories(), other=st.integers(0, 8), dice=dice_of)
def test_a_conflict_changes_nothing_and_the_first_seen_stays(
    versions: list[Version], other: int, dice: random.Random
) -> None:
    rival = replace(versions[other % len(versions)], content=b"other content")
    dice.shuffle(versions)
    entry = merge(EMPTY_ENTRY, versions).entry
    step = merge(entry, [rival])
    assert step.outcomes == (Outcome.CONFLICT,)
    assert step.entry == entry
    assert step.joined == ()


def test_a_late_older_version_joins_history_and_never_the_current_row() -> None:
    step = merged(row(5), row(3))
    assert step.outcomes == (Outcome.INSERTED, Outcome.INSERTED)
    assert (sorted(step.entry.versions), step.entry.current) == ([3, 5], 5)


def test_another_operation_at_a_taken_version_is_a_conflict() -> None:
    step = merged(row(1), row(2), row(2, Operation.CORRECT, 1))
    assert step.outcomes[-1] is Outcome.CONFLICT


def test_a_correct_without_its_predecessor_is_held_and_joins_with_it_in_one_step() -> None:
    waiting = merged(
        row(3, Operation.CORRECT, 2, of=Operation.CORRECT), row(2, Operation.CORRECT, 1)
    )
    assert waiting.outcomes == (Outcome.HELD, Outcome.HELD)
    assert (waiting.joined, waiting.entry.current) == ((), None)
    step = merge(waiting.entry, [row(1)])
    assert step.outcomes == (Outcome.INSERTED,)
    assert [one.version for one in step.joined] == [1, 2, 3]
    assert (dict(step.entry.held), step.entry.current) == ({}, 3)


def test_annulling_the_current_version_uncovers_the_one_before() -> None:
    step = merged(
        row(1),
        row(2, Operation.CORRECT, 1),
        row(3, Operation.ANNUL, 2, of=Operation.CORRECT),
    )
    assert (step.entry.current, sorted(step.entry.versions)) == (1, [1, 2, 3])


def test_annulling_all_leaves_nothing_standing() -> None:
    assert merged(row(1), row(2, Operation.ANNUL, 1)).entry.current is None


def test_annulling_an_annulment_brings_the_version_back() -> None:
    step = merged(
        row(1), row(2, Operation.ANNUL, 1), row(3, Operation.ANNUL, 2, of=Operation.ANNUL)
    )
    assert step.entry.current == 1


def test_a_correction_leaves_a_ceased_entry_ceased_and_a_create_opens_it() -> None:
    ceased = merged(
        row(1), row(2, Operation.CEASE, 1), row(3, Operation.CORRECT, 2, of=Operation.CEASE)
    ).entry
    assert (ceased.current, ceased.ceased_by) == (3, 2)
    assert merge(ceased, [row(4)]).entry.ceased_by is None


def test_annulling_a_cease_opens_the_entry() -> None:
    step = merged(
        row(1), row(2, Operation.CEASE, 1), row(3, Operation.ANNUL, 2, of=Operation.CEASE)
    )
    assert (step.entry.current, step.entry.ceased_by) == (1, None)


def test_records_that_supersede_each_other_or_themselves_stay_held() -> None:
    step = merged(
        row(1),
        row(2, Operation.CORRECT, 3, of=Operation.CORRECT),
        row(3, Operation.CORRECT, 2, of=Operation.CORRECT),
        row(4, Operation.CORRECT, 4, of=Operation.CORRECT),
    )
    assert sorted(step.entry.held) == [2, 3, 4]
    assert step.entry.current == 1


def test_a_long_chain_held_in_reverse_is_released_at_once() -> None:
    length = 5_000
    chain = [row(1), row(2, Operation.CORRECT, 1)] + [
        row(number, Operation.CORRECT, number - 1, of=Operation.CORRECT)
        for number in range(3, length + 1)
    ]
    step = merged(*reversed(chain))
    assert (step.entry.current, len(step.joined), len(step.entry.held)) == (length, length, 0)


def test_a_correct_that_supersedes_nothing_is_a_fault_of_the_bus() -> None:
    with pytest.raises(InvariantBroken, match="supersedes nothing"):
        merged(row(1, Operation.CORRECT))
