"""What is sent of the outbox: signed together, in order; nothing of views that are no more."""

from __future__ import annotations

from dataclasses import replace

from bus.agents.standing import signed_deliveries
from bus.fund.outbox import Waiting
from bus.model.identifiers import ViewCode
from bus.observe import known
from bus.observe.series import DELIVERED, HOUSEKEEPING_FAILURES, Duty
from tests import factories
from tests.route.test_standing import SNAPSHOT, VIEW, both


def page() -> list[Waiting]:
    """Give what was told of one entry, in two partitions as if of two."""
    return [
        Waiting(record=one.record, partition=partition) for partition in (2, 0) for one in both()
    ]


def test_a_page_keeps_its_order_in_each_partition_and_is_signed() -> None:
    deliveries = signed_deliveries(page(), SNAPSHOT, factories.signer("bus"))
    assert {one.topic for one in deliveries} == {VIEW.topic}
    for partition in (2, 0):
        own = [dict(one.headers) for one in deliveries if one.partition == partition]
        assert [headers["bus_version"] for headers in own] == [b"1", b"2"]
        assert all("bus_sig" in headers for headers in own)


def test_records_of_a_view_that_the_catalogue_lacks_fall_away() -> None:
    (first, *rest) = page()
    gone = replace(first, record=replace(first.record, view=ViewCode("v0")))
    assert len(signed_deliveries([gone, *rest], SNAPSHOT, factories.signer("bus"))) == len(rest)


def test_what_a_fund_worker_counts_of_standing_views_is_there_before_it_happens() -> None:
    born = set(known.known_to_fund(SNAPSHOT))
    (agreement,) = SNAPSHOT.region.agreements
    assert (DELIVERED, (agreement.consumer, agreement.dataset)) in born
    assert (HOUSEKEEPING_FAILURES, (Duty.SEND_STANDING,)) in born
