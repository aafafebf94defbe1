"""What administrators do, put on record before it is done: rights, catalogues, systems' ways in."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

from bus.access.enrol import Enrolment, enrol_all
from bus.access.reconcile import AccessDiff, AccessEntry, reconcile
from bus.access.rights import rights_of
from bus.audit.note import ADMINISTRATOR, Note, NoteKind, act_note
from bus.audit.notes import note_at
from bus.catalogue.agreement import Agreement
from bus.catalogue.decision import Side
from bus.catalogue.region import Region
from bus.catalogue.views import views_of
from bus.kafka.administration import Administration
from bus.model.identifiers import DatasetCode, SystemCode
from bus.wire import topics


def apply_rights(
    admin: Administration, region: Region, moment: datetime, fund_dsn: str
) -> AccessDiff:
    """Bring the cluster's rights to what a region grants at a moment, each change noted before.

    Called outside of an event loop.

    Raises:
        Unavailable: An engine does not answer; what could not be noted was not done.
        DocumentError: Kafka refuses, or a system is named like a super user.
    """

    def announce(diff: AccessDiff) -> None:
        asyncio.run(note_at(fund_dsn, list(right_notes(diff, region))))

    return reconcile(admin, rights_of(region, moment), announce)


def right_notes(diff: AccessDiff, region: Region) -> Iterator[Note]:
    """Note each right that is about to be taken away or given, in the order in which it is done."""
    datasets = {topics.accepted(dataset): dataset for dataset in region.contracts}
    datasets |= {topics.view(view.code): view.dataset for view in views_of(region)}
    for change, entries in (("withdrawn", diff.surplus), ("granted", diff.missing)):
        for entry in entries:
            yield _right_note(change, entry, datasets)


def _right_note(change: str, entry: AccessEntry, datasets: Mapping[str, DatasetCode]) -> Note:
    return Note(
        kind=NoteKind.RIGHT,
        writer=ADMINISTRATOR,
        content={
            "change": change,
            "principal": entry.principal,
            "permission": entry.permission,
            "operation": entry.operation,
            "resource": entry.resource,
            "pattern": entry.pattern,
            "name": entry.name,
            "host": entry.host,
        },
        dataset=datasets.get(entry.name),
    )


def catalogue_notes(
    version: int,
    documents: Mapping[str, str],
    region: Region,
    now: datetime,
    changes: Mapping[str, object],
) -> Iterator[Note]:
    """Note a catalogue that is about to come into force, and each agreement that changes with it.

    Args:
        version: Of the catalogue.
        documents: What changed: path → SHA-256 in hex, empty where the document is gone.
        region: As the documents say.
        now: Aware.
        changes: What was changed for it before.
    """
    yield act_note("catalogue_apply", version=version, documents=documents, changes=changes)
    for one in region.agreements:
        sealed = {path: documents[path] for path in _documents_of(one) if path in documents}
        if sealed:
            yield _agreement_note(one, version, sealed, now)


def _documents_of(agreement: Agreement) -> Iterator[str]:
    """Name the documents with an agreement's terms and with what each side decided."""
    yield f"agreements/{agreement.id}.yaml"
    for side in Side:
        yield f"decisions/{agreement.id}.{side}.yaml"


def _agreement_note(
    agreement: Agreement, version: int, documents: Mapping[str, str], now: datetime
) -> Note:
    return act_note(
        "agreement",
        dataset=agreement.dataset,
        agreement=agreement.id,
        consumer=agreement.consumer,
        systems=agreement.systems,
        state=agreement.state_at(now),
        documents=documents,
        version=version,
    )


def enrol_noted(
    home: Path,
    admin: Administration,
    systems: Iterable[SystemCode],
    now: datetime,
    fund_dsn: str,
) -> tuple[Enrolment, ...]:
    """Enrol systems, noted before; the keys that they sign with then, after.

    Called outside of an event loop.

    Raises:
        Unavailable: An engine does not answer; what could not be noted was not done.
        DocumentError: A system is named like a super user, or a file can't be read.
    """
    wanted = tuple(systems)
    asyncio.run(note_at(fund_dsn, [act_note("system_enrol", systems=wanted)]))
    enrolments = enrol_all(home, admin, wanted, now)
    keys = [
        act_note("system_key", system=one.system, key_id=one.key_id, is_known=one.was_known)
        for one in enrolments
        if one.is_new_key
    ]
    asyncio.run(note_at(fund_dsn, keys))
    return enrolments
