"""The document of one connector: which source or sink, as which system, into which dataset.

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
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bus.client import MappingFile, read_mapping
from bus.errors import DocumentError, Finding
from connectors.sink import AnySink, SinkConfig
from connectors.source import Source, SourceConfig
from connectors.texts import finding_at, message

SOURCES: Final = "bus.sources"
SINKS: Final = "bus.sinks"
TWINS: Final = "bus.twins"
ModelT = TypeVar("ModelT", bound=BaseModel)
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


class SinkDocument(BaseModel):
    """One connector that takes records from the bus, as its people describe it."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True
    )

    connector: Annotated[str, Field(pattern=_NAME)]
    """Its name: of its positions, its folder."""
    sink: str
    """Kind of sink: `bus connector list`."""
    system: str
    """Information system that receives."""
    dataset: str
    first_load: bool = True
    """Load first what the data fund has; otherwise begin with what the topics still hold."""
    config: Mapping[str, Any] = Field(default_factory=dict)
    """Of the sink; `bus connector docs KIND` lists it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkConnector:
    """The document of a connector that receives, with what it names."""

    document: SinkDocument
    sink: type[AnySink]
    config: SinkConfig

    @property
    def name(self) -> str:
        """Its name."""
        return self.document.connector


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
    """Read the document of a connector that has a source.

    Raises:
        DocumentError: It can't be read, or is wrong: every finding at once; no secret is told.
    """
    content = _content(file)
    if isinstance(content, dict) and "sink" in content:
        raise DocumentError(message("connector.is_sink", file=file))
    document = _validated(ConnectorDocument, content, file, ())
    source = source_of_kind(document.source)
    config = _validated(source.Config, _resolved_all(document.config, file), file, ("config",))
    return Connector(document, file, source, config)


def read_any(file: Path) -> Connector | SinkConnector:
    """Read a connector's document, whichever way it goes.

    Raises: as `read_connector`.
    """
    content = _content(file)
    if not (isinstance(content, dict) and "sink" in content):
        return read_connector(file)
    document = _validated(SinkDocument, content, file, ())
    sink = sink_of_kind(document.sink)
    config = _validated(sink.Config, _resolved_all(document.config, file), file, ("config",))
    return SinkConnector(document=document, sink=sink, config=config)


def _content(file: Path) -> object:
    if not file.is_file():
        known = ", ".join(sorted(one.stem for one in file.parent.glob("*.yaml"))) or "-"
        raise DocumentError(message("connector.no_document", file=file, known=known))
    try:
        return yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as problem:
        raise DocumentError(message("connector.not_yaml", file=file, problem=problem)) from problem


def _validated(model: type[ModelT], content: object, file: Path, under: tuple[str, ...]) -> ModelT:
    try:
        return model.model_validate(content)
    except ValidationError as problem:
        raise _wrong(file, problem, under) from None


def _resolved_all(settings: Mapping[str, Any], file: Path) -> dict[str, object]:
    return {name: _resolved(value, file, name) for name, value in settings.items()}


def kinds(group: str) -> Mapping[str, EntryPoint]:
    """Tell what installed packages bring, by name: sources, twins or sinks."""
    return {one.name: one for one in sorted(entry_points(group=group), key=lambda one: one.name)}


def source_of_kind(kind: str) -> type[Source[Any]]:
    """Load a kind of source.

    Raises:
        DocumentError: No installed package brings it, or a library that it needs is missing.
    """
    source: type[Source[Any]] = _loaded(SOURCES, kind)
    return source


def sink_of_kind(kind: str) -> type[AnySink]:
    """Load a kind of sink.

    Raises: as `source_of_kind`.
    """
    sink: type[AnySink] = _loaded(SINKS, kind)
    return sink


def _loaded(group: str, kind: str) -> Any:  # noqa: ANN401 - what an entry point gives
    found = kinds(group)
    if kind not in found:
        raise DocumentError(
            message("connector.no_such_kind", kind=kind, known=", ".join(found) or "-")
        )
    try:
        return found[kind].load()
    except ModuleNotFoundError as problem:
        raise DocumentError(
            message("connector.library_missing", kind=kind, library=problem.name)
        ) from problem


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
