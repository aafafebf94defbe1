"""What is sent for one row: the decision in the bus's terms, and the record's headers. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from bus.catalogue.region import Region
from bus.catalogue.snapshot import instant_ms
from bus.client.decision import (
    Decision,
    KnownVersion,
    Next,
    NothingStands,
    Repeat,
    VersionTaken,
    decide,
    decide_numbered,
)
from bus.client.outlet import RECORD_BYTES_MAX, size_bytes_of
from bus.client.own_log import Source
from bus.client.rows import PreparedRow, UnsendableRow, unsendable
from bus.errors import DocumentError
from bus.model.identifiers import DatasetCode, RecordId, SystemCode
from bus.model.record import GROUP_RECORDS_MAX, Envelope, Group, Lane
from bus.texts import message
from bus.wire.delivery import Delivery
from bus.wire.headers import format_time, with_group
from bus.wire.record_id import record_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A record that is to be sent for a row."""

    decision: Next
    delivery: Delivery
    record_id: RecordId
    is_unreadable: bool = False
    """It is a row for quarantine, of which no record could be made."""


def check_group_size(rows: int) -> None:
    """Refuse a group that is none, or too many.

    Raises:
        DocumentError: It is.
    """
    if not 2 <= rows <= GROUP_RECORDS_MAX:  # noqa: PLR2004 - one is no group
        raise DocumentError(
            message("error.client.group_of_rows", rows=rows, rows_max=GROUP_RECORDS_MAX)
        )


def as_group(chosen: Sequence[Chosen]) -> list[Delivery]:
    """Bind records into one group, in the partition of an entry that is there already.

    Why that one: what the group follows then lies before it in its partition, and need not be
    waited for. The group's id is derived from its members', so that it is the same each time.

    Args:
        chosen: 2 to 64, in the order in which they are sent.
    """
    group_id = sha256("".join(one.record_id for one in chosen).encode()).hexdigest()[:16]
    leading = next((one for one in chosen if one.decision.supersedes is not None), chosen[0])
    deliveries = []
    for index, one in enumerate(chosen):
        group = Group(id=group_id, index=index, size=len(chosen))
        delivery = one.delivery
        delivery.partition = leading.delivery.partition
        delivery.headers = with_group(delivery.headers, group)
        delivery.group = group
        deliveries.append(delivery)
    return deliveries


def source_of(region: Region, system: SystemCode, dataset: DatasetCode) -> Source:
    """Find the agency for which a system publishes a dataset.

    Raises:
        DocumentError: No agency runs the system, or it does not provide the dataset.
    """
    agency = region.agency_of(system)
    if agency is None:
        raise DocumentError(
            message("error.client.no_such_system", region=region.code, system=system)
        )
    provided = next(one.provides for one in agency.systems if one.code == system)
    if dataset not in provided:
        raise DocumentError(
            message(
                "error.client.not_provided",
                system=system,
                agency=agency.code,
                dataset=dataset,
                provided=", ".join(provided) or message("error.client.none"),
            )
        )
    return Source(agency=agency.code, system=system, dataset=dataset)


def decide_row(
    row: PreparedRow, known: Sequence[KnownVersion], fingerprint: bytes
) -> Next | Repeat | UnsendableRow:
    """Decide what is sent for a row, by its own version number or by the publisher's memory.

    Args:
        row: Encoded.
        known: Versions of its entry, newest first; all of them where the row has a number.
        fingerprint: Of its value.
    """
    if row.version is None:
        decision: Decision | VersionTaken = decide(known, fingerprint, row.operation)
    else:
        decision = decide_numbered(known, fingerprint, row.version, row.operation)
    if isinstance(decision, NothingStands):
        return unsendable(row.number, None, message("row.nothing_stands", operation=row.operation))
    if isinstance(decision, VersionTaken):
        return unsendable(row.number, None, message("row.version_taken", version=decision.version))
    return decision


def envelope_of(
    row: PreparedRow,
    decision: Next,
    source: Source,
    *,
    lane: Lane,
    now: datetime,
    schema_id: int,
    resolves: str | None = None,
) -> Envelope:
    """Describe the record of a row.

    Args:
        row: Encoded.
        decision: What is sent for it.
        source: Who sends it.
        lane: News or history.
        now: Aware; the event time of a row that does not say its own.
        schema_id: That the row was encoded by, or was to be.
        resolves: Quarantine id of the place in the source that the row mends, or None.
    """
    return Envelope(
        record_id=record_id(
            source.agency, source.dataset, row.key, decision.version, decision.operation
        ),
        agency=source.agency,
        system=source.system,
        event_time=format_time(instant_ms((row.event_time or now).astimezone(UTC))),
        schema_id=schema_id,
        operation=decision.operation,
        version=decision.version,
        supersedes=decision.supersedes,
        lane=lane,
        resolves=decision.resolves or resolves,
        is_unreadable_row=row.is_unreadable,
    )


def too_large(row: PreparedRow, delivery: Delivery) -> UnsendableRow:
    """Say that a row's record is larger than the bus carries."""
    size_bytes = size_bytes_of(delivery)
    return unsendable(
        row.number,
        None,
        message("row.too_large", size_bytes=size_bytes, size_bytes_max=RECORD_BYTES_MAX),
    )
