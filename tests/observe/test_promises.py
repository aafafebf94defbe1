"""Records held against what their contract promises, as the page shows it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bus.model.record import Lane
from bus.model.verdict import Accepted, Verdict
from bus.observe.board import Board
from bus.observe.happenings import batch_enforced
from tests.factories import (
    AGENCY,
    APPENDED_MS,
    DATASET,
    VALID,
    one_signed,
    signed,
    snapshot,
    unsigned,
)
from tests.observe.test_counting import NOW_MS, judged, samples, told, value

OF = {"agency": AGENCY, "dataset": DATASET}
CONTRACT = snapshot().region.contracts[DATASET]
APPENDED = datetime.fromtimestamp(APPENDED_MS / 1000, UTC)


def before(seconds: float) -> str:
    """Write the time of an event that the broker heard of so long after."""
    return (APPENDED - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def test_the_agencys_delay_is_from_the_event_to_the_append_and_in_time_by_the_contract() -> None:
    limit_s = CONTRACT.sla.latency_s
    delays_s = [-3.0, 0.5, limit_s, limit_s + 0.5, 90_000.0]
    raws = [
        unsigned(key=f"63-{n}", offset=n, event_time=before(delay_s))
        for n, delay_s in enumerate(delays_s)
    ]
    board = told(judged(*signed(raws))).board
    of = "bus_source_delay_seconds"
    assert value(board, f"{of}_count", dataset=DATASET) == len(delays_s)
    assert value(board, f"{of}_sum", dataset=DATASET) == sum(delays_s) + 3
    assert value(board, f"{of}_bucket", dataset=DATASET, le="0.1") == 1
    assert value(board, f"{of}_bucket", dataset=DATASET, le="10.0") == 2
    assert value(board, f"{of}_bucket", dataset=DATASET, le="86400.0") == 4
    assert value(board, "bus_records_in_time_total", **OF) == 3


def test_a_release_counts_as_it_came_in_and_history_has_no_delay() -> None:
    verdicts = judged(one_signed(event_time=before(1)))
    released = told(verdicts, is_release=True).board
    assert value(released, "bus_records_in_time_total", **OF) == 1
    loaded = told(list(map(as_history, verdicts))).board
    assert value(loaded, "bus_records_in_time_total", **OF) == 0
    assert value(loaded, "bus_source_delay_seconds_count", dataset=DATASET) == 0
    assert value(loaded, "bus_fields_due_total", **OF) > 0


def as_history(verdict: Verdict) -> Verdict:
    assert isinstance(verdict, Accepted)
    return verdict._replace(envelope=verdict.envelope._replace(lane=Lane.BACKFILL))


def test_completeness_is_the_share_of_optional_fields_that_accepted_records_fill() -> None:
    fields = CONTRACT.newest.schema["fields"]
    assert isinstance(fields, list)
    optional = {field["name"] for field in fields if "null" in field["type"]}
    filled = [name for name in optional if VALID.get(name) is not None]
    good = [unsigned(key="63-1", offset=1), unsigned(key="63-2", offset=2, places=None)]
    refused = unsigned(key="63-3", offset=3, inn="6317000001")
    board = told(judged(*signed([*good, refused]))).board
    assert 1 < len(filled) < len(optional)
    assert value(board, "bus_fields_due_total", **OF) == 2 * len(optional)
    assert value(board, "bus_fields_filled_total", **OF) == 2 * len(filled) - 1


def test_the_newest_accepted_record_is_told_and_an_older_one_changes_nothing() -> None:
    board = Board()

    def tell(*verdicts: Verdict) -> None:
        happening = batch_enforced(verdicts, {}, snapshot=snapshot(), is_release=False)
        happening.tell(board, {}, NOW_MS)

    name = "bus_dataset_last_event_timestamp_seconds"
    tell(*judged(one_signed(inn="6317000001")))
    assert not [one for one, _ in samples(board) if one == name], "nothing was accepted"
    tell(*judged(one_signed()))
    tell(*judged(replace(one_signed(), timestamp=APPENDED_MS - 60_000)))
    assert value(board, name, **OF) == APPENDED_MS / 1000
    tell(*judged(replace(one_signed(), timestamp=APPENDED_MS + 60_000)))
    assert value(board, name, **OF) == APPENDED_MS / 1000 + 60
