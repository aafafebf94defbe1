from __future__ import annotations

import random
from collections.abc import Sequence

from faust.types import TP

from bus.agents.begun_groups import BegunGroups
from bus.model.record import Group, RawRecord
from bus.wire.groups import units
from bus.wire.headers import group_of, with_group
from tests.factories import Raw

PLACES = [TP("in.a.b", 0), TP("in.a.b", 1)]


def log_of(dice: random.Random) -> list[Raw]:
    """Records of one partition, some in whole groups, with holes of markers between units."""
    records: list[Raw] = []
    offset = 0
    for number in range(dice.randint(1, 12)):
        size = dice.choice([1, 1, 2, 3, 5])
        offset += dice.choice([0, 0, 0, 1])
        for index in range(size):
            group = Group(id=f"{number:016x}", index=index, size=size) if size > 1 else None
            records.append(Raw(offset=offset, headers=with_group([], group)))
            offset += 1
    return records


def deliver(
    fetched: Sequence[RawRecord], begun: BegunGroups, tp: TP, *, is_cut: bool
) -> list[RawRecord]:
    records = begun.joined(tp, fetched)
    return list(begun.whole(tp, records) if is_cut else records)


def test_groups_stay_whole_and_in_order_wherever_fetches_are_cut() -> None:
    for seed in range(500):
        dice = random.Random(seed)
        begun = BegunGroups()
        logs = {tp: log_of(dice) for tp in PLACES}
        waiting = {tp: list(records) for tp, records in logs.items()}
        got: dict[TP, list[list[RawRecord]]] = {tp: [] for tp in PLACES}
        limit = dice.randint(5, 9)
        while any(waiting.values()):
            # As aiokafka's fetcher: buffers in turn until the limit, the cut one first again.
            fetch: dict[TP, Sequence[RawRecord]] = {}
            room = limit
            for tp in list(waiting):
                taken, waiting[tp] = waiting[tp][:room], waiting[tp][room:]
                if taken:
                    fetch[tp] = taken
                    room -= len(taken)
                if not waiting[tp]:
                    waiting[tp] = waiting.pop(tp)
                if not room:
                    break
            assert begun.overdue(fetch) == []
            for tp, fetched in fetch.items():
                batch = deliver(fetched, begun, tp, is_cut=not room)
                if batch:
                    got[tp].append(batch)
        for tp in PLACES:
            assert [one for batch in got[tp] for one in batch] == logs[tp], seed
            for batch in got[tp]:
                for unit in units(batch, [group_of(one.headers) for one in batch]):
                    group = group_of(unit[0].headers)
                    assert group is None or len(unit) == group.size, seed


def test_a_group_whose_rest_never_comes_is_given_up_after_two_fetches() -> None:
    begun = BegunGroups()
    tp, other = PLACES
    first = Raw(offset=4, headers=with_group([], Group(id="0" * 16, index=0, size=2)))
    assert deliver([first], begun, tp, is_cut=True) == []
    assert begun.overdue([other]) == []
    assert begun.overdue([other]) == [tp]
    assert deliver([], begun, tp, is_cut=False) == [first]


def test_what_is_fetched_again_takes_the_place_of_what_was_kept() -> None:
    begun = BegunGroups()
    tp = PLACES[0]
    group = [
        Raw(offset=4 + index, headers=with_group([], Group(id="0" * 16, index=index, size=2)))
        for index in range(2)
    ]
    assert deliver(group[:1], begun, tp, is_cut=True) == []
    assert deliver(group, begun, tp, is_cut=False) == group


def test_what_does_not_follow_is_left_for_the_next_fetch() -> None:
    begun = BegunGroups()
    tp = PLACES[0]
    first = Raw(offset=4, headers=with_group([], Group(id="0" * 16, index=0, size=2)))
    assert deliver([first], begun, tp, is_cut=True) == []
    assert deliver([Raw(offset=6)], begun, tp, is_cut=False) == [first]
