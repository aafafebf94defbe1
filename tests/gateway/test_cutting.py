from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time

import pytest

from bus.catalogue.snapshot import Projection, Snapshot, build_snapshot, instant_ms
from bus.client.proof import prove
from bus.client.subscription import feeds_of
from bus.errors import InvariantBroken
from bus.gateway.cutting import loaded_records
from bus.gateway.fund_versions import FundVersion
from bus.model.identifiers import SystemCode
from bus.model.record import Envelope
from bus.wire import topics
from bus.wire.headers import parse_envelope
from bus.wire.load_page import LoadedRecord, Page, parse_page, render_page, signed_topic
from bus.wire.signature import SignatureChecker
from tests.factories import (
    AGENCY,
    APPENDED_MS,
    DATASET,
    noon,
    region,
    signer,
    signing_key,
    unsigned,
)

HEALTH = SystemCode("health-analytics")
SNAPSHOT = build_snapshot(region(signing_key("edu-registry"), signing_key("bus")), 7)


def version(number: int, *, oktmo: str = "36701000") -> FundVersion:
    raw = unsigned(key=f"63-{number}", oktmo=oktmo)
    envelope = parse_envelope(raw.headers, agency=AGENCY, dataset=DATASET, key=raw.key or b"")
    assert isinstance(envelope, Envelope)
    return FundVersion(
        key=f"63-{number}",
        envelope=envelope,
        value=raw.value or b"",
        inbound=topics.Position(topic=raw.topic, partition=2, offset=number),
        catalogue=6,
        appended_ms=APPENDED_MS,
        partition=2,
        offset=100 + number,
    )


def view_of_health(snapshot: Snapshot = SNAPSHOT) -> Projection:
    (feed,) = feeds_of(snapshot.region, HEALTH, DATASET, noon(date(2026, 6, 1)))
    return next(one for one in snapshot.projections[DATASET] if one.topic == feed.topic)


def loaded(
    *versions: FundVersion, projection: Projection | None, opens_at: int = 0
) -> tuple[LoadedRecord, ...]:
    return loaded_records(
        versions,
        dataset=DATASET,
        topic=signed_topic(projection.topic if projection else topics.accepted(DATASET)),
        projection=projection,
        is_open=lambda one: one.inbound.offset >= opens_at,
        snapshot=SNAPSHOT,
        signer=signer("bus"),
    )


def proved(records: tuple[LoadedRecord, ...]) -> list[str]:
    found = prove(
        records, dataset=DATASET, is_view=True, snapshot=SNAPSHOT, checker=SignatureChecker()
    )
    return [record.key for record in found]


def test_a_view_is_cut_filtered_and_begun_as_its_topic_is() -> None:
    view = view_of_health()
    versions = [version(1), version(2), version(3, oktmo="36740000"), version(4)]
    records = loaded(*versions, projection=view, opens_at=2)
    assert proved(records) == ["63-2", "63-4"]
    assert {record.topic for record in records} == {f"first-load.{view.topic}"}
    director = "Смирнова".encode()
    assert director in versions[1].value
    assert all(director not in record.value for record in records)
    (cut,) = view.cuts.values()
    assert all(record.value.startswith(cut.frame) for record in records)


def test_a_view_shows_what_came_before_its_agreement_unless_that_names_a_first_day() -> None:
    known = region(signing_key("bus"))
    begin_now = tuple(replace(one, valid_from=date(2026, 11, 1)) for one in known.agreements)
    found = build_snapshot(replace(known, agreements=begin_now), 7).projections.values()
    projections = [one for of_dataset in found for one in of_dataset]
    assert {one.view.history_from is None for one in projections} == {True, False}
    for one in projections:
        first = one.view.history_from
        assert one.opens_ms == (
            0 if first is None else instant_ms(datetime.combine(first, time(), UTC))
        )


def test_the_whole_dataset_is_given_as_it_was_accepted_with_the_bus_as_signer() -> None:
    records = loaded(version(1), version(3, oktmo="36740000"), projection=None, opens_at=9)
    assert proved(records) == ["63-1", "63-3"]
    assert records[0].value == version(1).value
    headers = dict(records[0].headers)
    assert headers["bus_in"] == f"in.{AGENCY}.{DATASET}/2/1".encode()
    assert headers["bus_catalogue"] == b"6"
    assert (records[0].partition, records[0].offset) == (2, 101)


def test_a_record_that_was_changed_or_put_under_another_topic_is_not_genuine() -> None:
    view = view_of_health()
    (record,) = loaded(version(1), projection=view)
    value = record.value[:-1] + bytes([record.value[-1] ^ 1])
    for forged in (
        replace(record, value=value),
        replace(record, key=b"63-2"),
        replace(record, topic=view.topic),
    ):
        with pytest.raises(InvariantBroken, match="not genuine"):
            proved((forged,))


def test_a_page_arrives_as_it_was_made() -> None:
    view = view_of_health()
    page = Page(catalogue=7, records=loaded(version(1), version(2), projection=view), next=None)
    arrived = parse_page(render_page(page), view.topic)
    assert proved(arrived.records) == ["63-1", "63-2"]


def test_a_value_that_the_catalogue_can_not_read_is_the_buss_own_fault() -> None:
    broken = replace(version(1), value=version(1).value[:-3])
    with pytest.raises(InvariantBroken, match="can't read its value"):
        loaded(broken, projection=view_of_health())
