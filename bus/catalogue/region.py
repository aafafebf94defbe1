"""A region: every document of the catalogue, read together into one immutable value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType

from bus.catalogue.agreement import (
    Agreement,
    Condition,
    ConditionOperator,
    matches,
)
from bus.catalogue.consent import settled
from bus.catalogue.decision import Decision
from bus.catalogue.lock import LockEntry, SchemaLock
from bus.catalogue.parties import Agency, SigningKey, System
from bus.catalogue.references import reference_findings
from bus.catalogue.shapes import (
    AgencyShape,
    AgreementShape,
    DecisionShape,
    DecisionsShape,
    KeyShape,
    PassportShape,
)
from bus.catalogue.sources import Sources, read_sources
from bus.contracts.contract import Contract
from bus.contracts.passport import Act, Passport, ProcessState
from bus.contracts.rules import Text
from bus.contracts.yaml_document import counted
from bus.errors import DocumentError
from bus.model.identifiers import AgencyCode, DatasetCode, KeyId, SystemCode
from bus.texts import message

__all__ = [
    "Act",
    "Agency",
    "Agreement",
    "Condition",
    "ConditionOperator",
    "LockEntry",
    "Passport",
    "ProcessState",
    "Region",
    "SchemaLock",
    "SigningKey",
    "System",
    "matches",
    "parse_region",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """Who exchanges what with whom, under which rules."""

    code: str
    name: Text
    partitions: int
    """Of every data topic; equal, because Faust assigns topics of one count together."""
    agencies: Mapping[AgencyCode, Agency]
    contracts: Mapping[DatasetCode, Contract]
    agreements: tuple[Agreement, ...]
    """By id."""
    passports: Mapping[str, Passport]
    keys: Mapping[KeyId, SigningKey]
    lock: SchemaLock
    topics_kept_days: int | None = None
    """How long data topics keep a record; None: for ever."""
    probe: DatasetCode | None = None
    """Dataset of the records that the bus sends itself; None: it sends none."""

    def agency_of(self, system: SystemCode) -> Agency | None:
        """Return the agency that runs a system, or None when no agency does."""
        for agency in self.agencies.values():
            if any(known.code == system for known in agency.systems):
                return agency
        return None

    def providers_of(self, dataset: DatasetCode) -> tuple[AgencyCode, ...]:
        """Tell which agencies publish a dataset, ascending."""
        return tuple(
            sorted(code for code, agency in self.agencies.items() if dataset in agency.provides)
        )

    def systems_of(self, dataset: DatasetCode) -> tuple[SystemCode, ...]:
        """Tell which systems publish a dataset, ascending."""
        return tuple(
            sorted(
                system.code
                for agency in self.agencies.values()
                for system in agency.systems
                if dataset in system.provides
            )
        )


def parse_region(documents: Mapping[str, bytes]) -> Region:
    """Read a region from its documents.

    Args:
        documents: Contents by path, as `bus.catalogue.documents.read_documents` gives them.

    Refused is only what can't be made into a region: unreadable documents and names that stand
    for nothing. What else is wrong with them, `bus.catalogue.lint` tells before they are applied;
    a worker must be able to read every catalogue that was applied, whatever was demanded then.

    Raises: DocumentError: with every finding of every document, by path.
    """
    sources = read_sources(documents)
    findings = [*sources.findings, *reference_findings(sources)]
    if findings or sources.region is None:
        findings.sort(key=lambda finding: finding.path)
        told = message("error.catalogue.documents_unreadable", count=counted(findings))
        raise DocumentError(told, findings)
    return region_of(sources)


def region_of(sources: Sources) -> Region:
    """Turn documents without findings into their meaning."""
    assert sources.region is not None
    written = sources.region.written
    agencies = [_agency(source.written) for source in sources.agencies]
    passports = [passport_of(source.written) for source in sources.passports]
    keys = [key_of(source.written) for source in sources.keys]
    contracts = sorted(
        (source.contract for source in sources.contracts), key=lambda contract: contract.dataset
    )
    by_dataset = {contract.dataset: contract for contract in contracts}
    by_id = {key.key_id: key for key in keys}
    owners = {system.code: agency.code for agency in agencies for system in agency.systems}
    decided: dict[str, list[Decision]] = {}
    for source in sources.decisions:
        decided.setdefault(source.written.agreement, []).extend(decisions_of(source.written))
    return Region(
        code=written.region,
        name=written.name,
        partitions=written.partitions,
        topics_kept_days=written.topics_kept_days,
        probe=written.probe,
        agencies=MappingProxyType({agency.code: agency for agency in agencies}),
        contracts=MappingProxyType(by_dataset),
        agreements=tuple(
            settled(
                agreement,
                decided.get(agreement.id, ()),
                contract=by_dataset[agreement.dataset],
                keys=by_id,
                owners=owners,
            )
            for agreement in (_terms(source.written) for source in sources.agreements)
        ),
        passports=MappingProxyType({passport.process: passport for passport in passports}),
        keys=MappingProxyType(by_id),
        lock=sources.lock,
    )


def _agency(shape: AgencyShape) -> Agency:
    systems = tuple(
        System(code=system.system, name=system.name, provides=system.provides)
        for system in shape.systems
    )
    return Agency(
        code=shape.agency,
        name=shape.name,
        oktmo=shape.oktmo,
        systems=systems,
        left_at=_utc(shape.left_at),
    )


def _terms(shape: AgreementShape) -> Agreement:
    rows = tuple(
        Condition(field=condition.field, op=condition.op, values=condition.values)
        for condition in shape.rows
    )
    return Agreement(
        id=shape.agreement,
        providers=None if shape.providers is None else tuple(sorted(set(shape.providers))),
        consumer=shape.consumer,
        systems=shape.systems,
        dataset=shape.dataset,
        fields=shape.fields,
        rows=rows,
        history_from=shape.history_from,
        purpose=shape.purpose,
        legal_basis=shape.legal_basis,
        valid_from=shape.valid_from,
        valid_to=shape.valid_to,
    )


def decisions_of(shape: DecisionsShape) -> tuple[Decision, ...]:
    """Turn a side's decisions as written into their meaning, in their order."""
    return tuple(
        _decision(one, shape, number) for number, one in enumerate(shape.decisions, start=1)
    )


def _decision(shape: DecisionShape, of_side: DecisionsShape, number: int) -> Decision:
    return Decision(
        agreement=of_side.agreement,
        side=of_side.side,
        number=number,
        kind=shape.decision,
        by=shape.by,
        on=shape.on,
        key_id=shape.key_id,
        at=_utc(shape.at),
        why=shape.why,
        terms=shape.terms,
        fields=None if shape.fields is None else MappingProxyType(shape.fields),
        signature=shape.signature,
    )


def passport_of(shape: PassportShape) -> Passport:
    """Turn a passport as written into its meaning."""
    act = shape.act
    return Passport(
        process=shape.process,
        title=shape.title,
        agency=shape.agency,
        owner=shape.owner,
        state=shape.state,
        act=None if act is None else Act(number=act.number, date=act.date, title=act.title),
        consumes=shape.consumes,
        produces=shape.produces,
        current_model=shape.current_model,
        target_model=shape.target_model,
        diagram_sha256=shape.diagram_sha256,
        replaces_letter=shape.replaces_letter,
    )


def key_of(shape: KeyShape) -> SigningKey:
    """Turn a public key as written into its meaning."""
    return SigningKey(
        key_id=shape.key_id,
        system=shape.system,
        algorithm=shape.algorithm,
        public_key=shape.public_key,
        valid_from=shape.valid_from.astimezone(UTC),
        valid_to=_utc(shape.valid_to),
        revoked_at=_utc(shape.revoked_at),
        is_delegated=shape.held_by is not None,
    )


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC)
