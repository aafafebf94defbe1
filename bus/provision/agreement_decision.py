"""A side's decision on an agreement, from the command to its signed document.

The document `decisions/<agreement>.<side>.yaml` of the installation holds all that one side
decided, the last word last; a decision is added to it and nothing in it changes. `bus catalogue
apply` brings it into force.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bus.access.credentials import SystemCredentials, key_numbers, load_credentials
from bus.catalogue.agreement import Agreement, Standing
from bus.catalogue.agreement_text import render_decisions
from bus.catalogue.decision import DecisionKind, Proof, Side, moment_text
from bus.catalogue.documents import read_documents
from bus.catalogue.lint import lint
from bus.catalogue.region import Region, parse_region
from bus.catalogue.signing import (
    ON_TERMS,
    Proposal,
    Signer,
    approvals,
    decided,
    decisions_of_side,
)
from bus.catalogue.terms import speakers
from bus.contracts.yaml_document import counted, some_of
from bus.errors import DocumentError
from bus.model.identifiers import AgencyCode, SystemCode
from bus.process.replacing import replace_file
from bus.texts import message


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What deciding came to."""

    agreement: Agreement
    """With the decision."""
    files: tuple[Path, ...]
    """One, or both sides' where one agency speaks for both."""


def decide(
    region_file: Path,
    home: Path,
    agreement: str,
    system: SystemCode,
    proposal: Proposal,
    now: datetime,
) -> Written:
    """Sign a decision and write it down.

    Args:
        region_file: `region.yaml`; agreements lie beside it.
        home: Folder of the installation, with the system's secrets and the decisions.
        agreement: Its id.
        system: Whose key signs; its agency is the side.
        proposal: What is decided.
        now: Aware; which of the system's keys signs.

    Raises:
        DocumentError: There is no such agreement, the system speaks for no side of it, or the
            decision makes no sense as things stand; nothing is written then.
    """
    keys_dir = home / "keys"
    documents = read_documents(region_file, keys_dir)
    region = parse_region(documents)
    known = agreement_of(region, agreement)
    sides = _sides_of(region, known, system)
    signer = _signer(load_credentials(home, system, now))
    added: dict[str, bytes] = {}
    for side in sides:
        _expect_sense(known, side, proposal)
        decision = decided(known, region.contracts[known.dataset], side, proposal, signer)
        path = f"decisions/{agreement}.{side}.yaml"
        added[path] = render_decisions([*decisions_of_side(known, side), decision])
    after = _expect_sound({**documents, **added}, known)
    return Written(agreement=after, files=_write(keys_dir, added))


def approve_all(region_file: Path, home: Path, now: datetime) -> tuple[str, ...]:
    """Approve what waits for it, on both sides, with the keys of all systems that lie here.

    For a sample region, a rehearsal and tests: there one installation holds every agency's keys.

    Returns: Names of the documents that were written, ascending; a second time none.
    """
    keys_dir = home / "keys"
    region = parse_region(read_documents(region_file, keys_dir))
    added = approvals(region, _signers(region, home, now), now.astimezone(UTC).date())
    return tuple(file.name for file in _write(keys_dir, added))


def _write(keys_dir: Path, documents: Mapping[str, bytes]) -> tuple[Path, ...]:
    """Put documents `decisions/…` where the installation keeps them, beside its keys."""
    files = []
    for path, content in sorted(documents.items()):
        file = keys_dir.parent / path
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, content)
        files.append(file)
    return tuple(files)


def agreement_of(region: Region, agreement: str) -> Agreement:
    """Find an agreement.

    Raises:
        DocumentError: There is none of that id.
    """
    known = {one.id: one for one in region.agreements}
    if agreement not in known:
        names = some_of(known)
        raise DocumentError(message("error.agreement.no_such", agreement=agreement, known=names))
    return known[agreement]


def _sides_of(region: Region, agreement: Agreement, system: SystemCode) -> tuple[Side, ...]:
    """Tell for which side a system may sign."""
    speaking = speakers(agreement, region.contracts[agreement.dataset])
    agency = region.agency_of(system)
    sides = [side for side in Side if agency is not None and speaking[side] == agency.code]
    if not sides:
        told = {
            "system": system,
            "agreement": agreement.id,
            "provider": speaking[Side.PROVIDER],
            "consumer": speaking[Side.CONSUMER],
        }
        raise DocumentError(message("error.agreement.speaks_for_no_side", **told))
    return tuple(sides)


def _signers(region: Region, home: Path, now: datetime) -> Mapping[AgencyCode, Signer]:
    """Take a key of each agency of which a system has its secrets here."""
    found: dict[AgencyCode, Signer] = {}
    for agency in region.agencies.values():
        systems = [system.code for system in agency.systems if key_numbers(home, system.code)]
        if systems:
            found[agency.code] = _signer(load_credentials(home, systems[0], now))
    return found


def _signer(credentials: SystemCredentials) -> Signer:
    return Signer(key_id=credentials.key_id, private_key=credentials.private_key)


def _expect_sense(agreement: Agreement, side: Side, proposal: Proposal) -> None:
    """Refuse a decision that changes nothing, or contradicts what the side decided before."""
    told = {"agreement": agreement.id, "side": side}
    kind = proposal.kind
    if kind in {*ON_TERMS, DecisionKind.END} and agreement.ending is not None:
        at = moment_text(agreement.ending.at)
        raise DocumentError(message("error.agreement.has_ended", agreement=agreement.id, at=at))
    if kind in ON_TERMS:
        said = Standing.GIVEN if kind is DecisionKind.APPROVE else Standing.REFUSED
        if agreement.consent_of(side).standing is said:
            raise DocumentError(message(f"error.agreement.said_already.{kind}", **told))
        return
    assert proposal.at is not None, "such a decision has a moment"
    if kind is DecisionKind.END and proposal.at >= agreement.ends_at:
        last = agreement.valid_to
        raise DocumentError(message("error.agreement.ends_by_itself", last=last, **told))
    if kind is DecisionKind.SUSPEND and _rests(agreement, side, proposal.at):
        raise DocumentError(message("error.agreement.rests_already", **told))
    if kind is DecisionKind.RESUME:
        _expect_rest(agreement, side, proposal.at)


def _rests(agreement: Agreement, side: Side, at: datetime) -> bool:
    """Tell whether a suspension of a side's own is not over at a moment."""
    own = [one for one in agreement.suspensions if one.side is side]
    return any(one.ends is None or at < one.ends for one in own)


def _expect_rest(agreement: Agreement, side: Side, at: datetime) -> None:
    told = {"agreement": agreement.id, "side": side}
    own = [one for one in agreement.suspensions if one.side is side and one.ends is None]
    if not own:
        raise DocumentError(message("error.agreement.does_not_rest", **told))
    if at <= own[-1].begins:
        begins = moment_text(own[-1].begins)
        raise DocumentError(message("error.agreement.resumed_before", begins=begins, **told))


def _expect_sound(documents: Mapping[str, bytes], before: Agreement) -> Agreement:
    """Read what was decided as the catalogue will, and refuse what would not count."""
    mine = (f"agreements/{before.id}.yaml", f"decisions/{before.id}.")
    findings = [one for one in lint(documents) if one.path.startswith(mine)]
    if findings:
        told = message("error.agreement.not_decided", count=counted(findings))
        raise DocumentError(told, findings)
    after = agreement_of(parse_region(documents), before.id)
    known = {(one.decision.side, one.decision.number) for one in before.decisions}
    for one in after.decisions:
        is_new = (one.decision.side, one.decision.number) not in known
        if is_new and one.proof is not Proof.HOLDS:
            key_id = one.decision.key_id
            raise DocumentError(message("error.agreement.key_does_not_count", key_id=key_id))
    return after
