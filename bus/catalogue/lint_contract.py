"""Where a contract does not agree with its schemas, with itself, or with what may be public."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Final

from bus.catalogue.lint_example import example_findings
from bus.contracts.avro_types import is_nullable, without_null
from bus.contracts.check_digits import Algorithm
from bus.contracts.compile import compile_schema
from bus.contracts.contract import Classification, Compatibility
from bus.contracts.evolution import check_history
from bus.contracts.pattern_cost import doubles_its_ways
from bus.contracts.reading import ContractSource
from bus.contracts.rules import CheckDigitsRule, PatternRule, fields_of
from bus.contracts.schema_file import SchemaSource, field_place
from bus.contracts.schema_shape import field_paths
from bus.contracts.yaml_document import Path, did_you_mean, some_of
from bus.errors import DocumentError, Finding
from bus.texts import finding_at, message

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
_SEARCHABLE: Final = frozenset(
    {("string", None), ("string", "uuid"), ("enum", None)}
    | {("int", None), ("int", "date"), ("long", None)}
)
"""Avro type and logical type of fields whose values are compared with a text exactly."""
_SCHEMA: Final[Path] = ("schema", 0)


def contract_findings(source: ContractSource) -> list[Finding]:
    """Find everything that is wrong with one contract."""
    lint = _ContractLint(source)
    lint.names()
    lint.fields()
    lint.key()
    lint.immutable_fields()
    lint.searchable_fields()
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
        self._paths = frozenset().union(*(field_paths(s.shape) for s in source.schemas.values()))

    def names(self) -> None:
        name = str(self._newest.schema["name"]).rpartition(".")[2]
        if self._record.name != name:
            names = {"found": self._record.name, "expected": name}
            self._find((*_SCHEMA, "name"), "record_name", **names)
        topic = f"accepted.{self._contract.dataset}"
        if self._record.physical_name != topic:
            names = {"found": self._record.physical_name, "expected": topic}
            self._find((*_SCHEMA, "physicalName"), "topic_name", **names)
        seen: set[str] = set()
        for index, field in enumerate(self._record.properties):
            if field.name in seen:
                path = (*_SCHEMA, "properties", index, "name")
                self._find(path, "doubled_field", name=field.name)
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
                path = (*_SCHEMA, "properties", index, "name")
                self._find(path, "property_without_field", near, name=name, known=some_of(seen))

    def _field_without_property(self, schema: SchemaSource, name: str) -> None:
        place = schema.document.place((*field_place(schema.schema, name), "name"))
        self.findings.append(finding_at(place, "error.contract.field_without_property", name=name))

    def _field(self, field: dict[str, Any], *, is_newest: bool) -> None:
        index = self._properties[field["name"]]
        written = self._record.properties[index]
        path = (*_SCHEMA, "properties", index)
        expected = _odcs_type(field["type"])
        if written.logical_type != expected:
            types = {"found": written.logical_type, "expected": expected}
            self._find((*path, "logicalType"), "type_differs", **types)
        required = is_newest and not is_nullable(field["type"])
        if written.required != required:
            self._find((*path, "required"), "never_null" if required else "not_required")

    def key(self) -> None:
        key = self._contract.key_field
        place = self._source.places["keyField"]
        if key not in self._properties:
            self._find(place, "key_is_no_field", did_you_mean(key, self._properties), name=key)
            return
        if self._contract.classification[key] is Classification.PERSONAL:
            self._find(place, "personal_key", name=key)
        marked = [field.name for field in self._record.properties if field.primary_key]
        if marked != [key]:
            path = (*_SCHEMA, "properties", self._properties[key], "primaryKey")
            self._find(path, "other_primary_key", marked=some_of(marked), key=key)

    def immutable_fields(self) -> None:
        for name in sorted(self._contract.immutable_fields):
            if name not in self._properties:
                near = did_you_mean(name, self._properties)
                place = self._source.places["immutableFields"]
                self._find(place, "immutable_is_no_field", near, name=name)

    def searchable_fields(self) -> None:
        """Hold what requests may search by to scalars of the newest version that name no person."""
        types = {field["name"]: field["type"] for field in self._newest.schema["fields"]}
        for index, name in enumerate(self._contract.searchable_fields):
            place = (*self._source.places["searchable"], index)
            if name not in types:
                self._find(place, "searchable_is_no_field", did_you_mean(name, types), name=name)
            elif self._contract.classification.get(name) is Classification.PERSONAL:
                self._find(place, "searchable_personal", name=name)
            elif not _is_searchable(types[name]):
                self._find(place, "searchable_type", name=name, type=_odcs_type(types[name]))

    def personal_fields(self) -> None:
        for name, index in self._properties.items():
            if self._contract.classification[name] is Classification.PERSONAL:
                continue
            path = (*_SCHEMA, "properties", index, "classification")
            is_class = str(self._contract.classification[name])
            if _PERSONAL_NAME.search(name):
                self._find(path, "personal_by_name", name=name, classification=is_class)
        for path, rule in self._source.rules:
            if not isinstance(rule, CheckDigitsRule) or rule.algorithm not in _PERSONAL_ALGORITHMS:
                continue
            field = rule.field.partition(".")[0]
            is_personal = self._contract.classification.get(field) is Classification.PERSONAL
            if not is_personal:
                names = {"algorithm": rule.algorithm, "field": field}
                place = (*path, "implementation", "algorithm")
                self._find(place, "personal_by_rule", **names)

    def rules(self) -> None:
        """Compile every version, find rules that hold for none, and judge the example."""
        held = {rule.id for version in self._contract.schema_versions for rule in version.rules}
        for path, rule in self._source.rules:
            if isinstance(rule, PatternRule) and doubles_its_ways(rule.pattern):
                place = (*path, "implementation", "pattern")
                self._find(place, "endless_pattern", pattern=rule.pattern, field=rule.field)
            if rule.id not in held:
                missing = [name for name in fields_of(rule) if name not in self._paths]
                near = did_you_mean(missing[0], self._paths) if missing else None
                case = "rule_reads_nothing" if missing else "rule_for_no_version"
                values = {"rule": rule.id, "missing": some_of(missing)}
                self._find((*path, "implementation"), case, near, **values)
            for number in rule.versions or ():
                if number not in self._source.schemas:
                    self._find(
                        (*path, "implementation", "versions"),
                        "rule_of_unknown_version",
                        version=number,
                        known=some_of(map(str, self._source.schemas)),
                    )
        for version in self._contract.schema_versions:
            try:
                compiled = compile_schema(
                    dataset=self._contract.dataset,
                    key_field=self._contract.key_field,
                    version=version,
                    schema_id=version.number,
                    wanted=frozenset(),
                )
            except DocumentError as error:
                self.findings += [self._placed(finding) for finding in error.findings]
                continue
            if version is self._contract.newest:
                self.findings += example_findings(self._source, compiled)

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
                found=message(
                    f"error.evolution.{broken.direction}", found=broken.found, older=broken.older
                ),
                expected=broken.expected,
                remedy=broken.remedy,
            )
            self.findings.append(finding)

    def _find(self, path: Path, case: str, near: str | None = None, **values: object) -> None:
        """Note a case of `error.contract`; `near` is the known name that may have been meant."""
        finding = finding_at(self._source.document.place(path), f"error.contract.{case}", **values)
        if near is not None:
            finding = replace(finding, remedy=message("error.document.did_you_mean", name=near))
        self.findings.append(finding)


def _is_searchable(schema: Any) -> bool:  # noqa: ANN401 - a schema is JSON
    schema = without_null(schema)
    written = schema if isinstance(schema, dict) else {"type": schema}
    kind = written["type"]
    return isinstance(kind, str) and (kind, written.get("logicalType")) in _SEARCHABLE


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
