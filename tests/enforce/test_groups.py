from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.enforce.judge import judge
from bus.model.record import Group
from bus.model.verdict import Accepted, Reason, Verdict
from bus.wire.groups import GROUP_BYTES_MAX, incomplete_tail, units
from bus.wire.headers import headers_bytes, with_group
from bus.wire.signature import SignatureChecker
from tests import factories
from tests.factories import Raw, signed, unsigned

ID = "0123456789abcdef"


def member(key: str, index: int, size: int, group_id: str = ID, **fields: object) -> Raw:
    raw = unsigned(key=key, **fields)  # type: ignore[arg-type]
    group = Group(id=group_id, index=index, size=size)
    return replace(raw, headers=with_group(raw.headers, group))


def outcomes(raws: Sequence[Raw]) -> list[Reason | None]:
    verdicts: list[Verdict] = judge(
        [replace(raw, offset=40 + place) for place, raw in enumerate(signed(raws))],
        source=factories.SOURCE,
        snapshot=factories.snapshot(),
        checker=SignatureChecker(),
    )
    return [None if isinstance(one, Accepted) else one.reason for one in verdicts]


def test_a_whole_group_is_accepted_among_records_that_stand_for_themselves() -> None:
    group = [member(f"63-{n}", n, 3) for n in range(3)]
    assert outcomes([unsigned(key="63-8"), *group, unsigned(key="63-9")]) == [None] * 5


def test_one_refused_member_takes_the_others_with_it_and_keeps_its_own_reason() -> None:
    group = [member("63-0", 0, 3), member("63-1", 1, 3, inn="6317000001"), member("63-2", 2, 3)]
    assert outcomes([unsigned(key="63-8"), *group, unsigned(key="63-9")]) == [
        None, Reason.GROUP_REFUSED, Reason.RULE_VIOLATED, Reason.GROUP_REFUSED, None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "places",
    [[0, 1], [1, 2], [0, 2], [0, 1, 1], [0, 2, 1], [1], [0, 1, None, 2]],
)
def test_a_group_that_is_not_whole_and_in_order_is_set_aside(places: list[int | None]) -> None:
    raws = [
        unsigned(key="63-9") if place is None else member(f"63-{place}", place, 3)
        for place in places
    ]
    assert outcomes(raws) == [
        None if place is None else Reason.GROUP_INCOMPLETE for place in places
    ]


def test_two_groups_side_by_side_are_two_whatever_their_ids() -> None:
    one = [member(f"63-{n}", n, 2) for n in range(2)]
    other = [member(f"63-{n + 2}", n, 2) for n in range(2)]
    assert outcomes([*one, *other]) == [None] * 4


@pytest.mark.parametrize(("excess", "expected"), [(0, None), (1, Reason.GROUP_TOO_LARGE)])
def test_a_group_is_taken_up_to_its_limit_of_bytes_and_not_beyond(
    excess: int, expected: Reason | None
) -> None:
    group = [member(f"63-{n:02}", n, 64) for n in range(64)]
    taken = sum(
        len(raw.key or b"") + len(raw.value or b"") + headers_bytes(raw.headers)
        for raw in signed(group)
    )
    padding = GROUP_BYTES_MAX + excess - taken - 64 * len("x-pad")
    pads = [padding // 64] * 63 + [padding - padding // 64 * 63]
    padded = [
        replace(raw, headers=[*raw.headers, ("x-pad", b"." * pad)])
        for raw, pad in zip(group, pads, strict=True)
    ]
    assert set(outcomes(padded)) == {expected}


GROUPS = st.lists(
    st.builds(
        lambda size, kept, group_id: (
            [Group(id=group_id, index=index, size=size) for index in range(min(kept, size))]
            if size > 1
            else [None]
        ),
        st.integers(1, 5),
        st.integers(1, 5),
        st.sampled_from(["0" * 16, "1" * 16]),
    ),
    max_size=6,
)


@given(GROUPS)
def test_units_put_together_are_what_was_cut(parts: list[list[Group | None]]) -> None:
    groups = [group for part in parts for group in part]
    cut = list(units(list(range(len(groups))), groups))
    assert [place for unit in cut for place in unit] == list(range(len(groups)))
    for unit in cut:
        of_unit = [groups[place] for place in unit]
        first = of_unit[0]
        if first is None:
            assert len(unit) == 1
        else:
            indexes = range(first.index, first.index + len(unit))
            assert of_unit == [replace(first, index=index) for index in indexes]


@given(GROUPS)
def test_only_a_group_that_is_begun_and_unfinished_is_kept_back(
    parts: list[list[Group | None]],
) -> None:
    groups = [group for part in parts for group in part]
    records = [Raw(headers=with_group([], group)) for group in groups]
    last = next(reversed(parts), [None])
    first = last[0]
    expected = 0 if first is None or len(last) == first.size else len(last)
    assert incomplete_tail(records) == expected
