"""The region's schemas, found by subject and version, by id, by guid and by meaning. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID

from bus.catalogue.region import Region
from bus.catalogue.schemas import wire_schemas
from bus.catalogue.snapshot import locked_schema_id
from bus.catalogue.subjects import SchemaEntry, schema_entries
from bus.contracts.contract import Contract
from bus.registry.meaning import meaning
from bus.registry.refused import (
    INVALID_VERSION,
    SCHEMA_NOT_FOUND,
    SUBJECT_NOT_FOUND,
    VERSION_NOT_FOUND,
    Refused,
)

_LATEST = frozenset({"latest", "-1"})
_CONTEXTS = (":*:", ":.:")
"""All contexts, and the one that there is: some clients write it before a subject."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaIndex:
    """What the door knows at one catalogue version."""

    region: Region
    subjects: Mapping[str, Mapping[int, SchemaEntry]]
    """Ascending; versions ascending too."""
    contracts: Mapping[int, Contract]
    """By schema id: whose rules its records are judged by."""

    @property
    def entries(self) -> Iterator[SchemaEntry]:
        """All, by subject and version."""
        for versions in self.subjects.values():
            yield from versions.values()

    def versions(self, subject: str) -> Mapping[int, SchemaEntry]:
        """Give the versions of a subject.

        Raises:
            Refused: There is no such subject.
        """
        found = self.subjects.get(without_context(subject))
        if found is None:
            raise Refused(
                SUBJECT_NOT_FOUND,
                f"Subject '{subject}' not found; a subject is a topic's name and '-value': ask "
                "/subjects for all",
            )
        return found

    def entry(self, subject: str, version: str) -> SchemaEntry:
        """Find one version.

        Args:
            subject: As asked for.
            version: A number from 1, `latest` or `-1`.

        Raises:
            Refused: There is none, or the version is no version.
        """
        versions = self.versions(subject)
        if version in _LATEST:
            return versions[max(versions)]
        if not (version.isascii() and version.isdigit() and 0 < len(version) < 10):  # noqa: PLR2004
            raise Refused(
                INVALID_VERSION,
                f"The specified version '{version}' is not a valid version id; expected a number "
                "from 1, or 'latest'",
            )
        found = versions.get(int(version))
        if found is None:
            raise Refused(
                VERSION_NOT_FOUND,
                f"Version {version} of subject '{subject}' not found; there are: "
                + ", ".join(map(str, versions)),
            )
        return found

    def with_id(self, schema_id: int) -> list[SchemaEntry]:
        """Give every place where a schema stands, by subject and version.

        Raises:
            Refused: No schema has this id.
        """
        found = [entry for entry in self.entries if entry.id == schema_id]
        if not found:
            raise Refused(
                SCHEMA_NOT_FOUND, f"Schema {schema_id} not found; it is not in the catalogue"
            )
        return found

    def with_guid(self, guid: str) -> SchemaEntry:
        """Find a schema by its guid.

        Raises:
            Refused: No schema has it.
        """
        wanted = guid.lower()
        for entry in self.entries:
            if guid_of(entry) == wanted:
                return entry
        raise Refused(SCHEMA_NOT_FOUND, "Schema with this guid not found")

    def alike(self, subject: str, schema: Mapping[str, object]) -> SchemaEntry | None:
        """Find the newest version of a subject that means the same as a schema, or None.

        Raises:
            Refused: There is no such subject.
        """
        wanted = meaning(schema)
        versions = self.versions(subject)
        for number in sorted(versions, reverse=True):
            if meaning(json.loads(versions[number].text)) == wanted:
                return versions[number]
        return None

    def contract_of(self, subject: str) -> Contract:
        """Tell which contract a subject's records are judged by.

        Raises:
            Refused: There is no such subject.
        """
        return self.contracts[self.entry(subject, "latest").id]


def index_of(region: Region) -> SchemaIndex:
    """Index the schemas of a region.

    Raises:
        DocumentError: A schema has no id in the lock.
    """
    subjects: dict[str, dict[int, SchemaEntry]] = {}
    for entry in schema_entries(region):
        subjects.setdefault(entry.subject, {})[entry.version] = entry
    contracts = {
        locked_schema_id(region, wired.subject, wired.version): region.contracts[wired.dataset]
        for wired in wire_schemas(region)
    }
    return SchemaIndex(region=region, subjects=subjects, contracts=contracts)


def guid_of(entry: SchemaEntry) -> str:
    """Derive a schema's guid: MD5 of its text, as the registry's own is of a bare schema."""
    return str(UUID(bytes=hashlib.md5(entry.text.encode(), usedforsecurity=False).digest()))


def without_context(subject: str) -> str:
    """Take a context's name from the front of a subject."""
    for context in _CONTEXTS:
        if subject.startswith(context):
            return subject[len(context) :]
    return subject
