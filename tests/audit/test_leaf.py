from __future__ import annotations

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.audit.leaf import BatchLeaf, Leaf, NoteLeaf, outcomes, outcomes_root, parse_leaf
from bus.audit.tree import Frontier
from bus.enforce.judge import judge
from bus.wire import topics
from bus.wire.signature import SignatureChecker
from tests.factories import AGENCY, DATASET, signed, snapshot, unsigned

KEY = b"\x05" * 32
OTHER_KEY = b"\x06" * 32
PLACE = "in.town.roads/0/17"
TEXTS = st.text(st.characters(codec="ascii", exclude_characters='"\\', exclude_categories=["Cc"]))
NUMBERS = st.integers(0, 2**63 - 1)
LEAVES = st.one_of(
    st.builds(
        BatchLeaf,
        writer=TEXTS,
        topic=TEXTS,
        partition=NUMBERS,
        start=NUMBERS,
        end=NUMBERS,
        accepted=NUMBERS,
        refused=NUMBERS,
        catalogue=NUMBERS,
        root=TEXTS,
    ),
    st.builds(NoteLeaf, number=NUMBERS, kind=TEXTS, digest=TEXTS),
)


@given(LEAVES)
def test_a_leaf_is_read_as_it_was_written(leaf: Leaf) -> None:
    assert parse_leaf(leaf.content) == leaf


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"leaf":"page"}',
        b'{"leaf":"note","number":1}',
        b'{"leaf":"note", "number":1,"kind":"act","digest":"00"}',
        b'{"leaf":"note","number":1,"kind":"act","digest":"00","more":1}',
    ],
)
def test_what_the_bus_did_not_write_is_no_leaf(content: bytes) -> None:
    assert parse_leaf(content) is None


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=40))
def test_a_root_is_the_one_of_a_tree_over_blinded_lines(lines: list[bytes]) -> None:
    blind = hmac.digest(KEY, b"bus/1 outcomes\x00" + PLACE.encode(), "sha256")
    tree = Frontier.empty()
    tree.extend(blind + line for line in lines)
    assert outcomes_root(KEY, PLACE, lines) == tree.root.hex()


def test_a_root_tells_nothing_to_who_lacks_the_key_and_differs_between_batches() -> None:
    line = [b"in.town.roads/0/17 00 accepted"]
    assert outcomes_root(KEY, PLACE, line) != outcomes_root(OTHER_KEY, PLACE, line)
    assert outcomes_root(KEY, PLACE, line) != outcomes_root(KEY, "in.town.roads/1/17", line)


def test_each_record_has_a_line_with_what_became_of_it_and_why() -> None:
    good, broken = signed([unsigned(offset=4), unsigned(offset=5, inn="6317000001")])
    verdicts = judge(
        [good, broken],
        source=topics.Inbound(agency=AGENCY, dataset=DATASET),
        snapshot=snapshot(),
        checker=SignatureChecker(),
    )
    first, second = outcomes(good.topic, good.partition, verdicts)
    ids = dict(good.headers)["ce_id"].decode()
    assert first.decode() == f"{good.topic}/{good.partition}/4 {ids} accepted"
    assert second.decode() == f"{good.topic}/{good.partition}/5 - rule_violated inn-check-digits"
