"""The manifest: which documents, byte for byte, make one version of the catalogue."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from bus.errors import InvariantBroken


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One version of the catalogue; written last, when everything it names is in place."""

    version: int
    """From 1, each one more than the last."""
    documents: Mapping[str, str]
    """Path → SHA-256 of the content, 64 hex digits."""
    applied_at: datetime
    """Aware, UTC."""


class _ManifestShape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Annotated[int, Field(ge=1)]
    documents: dict[str, Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]]
    applied_at: AwareDatetime


def manifest_of(documents: Mapping[str, bytes], *, version: int, applied_at: datetime) -> Manifest:
    """Make the manifest of a set of documents.

    Args:
        documents: Contents by path.
        version: From 1.
        applied_at: Aware.
    """
    digests = {path: hashlib.sha256(documents[path]).hexdigest() for path in sorted(documents)}
    return Manifest(
        version=version,
        documents=MappingProxyType(digests),
        applied_at=applied_at.astimezone(UTC),
    )


def render_manifest(manifest: Manifest) -> bytes:
    """Write a manifest as JSON, the same bytes for the same manifest."""
    content = {
        "version": manifest.version,
        "applied_at": manifest.applied_at.isoformat(),
        "documents": dict(sorted(manifest.documents.items())),
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def parse_manifest(content: bytes) -> Manifest:
    """Read a manifest.

    Raises: InvariantBroken: the bus alone writes manifests, so another form is its own fault.
    """
    try:
        shape = _ManifestShape.model_validate_json(content)
    except ValidationError as error:
        raise InvariantBroken(f"the catalogue's manifest can't be read: {error}") from error
    return Manifest(
        version=shape.version,
        documents=MappingProxyType(shape.documents),
        applied_at=shape.applied_at.astimezone(UTC),
    )


def changed(old: Manifest | None, new: Manifest) -> frozenset[str]:
    """Tell which documents differ between two versions: added, removed or edited."""
    before = {} if old is None else old.documents
    return frozenset(
        path
        for path in before.keys() | new.documents.keys()
        if before.get(path) != new.documents.get(path)
    )


def lacking(manifest: Manifest, documents: Mapping[str, bytes]) -> frozenset[str]:
    """Tell which documents of a manifest are not at hand byte for byte; empty: it is complete."""
    return frozenset(
        path
        for path, digest in manifest.documents.items()
        if path not in documents or hashlib.sha256(documents[path]).hexdigest() != digest
    )
