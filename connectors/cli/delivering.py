"""`bus connector run` for a connector that receives: from the bus into a consumer's system."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from bus.cli.context import installation, language, now
from bus.cli.output import talk
from bus.client import DeliveredBatch, Kept, Spans, Subscriber, exporting
from bus.errors import Unavailable
from bus.model.identifiers import DatasetCode, SystemCode
from connectors.cli.composing import documents_folder
from connectors.cli.page import page_of
from connectors.delivering import Delivery, Totals
from connectors.documents import SinkConnector
from connectors.metrics import SinkMetrics
from connectors.sink import AnySink, SinkContext, Taken
from connectors.texts import text


def sink_of(connector: SinkConnector) -> AnySink:
    """Make a sink, for one session."""
    context = SinkContext(
        connector=connector.name,
        dataset=connector.document.dataset,
        folder=folder_of(connector),
        clock=now,
    )
    return connector.sink(connector.config, context)


def folder_of(connector: SinkConnector) -> Path:
    """Give a sink's folder on this host."""
    return documents_folder() / connector.name


async def deliver(connector: SinkConnector, *, once: bool, metrics_port: int | None) -> Totals:
    """Run a sink until it is ended, or with `once` until the bus has nothing more."""
    totals, stopping, registry = Totals(), asyncio.Event(), CollectorRegistry()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    columns = (TextColumn("{task.description}"), TimeElapsedColumn())
    metrics, home = SinkMetrics(registry, connector.name), installation().home
    async with page_of(connector, registry, home=home, port=metrics_port):
        with (
            exporting(installation().settings.otlp, connector.document.system) as spans,
            Progress(*columns, console=talk, transient=True) as bar,
        ):
            await Delivery(
                connector=connector.name,
                make_sink=lambda: sink_of(connector),
                subscribe=_Subscribing(connector, spans),
                told=_All(totals, metrics, bar, connector.name),
                stopping=stopping,
            ).run(follow=not once)
    return totals


class _Subscribing:
    """Subscribes as the connector's system."""

    def __init__(self, connector: SinkConnector, spans: Spans) -> None:
        self._connector = connector
        self._spans = spans

    @asynccontextmanager
    async def __call__(self, kept: Kept | None, *, follow: bool) -> AsyncIterator[Subscriber]:
        current, document = installation(), self._connector.document
        system = SystemCode(document.system)
        async with Subscriber.open(
            current.cluster_as(system),
            system=system,
            dataset=DatasetCode(document.dataset),
            clock=now,
            follow=follow,
            gateway=current.gateway_as(system) if document.first_load else None,
            memory=folder_of(self._connector) / "first-load.json",
            reader=self._connector.name,
            kept=kept,
            spans=self._spans,
        ) as subscriber:
            yield subscriber


class _All:
    """Tells totals, metrics and the terminal."""

    def __init__(self, totals: Totals, metrics: SinkMetrics, bar: Progress, name: str) -> None:
        self._totals = totals
        self._metrics = metrics
        self._bar = bar
        self._name = name
        self._task = bar.add_task(name, total=None)

    def taken(self, batch: DeliveredBatch, taken: Taken) -> None:
        """Tell what the target has."""
        self._totals.taken(batch, taken)
        self._metrics.taken(batch, taken)
        self._bar.update(self._task, description=f"{self._name}: {self._totals.records:,}")

    def down(self, problem: Unavailable, pause: float) -> None:
        """Tell that another attempt follows."""
        self._totals.down(problem, pause)
        self._metrics.down(problem, pause)
        said = text(
            "connector.again", language(), problem=problem.spoken(language()), pause=f"{pause:.1f}"
        )
        talk.print(said, markup=False, style="yellow")
