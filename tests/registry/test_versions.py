"""A dataset with two schema versions, as the door tells them."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from types import MappingProxyType
from typing import Any

from bus.catalogue.region import Region
from bus.catalogue.schemas import complete_lock
from bus.catalogue.snapshot import locked_schema_id
from bus.contracts.contract import SchemaVersion
from bus.registry.answers import QUESTIONS, READS, Asked
from bus.registry.index import SchemaIndex, index_of
from tests.factories import DATASET, region

SUBJECT = f"accepted.{DATASET}-value"
FIRST = region().contracts[DATASET].newest
NUMBER = FIRST.number + 1
ADDED: dict[str, object] = {"name": "added", "type": ["null", "string"], "default": None}


def longer(*added: dict[str, object]) -> dict[str, Any]:
    schema: dict[str, Any] = dict(FIRST.schema)
    return {**schema, "fields": [*schema["fields"], *added]}


@cache
def grown() -> Region:
    """The sample region with a version that adds a field."""
    before = region()
    contract = before.contracts[DATASET]
    newer = SchemaVersion(number=NUMBER, schema=longer(ADDED), rules=(), accepted_until=None)
    contracts = {
        **before.contracts,
        DATASET: replace(contract, schema_versions=(*contract.schema_versions, newer)),
    }
    after = replace(before, contracts=MappingProxyType(contracts))
    return replace(after, lock=complete_lock(after))


@cache
def index() -> SchemaIndex:
    return index_of(grown())


def asked(path: str, query: dict[str, str] | None = None, **variable: str) -> Any:  # noqa: ANN401 - JSON
    return READS[path](index(), Asked(path={"subject": SUBJECT, **variable}, query=query or {}))


def question(path: str, schema: dict[str, Any], **variable: str) -> Any:  # noqa: ANN401 - JSON
    body = json.dumps({"schema": json.dumps(schema)}).encode()
    return QUESTIONS[path](
        index(), Asked(path={"subject": SUBJECT, **variable}, query={}, body=body)
    )


def test_latest_is_the_highest_version() -> None:
    one = "/subjects/{subject}/versions/{version}"
    newest = asked(one, version=str(NUMBER))
    assert newest["id"] == locked_schema_id(grown(), DATASET, NUMBER)
    assert asked(one, version="latest") == asked(one, version="-1") == newest
    assert asked(one, version=str(FIRST.number))["id"] != newest["id"]
    listed = asked("/schemas", {"latestOnly": "true", "subjectPrefix": SUBJECT})
    assert listed == [newest]
    assert len(asked("/schemas", {"subjectPrefix": SUBJECT})) == NUMBER


def test_look_up_tells_the_version_that_has_the_schema() -> None:
    assert question("/subjects/{subject}", longer())["version"] == FIRST.number
    assert question("/subjects/{subject}", longer(ADDED))["version"] == NUMBER


def test_a_candidate_is_held_against_one_version_or_against_all_that_are_promised() -> None:
    every = "/compatibility/subjects/{subject}/versions"
    retyped = longer({**ADDED, "type": ["null", "int"]})
    assert question(every, retyped) == {"is_compatible": False}
    assert question(f"{every}/{{version}}", retyped, version="latest") == {"is_compatible": False}
    assert question(f"{every}/{{version}}", retyped, version="1") == {"is_compatible": True}
    assert question(every, longer(ADDED, {**ADDED, "name": "more"})) == {"is_compatible": True}


def test_a_view_that_a_new_version_leaves_alone_keeps_its_schema_under_both() -> None:
    view = next(s for s in index().subjects if s.startswith("view.") and _is_of_dataset(s))
    entries = index().subjects[view]
    assert list(entries) == list(range(1, NUMBER + 1))
    assert len({entry.id for entry in entries.values()}) == 1
    places = READS[r"/schemas/ids/{id:\d{1,10}}/versions"](
        index(), Asked(path={"id": str(entries[1].id)}, query={})
    )
    assert places == [{"subject": view, "version": number} for number in entries]


def _is_of_dataset(subject: str) -> bool:
    return index().contract_of(subject).dataset == DATASET
