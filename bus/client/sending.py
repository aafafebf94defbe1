"""What is sent for one row: the decision in the bus's terms, and the record's headers. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from bus.catalogue.region import Region
from bus.catalogue.snapshot import instant_ms
from bus.client.decision import (
    KnownVersion,
    Next,
    Repeat,
    VersionTaken,
    decide,
    decide_numbered,
)
from bus.client.own_log import Source
from bus.client.rows import PreparedRow, UnsendableRow, unsendable
from bus.errors import DocumentError
from bus.model.identifiers import DatasetCode, SystemCode
from bus.model.record import Envelope, Lane
from bus.wire.frame import schema_id_of
from bus.wire.headers import format_time
from bus.wire.record_id import record_id


def source_of(region: Region, system: SystemCode, dataset: DatasetCode) -> Source:
    """Find the agency for which a system publishes a dataset.

    Raises:
        DocumentError: No agency runs the system, or it does not provide the dataset.
    """
    agency = region.agency_of(system)
    if agency is None:
        raise DocumentError(
            f"no agency of region {region.code} runs a system {system}; add it to the agency's "
            "document, then run `bus catalogue apply`"
        )
    provided = next(one.provides for one in agency.systems if one.code == system)
    if dataset not in provided:
        raise DocumentError(
            f"system {system} of {agency.code} does not provide dataset {dataset}; it provides: "
            f"{', '.join(provided) or 'none'}; add the dataset to the agency's document, then "
            "run `bus catalogue apply`"
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
        return decide(known, fingerprint)
    decision = decide_numbered(known, fingerprint, row.version)
    if isinstance(decision, VersionTaken):
        return unsendable(
            row.number,
            None,
            f"version {decision.version} of this entry was published with other values; a "
            "version is never changed: give the row a higher one in the source",
            f"версия {decision.version} этой записи уже опубликована с другими значениями; "
            "версия не изменяется: присвойте строке в источнике следующую",
        )
    return decision


def envelope_of(
    row: PreparedRow, decision: Next, source: Source, *, lane: Lane, now: datetime
) -> Envelope:
    """Describe the record of a row.

    Args:
        row: Encoded.
        decision: What is sent for it.
        source: Who sends it.
        lane: News or history.
        now: Aware; the event time of a row that does not say its own.
    """
    schema_id = schema_id_of(row.value)
    assert schema_id is not None, "the row was encoded with its frame"
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
        resolves=decision.resolves,
    )
