"""What holds for every record: no changed byte passes, and a verdict depends on nothing else."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from bus.enforce.judge import judge
from bus.model.identifiers import RecordId
from bus.model.record import Group, Operation
from bus.model.verdict import Accepted, Verdict
from bus.wire.groups import units
from bus.wire.headers import SIGNED, group_of, with_group
from bus.wire.signature import SignatureChecker
from tests import factories
from tests.factories import Raw, signed, unsigned

GROUP = Group(id="0123456789abcdef", index=0, size=2)


def judged(raws: Sequence[Raw], checker: SignatureChecker | None = None) -> list[Verdict]:
    return judge(
        raws,
        source=factories.SOURCE,
        snapshot=factories.snapshot(),
        checker=checker or SignatureChecker(),
    )


def full() -> Raw:
    """A record that carries every signed header."""
    raw = unsigned(
        key="63-2", version=2, operation=Operation.CORRECT, supersedes=RecordId("0" * 32)
    )
    answering = [*raw.headers, ("bus_resolves", f"{raw.topic}/0/7".encode())]
    return replace(raw, headers=with_group(answering, GROUP))


def batch() -> list[Raw]:
    companion = unsigned(key="63-3")
    companion = replace(companion, headers=with_group(companion.headers, replace(GROUP, index=1)))
    return signed([unsigned(key="63-0"), unsigned(key="63-1"), full(), companion, unsigned()])


BATCH = batch()
TARGET = BATCH[2]
PARTS = [TARGET.key or b"", TARGET.value or b"", *(value for _, value in TARGET.headers)]


def with_parts(parts: Sequence[bytes]) -> Raw:
    names = [name for name, _ in TARGET.headers]
    return replace(
        TARGET, key=parts[0], value=parts[1], headers=list(zip(names, parts[2:], strict=True))
    )


def test_each_byte_of_value_key_signed_headers_and_signature_is_covered() -> None:
    assert {name for name, _ in TARGET.headers} == {*SIGNED, "bus_sig"}
    assert all(isinstance(one, Accepted) for one in judged(BATCH))
    dice = random.Random(1)
    for number, part in enumerate(PARTS):
        for place in range(len(part)):
            changed = bytearray(part)
            changed[place] ^= dice.randint(1, 255)
            parts = [*PARTS[:number], bytes(changed), *PARTS[number + 1 :]]
            verdicts = judged([*BATCH[:2], with_parts(parts), *BATCH[3:]])
            # The fourth is of its group and falls with it.
            assert [isinstance(one, Accepted) for one in verdicts] == [
                True, True, False, False, True,
            ], (number, place)  # fmt: skip


def test_a_header_taken_away_or_added_is_noticed() -> None:
    for name, _ in TARGET.headers:
        without = replace(TARGET, headers=[pair for pair in TARGET.headers if pair[0] != name])
        assert not isinstance(judged([without])[0], Accepted), name
    plain = BATCH[0]
    for name, value in TARGET.headers:
        if name not in dict(plain.headers):
            assert not isinstance(
                judged([replace(plain, headers=[*plain.headers, (name, value)])])[0], Accepted
            ), name


CHANGES: Sequence[Callable[[Raw], Raw]] = (
    lambda raw: raw,
    lambda raw: raw,
    lambda raw: replace(raw, value=None),
    lambda raw: replace(raw, value=(raw.value or b"") + b"\0"),
    lambda raw: replace(raw, headers=raw.headers[1:]),
    lambda raw: replace(raw, headers=[pair for pair in raw.headers if pair[0] != "bus_sig"]),
    lambda raw: replace(raw, timestamp=0),
)


@st.composite
def partitions(draw: st.DrawFn) -> list[Raw]:
    """Records of one partition, sound and otherwise, alone and in groups, whole and otherwise."""
    raws: list[Raw] = []
    for number in range(draw(st.integers(1, 5))):
        size = draw(st.integers(1, 3))
        group_id = draw(st.sampled_from(["0" * 16, "1" * 16]))
        members = [
            unsigned(
                key=f"63-{number}-{index}",
                inn=draw(st.sampled_from(["6316000000", "6317000001"])),
            )
            for index in range(size)
        ]
        if size > 1:
            members = [
                replace(
                    one, headers=with_group(one.headers, Group(id=group_id, index=index, size=size))
                )
                for index, one in enumerate(members)
            ]
        kept = draw(st.integers(1, size))
        raws += [draw(st.sampled_from(CHANGES))(one) for one in signed(members)[:kept]]
    return [replace(raw, offset=number) for number, raw in enumerate(raws)]


@settings(max_examples=150, deadline=None)
@given(partitions(), st.randoms(use_true_random=False))
def test_a_record_judged_again_gets_the_same_verdict_however_batches_are_cut(
    raws: list[Raw], dice: random.Random
) -> None:
    once = judged(raws)
    remembering = SignatureChecker()
    judged(raws, remembering)
    assert judged(raws, remembering) == once
    cut: list[Verdict] = []
    waiting: list[Raw] = []
    for unit in units(raws, [group_of(raw.headers) for raw in raws]):
        waiting += unit
        if dice.random() < 0.5:
            cut += judged(waiting)
            waiting = []
    assert cut + judged(waiting) == once
