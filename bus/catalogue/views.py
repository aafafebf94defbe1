"""Views: what agreements that grant less than a whole dataset are served from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from bus.catalogue.agreement import Agreement, Condition, canonical_rows
from bus.catalogue.region import Region
from bus.contracts.avro_types import (
    NAMED,
    PRIMITIVES,
    Node,
    Schema,
    definitions,
    fullname,
    resolve,
)
from bus.contracts.contract import Contract, SchemaVersion
from bus.model.identifiers import AgencyCode, DatasetCode, ViewCode
from bus.wire import topics

_CODE_HEX_DIGITS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A projection of a dataset, shared by all agreements that grant the same."""

    code: ViewCode
    dataset: DatasetCode
    fields: tuple[str, ...]
    """Masked-in top-level fields, in schema order (older versions' own ones last)."""
    rows: tuple[Condition, ...]
    """All must hold; see `bus.catalogue.agreement.matches`."""
    providers: tuple[AgencyCode, ...] | None
    """Ascending; None: all."""
    history_from: date | None
    """First day (UTC, by append time) whose records it holds; None: all."""
    is_standing: bool = False
    """Its filter reads a field that corrections may change, so that rows enter and leave it: it is
    served from the data fund's current rows and has no history (ADR-0026)."""


def view_of(agreement: Agreement, contract: Contract) -> View | None:
    """Tell which view serves an agreement.

    Returns: None for a full agreement: it is served from `accepted.<dataset>`.
    """
    if agreement.is_full:
        return None
    granted = contract.field_names if agreement.fields is None else agreement.fields
    return View(
        code=_code_of(agreement, contract),
        dataset=agreement.dataset,
        fields=tuple(name for name in contract.field_names if name in granted),
        rows=canonical_rows(agreement.rows),
        providers=agreement.providers,
        history_from=agreement.history_from,
        is_standing=_is_standing(agreement, contract),
    )


def _is_standing(agreement: Agreement, contract: Contract) -> bool:
    return any(row.field not in contract.immutable_fields for row in agreement.rows)


def _code_of(agreement: Agreement, contract: Contract) -> ViewCode:
    """Name what is granted by its hash, so that equal grants meet in one topic.

    The order in which fields, conditions and values are written does not matter. A start date
    is part of the name: who may read from June on must not find May in a shared topic. So is the
    kind: records of a standing view are numbered otherwise, and where a contract ceases to mark a
    field immutable, its views go on under other names.
    """
    fields = None if agreement.fields is None else sorted(set(agreement.fields))
    content: dict[str, object] = {
        "dataset": contract.dataset,
        "fields": fields,
        "rows": [[row.field, row.op, *row.values] for row in canonical_rows(agreement.rows)],
        "providers": agreement.providers,
        "history_from": None if agreement.history_from is None else str(agreement.history_from),
    }
    if _is_standing(agreement, contract):
        content["is_standing"] = True
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    # Why: a code begins with a letter, a digest often with a digit.
    return ViewCode("v" + hashlib.sha256(text.encode()).hexdigest()[:_CODE_HEX_DIGITS])


def topic_of(dataset: DatasetCode, view: View | None) -> str:
    """Name the topic that an agreement is served from, by its view; None: the whole dataset."""
    return topics.accepted(dataset) if view is None else topics.view(view.code)


def views_of(region: Region) -> tuple[View, ...]:
    """Tell every view that a region's approved agreements need, each once, by code."""
    return _views(region, (one for one in region.agreements if one.is_approved))


def drafted_views_of(region: Region) -> tuple[View, ...]:
    """Tell every view that its agreements need or would need once approved, each once, by code."""
    return _views(region, region.agreements)


def _views(region: Region, agreements: Iterable[Agreement]) -> tuple[View, ...]:
    views: dict[ViewCode, View] = {}
    for agreement in agreements:
        view = view_of(agreement, region.contracts[agreement.dataset])
        if view is not None:
            views[view.code] = view
    return tuple(views[code] for code in sorted(views))


def view_schema(view: View, version: SchemaVersion) -> dict[str, Any]:
    """Derive the schema of a view's records from one version of the dataset's.

    Returns: A record of the masked-in fields this version has, in its order, named `<Name>View`
        in the same namespace. It holds nothing of masked-out fields, nor of the record's own
        description, so that it changes only when a masked-in field does.
    """
    schema: Mapping[str, Any] = version.schema
    namespace, _, name = fullname(schema, "").rpartition(".")
    names = definitions(schema)
    inliner = _Inliner(names)
    kept = [
        {**field, "type": inliner.inline(field["type"], namespace)}
        for field in schema["fields"]
        if field["name"] in view.fields
    ]
    derived = {"type": "record", "name": f"{name}View", "namespace": namespace, "fields": kept}
    return derived if namespace else {key: derived[key] for key in derived if key != "namespace"}


class _Inliner:
    """Writes a named type out at its first use: the field that defined it may be masked out."""

    def __init__(self, names: Mapping[str, Node]) -> None:
        self._names = names
        self._written: set[str] = set()

    def inline(self, schema: Schema, namespace: str) -> Schema:
        if isinstance(schema, list):
            return [self.inline(branch, namespace) for branch in schema]
        if isinstance(schema, str):
            return schema if schema in PRIMITIVES else self._named(schema, namespace)
        kind = schema["type"]
        if kind in NAMED:
            return self._definition(schema, namespace)
        if kind in {"array", "map"}:
            part = "items" if kind == "array" else "values"
            return {**schema, part: self.inline(schema[part], namespace)}
        if isinstance(kind, str) and kind in PRIMITIVES:
            return schema
        return {**schema, "type": self.inline(kind, namespace)}

    def _named(self, name: str, namespace: str) -> Schema:
        found = resolve(Node(path=(), schema=name, namespace=namespace), self._names)
        return self._definition(found.schema, found.namespace)

    def _definition(self, schema: Mapping[str, Any], namespace: str) -> Schema:
        full = fullname(schema, namespace)
        if full in self._written:
            return full
        self._written.add(full)
        inner = full.rpartition(".")[0]
        # Why: the definition may move to a place with another namespace around it.
        whole = {**schema, "name": full.rpartition(".")[2], "namespace": inner}
        if "fields" in whole:
            whole["fields"] = [
                {**field, "type": self.inline(field["type"], inner)} for field in schema["fields"]
            ]
        return whole
