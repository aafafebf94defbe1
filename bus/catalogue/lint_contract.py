"""Where a contract does not agree with its schemas, with itself, or with what may be public."""

from __future__ import annotations

import re
from typing import Any, Final

from bus.contracts.avro_types import is_nullable, without_null
from bus.contracts.check_digits import Algorithm
from bus.contracts.compile import compile_schema
from bus.contracts.contract import Classification, Compatibility
from bus.contracts.evolution import check_history
from bus.contracts.reading import ContractSource
from bus.contracts.rules import CheckDigitsRule
from bus.contracts.schema_file import SchemaSource, field_place
from bus.contracts.yaml_document import Path, did_you_mean, some_of
from bus.errors import DocumentError, Finding

_LOGICAL_TYPES: Final = {
    "date": "date",
    "decimal": "number",
    "uuid": "string",
    "time-millis": "time",
    "time-micros": "time",
}
_TYPES: Final = {
    "string": "string",
    "enum": "string",
    "bytes": "string",
    "fixed": "string",
    "int": "integer",
    "long": "integer",
    "float": "number",
    "double": "number",
    "boolean": "boolean",
    "array": "array",
    "map": "object",
    "record": "object",
}
_PERSONAL_ALGORITHMS: Final = frozenset(
    {Algorithm.INN, Algorithm.INN12, Algorithm.OGRNIP, Algorithm.SNILS}
)
"""Identifiers that a person can have; an organisation's own are inn10 and ogrn."""
_PERSONAL_NAME: Final = re.compile(
    r"snils|passport|birth_?(date|day|place)|date_of_birth|surname|patronymic"
    r"|(first|last|middle|given|family)_?name"
)
_SCHEMA: Final[Path] = ("schema", 0)


def contract_findings(source: ContractSource) -> list[Finding]:
    """Find everything that is wrong with one contract."""
    lint = _ContractLint(source)
    lint.names()
    lint.fields()
    lint.key()
    lint.immutable_fields()
    lint.personal_fields()
    lint.rules()
    lint.history()
    return lint.findings


class _ContractLint:
    """Collects findings about one contract."""

    def __init__(self, source: ContractSource) -> None:
        self.findings: list[Finding] = []
        self._source = source
        self._contract = source.contract
        self._record = source.written.record[0]
        self._properties = {field.name: i for i, field in enumerate(self._record.properties)}
        self._newest = source.schemas[max(source.schemas)]

    def names(self) -> None:
        name = str(self._newest.schema["name"]).rpartition(".")[2]
        if self._record.name != name:
            self._find(
                (*_SCHEMA, "name"), f"`{self._record.name}`", f"`{name}`, the record's in Avro"
            )
        topic = f"accepted.{self._contract.dataset}"
        if self._record.physical_name != topic:
            self._find((*_SCHEMA, "physicalName"), f"`{self._record.physical_name}`", f"`{topic}`")
        seen: set[str] = set()
        for index, field in enumerate(self._record.properties):
            if field.name in seen:
                path = (*_SCHEMA, "properties", index, "name")
                self._find(path, f"`{field.name}` a second time", "each field once", "Remove one.")
            seen.add(field.name)

    def fields(self) -> None:
        """Hold properties against the fields of each version; the newest tells the types."""
        seen: set[str] = set()
        for schema in reversed(tuple(self._source.schemas.values())):
            for field in schema.schema["fields"]:
                if field["name"] in seen:
                    continue
                seen.add(field["name"])
                if field["name"] in self._properties:
                    self._field(field, is_newest=schema is self._newest)
                else:
                    self._field_without_property(schema, field["name"])
        for name, index in self._properties.items():
            if name not in seen:
                near = did_you_mean(name, seen - self._properties.keys())
                self._find(
                    (*_SCHEMA, "properties", index, "name"),
                    f"property `{name}`, which no `.avsc` has",
                    f"a field of the schema: {some_of(seen)}",
                    f"Did you mean `{near}`?" if near else "Remove it.",
                )

    def _field_without_property(self, schema: SchemaSource, name: str) -> None:
        finding = schema.document.finding(
            (*field_place(schema.schema, name), "name"),
            found=f"field `{name}`, which contract.yaml doesn't describe",
            expected=f"a property `{name}` with its class and rules",
            remedy="Describe the field in contract.yaml.",
        )
        self.findings.append(finding)

    def _field(self, field: dict[str, Any], *, is_newest: bool) -> None:
        index = self._properties[field["name"]]
        written = self._record.properties[index]
        path = (*_SCHEMA, "properties", index)
        expected = _odcs_type(field["type"])
        if written.logical_type != expected:
            self._find(
                (*path, "logicalType"), written.logical_type, f"{expected}, as Avro has the field"
            )
        required = is_newest and not is_nullable(field["type"])
        if written.required != required:
            self._find(
                (*path, "required"),
                f"`required: {str(written.required).lower()}`",
                f"{str(required).lower()}: in Avro the field is "
                + ("never null" if required else "optional, or gone from the newest version"),
            )

    def key(self) -> None:
        key = self._contract.key_field
        place = self._source.places["keyField"]
        if key not in self._properties:
            near = did_you_mean(key, self._properties)
            remedy = f"Did you mean `{near}`?" if near else "Name a field."
            self._find(place, f"`{key}`, which is no field", "a field of the contract", remedy)
            return
        if self._contract.classification[key] is Classification.PERSONAL:
            self._find(
                place,
                f"`{key}`, a personal field, as the key",
                "the agency's own registry number",
                "Keys stand in topics and logs: choose a number that names no person.",
            )
        marked = [field.name for field in self._record.properties if field.primary_key]
        if marked != [key]:
            self._find(
                (*_SCHEMA, "properties", self._properties[key], "primaryKey"),
                f"`primaryKey` at {some_of(marked)}",
                f"it at `{key}` alone, which `bus.keyField` names",
            )

    def immutable_fields(self) -> None:
        for name in sorted(self._contract.immutable_fields):
            if name not in self._properties:
                near = did_you_mean(name, self._properties)
                self._find(
                    self._source.places["immutableFields"],
                    f"`{name}`, which is no field",
                    "fields of the contract",
                    f"Did you mean `{near}`?" if near else "Remove it.",
                )

    def personal_fields(self) -> None:
        for name, index in self._properties.items():
            if self._contract.classification[name] is Classification.PERSONAL:
                continue
            path = (*_SCHEMA, "properties", index, "classification")
            is_class = str(self._contract.classification[name])
            if _PERSONAL_NAME.search(name):
                self._find(path, f"{is_class} for `{name}`", "personal, by the field's name")
        for path, rule in self._source.rules:
            if not isinstance(rule, CheckDigitsRule) or rule.algorithm not in _PERSONAL_ALGORITHMS:
                continue
            field = rule.field.partition(".")[0]
            is_personal = self._contract.classification.get(field) is Classification.PERSONAL
            if not is_personal:
                self._find(
                    (*path, "implementation", "algorithm"),
                    f"{rule.algorithm} for `{field}`, which is not personal",
                    "`classification: personal` for what can identify a person",
                    "Mark the field personal, or use inn10 or ogrn if it is an organisation's.",
                )

    def rules(self) -> None:
        """Compile every version, and find rules that hold for none."""
        held = {rule.id for version in self._contract.schema_versions for rule in version.rules}
        for path, rule in self._source.rules:
            if rule.id not in held:
                self._find(
                    (*path, "implementation"),
                    f"rule `{rule.id}`, which holds for no schema version",
                    "a rule about fields that a version has",
                    "Mend the field's name or `versions`.",
                )
            for number in rule.versions or ():
                if number not in self._source.schemas:
                    self._find(
                        (*path, "implementation", "versions"),
                        f"schema version {number}",
                        f"one of: {some_of(map(str, self._source.schemas))}",
                    )
        for version in self._contract.schema_versions:
            try:
                compile_schema(
                    dataset=self._contract.dataset,
                    key_field=self._contract.key_field,
                    version=version,
                    schema_id=version.number,
                    wanted=frozenset(),
                )
            except DocumentError as error:
                self.findings += [self._placed(finding) for finding in error.findings]

    def _placed(self, finding: Finding) -> Finding:
        """Put a finding of the compiler, `<dataset> v1 rule <id>`, to its place in the file."""
        what, _, name = finding.path.rpartition(" ")
        path = self._source.places["keyField"]
        if what.endswith("rule"):
            path = next(path for path, rule in self._source.rules if rule.id == name)
        return self._source.document.finding(
            path, found=finding.found, expected=finding.expected, remedy=finding.remedy
        )

    def history(self) -> None:
        contract = self._contract
        if contract.compatibility is Compatibility.NONE:
            return
        for broken in check_history(contract.schema_versions, contract.compatibility):
            finding = self._source.schemas[broken.newer].document.finding(
                broken.path,
                found=f"{broken.found} ({broken.direction} with version {broken.older})",
                expected=broken.expected,
                remedy=broken.remedy,
            )
            self.findings.append(finding)

    def _find(
        self, path: Path, found: str, expected: str, remedy: str = "Make the two agree."
    ) -> None:
        finding = self._source.document.finding(path, found=found, expected=expected, remedy=remedy)
        self.findings.append(finding)


def _odcs_type(schema: Any) -> str:  # noqa: ANN401 - a schema is JSON
    """Tell which logical type of ODCS an Avro type is."""
    schema = without_null(schema)
    if isinstance(schema, dict):
        logical = str(schema.get("logicalType", ""))
        if logical in _LOGICAL_TYPES:
            return _LOGICAL_TYPES[logical]
        if "timestamp" in logical:
            return "timestamp"
        return _odcs_type(schema["type"])
    return _TYPES.get(schema, "object") if isinstance(schema, str) else "object"
