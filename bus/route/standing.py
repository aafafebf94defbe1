"""What a standing view tells of a registry entry whose current row changed. Pure.

The fund knows both rows, the one before and the one after; so only it can say that a row left.
Whether a row is in the view hangs on the current row alone; what was told last is remembered, so
that telling twice what stands says nothing new. Source: ADR-0026.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bus.catalogue.agreement import matches
from bus.catalogue.snapshot import JudgedSchema, Projection, Snapshot
from bus.errors import InvariantBroken
from bus.model.identifiers import AgencyCode, DatasetCode, SystemCode
from bus.model.record import Lane, Presence, StandingRow
from bus.model.verdict import Malformed
from bus.wire.record_id import row_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a registry record came from, as far as a view says it."""

    event_time: str
    """RFC 3339, UTC."""
    lane: Lane
    system: SystemCode
    bus_in: str
    """`topic/partition/offset` of the inbound record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentRow:
    """What stands of a registry entry in the data fund."""

    agency: AgencyCode
    key: str
    version: int
    is_ceased: bool
    """A cease is in force; the row stays in the fund, and no standing view shows it."""
    schema_id: int
    value: bytes = field(repr=False)
    """Framed Avro as signed."""
    origin: Origin
    partition: int
    """Of the accepted topic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldRow:
    """What a standing view told last of a registry entry."""

    number: int
    """Of the change, from 1."""
    version: int | None
    """Of the registry record that stands in the view; None: the row left."""
    schema_id: int
    """Of the view's value that stood last."""
    origin: Origin
    """Of the record that stood last."""
    partition: int
    """Of the view's topic; all that is told of an entry goes to one, and so stays in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One thing to tell, and to remember."""

    record: StandingRow
    row: ToldRow


def tell(
    entry: tuple[AgencyCode, str],
    before: ToldRow | None,
    current: CurrentRow | None,
    *,
    projection: Projection,
    snapshot: Snapshot,
) -> Told | None:
    """Decide what a standing view tells of an entry.

    Args:
        entry: Agency and key.
        before: What it told last; None: nothing ever.
        current: What stands; None: nothing does.
        projection: The view, of the entry's dataset.
        snapshot: The catalogue it is served under.

    Returns: A row that came in or has another version; that it left; None where there is nothing
        new. What left is told without a value, and with the origin of what stood last.

    Raises:
        InvariantBroken: The fund holds a value that this catalogue can't read.
    """
    shown = None if current is None else _shown(current, projection, snapshot)
    number = 1 if before is None else before.number + 1
    if current is not None and shown is not None:
        if before is not None and before.version == current.version:
            return None
        schema_id, value = shown
        partition = current.partition if before is None else before.partition
        row = ToldRow(
            number=number,
            version=current.version,
            schema_id=schema_id,
            origin=current.origin,
            partition=partition,
        )
        return _told(entry, row, value, projection, snapshot.version)
    if before is None or before.version is None:
        return None
    row = ToldRow(
        number=number,
        version=None,
        schema_id=before.schema_id,
        origin=before.origin,
        partition=before.partition,
    )
    return _told(entry, row, None, projection, snapshot.version)


def _told(
    entry: tuple[AgencyCode, str],
    row: ToldRow,
    value: bytes | None,
    projection: Projection,
    catalogue: int,
) -> Told:
    agency, key = entry
    view, dataset = projection.view.code, projection.view.dataset
    presence = Presence.LEFT if value is None else Presence.STANDS
    record = StandingRow(
        view=view,
        agency=agency,
        dataset=dataset,
        key=key,
        number=row.number,
        presence=presence,
        record_id=row_id(view, agency, dataset, key, row.number, presence),
        schema_id=row.schema_id,
        value=value,
        event_time=row.origin.event_time,
        lane=row.origin.lane,
        system=row.origin.system,
        bus_in=row.origin.bus_in,
        catalogue=catalogue,
    )
    return Told(record=record, row=row)


def _shown(row: CurrentRow, projection: Projection, snapshot: Snapshot) -> tuple[int, bytes] | None:
    """Cut what the view shows of a row: schema id and framed value; None where it shows nothing."""
    cut = projection.cuts.get(row.schema_id)
    if (
        cut is None
        or row.is_ceased
        or (projection.providers is not None and row.agency not in projection.providers)
    ):
        return None
    schema = _schema(snapshot.schemas, row, projection.view.dataset)
    # Why any moment does: rules were judged long ago, and their violations are not looked at.
    examined = schema.compiled.examine(row.value, 0)
    if isinstance(examined, Malformed):
        raise _unreadable(row, projection.view.dataset)
    if not matches(projection.rows, examined.wanted):
        return None
    return cut.schema_id, cut.value(row.value, examined.spans)


def _schema(
    schemas: Mapping[int, JudgedSchema], row: CurrentRow, dataset: DatasetCode
) -> JudgedSchema:
    schema = schemas.get(row.schema_id)
    if schema is None:
        raise _unreadable(row, dataset)
    return schema


def _unreadable(row: CurrentRow, dataset: DatasetCode) -> InvariantBroken:
    return InvariantBroken(
        f"{dataset}: the catalogue can't read the current row of {row.origin.bus_in}, whose value "
        f"is of schema {row.schema_id}; restore that schema version"
    )
