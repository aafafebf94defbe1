from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.model.identifiers import RecordId
from bus.wire.load_page import (
    EntryVersion,
    HeldGroup,
    Load,
    LoadedRecord,
    LoadName,
    Page,
    joined_ids,
    load_cursor,
    load_token,
    parse_cursor,
    parse_joined_ids,
    parse_load,
    parse_page,
    parse_token,
    render_load,
    render_page,
    signed_topic,
)

OFFSETS = st.integers(min_value=0, max_value=2**63 - 1)


def _is_clean(text: str) -> bool:
    return "\0" not in text


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


IDS = st.integers(0, 2**128 - 1).map(lambda number: RecordId(f"{number:032x}"))
GROUPS = st.builds(
    HeldGroup,
    id=st.from_regex(r"[0-9a-f]{16}", fullmatch=True),
    record_ids=st.lists(IDS, min_size=1, max_size=64).map(tuple),
)


@given(
    TEXTS,
    st.lists(OFFSETS, max_size=20),
    st.lists(OFFSETS, max_size=20),
    st.lists(IDS, max_size=9),
    st.lists(GROUPS, max_size=3),
)
def test_a_load_is_read_as_it_was_written(
    topic: str,
    positions: list[int],
    live: list[int],
    passed: list[RecordId],
    held: list[HeldGroup],
) -> None:
    load = Load(
        name=LoadName(topic=topic, positions=tuple(positions)),
        live=tuple(live),
        passed=tuple(passed),
        held=tuple(held),
    )
    assert parse_load(json.loads(json.dumps(render_load(load)))) == load
    for group in held:
        assert parse_joined_ids(joined_ids(group.record_ids)) == group.record_ids
        assert all(map(load.is_apart, group.record_ids))


@given(TEXTS.filter(_is_clean), TEXTS.filter(_is_clean), OFFSETS)
def test_a_place_is_read_as_it_was_written(agency: str, key: str, version: int) -> None:
    place = EntryVersion(agency=agency, key=key, version=version)
    assert parse_cursor(load_cursor(place)) == place


@given(st.binary(max_size=300), TEXTS.filter(bool), st.binary(min_size=1, max_size=99))
def test_a_page_is_read_as_it_was_written(value: bytes, key: str, signature: bytes) -> None:
    record = LoadedRecord(
        topic=signed_topic("view.v1"),
        partition=3,
        offset=2**40,
        timestamp=1_775_000_000_000,
        key=key.encode(),
        value=value,
        headers=[("ce_id", b"ab" * 16), ("bus_op", b"create"), ("bus_sig", signature)],
    )
    page = Page(catalogue=7, records=(record,), next="x")
    assert parse_page(render_page(page), "view.v1") == page


@pytest.mark.parametrize(
    "made_up",
    [
        "",
        "%%%",
        "x" * 100_000,
        base64.urlsafe_b64encode(b"[" * 9_000).decode(),
        base64.urlsafe_b64encode(b'["accepted.x",[-1]]').decode(),
        base64.urlsafe_b64encode(b'["accepted.x",[true]]').decode(),
        base64.urlsafe_b64encode(b'["accepted.x",["1"]]').decode(),
        base64.urlsafe_b64encode(b'{"topic":"accepted.x"}').decode(),
        load_token(LoadName(topic="accepted.x", positions=(2**63,))),
    ],
)
def test_a_token_or_place_that_was_made_up_is_none(made_up: str) -> None:
    assert parse_token(made_up) is None
    assert parse_cursor(made_up) is None


@pytest.mark.parametrize("text", ["a\0", "\ud800"])
def test_a_place_that_no_database_takes_is_none(text: str) -> None:
    content = json.dumps([text, "k", 1]).encode()
    assert parse_cursor(base64.urlsafe_b64encode(content).decode().rstrip("=")) is None
    content = json.dumps(["a", text, 1]).encode()
    assert parse_cursor(base64.urlsafe_b64encode(content).decode().rstrip("=")) is None


@pytest.mark.parametrize(
    "text", ["", "a", "ab" * 16 + ",", ",".join(["ab" * 16] * 65), "AB" * 16, "ab" * 15 + "a\0"]
)
def test_ids_that_were_made_up_are_none(text: str) -> None:
    assert parse_joined_ids(text) is None


@pytest.mark.parametrize("text", [b"", b"[]", b"null", b"{}", b'{"catalogue":1,"records":[1]}'])
def test_what_is_no_page_is_told_as_that(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"page|Expecting"):
        parse_page(text, "accepted.x")
