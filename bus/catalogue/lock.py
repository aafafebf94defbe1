"""The schema lock: every schema's id, given once, equal in every environment.

The lock is a file in git, `registry.lock.json`. Ids stand in the frame of every record ever
written, so an entry is never changed, removed or renumbered; it only grows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, RootModel, StringConstraints, ValidationError

from bus.contracts.yaml_document import YamlDocument, findings_of
from bus.errors import DocumentError, Finding
from bus.texts import finding_at, message


@dataclass(frozen=True, slots=True, kw_only=True)
class LockEntry:
    """One version of one subject."""

    id: int
    """From 1; stands in the frame of a record."""
    sha256: str
    """Of `schema_text`, 64 hex digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaLock:
    """Subject (`<dataset>`, or `view.<view code>`) → version → entry."""

    entries: Mapping[str, Mapping[int, LockEntry]]

    def get(self, subject: str, version: int) -> LockEntry | None:
        """Return the entry of a version, or None when the lock doesn't know it."""
        return self.entries.get(subject, {}).get(version)


EMPTY_LOCK = SchemaLock(entries=MappingProxyType({}))


def schema_text(schema: Mapping[str, object]) -> str:
    """Render a schema as one text: keys sorted, no blanks, everything kept.

    Not Avro's canonical form: that one drops logical types, and decimals of another scale would
    get the same digest.
    """
    return json.dumps(schema, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def schema_sha256(schema: Mapping[str, object]) -> str:
    """Digest a schema's whole text, 64 hex digits."""
    return hashlib.sha256(schema_text(schema).encode()).hexdigest()


def extend(
    lock: SchemaLock, subject: str, version: int, schema: Mapping[str, object]
) -> SchemaLock:
    """Give a schema its id: the one it has, or the next free one.

    A version whose schema equals another version's of the same subject shares its id: a view's
    schema stays the same while only masked-out fields change.

    Raises: DocumentError: the version is in the lock with another schema.
    """
    sha256 = schema_sha256(schema)
    known = lock.get(subject, version)
    if known is not None:
        if known.sha256 != sha256:
            finding = changed_schema(subject, version, found=sha256, locked=known.sha256)
            raise DocumentError(message("error.lock.not_extended"), (finding,))
        return lock
    versions = lock.entries.get(subject, {})
    equal = [entry for entry in versions.values() if entry.sha256 == sha256]
    entry = equal[0] if equal else LockEntry(id=_next_id(lock), sha256=sha256)
    grown = MappingProxyType({**versions, version: entry})
    return SchemaLock(entries=MappingProxyType({**lock.entries, subject: grown}))


def changed_schema(
    subject: str, version: int, *, found: str, locked: str, path: str = "registry.lock.json"
) -> Finding:
    """Say that a schema which already has an id was edited."""
    return finding_at(
        path,
        "error.lock.changed_schema",
        subject=subject,
        version=version,
        found=found[:12],
        locked=locked[:12],
    )


def _next_id(lock: SchemaLock) -> int:
    ids = (entry.id for versions in lock.entries.values() for entry in versions.values())
    return max(ids, default=0) + 1


def render(lock: SchemaLock) -> bytes:
    """Write the lock's file: subjects by name, versions ascending, so that a diff shows growth."""
    content = {
        subject: {
            str(version): {"id": entry.id, "sha256": entry.sha256}
            for version, entry in sorted(lock.entries[subject].items())
        }
        for subject in sorted(lock.entries)
    }
    return (json.dumps(content, ensure_ascii=False, indent=2) + "\n").encode()


class _EntryShape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[int, Field(ge=1)]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class _LockShape(RootModel[dict[str, dict[Annotated[int, Field(ge=1)], _EntryShape]]]):
    model_config = ConfigDict(frozen=True)


def parse_lock(document: YamlDocument) -> SchemaLock:
    """Read the lock's file (JSON is YAML, so that findings can name lines).

    Raises: DocumentError: with every finding.
    """
    try:
        shape = _LockShape.model_validate(document.value)
    except ValidationError as error:
        raise DocumentError(
            message("error.document.unreadable", file=document.file),
            findings_of(document, error, _LockShape),
        ) from error
    findings = _ids_of_two_schemas(document, shape)
    if findings:
        raise DocumentError(message("error.document.unreadable", file=document.file), findings)
    entries = {
        subject: MappingProxyType(
            {
                version: LockEntry(id=entry.id, sha256=entry.sha256)
                for version, entry in versions.items()
            }
        )
        for subject, versions in shape.root.items()
    }
    return SchemaLock(entries=MappingProxyType(entries))


def _ids_of_two_schemas(document: YamlDocument, shape: _LockShape) -> list[Finding]:
    owners: dict[int, tuple[str, str]] = {}
    findings = []
    for subject, versions in shape.root.items():
        for version, entry in versions.items():
            owner = owners.setdefault(entry.id, (subject, entry.sha256))
            if owner != (subject, entry.sha256):
                findings.append(
                    finding_at(
                        document.place((subject, str(version), "id")),
                        "error.lock.id_of_two",
                        id=entry.id,
                        owner=owner[0],
                    )
                )
    return findings
