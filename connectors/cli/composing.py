"""What every command needs: a connector by its name, its source, its door, its workplace."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from bus.cli.context import installation, now
from bus.client import UNKEPT, BatchSigner, Spans
from bus.model.identifiers import DatasetCode, SystemCode
from connectors.documents import Connector, SinkConnector, read_any, read_connector
from connectors.door import BusDoor
from connectors.source import Context, Source
from connectors.workplace import Workplace

NameArgument = Annotated[str, typer.Argument(help="The connector's name: of its document.")]


def documents_folder() -> Path:
    """Give the folder of connectors' documents."""
    return installation().home / "connectors"


def connector_of(name: str) -> Connector:
    """Read a connector's document; see `read_connector`."""
    return read_connector(documents_folder() / f"{name}.yaml")


def any_connector_of(name: str) -> Connector | SinkConnector:
    """Read a connector's document, be it a source's or a sink's; see `read_any`."""
    return read_any(documents_folder() / f"{name}.yaml")


def workplace_of(name: str) -> Workplace:
    """Give a connector's folder on this host."""
    return Workplace(documents_folder() / name)


def source_of(connector: Connector) -> Source[Any]:
    """Make a source outside of a run: to look at what it reads."""
    context = Context(
        connector=connector.name,
        spool=workplace_of(connector.name).spool,
        clock=now,
        sleep=asyncio.sleep,
    )
    return connector.source(connector.config, context)


def door_of(connector: Connector, spans: Spans = UNKEPT) -> BusDoor:
    """Give the way onto the bus, as the connector's system."""
    current, document = installation(), connector.document
    system = SystemCode(document.system)
    credentials = current.credentials(system)
    return BusDoor(
        cluster=current.cluster_with(credentials),
        home=current.home,
        system=system,
        dataset=DatasetCode(document.dataset),
        connector=connector.name,
        version=connector.source.version,
        signer=BatchSigner(credentials.key_id, credentials.private_key),
        clock=now,
        traced_share=current.settings.traced_share,
        spans=spans,
        mapping=connector.mapping(),
        is_sparse=document.sparse,
    )
