"""Whether the documents of a region name only what exists: without it there is no region."""

from __future__ import annotations

from collections.abc import Iterable

from bus.catalogue.parties import BUS, GATEWAY, KAFKA_SUPER_USERS
from bus.catalogue.shapes import AgencyShape, AgreementShape
from bus.catalogue.sources import Source, Sources
from bus.contracts.contract import Contract
from bus.contracts.passport import ProcessState
from bus.contracts.yaml_document import Path, YamlDocument, some_of, with_suggestion
from bus.errors import Finding, Words
from bus.model.identifiers import AgencyCode, DatasetCode, SystemCode
from bus.texts import finding_at, message


def reference_findings(sources: Sources) -> list[Finding]:
    """Find names that stand for nothing, and names given twice.

    What couldn't be read may define the names that are missing, so nothing is said of names of
    a kind of which a document is unreadable.
    """
    check = _References(sources)
    check.region()
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

    def region(self) -> None:
        source = self._sources.region
        if source is not None and source.written.probe is not None:
            self._dataset(source.document, ("probe",), source.written.probe)

    def contracts(self) -> None:
        files: dict[DatasetCode, str] = {}
        for source in self._sources.contracts:
            dataset = source.contract.dataset
            if dataset in files:
                place = source.document.place(("id",))
                self._doubled(place, "error.catalogue.doubled_dataset", dataset, files[dataset])
            files.setdefault(dataset, source.document.file)
            self._agency(source.document, ("team", "name"), source.contract.owner)

    def agencies(self) -> None:
        files: dict[str, Words] = dict.fromkeys(
            (BUS, GATEWAY, *KAFKA_SUPER_USERS), message("error.catalogue.the_bus_itself")
        )
        for source in self._sources.agencies:
            for index, system in enumerate(source.written.systems):
                path: Path = ("systems", index)
                if system.system in files:
                    place, first = source.document.place((*path, "system")), files[system.system]
                    self._doubled(place, "error.catalogue.doubled_system", system.system, first)
                files.setdefault(system.system, source.document.file)
                for position, dataset in enumerate(system.provides):
                    self._dataset(source.document, (*path, "provides", position), dataset)

    def passports(self) -> None:
        """Hold the datasets of approved passports against the contracts.

        Until then a process may be described whose datasets have no contract: the inventory
        comes first.
        """
        for source in self._sources.passports:
            passport = source.written
            self._agency(source.document, ("agency",), passport.agency)
            for index, dataset in enumerate(passport.replaces_letter):
                if dataset not in (passport.consumes or ()):
                    place = source.document.place(("replaces_letter", index))
                    self.findings.append(
                        finding_at(place, "error.catalogue.replaces_unconsumed", dataset=dataset)
                    )
            if passport.state is not ProcessState.APPROVED:
                continue
            for index, dataset in enumerate(passport.produces):
                self._dataset(source.document, ("produces", index), dataset)
            for index, dataset in enumerate(passport.consumes or ()):
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
        key = "error.catalogue.unknown_agency"
        return self._known(document, path, agency, self._agencies, key=key, folder="agencies")

    def _system(self, document: YamlDocument, path: Path, system: SystemCode) -> bool:
        key = "error.catalogue.unknown_system"
        return self._known(document, path, system, self._systems, key=key, folder="agencies")

    def _dataset(self, document: YamlDocument, path: Path, dataset: DatasetCode) -> bool:
        key = "error.catalogue.unknown_dataset"
        return self._known(document, path, dataset, self._contracts, key=key, folder="contracts")

    def _known(
        self,
        document: YamlDocument,
        path: Path,
        name: str,
        names: Iterable[str],
        *,
        key: str,
        folder: str,
    ) -> bool:
        names = frozenset(names)
        if name in names:
            return True
        if folder not in self._sources.unreadable:
            values = {"name": name, "known": some_of(names), "folder": folder}
            finding = finding_at(document.place(path), key, **values)
            self.findings.append(with_suggestion(finding, name, names))
        return False

    def _own_system(
        self, document: YamlDocument, path: Path, system: SystemCode, agency: AgencyCode
    ) -> None:
        owner = self._systems[system]
        if owner != agency:
            values = {"system": system, "owner": owner, "agency": agency}
            place = document.place(path)
            self.findings.append(finding_at(place, "error.catalogue.foreign_system", **values))

    def _provider(
        self, document: YamlDocument, path: Path, provider: AgencyCode, dataset: DatasetCode
    ) -> None:
        systems = self._agencies[provider].systems
        if all(dataset not in system.provides for system in systems):
            values = {"agency": provider, "dataset": dataset}
            place = document.place(path)
            self.findings.append(finding_at(place, "error.catalogue.no_provider", **values))

    def _field(self, document: YamlDocument, path: Path, name: str, contract: Contract) -> None:
        known = contract.field_names
        if name not in known:
            finding = finding_at(
                document.place(path),
                "error.catalogue.unknown_field",
                name=name,
                dataset=contract.dataset,
                known=some_of(known),
            )
            self.findings.append(with_suggestion(finding, name, known))

    def _doubled(self, place: str, key: str, code: str, first: Words) -> None:
        self.findings.append(finding_at(place, key, code=code, first=first))
