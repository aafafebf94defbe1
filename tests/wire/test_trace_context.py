"""Which records begin a trace, and which headers are one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.model.identifiers import RecordId
from bus.model.record import Lane
from bus.wire.header_names import TRACEPARENT
from bus.wire.headers import accepted_headers
from bus.wire.record_id import record_id
from bus.wire.trace_context import (
    TraceContext,
    is_own,
    own_trace,
    parse_trace_context,
    trace_headers,
    trace_of,
)
from tests.factories import Raw
from tests.wire.test_headers import envelope

HEX = "0123456789abcdef"
GIVEN = TraceContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", is_sampled=True)


@given(
    st.text(HEX, min_size=32, max_size=32).filter(lambda text: int(text, 16)),
    st.text(HEX, min_size=16, max_size=16).filter(lambda text: int(text, 16)),
    st.booleans(),
)
def test_a_context_is_read_as_it_was_written(trace_id: str, parent_id: str, kept: bool) -> None:
    context = TraceContext(trace_id, parent_id, kept)
    assert parse_trace_context(str(context)) == context


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"01-{'a' * 32}-{'b' * 16}-01",
        f"ff-{'a' * 32}-{'b' * 16}-01",
        f"00-{'0' * 32}-{'b' * 16}-01",
        f"00-{'a' * 32}-{'0' * 16}-01",
        f"00-{'A' * 32}-{'b' * 16}-01",
        f"00-{'a' * 31}-{'b' * 16}-01",
        f"00-{'a' * 32}-{'b' * 16}-01-more",
        f"00-{'a' * 32}-{'b' * 16}-01\n",
    ],
)
def test_what_is_no_context_is_passed_over(text: str) -> None:
    assert parse_trace_context(text) is None
    assert trace_of([(TRACEPARENT, text.encode())]) is None
    raw = Raw(headers=[(TRACEPARENT, text.encode())])
    assert TRACEPARENT not in dict(accepted_headers(raw, 1))


def test_a_context_that_is_not_kept_goes_on_all_the_same() -> None:
    unkept = str(GIVEN._replace(is_sampled=False)).encode()
    assert trace_of([(TRACEPARENT, unkept)]) is None
    raw = Raw(headers=[(TRACEPARENT, unkept)])
    assert dict(accepted_headers(raw, 1))[TRACEPARENT] == unkept
    assert trace_of([("ce_id", b"x"), (TRACEPARENT, str(GIVEN).encode())]) == GIVEN
    assert trace_of([(TRACEPARENT, "трасса".encode())]) is None
    assert trace_of([]) is None


def test_as_many_records_begin_a_trace_as_are_wanted_always_the_same() -> None:
    ids = [record_id("agency", "dataset", str(number), 1, "create") for number in range(20_000)]
    traced = [one for one in ids if own_trace(one, 0.1)]
    assert 1_800 < len(traced) < 2_200
    assert {one for one in ids if own_trace(one, 0.01)} < set(traced)
    assert all(own_trace(one, 1.0) for one in ids)
    assert not any(own_trace(one, 0.0) for one in ids)
    context = own_trace(ids[0], 1.0)
    assert context is not None
    assert context.is_sampled
    assert is_own(context, ids[0])
    assert not is_own(context, ids[1])
    assert not is_own(GIVEN, ids[0])


def test_no_trace_has_an_id_of_zeros() -> None:
    assert own_trace(RecordId("0" * 32), 1.0) is None
    assert own_trace(RecordId("1" * 16 + "0" * 16), 1.0) is None


def test_history_begins_no_trace_and_a_senders_own_is_carried() -> None:
    live = envelope()
    history = live._replace(lane=Lane.BACKFILL)
    assert trace_headers(live, 0.0) == []
    assert trace_headers(history, 1.0) == []
    assert trace_headers(history, 0.0, GIVEN) == [(TRACEPARENT, str(GIVEN).encode())]
    ((name, value),) = trace_headers(live, 1.0)
    assert (name, value.split(b"-")[1]) == (TRACEPARENT, live.record_id.encode())
