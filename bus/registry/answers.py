"""What the door answers to each reading call: index and request in, JSON out. Pure.

Forms and codes are those that Confluent's clients read. Metadata name owner, steward and contract
of a schema; there is no `ruleSet`: a client would run its rules itself, with its own engine, or
fail for lack of one, while the bus judges every record anyway (ADR-0014).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from bus.catalogue.subjects import SchemaEntry
from bus.contracts.contract import Compatibility
from bus.registry.compatibility import breaks_of, message_of
from bus.registry.index import SchemaIndex, guid_of, without_context
from bus.registry.meaning import read_candidate
from bus.registry.refused import SCHEMA_NOT_FOUND, Refused, read_only


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request, as far as an answer depends on it."""

    path: Mapping[str, str]
    """Its variable parts, decoded."""
    query: Mapping[str, str]
    body: bytes = b""

    def says(self, name: str) -> bool:
        """Tell whether a switch of the query is on."""
        return self.query.get(name, "").lower() == "true"


Answer: TypeAlias = Callable[[SchemaIndex, Asked], object]


def subjects(index: SchemaIndex, asked: Asked) -> object:
    """List the subjects; none is ever deleted."""
    if asked.says("deletedOnly"):
        return []
    prefix = without_context(asked.query.get("subjectPrefix", ""))
    return [subject for subject in index.subjects if subject.startswith(prefix)]


def versions(index: SchemaIndex, asked: Asked) -> object:
    """List the versions of a subject."""
    return list(index.versions(asked.path["subject"]))


def version(index: SchemaIndex, asked: Asked) -> object:
    """Give one version of a subject."""
    return _registered(index, _entry(index, asked))


def version_schema(index: SchemaIndex, asked: Asked) -> object:
    """Give the bare schema of one version."""
    return json.loads(_entry(index, asked).text)


def referenced_by(index: SchemaIndex, asked: Asked) -> object:
    """List the schemas that refer to one; none does."""
    _entry(index, asked)
    return []


def all_schemas(index: SchemaIndex, asked: Asked) -> object:
    """List every version, or the latest of each subject."""
    prefix = without_context(asked.query.get("subjectPrefix", ""))
    return [
        _registered(index, entry)
        for subject, found in index.subjects.items()
        if subject.startswith(prefix)
        for entry in found.values()
        if not asked.says("latestOnly") or entry.version == max(found)
    ]


def schema_types(_: SchemaIndex, __: Asked) -> object:
    """List the kinds of schemas."""
    return ["AVRO"]


def by_id(index: SchemaIndex, asked: Asked) -> object:
    """Give a schema by the id in a record's frame: the call of every consumer."""
    found = _schema(index, index.with_id(int(asked.path["id"]))[0])
    if asked.says("fetchMaxId"):
        found["maxId"] = max(index.contracts)
    return found


def by_id_bare(index: SchemaIndex, asked: Asked) -> object:
    """Give the bare schema of an id."""
    return json.loads(index.with_id(int(asked.path["id"]))[0].text)


def by_id_subjects(index: SchemaIndex, asked: Asked) -> object:
    """List the subjects under which a schema stands."""
    found = {entry.subject: None for entry in index.with_id(int(asked.path["id"]))}
    wanted = without_context(asked.query.get("subject", ""))
    return [subject for subject in found if wanted in {"", subject}]


def by_id_versions(index: SchemaIndex, asked: Asked) -> object:
    """List subject and version of every place of a schema."""
    return [
        {"subject": entry.subject, "version": entry.version}
        for entry in index.with_id(int(asked.path["id"]))
    ]


def by_guid(index: SchemaIndex, asked: Asked) -> object:
    """Give a schema by its guid."""
    return _schema(index, index.with_guid(asked.path["guid"]))


def lookup(index: SchemaIndex, asked: Asked) -> object:
    """Tell under which id and version a subject has a schema."""
    subject = asked.path["subject"]
    index.versions(subject)
    found = index.alike(subject, read_candidate(asked.body))
    if found is None:
        raise Refused(
            SCHEMA_NOT_FOUND,
            f"Schema not found under subject '{subject}'; ask for version 'latest' and compare",
        )
    return _registered(index, found)


def register(index: SchemaIndex, asked: Asked) -> object:
    """Answer a client that would register: the id of what is known, a refusal for the rest."""
    subject = asked.path["subject"]
    if without_context(subject) not in index.subjects:
        raise read_only(f"Subject '{subject}'")
    found = index.alike(subject, read_candidate(asked.body))
    if found is None:
        raise read_only(f"A schema that subject '{subject}' does not have")
    return _registered(index, found)


def compatibility(index: SchemaIndex, asked: Asked) -> object:
    """Tell whether a schema could follow one version, or all that the contract promises."""
    subject = asked.path["subject"]
    index.versions(subject)
    found = breaks_of(index, subject, read_candidate(asked.body), asked.path.get("version"))
    answer: dict[str, object] = {"is_compatible": not found}
    if asked.says("verbose"):
        answer["messages"] = [message_of(one) for one in found]
    return answer


def config(_: SchemaIndex, __: Asked) -> object:
    """Tell the promise that holds where a contract makes no other."""
    return {"compatibilityLevel": Compatibility.FULL_TRANSITIVE}


def subject_config(index: SchemaIndex, asked: Asked) -> object:
    """Tell what a subject's contract promises."""
    return {"compatibilityLevel": index.contract_of(asked.path["subject"]).compatibility}


def mode(_: SchemaIndex, __: Asked) -> object:
    """Tell that nothing is written here, under whatever subject."""
    return {"mode": "READONLY"}


def contexts(_: SchemaIndex, __: Asked) -> object:
    """List the contexts: the default one."""
    return ["."]


def root(_: SchemaIndex, __: Asked) -> object:
    """Answer a client that looks whether anybody is there."""
    return {}


def metadata_id(index: SchemaIndex, _: Asked) -> object:
    """Name this registry."""
    return {
        "id": "",
        "scope": {"path": [], "clusters": {"schema-registry-cluster": index.region.code}},
    }


def associations(_: SchemaIndex, __: Asked) -> object:
    """Say that nothing is associated: a client then names its subject by the topic."""
    raise Refused(404, "No associations are kept here; a subject is a topic's name and '-value'")


def _entry(index: SchemaIndex, asked: Asked) -> SchemaEntry:
    return index.entry(asked.path["subject"], asked.path["version"])


def _registered(index: SchemaIndex, entry: SchemaEntry) -> dict[str, Any]:
    place = {"subject": entry.subject, "version": entry.version, "id": entry.id}
    return {**place, **_schema(index, entry)}


def _schema(index: SchemaIndex, entry: SchemaEntry) -> dict[str, Any]:
    """Write a schema; its kind is left out, which means Avro."""
    contract = index.contracts[entry.id]
    told = {
        "dataset": contract.dataset,
        "owner": contract.owner,
        "steward": contract.steward,
        "contract": contract.contract_version,
        "status": contract.status,
        "compatibility": contract.compatibility,
    }
    return {
        "guid": guid_of(entry),
        "schema": entry.text,
        "metadata": {"properties": {name: str(part) for name, part in told.items()}},
    }


READS: Final[Mapping[str, Answer]] = {
    "/": root,
    "/subjects": subjects,
    "/subjects/{subject}/versions": versions,
    "/subjects/{subject}/versions/{version}": version,
    "/subjects/{subject}/versions/{version}/schema": version_schema,
    "/subjects/{subject}/versions/{version}/referencedby": referenced_by,
    "/schemas": all_schemas,
    "/schemas/types": schema_types,
    r"/schemas/ids/{id:\d{1,10}}": by_id,
    r"/schemas/ids/{id:\d{1,10}}/schema": by_id_bare,
    r"/schemas/ids/{id:\d{1,10}}/subjects": by_id_subjects,
    r"/schemas/ids/{id:\d{1,10}}/versions": by_id_versions,
    "/schemas/guids/{guid}": by_guid,
    "/config": config,
    "/config/{subject}": subject_config,
    "/mode": mode,
    "/mode/{subject}": mode,
    "/contexts": contexts,
    "/v1/metadata/id": metadata_id,
    "/associations/{rest:.+}": associations,
}
"""Path of a GET → its answer."""
QUESTIONS: Final[Mapping[str, Answer]] = {
    "/subjects/{subject}": lookup,
    "/subjects/{subject}/versions": register,
    "/compatibility/subjects/{subject}/versions": compatibility,
    "/compatibility/subjects/{subject}/versions/{version}": compatibility,
}
"""Path of a POST that asks and changes nothing → its answer."""
