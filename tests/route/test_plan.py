from __future__ import annotations

import io
from dataclasses import replace

import fastavro

from bus.catalogue.views import view_schema
from bus.enforce.judge import judge
from bus.model.record import Group
from bus.model.verdict import Verdict
from bus.quarantine.reading import parse_entry
from bus.route.plan import plan
from bus.wire.delivery import Delivery
from bus.wire.frame import schema_id_of
from bus.wire.headers import group_of, parse_delivered, signed_values, with_group
from bus.wire.signature import SignatureChecker, leaf_hash, parse_signature
from tests import factories
from tests.factories import DATASET, Raw, one_signed, signed, unsigned


def planned(*raws: Raw) -> list[Delivery]:
    return plan(judged(*raws), snapshot=factories.snapshot(), signer=factories.signer("bus"))


def judged(*raws: Raw) -> list[Verdict]:
    return judge(
        raws,
        source=factories.SOURCE,
        snapshot=factories.snapshot(),
        checker=SignatureChecker(),
    )


def landed(delivery: Delivery) -> Raw:
    return Raw(
        topic=delivery.topic,
        partition=delivery.partition,
        key=delivery.key,
        value=delivery.value,
        headers=delivery.headers,
    )


def to_views(deliveries: list[Delivery]) -> list[Delivery]:
    return [delivery for delivery in deliveries if delivery.topic.startswith("view.")]


def test_an_accepted_record_keeps_its_bytes_its_partition_and_tells_its_origin() -> None:
    raw = one_signed()
    delivery = planned(raw)[0]
    assert (delivery.topic, delivery.partition) == (f"accepted.{DATASET}", raw.partition)
    assert (delivery.key, delivery.value) == (raw.key, raw.value)
    assert delivery.headers[: len(raw.headers)] == list(raw.headers)
    record = parse_delivered(landed(delivery), DATASET)
    assert record.bus_in == f"{raw.topic}/{raw.partition}/{raw.offset}"
    assert record.catalogue == 7


def test_a_quarantined_record_can_be_taken_apart_into_the_original_again() -> None:
    raw = one_signed(inn="6317000001")
    (delivery,) = planned(raw)
    assert delivery.topic == f"quarantine.{factories.AGENCY}"
    entry = parse_entry(landed(delivery))
    assert (entry.key, entry.value, list(entry.headers)) == (raw.key, raw.value, list(raw.headers))
    assert entry.id == f"{raw.topic}/{raw.partition}/{raw.offset}"
    assert entry.appended_ms == raw.timestamp
    assert [violation.path for violation in entry.violations] == ["inn"]


def test_a_sender_cannot_forge_the_reasons_of_its_quarantine() -> None:
    raw = one_signed()
    forged = Raw(key=raw.key, value=raw.value, headers=[*raw.headers, ("bus_reason", b"unsigned")])
    (delivery,) = planned(forged)
    entry = parse_entry(landed(delivery))
    assert (entry.reason.value, entry.path) == ("header_malformed", "bus_reason")
    assert list(entry.headers) == forged.headers


def test_a_view_shows_only_its_fields_of_only_its_rows() -> None:
    inside = unsigned(key="63-1", oktmo="36701305", offset=1)
    outside = unsigned(key="63-2", oktmo="36740000", offset=2)
    shown = {
        projection.topic: [
            d for d in planned(*signed([inside, outside])) if d.topic == projection.topic
        ]
        for projection in factories.snapshot().projections[DATASET]
    }
    for projection in factories.snapshot().projections[DATASET]:
        expected = [b"63-1"] if projection.rows else None
        keys = [delivery.key for delivery in shown[projection.topic]]
        assert expected is None or keys == expected
        for delivery in shown[projection.topic]:
            assert delivery.value is not None
            contract = factories.snapshot().region.contracts[DATASET]
            schema = fastavro.parse_schema(view_schema(projection.view, contract.newest))
            body = io.BytesIO(delivery.value[5:])
            fields = fastavro.schemaless_reader(body, schema, None)
            assert isinstance(fields, dict)
            assert body.read() == b""
            assert set(fields) == set(projection.view.fields)
            assert "Смирнова".encode() not in delivery.value
            assert schema_id_of(delivery.value) == projection.cuts[1].schema_id


TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_only_the_standards_headers_go_on() -> None:
    (raw,) = signed([unsigned(oktmo="36701000")])
    stray = [("x-director", "Иванов".encode()), ("x-note", b"\xff"), ("traceparent", TRACE)]
    known = {name for name, _ in raw.headers} | {"traceparent", "bus_in", "bus_catalogue"}
    for delivery in planned(replace(raw, headers=[*raw.headers, *stray])):
        assert {name for name, _ in delivery.headers} == known
    forged = [("traceparent", b"Ivanov")]
    for delivery in planned(replace(raw, headers=[*raw.headers, *forged])):
        assert "traceparent" not in dict(delivery.headers)


def test_a_view_closes_with_its_last_agreement() -> None:
    (raw,) = signed([unsigned(oktmo="36701000", event_time="2026-01-02T00:00:00Z")])
    closes_ms = max(p.closes_ms for p in factories.snapshot().projections[DATASET])
    assert to_views(planned(raw))
    late = replace(raw, timestamp=closes_ms)
    assert [delivery.topic for delivery in planned(late)] == [f"accepted.{DATASET}"]


def test_nothing_is_released_into_a_view_after_its_last_agreement() -> None:
    (raw,) = signed([unsigned(oktmo="36701000", event_time="2026-01-02T00:00:00Z")])
    closings_ms = {p.topic: p.closes_ms for p in factories.snapshot().projections[DATASET]}
    all_views = {delivery.topic for delivery in to_views(planned(raw))}
    assert all_views
    for released_ms in (min(closings_ms.values()) - 1, *closings_ms.values()):
        deliveries = plan(
            judged(raw),
            snapshot=factories.snapshot(),
            signer=factories.signer("bus"),
            attempt=1,
            released_ms=released_ms,
        )
        assert {delivery.topic for delivery in deliveries} == {
            f"accepted.{DATASET}",
            *(topic for topic in all_views if released_ms < closings_ms[topic]),
        }


def test_an_odd_header_name_can_be_sent_on_into_quarantine() -> None:
    name = b"x-\xff".decode(errors="surrogateescape")
    raw = one_signed()
    odd = replace(raw, headers=[*raw.headers, (name, b"v")])
    (delivery,) = planned(odd)
    assert all(header.encode() for header, _ in delivery.headers)
    entry = parse_entry(landed(delivery))
    assert list(entry.headers) == odd.headers
    assert entry.record_id == dict(raw.headers)["ce_id"].decode()


def test_a_view_is_signed_by_the_bus_over_what_it_shows() -> None:
    raws = signed([unsigned(key=f"63-{n}", offset=n) for n in range(5)])
    views = to_views(planned(*raws))
    assert views
    public_key = factories.signing_key("bus").public_key
    for topic in {delivery.topic for delivery in views}:
        batch = [delivery for delivery in views if delivery.topic == topic]
        signatures = [parse_signature(dict(delivery.headers)["bus_sig"]) for delivery in batch]
        leaves = [
            leaf_hash(d.topic, d.key or b"", signed_values(d.headers), d.value or b"")
            for d in batch
        ]
        found = [signature for signature in signatures if signature is not None]
        assert SignatureChecker().check(found, leaves, [public_key] * len(leaves)) == [True] * len(
            leaves
        )


def test_the_same_batch_planned_twice_gives_the_same_bytes() -> None:
    raws = signed([unsigned(key=f"63-{n}", offset=n) for n in range(4)])
    assert planned(*raws) == planned(*raws)


def test_a_view_s_share_of_a_group_is_a_group_of_its_own() -> None:
    """Rows in and out of a view's filter: what it shows is numbered anew, and one stands alone."""
    inside, outside = "36701305", "36740000"

    def shown(*places: str) -> list[str | None]:
        group_id = "0123456789abcdef"
        raws = [
            unsigned(key=f"63-{number}", oktmo=oktmo, offset=number)
            for number, oktmo in enumerate(places)
        ]
        members = [
            replace(
                raw,
                headers=with_group(raw.headers, Group(id=group_id, index=index, size=len(raws))),
            )
            for index, raw in enumerate(raws)
        ]
        deliveries = planned(*signed(members))
        accepted = [one for one in deliveries if one.topic.startswith("accepted.")]
        assert [str(one.group) for one in accepted] == [
            f"{group_id}/{index}/{len(raws)}" for index in range(len(raws))
        ]
        (filtered,) = {
            projection.topic
            for projection in factories.snapshot().projections[DATASET]
            if projection.rows
        }
        found: list[str | None] = []
        for one in deliveries:
            if one.topic == filtered:
                group = group_of(one.headers)
                assert group == one.group
                found.append(None if group is None else f"{group.index}/{group.size}")
        return found

    assert shown(inside, outside, inside) == ["0/2", "1/2"]
    assert shown(outside, inside) == [None]
    assert shown(inside, inside) == ["0/2", "1/2"]
    assert shown(outside, outside) == []
