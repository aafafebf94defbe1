"""An agency that joins, and one that leaves: documents, ways in and rights, one after the other.

Each step finds what was done before and leaves it, so whatever is interrupted is begun again.
Called outside of an event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bus.access.credentials import (
    certificate_file,
    key_id_of,
    key_numbers,
    password_file,
    private_key_file,
    public_key_file,
    read_public_key,
)
from bus.access.enrol import dismiss, make_key
from bus.access.keys import end
from bus.audit.note import act_note
from bus.audit.notes import note_at
from bus.catalogue.agency_text import Newcomer, render_agency, with_left_at, without_left_at
from bus.catalogue.agreement import Agreement, AgreementState
from bus.catalogue.decision import DecisionKind
from bus.catalogue.documents import read_documents
from bus.catalogue.lint import lint
from bus.catalogue.parties import Agency
from bus.catalogue.region import Region, parse_region
from bus.catalogue.signing import Proposal
from bus.catalogue.terms import speakers
from bus.contracts.yaml_document import counted, some_of
from bus.errors import DocumentError
from bus.kafka.administration import connect_admin
from bus.kafka.cluster import Cluster
from bus.model.identifiers import AgencyCode, DatasetCode, KeyId, SystemCode
from bus.process.replacing import replace_file
from bus.provision.agreement_decision import decide
from bus.provision.catalogue_apply import apply_catalogue
from bus.provision.noted import enrol_noted
from bus.texts import message


@dataclass(frozen=True, slots=True, kw_only=True)
class Premises:
    """The installation, and how its engines are reached."""

    region_file: Path
    """`region.yaml`; agencies lie beside it."""
    home: Path
    cluster: Cluster
    """Reached as the administrator."""
    fund_dsn: str
    clock: Callable[[], datetime]

    def documents(self) -> Mapping[str, bytes]:
        """Read the region's documents."""
        return read_documents(self.region_file, self.home / "keys")

    def apply(self) -> int:
        """Bring the documents into force; tell the catalogue's version."""
        report = asyncio.run(
            apply_catalogue(
                self.documents(), cluster=self.cluster, fund_dsn=self.fund_dsn, now=self.clock()
            )
        )
        return report.version


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """What joining came to, and the files that the agency's people are to be given."""

    agency: AgencyCode
    system: SystemCode
    document: Path
    catalogue: int
    key_id: KeyId
    password_file: Path
    private_key_file: Path
    certificate_file: Path | None
    """None: another authority than the installation's own certifies systems."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What leaving came to."""

    agency: AgencyCode
    left_at: datetime
    catalogue: int
    agreements: tuple[str, ...]
    """Ended by it."""
    keys: tuple[KeyId, ...]
    """That sign nothing any more."""
    systems: tuple[SystemCode, ...]
    """That log in no more."""
    unprovided: tuple[str, ...]
    """Datasets that nobody publishes any more."""


def join(place: Premises, newcomer: Newcomer) -> Joined:
    """Write an agency's document, give its system its way in, and bring both into force.

    One that has left comes back by the same words, with a new key.

    Raises:
        DocumentError: There is another agency of that code, or the documents have findings; nothing
            is written where they are the newcomer's.
        Unavailable: An engine does not answer.
    """
    path = f"agencies/{newcomer.agency}.yaml"
    documents, content = place.documents(), render_agency(newcomer)
    if without_left_at(documents.get(path, content)) != content:
        raise DocumentError(message("error.agency.known", agency=newcomer.agency, file=path))
    _expect_no_more_findings(documents, {path: content})
    file = place.region_file.parent / path
    file.parent.mkdir(parents=True, exist_ok=True)
    replace_file(file, content)
    system = SystemCode(newcomer.system)
    enrol_noted(place.home, connect_admin(place.cluster), [system], place.clock(), place.fund_dsn)
    number = key_numbers(place.home, system)[-1]
    if not read_public_key(public_key_file(place.home, key_id_of(system, number))).is_valid_at(
        place.clock()
    ):
        number += 1
        make_key(place.home, system, number, valid_from=place.clock())
    certificate = certificate_file(place.home, system, number)
    return Joined(
        agency=AgencyCode(newcomer.agency),
        system=system,
        document=file,
        catalogue=place.apply(),
        key_id=key_id_of(system, number),
        password_file=password_file(place.home, system),
        private_key_file=private_key_file(place.home, system, number),
        certificate_file=certificate if certificate.exists() else None,
    )


def leave(place: Premises, code: AgencyCode, by: str) -> Left:
    """End what an agency agreed on, then its rights, keys and ways in.

    What it published stays, with its provenance; so do its documents.

    Args:
        place: The installation.
        code: Of the agency.
        by: Post that decided it.

    Raises:
        DocumentError: There is no such agency; it owns a contract by which others provide; it has
            agreements and no key here to end them with; or the documents have findings.
        Unavailable: An engine does not answer.
    """
    region = parse_region(place.documents())
    agency = region.agencies.get(code)
    if agency is None:
        raise DocumentError(
            message("error.agency.no_such", agency=code, known=some_of(region.agencies))
        )
    _expect_no_charge(region, agency)
    now = place.clock().astimezone(UTC).replace(microsecond=0)
    _expect_sound_after(place, agency, now)
    systems = tuple(system.code for system in agency.systems)
    note = act_note("agency_leave", agency=code, systems=systems, by=by)
    asyncio.run(note_at(place.fund_dsn, [note]))
    ended = _end_agreements(place, region, agency, by, now)
    left_at = _write_left(place, agency, now)
    keys = tuple(key for system in systems for key in end(place.home, system, left_at))
    version = place.apply()
    return Left(
        agency=code,
        left_at=left_at,
        catalogue=version,
        agreements=ended,
        keys=keys,
        systems=dismiss(connect_admin(place.cluster), systems),
        unprovided=tuple(sorted(agency.provides - _provided_by_others(region, agency))),
    )


def _expect_no_charge(region: Region, agency: Agency) -> None:
    """Refuse to let go whoever speaks for other providers: nobody would answer for them."""
    charged = [
        contract.dataset
        for contract in region.contracts.values()
        if contract.owner == agency.code and contract.dataset in _provided_by_others(region, agency)
    ]
    if charged:
        told = {"agency": agency.code, "datasets": ", ".join(charged)}
        raise DocumentError(message("error.agency.owns", **told))


def _provided_by_others(region: Region, agency: Agency) -> frozenset[DatasetCode]:
    return frozenset(
        dataset
        for other in region.agencies.values()
        if other.code != agency.code and other.left_at is None
        for dataset in other.provides
    )


def _end_agreements(
    place: Premises, region: Region, agency: Agency, by: str, now: datetime
) -> tuple[str, ...]:
    """Let the agency's own key end what it is a party to, while the key still counts."""
    if agency.left_at is not None:
        return ()
    standing = [one for one in region.agreements if _is_party(region, agency, one, now)]
    names = tuple(one.id for one in standing)
    signing = next((one.code for one in agency.systems if key_numbers(place.home, one.code)), None)
    if names and signing is None:
        told = {"agency": agency.code, "agreements": ", ".join(names)}
        raise DocumentError(message("error.agency.no_key_to_end", **told))
    proposal = Proposal(kind=DecisionKind.END, by=by, on=now.date(), at=now)
    for name in names:
        assert signing is not None, "asked for above"
        decide(place.region_file, place.home, name, signing, proposal, now)
    # Why even where nothing was to end: an interrupted time before may have decided and not
    # applied, and a decision counts as new only while the key that signed it may sign.
    place.apply()
    return names


def _is_party(region: Region, agency: Agency, agreement: Agreement, now: datetime) -> bool:
    """Tell whether an agency speaks for a side of an agreement that has not ended."""
    if agreement.ending is not None or agreement.state_at(now) is AgreementState.ENDED:
        return False
    return agency.code in speakers(agreement, region.contracts[agreement.dataset]).values()


def _write_left(place: Premises, agency: Agency, now: datetime) -> datetime:
    """Say in its document that it has left; what stands there stays as it is."""
    if agency.left_at is not None:
        return agency.left_at
    file = place.region_file.parent / _path_of(agency)
    replace_file(file, with_left_at(file.read_bytes(), now))
    return now


def _path_of(agency: Agency) -> str:
    return f"agencies/{agency.code}.yaml"


def _expect_sound_after(place: Premises, agency: Agency, now: datetime) -> None:
    """See that the agency's document stays readable, before anything is ended for good."""
    if agency.left_at is None:
        documents, path = place.documents(), _path_of(agency)
        changed = {path: with_left_at(documents[path], now)}
        _expect_no_more_findings(documents, changed, in_them_alone=True)


def _expect_no_more_findings(
    documents: Mapping[str, bytes], changed: Mapping[str, bytes], *, in_them_alone: bool = False
) -> None:
    """Refuse documents by which anything is wrong that is not wrong without them.

    Args:
        documents: As they are.
        changed: What would be written.
        in_them_alone: Look at nothing but these.
    """
    before = lint(documents)
    findings = [one for one in lint({**documents, **changed}) if one not in before]
    if in_them_alone:
        findings = [one for one in findings if one.path.startswith(tuple(changed))]
    if findings:
        told = message("error.agency.not_written", count=counted(findings))
        raise DocumentError(told, findings)
