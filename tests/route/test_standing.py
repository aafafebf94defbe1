"""What a standing view tells of one entry, and what stands on the wire of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bus.catalogue.agreement import Condition, ConditionOperator
from bus.catalogue.region import Region
from bus.catalogue.schemas import complete_lock
from bus.catalogue.snapshot import Projection, Snapshot, build_snapshot
from bus.client.proof import prove_standing
from bus.errors import InvariantBroken
from bus.model.identifiers import AgencyCode
from bus.model.record import Lane, Presence
from bus.route.plan import plan
from bus.route.standing import CurrentRow, Origin, Told, ToldRow, tell
from bus.wire.delivery import Delivery, sign
from bus.wire.signature import SignatureChecker
from bus.wire.standing import parse_standing, standing_delivery
from tests import factories
from tests.factories import AGENCY, DATASET, SYSTEM, Raw
from tests.route.test_plan import judged

KEY = "63-0001"
KINDRED = Condition(field="kind", op=ConditionOperator.EQUALS, values=("school",))


def region() -> Region:
    """Give the sample region with one agreement filtered by a field that may change."""
    known = factories.region(factories.signing_key("edu-registry"), factories.signing_key("bus"))
    (one,) = [
        agreement
        for agreement in known.agreements
        if agreement.dataset == DATASET and agreement.fields is not None
    ][:1]
    assert "kind" not in known.contracts[DATASET].immutable_fields
    masked = replace(one, fields=("registry_number", "oktmo"), rows=(KINDRED,), history_from=None)
    chosen = replace(known, agreements=(masked,))
    return replace(chosen, lock=complete_lock(chosen))


SNAPSHOT: Snapshot = build_snapshot(region(), 7)
(VIEW,) = SNAPSHOT.standing[DATASET]


def current(version: int = 1, *, is_ceased: bool = False, **fields: object) -> CurrentRow:
    return CurrentRow(
        agency=AGENCY,
        key=KEY,
        version=version,
        is_ceased=is_ceased,
        schema_id=factories.SCHEMA_ID,
        value=factories.encoded({**factories.VALID, **fields}),
        origin=Origin(
            event_time=f"2026-03-0{version}T09:30:00Z",
            lane=Lane.LIVE,
            system=SYSTEM,
            bus_in=f"in.{AGENCY}.{DATASET}/2/{version}",
        ),
        partition=2,
    )


def told(before: ToldRow | None, row: CurrentRow | None, view: Projection = VIEW) -> Told | None:
    return tell((AGENCY, KEY), before, row, projection=view, snapshot=SNAPSHOT)


def stands(version: int = 1) -> Told:
    found = told(None, current(version))
    assert found is not None
    return found


def test_enforcement_passes_a_standing_view_by() -> None:
    assert DATASET not in SNAPSHOT.projections
    verdicts = judged(factories.one_signed())
    deliveries = plan(verdicts, snapshot=SNAPSHOT, signer=factories.signer("bus"))
    assert [one.topic for one in deliveries] == [f"accepted.{DATASET}"]


def test_a_row_that_comes_in_is_told_with_what_the_mask_leaves_of_it() -> None:
    found = stands()
    assert (found.record.presence, found.record.number) == (Presence.STANDS, 1)
    assert found.record.value is not None
    assert b"36701000" in found.record.value
    assert "Смирнова".encode() not in found.record.value
    assert found.row.version == 1


def test_a_row_outside_is_not_told_at_all() -> None:
    assert told(None, current(kind="college")) is None
    assert told(None, current(is_ceased=True)) is None
    assert told(None, None) is None
    narrow = replace(VIEW, providers=frozenset({AgencyCode("health")}))
    assert told(None, current(), narrow) is None


@pytest.mark.parametrize(
    "row", [current(2, kind="college"), current(2, is_ceased=True), None], ids=str
)
def test_a_row_that_leaves_is_told_once_and_with_nothing_new(row: CurrentRow | None) -> None:
    before = stands()
    left = told(before.row, row)
    assert left is not None
    assert (left.record.presence, left.record.number, left.record.value) == (
        Presence.LEFT,
        2,
        None,
    )
    said = (left.record.event_time, left.record.bus_in, left.record.system, left.record.schema_id)
    stood = before.record
    assert said == (stood.event_time, stood.bus_in, stood.system, stood.schema_id)
    assert told(left.row, row) is None


def test_another_version_is_told_anew_and_the_same_is_not() -> None:
    before = stands()
    assert told(before.row, current(1)) is None
    again = told(before.row, current(2))
    assert again is not None
    assert (again.record.number, again.record.presence) == (2, Presence.STANDS)
    older = told(again.row, current(1))  # the second version was annulled
    assert older is not None
    assert older.record.number == 3
    assert older.record.value == before.record.value


def test_a_row_may_come_back_and_stays_in_its_partition() -> None:
    left = told(stands().row, None)
    assert left is not None
    back = told(left.row, replace(current(3), partition=0))
    assert back is not None
    assert (back.record.number, back.record.presence) == (3, Presence.STANDS)
    assert back.row.partition == 2


def test_a_value_that_the_catalogue_cannot_read_stops_the_fund_and_stays_untold() -> None:
    broken = replace(current(), value=current().value + b"\0")
    with pytest.raises(InvariantBroken, match="can't read the current row") as caught:
        told(None, broken)
    assert "Смирнова" not in str(caught.value)


# on the wire


def landed(delivery: Delivery) -> Raw:
    return Raw(
        topic=delivery.topic,
        partition=delivery.partition,
        key=delivery.key,
        value=delivery.value,
        headers=delivery.headers,
    )


def signed(*news: Told) -> list[Raw]:
    deliveries = [standing_delivery(one.record, one.row.partition) for one in news]
    sign(deliveries, factories.signer("bus"))
    return [landed(one) for one in deliveries]


def both() -> list[Told]:
    before = stands()
    left = told(before.row, None)
    assert left is not None
    return [before, left]


def prove(raws: list[Raw]) -> list[object]:
    return list(
        prove_standing(
            raws,
            dataset=DATASET,
            view=VIEW.view.code,
            snapshot=SNAPSHOT,
            checker=SignatureChecker(),
        )
    )


def test_what_is_told_is_read_back_and_proved() -> None:
    assert prove(signed(*both())) == [one.record for one in both()]


def test_the_headers_are_the_agreed_ones() -> None:
    for raw in signed(*both()):
        assert [name for name, _ in raw.headers] == [
            "ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_dataschema",
            "content-type", "bus_op", "bus_version", "bus_lane", "bus_in", "bus_catalogue",
            "bus_sig",
        ]  # fmt: skip
    headers = dict(signed(*both())[1].headers)
    assert headers["bus_op"] == b"left"
    assert headers["bus_version"] == b"2"
    assert headers["ce_type"] == f"registry.{DATASET}.left".encode()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("bus_op", b"stands"),
        ("bus_op", b"annul"),
        ("bus_version", b"3"),
        ("bus_version", b"02"),
        ("ce_id", b"0" * 32),
        ("ce_source", b"urn:bus:health:edu-registry"),
        ("bus_in", b"in.health.educational-institutions/0/1"),
        ("bus_supersedes", b"0" * 32),
        ("ce_time", b"\xff"),
    ],
)
def test_a_header_that_the_bus_did_not_write_is_found(name: str, value: bytes) -> None:
    (_, raw) = signed(*both())
    changed = [pair for pair in raw.headers if pair[0] != name]
    with pytest.raises(InvariantBroken):
        prove([replace(raw, headers=[*changed, (name, value)])])


def test_a_value_where_the_row_left_is_found() -> None:
    raw = signed(*both())[1]
    with pytest.raises(InvariantBroken, match="do not agree"):
        parse_standing(replace(raw, value=b"\0"), DATASET, VIEW.view.code)


def test_another_signer_is_found() -> None:
    delivery = standing_delivery(stands().record, 2)
    sign([delivery], factories.signer("edu-registry"))
    with pytest.raises(InvariantBroken, match="knows no key"):
        prove([landed(delivery)])
