"""Whether the documents of a region name only what exists: without it there is no region."""

from __future__ import annotations

from collections.abc import Iterable

from bus.catalogue.parties import BUS, KAFKA_SUPER_USERS
from bus.catalogue.shapes import AgencyShape, AgreementShape
from bus.catalogue.sources import Source, Sources
from bus.contracts.contract import Contract
from bus.contracts.yaml_document import Path, YamlDocument, did_you_mean, some_of
from bus.errors import Finding
from bus.model.identifiers import AgencyCode, DatasetCode, SystemCode


def reference_findings(sources: Sources) -> list[Finding]:
    """Find names that stand for nothing, and names given twice.

    What couldn't be read may define the names that are missing, so nothing is said of names of
    a kind of which a document is unreadable.
    """
    check = _References(sources)
    check.contracts()
    check.agencies()
    check.passports()
    check.keys()
    for source in sources.agreements:
        check.agreement(source)
    return check.findings


class _References:
    """Knows every name of the region and collects findings."""

    def __init__(self, sources: Sources) -> None:
        self.findings: list[Finding] = []
        self._sources = sources
        self._contracts: dict[DatasetCode, Contract] = {
            source.contract.dataset: source.contract for source in sources.contracts
        }
        self._agencies: dict[AgencyCode, AgencyShape] = {
            source.written.agency: source.written for source in sources.agencies
        }
        self._systems: dict[SystemCode, AgencyCode] = {
            system.system: source.written.agency
            for source in sources.agencies
            for system in source.written.systems
        }

    def contracts(self) -> None:
        files: dict[DatasetCode, str] = {}
        for source in self._sources.contracts:
            dataset = source.contract.dataset
            if dataset in files:
                self._doubled(source.document, ("id",), f"dataset `{dataset}`", files[dataset])
            files.setdefault(dataset, source.document.file)
            self._agency(source.document, ("team", "name"), source.contract.owner)

    def agencies(self) -> None:
        files = dict.fromkeys((BUS, *KAFKA_SUPER_USERS), "the bus itself")
        for source in self._sources.agencies:
            for index, system in enumerate(source.written.systems):
                path: Path = ("systems", index)
                if system.system in files:
                    what, first = f"system `{system.system}`", files[system.system]
                    self._doubled(source.document, (*path, "system"), what, first)
                files.setdefault(system.system, source.document.file)
                for position, dataset in enumerate(system.provides):
                    self._dataset(source.document, (*path, "provides", position), dataset)

    def passports(self) -> None:
        for source in self._sources.passports:
            passport = source.written
            self._agency(source.document, ("agency",), passport.agency)
            for index, dataset in enumerate(passport.produces):
                self._dataset(source.document, ("produces", index), dataset)
            for index, dataset in enumerate(passport.consumes):
                self._dataset(source.document, ("consumes", index), dataset)

    def keys(self) -> None:
        for source in self._sources.keys:
            if source.written.system != BUS:
                self._system(source.document, ("system",), source.written.system)

    def agreement(self, source: Source[AgreementShape]) -> None:
        agreement, document = source.written, source.document
        has_consumer = self._agency(document, ("consumer",), agreement.consumer)
        for index, system in enumerate(agreement.systems):
            if self._system(document, ("systems", index), system) and has_consumer:
                self._own_system(document, ("systems", index), system, agreement.consumer)
        if not self._dataset(document, ("dataset",), agreement.dataset):
            return
        for index, provider in enumerate(agreement.providers or ()):
            if self._agency(document, ("providers", index), provider):
                self._provider(document, ("providers", index), provider, agreement.dataset)
        contract = self._contracts.get(agreement.dataset)
        if contract is None:
            return
        for index, name in enumerate(agreement.fields or ()):
            self._field(document, ("fields", index), name, contract)
        for index, condition in enumerate(agreement.rows):
            self._field(document, ("rows", index, "field"), condition.field, contract)

    def _agency(self, document: YamlDocument, path: Path, agency: AgencyCode) -> bool:
        return self._known(document, path, agency, self._agencies, kind="agency", folder="agencies")

    def _system(self, document: YamlDocument, path: Path, system: SystemCode) -> bool:
        return self._known(document, path, system, self._systems, kind="system", folder="agencies")

    def _dataset(self, document: YamlDocument, path: Path, dataset: DatasetCode) -> bool:
        return self._known(
            document, path, dataset, self._contracts, kind="dataset", folder="contracts"
        )

    def _known(
        self,
        document: YamlDocument,
        path: Path,
        name: str,
        names: Iterable[str],
        *,
        kind: str,
        folder: str,
    ) -> bool:
        names = frozenset(names)
        if name in names:
            return True
        if folder not in self._sources.unreadable:
            near = did_you_mean(name, names)
            finding = document.finding(
                path,
                found=f"unknown {kind} `{name}`",
                expected=f"one of: {some_of(names)}",
                remedy=f"Did you mean `{near}`?" if near else f"Add it under {folder}/.",
            )
            self.findings.append(finding)
        return False

    def _own_system(
        self, document: YamlDocument, path: Path, system: SystemCode, agency: AgencyCode
    ) -> None:
        owner = self._systems[system]
        if owner != agency:
            finding = document.finding(
                path,
                found=f"system `{system}` of {owner}",
                expected=f"a system of {agency}",
                remedy="Name the consumer's own systems; another agency needs its own agreement.",
            )
            self.findings.append(finding)

    def _provider(
        self, document: YamlDocument, path: Path, provider: AgencyCode, dataset: DatasetCode
    ) -> None:
        systems = self._agencies[provider].systems
        if all(dataset not in system.provides for system in systems):
            finding = document.finding(
                path,
                found=f"agency `{provider}`, which doesn't provide {dataset}",
                expected=f"an agency with a system that provides {dataset}",
                remedy=f"Remove it, or add the dataset to `provides` in agencies/{provider}.yaml.",
            )
            self.findings.append(finding)

    def _field(self, document: YamlDocument, path: Path, name: str, contract: Contract) -> None:
        known = contract.field_names
        if name not in known:
            near = did_you_mean(name, known)
            finding = document.finding(
                path,
                found=f"field `{name}`, which no version of {contract.dataset} has",
                expected=f"one of: {some_of(known)}",
                remedy=f"Did you mean `{near}`?" if near else "Remove it.",
            )
            self.findings.append(finding)

    def _doubled(self, document: YamlDocument, path: Path, what: str, first: str) -> None:
        finding = document.finding(
            path,
            found=f"{what}, which {first} has already",
            expected="a code that is unique in the region",
            remedy="Give one of the two another code.",
        )
        self.findings.append(finding)
