"""Which patterns may be tried for hours: known evil and harmless ones, and the ways counted."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.contracts.pattern_cost import PLACES_MAX, doubles_its_ways


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+",
        "(a*)*b",
        "(a+?)+",
        "(a|aa)+",
        "(a|a?)+",
        "([a-zA-Z]+)*",
        "(x+x+)+y",
        "(.*a){20}",
        "(a+){10}",
        "(a{1,3}){9}",
        "(a?){30}a{30}",
        "(-?[0-9]+)+;",
        "(?:[0-9]+,?)+",
        "([а-яё]+[ -]?)+",
        r"(\w+\s?)*",
        r"(\w+\s*)+:",
        r"(\d(-?|\s?))*",
        r"(\S+ \S*)*",
        "((a?)+b)*",
        "((ab)*|(a|b)+)*",
        "([^x]|y)*z",
        r"(a)(b\1|ba)*",
        "(?i:k|K(a|A+)+)",
        "(?=(a+)+b)a*",
        "^(([a-z])+.)+[A-Z]([a-z])+$",
    ],
)
def test_pattern_that_doubles_its_ways_is_told(pattern: str) -> None:
    assert doubles_its_ways(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "[0-9A-Za-z/-]{1,32}",
        "[a-z]{1,500}",
        "[a-z0-9]+(-[a-z0-9]+)*",
        "[А-ЯЁ][а-яё]+(?:[ -][А-ЯЁ][а-яё]+)*",
        "([А-ЯЁ][а-яё]+(-| )?){2,3}",
        "([0-9]{10})+",
        r"\d{1,3}(\.\d{1,3}){3}",
        r"(\d{1,3}\.?){4}",
        r"(\d{3}-)*\d{2}",
        r"(\d)\1{3}",
        r"(?!000)\d{3}",
        r"\w{1,200}( \w{1,200})*",
        r"[^@\s]+@[^@\s]+\.[^@\s]+",
        r"https?://\S+",
        ".*a.*b.*",
        r"(.*\n)*",
        "(a|b)*",
        "(ab|ac)*",
        "((ab)+c)*",
        '[^"]*("[^"]*"[^"]*)*',
        r"(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?:25[0-5]|2[0-4]\d|1?\d?\d)){3}",
        "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
    ],
)
def test_harmless_pattern_passes(pattern: str) -> None:
    assert not doubles_its_ways(pattern)


def test_pattern_that_is_too_long_written_out_is_not_trusted() -> None:
    assert not doubles_its_ways("a" * PLACES_MAX)
    assert doubles_its_ways("a" * (PLACES_MAX + 1))


PARTS = st.recursive(
    st.sampled_from(["a", "b", "[ab]", "ab", "a?"]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda two: f"(?:{two[0]}|{two[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?"])).map(
            lambda part: f"(?:{part[0]}){part[1]}"
        ),
    ),
    max_leaves=5,
)


@settings(deadline=None)
@given(part=PARTS, text=st.sampled_from(["a", "b", "ab", "aab", "abb"]))
def test_pattern_that_passes_ends_soon_on_texts_that_almost_match(part: str, text: str) -> None:
    """One that is let through wrongly keeps this test from ending."""
    pattern = f"(?:{part})c"
    if not doubles_its_ways(pattern):
        assert re.fullmatch(pattern, text * 40 + "d") is None
