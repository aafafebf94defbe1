from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.wire.envelope import arrange
from bus.wire.header_names import ADDED_BY_THE_BUS, SIGNED
from bus.wire.header_shape import Shapes
from bus.wire.headers import headers_bytes, signed_values
from bus.wire.original import is_utf_8

STRANGE = ["traceparent", "bus_in", "bus_attempt", "", "Ж", "x", "\udcff", "a\udc80"]
NAMES = [*SIGNED, "bus_sig", *STRANGE]
HEADERS = st.lists(
    st.tuples(st.sampled_from(NAMES), st.none() | st.binary(max_size=3)), max_size=18
)


def shapes() -> Shapes:
    return Shapes(wanted=("a", "b", "c"), counted=2, forbidden=frozenset({"own"}))


@given(st.lists(HEADERS, min_size=1, max_size=4), st.integers(0, 3))
def test_headers_are_arranged_as_without_a_memory(
    records: list[list[tuple[str, bytes]]], again: int
) -> None:
    for headers in [*records, *records[:again]]:
        sent, present = arrange(headers), dict(headers)
        assert list(sent.signed) == signed_values(headers)
        assert sent.signature == present.get("bus_sig")
        assert sent.size_bytes == headers_bytes(headers)
        assert sent.shape.absent == sum(name not in present for name in SIGNED)
        assert sent.shape.is_sound == (
            len(present) == len(headers)
            and present.keys().isdisjoint(ADDED_BY_THE_BUS)
            and all(map(is_utf_8, present))
        )


@given(st.lists(st.permutations(["a", "b", "c"]), min_size=2, max_size=8))
def test_the_same_names_in_another_order_are_another_shape(orders: list[list[str]]) -> None:
    known = shapes()
    for order in orders:
        values = tuple(name.encode() for name in order)
        assert known.of(tuple(order)).pick((*values, None)) == (b"a", b"b", b"c")


@pytest.mark.parametrize("names", [("a", "a"), ("own",), ("a", "\udcff")])
def test_names_that_spoil_a_record_make_a_shape_unsound(names: tuple[str, ...]) -> None:
    assert not shapes().of(names).is_sound


def test_a_sender_that_varies_its_names_does_not_fill_the_memory() -> None:
    known = shapes()
    for number in range(3_000):
        shape = known.of(("a", f"x{number}"))
        assert shape.pick((b"1", b"2", None)) == (b"1", None, None)
    assert 0 < len(known._known) <= 256


def test_long_names_are_read_and_not_remembered() -> None:
    known = shapes()
    assert known.of(("a", "x" * 5_000)).names_bytes == 5_001
    assert not known._known


def test_many_names_are_not_remembered_even_if_they_weigh_nothing() -> None:
    shapes = Shapes(wanted=("a", "b"), counted=2, forbidden=frozenset())
    for count in range(60, 80):
        shapes.of(("",) * count)
    assert max(map(len, shapes._known)) == 64
