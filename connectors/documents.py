"""The document of one connector: which source, as which system, into which dataset.

```yaml
# <home>/connectors/schools-folder.yaml
connector: schools-folder
source: folder
system: edu-registry
dataset: educational-institutions
mapping: schools.mapping.yaml    # beside this file; without it columns have the fields' names
config:
  folder: /srv/exports
  password: {env: EXPORTS_PASSWORD}    # or {file: /run/secrets/exports}
```
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bus.client import MappingFile, read_mapping
from bus.errors import DocumentError, Finding
from connectors.source import Source, SourceConfig
from connectors.texts import finding_at, message

SOURCES: Final = "bus.sources"
TWINS: Final = "bus.twins"
_NAME: Final = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"


class ConnectorDocument(BaseModel):
    """One connector, as its people describe it."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True
    )

    connector: Annotated[str, Field(pattern=_NAME)]
    """Its name: of its position, its slot, its folder."""
    source: str
    """Kind of source: `bus connector list`."""
    system: str
    """Information system that publishes."""
    dataset: str
    mapping: str | None = None
    """Mapping file, beside the document."""
    sparse: bool = False
    """Rows leave out columns that are empty."""
    rate_per_s: Annotated[float, Field(gt=0)] | None = None
    """Rows a second at most."""
    again_s: Annotated[float, Field(gt=0)] = 5.0
    """How long after its end a source is read again, seconds."""
    config: Mapping[str, Any] = Field(default_factory=dict)
    """Of the source; `bus connector docs KIND` lists it."""


class Connector:
    """A connector's document, with what it names beside it."""

    def __init__(
        self,
        document: ConnectorDocument,
        file: Path,
        source: type[Source[Any]],
        config: SourceConfig,
    ) -> None:
        """Take what was read; `read_connector` is the way in."""
        self.document = document
        self.file = file
        self.source = source
        self.config = config

    @property
    def name(self) -> str:
        """Its name."""
        return self.document.connector

    def mapping(self) -> MappingFile | None:
        """Read the mapping file.

        Raises:
            DocumentError: There is none of that name, or it is wrong.
        """
        if self.document.mapping is None:
            return None
        path = self.file.parent / self.document.mapping
        if not path.is_file():
            raise DocumentError(message("connector.no_mapping", file=self.file, mapping=path))
        return read_mapping(str(path), path.read_bytes())


def read_connector(file: Path) -> Connector:
    """Read a connector's document.

    Raises:
        DocumentError: It can't be read, or is wrong: every finding at once; no secret is told.
    """
    if not file.is_file():
        known = ", ".join(sorted(one.stem for one in file.parent.glob("*.yaml"))) or "-"
        raise DocumentError(message("connector.no_document", file=file, known=known))
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as problem:
        raise DocumentError(message("connector.not_yaml", file=file, problem=problem)) from problem
    try:
        document = ConnectorDocument.model_validate(content)
    except ValidationError as problem:
        raise _wrong(file, problem, ()) from None
    source = source_of_kind(document.source)
    settings = {name: _resolved(value, file, name) for name, value in document.config.items()}
    try:
        config = source.Config.model_validate(settings)
    except ValidationError as problem:
        raise _wrong(file, problem, ("config",)) from None
    return Connector(document, file, source, config)


def kinds(group: str) -> Mapping[str, EntryPoint]:
    """Tell what installed packages bring, by name: sources, twins or sinks."""
    return {one.name: one for one in sorted(entry_points(group=group), key=lambda one: one.name)}


def source_of_kind(kind: str) -> type[Source[Any]]:
    """Load a kind of source.

    Raises:
        DocumentError: No installed package brings it, or a library that it needs is missing.
    """
    found = kinds(SOURCES)
    if kind not in found:
        raise DocumentError(
            message("connector.no_such_source", kind=kind, known=", ".join(found) or "-")
        )
    try:
        source: type[Source[Any]] = found[kind].load()
    except ModuleNotFoundError as problem:
        raise DocumentError(
            message("connector.library_missing", kind=kind, library=problem.name)
        ) from problem
    return source


def _resolved(value: object, file: Path, name: str) -> object:
    """Take a setting from the environment or from a file, where the document says so.

    Raises:
        DocumentError: It is not there.
    """
    match value:
        case {"env": str(variable), **rest} if not rest:
            if variable not in os.environ:
                told = {"file": file, "name": name, "variable": variable}
                raise DocumentError(message("connector.no_variable", **told))
            return os.environ[variable]
        case {"file": str(path), **rest} if not rest:
            secret = file.parent / path
            if not secret.is_file():
                told = {"file": file, "name": name, "secret": secret}
                raise DocumentError(message("connector.no_secret", **told))
            return re.sub(r"\r?\n$", "", secret.read_text(encoding="utf-8"))
        case _:
            return value


def _wrong(file: Path, problem: ValidationError, under: tuple[str, ...]) -> DocumentError:
    findings: list[Finding] = []
    for error in problem.errors(include_input=False, include_url=False):
        path = ".".join(map(str, (*under, *error["loc"])))
        findings.append(finding_at(f"{file}: {path}", "connector.wrong", problem=error["msg"]))
    return DocumentError(message("connector.document_wrong", file=file), findings)
