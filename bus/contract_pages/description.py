"""Everything that a reader of a contract asks, gathered from the region's documents."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

from bus.catalogue.agreement import AgreementState, Condition
from bus.catalogue.parties import Agency
from bus.catalogue.region import Agreement, Region
from bus.catalogue.views import topic_of, view_of
from bus.contract_pages.formula import formula
from bus.contract_pages.worked_example import WorkedExample, worked_example
from bus.contracts.avro_types import fields_of_record
from bus.contracts.contract import Classification, Contract, Sla
from bus.contracts.difference import field_types
from bus.contracts.passport import Act, ProcessState
from bus.contracts.reading import ContractSource
from bus.contracts.rules import Text, fields_of
from bus.model.identifiers import AgencyCode, DatasetCode, SystemCode
from bus.model.record import Operation
from bus.model.verdict import Severity
from bus.wire import topics


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedField:
    """One field, or a part of one."""

    path: str
    """With dots inside records."""
    title: str | None
    """In Russian, as the contract has it; None for a part of a field."""
    doc: str | None
    """In English, as the schema has it."""
    type: str
    """Of Avro: `string or null`."""
    is_optional: bool
    classification: Classification | None
    """Of the top-level field that it is or belongs to; None: the contract doesn't describe it."""
    versions: tuple[int, ...]
    """Schema versions that have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedRule:
    """One rule in words and as it is evaluated."""

    id: str
    kind: str
    severity: Severity
    fields: tuple[str, ...]
    """That it reads; the first is named in a violation."""
    text: Text
    formula: str
    versions: tuple[int, ...]
    """Schema versions that it holds for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedVersion:
    """One schema version."""

    number: int
    schema_id: int | None
    """None: `bus contract publish` has not given it one yet."""
    accepted_until: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedProvider:
    """An agency that publishes the dataset."""

    code: AgencyCode
    name: Text
    systems: tuple[SystemCode, ...]
    topic: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedConsumer:
    """What one agreement lets one agency receive."""

    agreement: str
    code: AgencyCode
    name: Text
    purpose: Text
    legal_basis: str
    systems: tuple[SystemCode, ...]
    fields: tuple[str, ...] | None
    """None: all."""
    rows: tuple[Condition, ...]
    providers: tuple[AgencyCode, ...] | None
    """None: all."""
    history_from: date | None
    """None: all history."""
    valid_from: date
    valid_to: date
    """Its last day; the day of its end where one was decided before it."""
    state: AgreementState
    topic: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedProcess:
    """The process whose result the dataset is."""

    code: str
    title: Text | None
    """None: there is no passport."""
    state: ProcessState | None
    act: Act | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractDescription:
    """A whole contract, the newest schema version first in mind."""

    dataset: DatasetCode
    title: Text
    contract_version: str
    status: str
    domain: str
    purpose: str
    limitations: str | None
    owner: AgencyCode
    owner_name: Text
    steward: str
    legal_basis: str
    key_field: str
    version_source: str
    operations: tuple[Operation, ...]
    immutable_fields: tuple[str, ...]
    compatibility: str
    process: DescribedProcess
    providers: tuple[DescribedProvider, ...]
    topic: str
    versions: tuple[DescribedVersion, ...]
    fields: tuple[DescribedField, ...]
    rules: tuple[DescribedRule, ...]
    sla: Sla
    consumers: tuple[DescribedConsumer, ...]
    """By agreements that both sides approved and that have not ended."""
    told_on: date
    """Day (UTC) of the agreements' states."""
    example: WorkedExample | None

    @property
    def subscriber(self) -> SystemCode | None:
        """A system that may subscribe now, for an example; None: there is none."""
        systems = (
            system
            for consumer in self.consumers
            if consumer.state is AgreementState.IN_FORCE
            for system in consumer.systems
        )
        return next(systems, None)


def describe_contract(
    source: ContractSource, region: Region, moment: datetime
) -> ContractDescription:
    """Gather what one contract says, and what the region's other documents say of its dataset.

    Args:
        source: The contract.
        region: That it belongs to.
        moment: Aware; the states of agreements are told as of then.
    """
    contract, written = source.contract, source.written
    return ContractDescription(
        dataset=contract.dataset,
        title=contract.title,
        contract_version=contract.contract_version,
        status=contract.status.value,
        domain=written.domain,
        purpose=written.description.purpose,
        limitations=written.description.limitations,
        owner=contract.owner,
        owner_name=region.agencies[contract.owner].name,
        steward=contract.steward,
        legal_basis=contract.legal_basis,
        key_field=contract.key_field,
        version_source=contract.version_source.value,
        operations=tuple(known for known in Operation if known in contract.operations),
        immutable_fields=tuple(f for f in contract.field_names if f in contract.immutable_fields),
        compatibility=contract.compatibility.value,
        process=_process(contract, region),
        providers=_providers(contract.dataset, region),
        topic=topics.accepted(contract.dataset),
        versions=_versions(contract, region),
        fields=_fields(source),
        rules=_rules(source),
        sla=contract.sla,
        consumers=tuple(
            _consumer(agreement, contract, region.agencies[agreement.consumer], moment)
            for agreement in region.agreements
            if agreement.dataset == contract.dataset
            and agreement.is_approved
            and moment < agreement.ends_at
        ),
        told_on=moment.astimezone(UTC).date(),
        example=worked_example(contract, region),
    )


def _process(contract: Contract, region: Region) -> DescribedProcess:
    passport = region.passports.get(contract.process)
    return DescribedProcess(
        code=contract.process,
        title=None if passport is None else passport.title,
        state=None if passport is None else passport.state,
        act=None if passport is None else passport.act,
    )


def _providers(dataset: DatasetCode, region: Region) -> tuple[DescribedProvider, ...]:
    return tuple(
        DescribedProvider(
            code=code,
            name=region.agencies[code].name,
            systems=tuple(s.code for s in region.agencies[code].systems if dataset in s.provides),
            topic=topics.inbound(code, dataset),
        )
        for code in region.providers_of(dataset)
    )


def _versions(contract: Contract, region: Region) -> tuple[DescribedVersion, ...]:
    described = []
    for version in reversed(contract.schema_versions):
        entry = region.lock.get(contract.dataset, version.number)
        described.append(
            DescribedVersion(
                number=version.number,
                schema_id=None if entry is None else entry.id,
                accepted_until=version.accepted_until,
            )
        )
    return tuple(described)


def _fields(source: ContractSource) -> tuple[DescribedField, ...]:
    """List the fields of the newest version, then those that only older ones have."""
    contract = source.contract
    types: dict[str, str] = {}
    docs: dict[str, str | None] = {}
    for version in reversed(contract.schema_versions):
        for path, type_ in field_types(version.schema).items():
            types.setdefault(path, type_)
        for field in fields_of_record(version.schema):
            docs.setdefault(field["name"], field.get("doc"))
    titles = {field.name: field.business_name for field in source.written.record[0].properties}
    return tuple(
        DescribedField(
            path=path,
            title=titles.get(path),
            doc=docs.get(path),
            type=type_,
            is_optional=type_.endswith(" or null"),
            classification=contract.classification.get(path.partition(".")[0]),
            versions=tuple(
                version.number
                for version in contract.schema_versions
                if path in field_types(version.schema)
            ),
        )
        for path, type_ in types.items()
    )


def _rules(source: ContractSource) -> tuple[DescribedRule, ...]:
    return tuple(
        DescribedRule(
            id=rule.id,
            kind=rule.kind,
            severity=rule.severity,
            fields=fields_of(rule),
            text=rule.text,
            formula=formula(rule),
            versions=tuple(
                version.number
                for version in source.contract.schema_versions
                if rule in version.rules
            ),
        )
        for _, rule in source.rules
    )


def _consumer(
    agreement: Agreement, contract: Contract, agency: Agency, moment: datetime
) -> DescribedConsumer:
    ending = agreement.ending
    return DescribedConsumer(
        agreement=agreement.id,
        code=agreement.consumer,
        name=agency.name,
        purpose=agreement.purpose,
        legal_basis=agreement.legal_basis,
        systems=agreement.systems,
        fields=agreement.fields,
        rows=agreement.rows,
        providers=agreement.providers,
        history_from=agreement.history_from,
        valid_from=agreement.valid_from,
        valid_to=agreement.valid_to if ending is None else agreement.ends_at.date(),
        state=agreement.state_at(moment),
        topic=topic_of(contract.dataset, view_of(agreement, contract)),
    )
