"""From a contract's files to its meaning: contract.yaml, its `.avsc` versions, its code lists."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from pydantic import ValidationError

from bus.contracts.contract import Contract, Example, RefusedExample, SchemaVersion, Sla
from bus.contracts.meaning import meanings_of
from bus.contracts.odcs import SLA_UNITS, BusProperties, ContractDocument, ExampleShape
from bus.contracts.rule_reading import read_rules
from bus.contracts.rules import Rule, Text, rules_for_version
from bus.contracts.schema_file import SchemaSource, read_schema
from bus.contracts.schema_shape import field_paths
from bus.contracts.yaml_document import Path, YamlDocument, findings_of, read_yaml, some_of
from bus.errors import DocumentError, Finding, Words
from bus.texts import finding_at, message

CONTRACT_FILE: Final = "contract.yaml"
_SCHEMA_FILE = re.compile(r"v([1-9][0-9]{0,3})\.avsc")
_PREFIX: Final = "bus."
_STEWARD: Final = "steward"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractSource:
    """A contract as written and as meant, for checks that name places in its files."""

    document: YamlDocument
    written: ContractDocument
    schemas: Mapping[int, SchemaSource]
    """By version, ascending."""
    rules: tuple[tuple[Path, Rule], ...]
    """All of them, with the places of their quality entries."""
    places: Mapping[str, Path]
    """Where each custom property's value stands, by its name without `bus.`."""
    contract: Contract


def read_contract(folder: str, files: Mapping[str, bytes]) -> ContractSource:
    """Read one contract.

    Args:
        folder: Path of the contract's folder, to stand in findings.
        files: Contents by name inside the folder.

    Raises: DocumentError: with every finding of every file.
    """
    reading = _Reading(folder, files)
    source = reading.read()
    if source is None or reading.findings:
        raise DocumentError(message("error.contract.unreadable", folder=folder), reading.findings)
    return source


class _Reading:
    """Collects findings while one contract is read."""

    def __init__(self, folder: str, files: Mapping[str, bytes]) -> None:
        self.findings: list[Finding] = []
        self._folder = folder
        self._files = files

    def read(self) -> ContractSource | None:
        schemas = self._schemas()
        document = self._document()
        if document is None:
            return None
        try:
            written = ContractDocument.model_validate(document.value)
        except ValidationError as error:
            self.findings += findings_of(document, error, ContractDocument)
            return None
        rules, findings = read_rules(document, written.record[0], self._files)
        self.findings += findings
        properties, places = self._bus_properties(document, written)
        sla = self._sla(document, written)
        steward = self._steward(document, written)
        if properties is None or sla is None or steward is None or not schemas:
            return None
        self._check_ends(document, properties, places, schemas)
        contract = _contract(written, properties, sla, steward, schemas, [r for _, r in rules])
        return ContractSource(
            document=document,
            written=written,
            schemas=schemas,
            rules=tuple(rules),
            places=places,
            contract=contract,
        )

    def _document(self) -> YamlDocument | None:
        content = self._files.get(CONTRACT_FILE)
        if content is None:
            self._missing(CONTRACT_FILE, message("error.contract.write_it"))
            return None
        try:
            return read_yaml(f"{self._folder}/{CONTRACT_FILE}", content)
        except DocumentError as error:
            self.findings += error.findings
            return None

    def _missing(self, name: str, remedy: Words) -> None:
        finding = Finding(
            path=f"{self._folder}/{name}",
            found=message("error.contract.no_such_file"),
            expected=message("error.contract.file_in_folder", name=name),
            remedy=remedy,
        )
        self.findings.append(finding)

    def _schemas(self) -> dict[int, SchemaSource]:
        """Read the `.avsc` files, ascending; versions count from 1 without a gap."""
        matches = map(_SCHEMA_FILE.fullmatch, self._files)
        numbers = sorted(int(match[1]) for match in matches if match)
        for number in range(1, max(numbers, default=1) + 1):
            if number not in numbers:
                self._missing(f"v{number}.avsc", message("error.contract.versions_count"))
        schemas = {}
        for number in numbers:
            name = f"v{number}.avsc"
            try:
                schemas[number] = read_schema(f"{self._folder}/{name}", self._files[name])
            except DocumentError as error:
                self.findings += error.findings
        return schemas

    def _bus_properties(
        self, document: YamlDocument, written: ContractDocument
    ) -> tuple[BusProperties | None, Mapping[str, Path]]:
        """Read `customProperties` as one model; findings stand at the list's items."""
        places: dict[str, Path] = {}
        values: dict[str, object] = {}
        for index, item in enumerate(written.custom_properties):
            name = item.property.removeprefix(_PREFIX)
            if name == item.property or name in places:
                case = "doubled_property" if name in places else "foreign_property"
                place = document.place(("customProperties", index, "property"))
                self.findings.append(
                    finding_at(place, f"error.contract.{case}", property=item.property)
                )
                continue
            places[name] = ("customProperties", index, "value")
            values[name] = item.value
        try:
            return BusProperties.model_validate(values), MappingProxyType(places)
        except ValidationError as error:
            self.findings += findings_of(
                document, error, BusProperties, under=("customProperties",), places=places
            )
            return None, places

    def _sla(self, document: YamlDocument, written: ContractDocument) -> Sla | None:
        values: dict[str, float] = {}
        for index, item in enumerate(written.sla_properties):
            unit = SLA_UNITS[item.property]
            if item.unit != unit:
                finding = finding_at(
                    document.place(("slaProperties", index, "unit")),
                    "error.contract.sla_unit",
                    found=item.unit,
                    unit=unit,
                    property=item.property,
                )
                self.findings.append(finding)
            if unit == "percent" and item.value > 100:  # noqa: PLR2004 - a share has no more
                place = document.place(("slaProperties", index, "value"))
                self.findings.append(
                    finding_at(place, "error.contract.sla_share", found=item.value)
                )
            values[item.property] = item.value
        missing = SLA_UNITS.keys() - values
        if missing:
            finding = finding_at(
                document.place(("slaProperties",)),
                "error.contract.sla_lacking",
                missing=some_of(missing),
                known=some_of(SLA_UNITS),
            )
            self.findings.append(finding)
            return None
        return Sla(
            latency_s=values["latency"],
            frequency_hours=values["frequency"],
            retention_days=values["retention"],
            completeness_percent=values["completeness"],
            validity_percent=values["validity"],
            timeliness_percent=values["timeliness"],
        )

    def _steward(self, document: YamlDocument, written: ContractDocument) -> str | None:
        stewards = [member.name for member in written.team.members if member.role == _STEWARD]
        if len(stewards) == 1:
            return stewards[0]
        finding = finding_at(
            document.place(("team", "members")),
            "error.contract.stewards",
            count=len(stewards),
            role=_STEWARD,
        )
        self.findings.append(finding)
        return None

    def _check_ends(
        self,
        document: YamlDocument,
        properties: BusProperties,
        places: Mapping[str, Path],
        schemas: Mapping[int, SchemaSource],
    ) -> None:
        newest = max(schemas)
        for index, end in enumerate(properties.accepted_until):
            if end.version >= newest:
                finding = finding_at(
                    document.place((*places["acceptedUntil"], index, "version")),
                    "error.contract.newest_ends",
                    version=end.version,
                    newest=newest,
                )
                self.findings.append(finding)


def _contract(
    written: ContractDocument,
    properties: BusProperties,
    sla: Sla,
    steward: str,
    schemas: Mapping[int, SchemaSource],
    rules: list[Rule],
) -> Contract:
    ends = {end.version: end.until for end in properties.accepted_until}
    record = written.record[0]
    return Contract(
        dataset=written.id,
        title=Text(ru=written.name, en=properties.name_en),
        owner=written.team.name,
        steward=steward,
        status=written.status,
        contract_version=written.version,
        key_field=properties.key_field,
        version_source=properties.version_source,
        operations=frozenset(properties.operations),
        immutable_fields=frozenset(properties.immutable_fields),
        compatibility=properties.compatibility,
        process=properties.process,
        legal_basis=properties.legal_basis,
        classification=MappingProxyType({p.name: p.classification for p in record.properties}),
        meanings=meanings_of(record.properties, [source.schema for source in schemas.values()]),
        sla=sla,
        schema_versions=tuple(
            SchemaVersion(
                number=number,
                schema=source.schema,
                rules=rules_for_version(rules, number=number, paths=field_paths(source.shape)),
                accepted_until=ends.get(number),
            )
            for number, source in schemas.items()
        ),
        example=_example(properties.example),
        searchable_fields=properties.searchable,
        answer_working_days=properties.answer_working_days,
    )


def _example(written: ExampleShape | None) -> Example | None:
    if written is None:
        return None
    refused = written.refused
    return Example(
        sent_at=written.sent_at,
        record=MappingProxyType(written.record),
        refused=None
        if refused is None
        else RefusedExample(rule=refused.rule, change=MappingProxyType(refused.change)),
    )
