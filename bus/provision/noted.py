"""What administrators do, put on record before it is done: rights, catalogues, systems' ways in."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

from bus.access.delegate import Delegation, delegate
from bus.access.enrol import Enrolment, enrol_all
from bus.access.reconcile import AccessDiff, AccessEntry, reconcile
from bus.access.rights import rights_of
from bus.audit.note import ADMINISTRATOR, Note, NoteKind, act_note
from bus.audit.notes import note_at
from bus.catalogue.agreement import Agreement
from bus.catalogue.decision import Side
from bus.catalogue.parties import SigningKey
from bus.catalogue.region import Region
from bus.catalogue.views import views_of
from bus.kafka.administration import Administration
from bus.marts.entries import MartDiff, MartEntry
from bus.marts.password import MartLogin, set_mart_password
from bus.marts.reconcile import connect_marts, reconcile_marts
from bus.marts.wanted import Marts
from bus.model.identifiers import AgencyCode, DatasetCode, KeyId, SystemCode
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
        asyncio.run(note_at(fund_dsn, list(right_notes(diff, region, ADMINISTRATOR))))

    return reconcile(admin, rights_of(region, moment), announce)


def right_notes(diff: AccessDiff, region: Region, writer: str) -> Iterator[Note]:
    """Note each right that is about to be taken away or given, in the order in which it is done.

    Args:
        diff: What is to change.
        region: With the agreements that it follows from.
        writer: Who does it, a constant of `bus.audit.note`.
    """
    datasets = {topics.accepted(dataset): dataset for dataset in region.contracts}
    datasets |= {topics.view(view.code): view.dataset for view in views_of(region)}
    for change, entries in (("withdrawn", diff.surplus), ("granted", diff.missing)):
        for entry in entries:
            yield _right_note(change, entry, datasets, writer)


def _right_note(
    change: str, entry: AccessEntry, datasets: Mapping[str, DatasetCode], writer: str
) -> Note:
    return Note(
        kind=NoteKind.RIGHT,
        writer=writer,
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


async def apply_marts(fund_dsn: str, marts: Marts) -> MartDiff:
    """Bring the marts to what should be, each change noted before.

    Raises:
        Unavailable: PostgreSQL does not answer; what could not be noted was not done.
        DocumentError: As `reconcile_marts`.
    """

    async def announce(diff: MartDiff) -> None:
        await note_at(fund_dsn, list(mart_notes(diff)))

    session = await connect_marts(fund_dsn)
    try:
        return await reconcile_marts(session, marts, announce)
    finally:
        await session.close()


def mart_notes(diff: MartDiff) -> Iterator[Note]:
    """Note each thing of a mart that is about to be taken away or made."""
    for change, entries in (("withdrawn", diff.surplus), ("granted", diff.missing)):
        for entry in entries:
            yield _mart_note(change, entry)


def _mart_note(change: str, entry: MartEntry) -> Note:
    return Note(
        kind=NoteKind.RIGHT,
        writer=ADMINISTRATOR,
        content={
            "change": change,
            "role": entry.role,
            "thing": entry.kind,
            "name": entry.name,
            "detail": entry.detail,
        },
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


def delegate_noted(
    home: Path,
    admin: Administration,
    system: SystemCode,
    known: Mapping[KeyId, SigningKey],
    now: datetime,
    fund_dsn: str,
) -> Delegation:
    """Delegate a system's key to the gateway, noted before; the key that is new, after.

    Called outside of an event loop.

    Raises: as `enrol_noted`.
    """
    asyncio.run(note_at(fund_dsn, [act_note("key_delegate", system=system)]))
    made = delegate(home, admin, system, known, now)
    if made.is_new:
        key = act_note("system_key", system=made.system, key_id=made.key_id, is_known=False)
        asyncio.run(note_at(fund_dsn, [key]))
    return made


async def set_mart_password_noted(home: Path, agency: AgencyCode, fund_dsn: str) -> MartLogin:
    """Give a mart's role its password, noted before.

    Raises:
        Unavailable: PostgreSQL does not answer; what could not be noted was not done.
        DocumentError: As `set_mart_password`.
    """
    await note_at(fund_dsn, [act_note("mart_password", agency=agency)])
    session = await connect_marts(fund_dsn)
    try:
        return await set_mart_password(session, home, agency)
    finally:
        await session.close()
