"""A mart shows what the topics of its agreements' views would have shown, field by field.

The other side is the bus's own cut of the record's bytes (`bus.route.plan.project`).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from io import BytesIO

import fastavro
import pytest

from bus.catalogue.agreement import Agreement
from bus.catalogue.snapshot import Snapshot
from bus.catalogue.views import view_of, view_schema
from bus.contracts.contract import top_level_fields
from bus.fund.asof import AsOf, AsOfRow
from bus.fund.layout import parsed_schema
from bus.fund.past import PastReader
from bus.fund.store import FundStore
from bus.marts.reconcile import reconcile_marts
from bus.model.record import Envelope, RegistryRecord
from bus.model.verdict import Accepted, Malformed
from bus.postgres.session import Session
from bus.route.plan import project
from bus.wire.frame import FRAME_BYTES
from tests.factories import Raw
from tests.marts.conftest import Reader
from tests.marts.samples import (
    CONTRACT,
    LAYOUT,
    LAYOUTS,
    NOW,
    SCHOOLS,
    batch,
    chance_agreement,
    chance_lives,
    marts,
    snapshot,
)

Row = tuple[str, str, int]
"""Agency, key, version."""
Fields = Mapping[str, object]

SETS_OF_AGREEMENTS = 25
MARCH = datetime(2026, 3, 15, tzinfo=UTC)


def through_kafka(
    records: Iterable[RegistryRecord], agreements: Sequence[Agreement]
) -> Mapping[Row, Fields]:
    """Tell which records agreements in force give, and what of each."""
    catalogue = snapshot(*agreements)
    found: dict[Row, dict[str, object]] = {}
    for record in records:
        row = (record.agency, record.key, record.version)
        for agreement in agreements:
            fields = given(record, agreement, catalogue)
            if fields is not None and agreement.is_in_force(NOW):
                shown = found.setdefault(row, {})
                shown.update({name: one for name, one in fields.items() if name not in shown})
    return found


def given(record: RegistryRecord, agreement: Agreement, catalogue: Snapshot) -> Fields | None:
    """Give the fields that a consumer decodes from a view's bytes, None where it gets none."""
    version = LAYOUT.versions[record.schema_id]
    view = view_of(agreement, CONTRACT)
    if view is None:
        written, value = version.schema, record.value
    else:
        (projection,) = [
            one for one in catalogue.projections[SCHOOLS] if one.view.code == view.code
        ]
        examined = catalogue.schemas[record.schema_id].compiled.examine(record.value, 0)
        assert not isinstance(examined, Malformed)
        raw = Raw(timestamp=record.appended_ms, key=record.key.encode(), value=record.value)
        verdict = Accepted(raw, envelope(record), SCHOOLS, examined)
        delivery = project(verdict, projection, 1)
        if delivery is None:
            return None
        assert delivery.value is not None
        written, value = view_schema(view, version), delivery.value
    body = BytesIO(value[FRAME_BYTES:])
    decoded = fastavro.schemaless_reader(body, parsed_schema(written), None)
    assert isinstance(decoded, dict)
    granted = CONTRACT.field_names if agreement.fields is None else agreement.fields
    return {name: one for name, one in resolved(decoded, version.schema).items() if name in granted}


def resolved(decoded: Mapping[str, object], schema: Mapping[str, object]) -> dict[str, object]:
    """Give the newest schema's fields: under an older name, or by default where there was none."""
    fields: dict[str, object] = {}
    for column in LAYOUT.columns:
        names = (column.name, *column.aliases)
        source = next((one for one in names if one in top_level_fields(schema)), None)
        if source is None:
            fields[column.name] = column.default
        elif source in decoded:
            fields[column.name] = decoded[source]
    return fields


def envelope(record: RegistryRecord) -> Envelope:
    return Envelope(
        record_id=record.record_id,
        agency=record.agency,
        system=record.system,
        event_time=record.event_time,
        schema_id=record.schema_id,
        operation=record.operation,
        version=record.version,
        supersedes=record.supersedes,
        lane=record.lane,
        resolves=None,
    )


def by_sql(reader: Reader, query: str) -> dict[Row, Fields]:
    """Read rows of a mart, with the fields that are not empty."""
    with reader.cursor() as cursor:
        cursor.execute(query)
        assert cursor.description is not None
        names = [column.name for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    found = {}
    for row in rows:
        name = (str(row["agency"]), str(row["key"]), row["version"])
        assert name not in found, "an entry stands once, whatever agreements give it"
        found[name] = {one: row[one] for one in names if one in FIELDS and row[one] is not None}
    return found  # type: ignore[return-value]


FIELDS = {column.name for column in LAYOUT.columns}


def filled(rows: Mapping[Row, Fields]) -> dict[Row, Fields]:
    return {
        row: {name: one for name, one in fields.items() if one is not None}
        for row, fields in rows.items()
    }


def chosen(records: Iterable[RegistryRecord], rows: Iterable[AsOfRow]) -> list[RegistryRecord]:
    wanted = {(row.agency, row.key, row.version) for row in rows}
    return [one for one in records if (one.agency, one.key, one.version) in wanted]


@pytest.mark.parametrize("seed", range(3))
async def test_current_history_and_as_of_are_what_the_views_of_the_agreements_show(
    session: Session, store: FundStore, dsn: str, log_in: Callable[[], Reader], seed: int
) -> None:
    chance = random.Random(seed)
    past = await PastReader.open(dsn, LAYOUTS)
    records = list(chance_lives(chance, 30))
    half = len(records) // 2
    await store.apply([batch(0, records[:half])])
    then = await past.now()
    await store.apply([batch(half, records[half:])])
    now = await past.now()
    stand = (await past.as_of(SCHOOLS, AsOf(recorded=now))).rows
    stood = (await past.as_of(SCHOOLS, AsOf(recorded=then))).rows
    was = (await past.as_of(SCHOOLS, AsOf(valid=MARCH))).rows
    await past.close()
    shown = 0
    for _ in range(SETS_OF_AGREEMENTS):
        agreements = [chance_agreement(chance, f"a{at}") for at in range(chance.randint(1, 3))]
        await reconcile_marts(session, marts(*agreements))
        reader = log_in()
        told = str(agreements)
        expected = filled(through_kafka(chosen(records, stand), agreements))
        assert by_sql(reader, "SELECT * FROM schools") == expected, told
        shown += len(expected)
        expected = filled(through_kafka(records, agreements))
        assert by_sql(reader, "SELECT * FROM schools_history") == expected, told
        expected = filled(through_kafka(chosen(records, stood), agreements))
        question = f"bus_known_at => '{then.isoformat()}', incomplete => true"
        assert by_sql(reader, f"SELECT * FROM schools_as_of({question})") == expected, told
        expected = filled(through_kafka(chosen(records, was), agreements))
        question = f"valid_at => '{MARCH.isoformat()}', incomplete => true"
        assert by_sql(reader, f"SELECT * FROM schools_as_of({question})") == expected, told
        reader.close()
    assert shown > 50, "the draw gives rows at all"
