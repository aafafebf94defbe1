"""`bus connector run|backfill|pause|resume`: a connector at work."""

from __future__ import annotations

import asyncio
import signal
from typing import Annotated, Any

import typer
from prometheus_client import CollectorRegistry
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from bus.cli.context import installation, language, now
from bus.cli.output import JsonOption, print_json, results, talk
from bus.client import PublishReport, exporting
from bus.errors import Unavailable
from connectors.cli.composing import (
    NameArgument,
    any_connector_of,
    connector_of,
    door_of,
    workplace_of,
)
from connectors.cli.delivering import deliver
from connectors.cli.page import page_of
from connectors.documents import Connector, SinkConnector
from connectors.metrics import ConnectorMetrics
from connectors.runner import Totals
from connectors.running import Work
from connectors.source import Json
from connectors.texts import text
from connectors.workplace import HistoryAsked, Workplace


def run(
    name: NameArgument,
    *,
    once: Annotated[
        bool, typer.Option("--once", help="End when the source has nothing more.")
    ] = False,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65535,
            help="Serve metrics on this port of loopback; left out: the system chooses one.",
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Run a connector: bring its source's rows to the bus, or the bus's records into its sink.

    Killed at any moment it goes on where it was: nothing is lost, nothing told twice. A source that
    is started elsewhere ends here; runners of one sink share the work.

    Example: bus connector run schools-folder --once
    """
    connector = any_connector_of(name)
    if isinstance(connector, SinkConnector):
        _run_sink(connector, once=once, metrics_port=metrics_port, json=json)
        return
    totals = asyncio.run(_run(connector, once=once, metrics_port=metrics_port))
    if json:
        print_json(totals)
    else:
        results.print(
            text(
                "connector.ran",
                language(),
                rows=totals.rows,
                sent=totals.sent - totals.unreadable,
                repeats=totals.repeats,
                unreadable=totals.unreadable,
            ),
            markup=False,
        )


def _run_sink(
    connector: SinkConnector, *, once: bool, metrics_port: int | None, json: bool
) -> None:
    totals = asyncio.run(deliver(connector, once=once, metrics_port=metrics_port))
    if json:
        print_json(totals)
        return
    told = {"records": totals.records, "refused": totals.refused}
    results.print(text("connector.delivered", language(), **told), markup=False)


async def _run(connector: Connector, *, once: bool, metrics_port: int | None) -> Totals:
    totals = Totals()
    registry = CollectorRegistry()
    told = _Both(totals, ConnectorMetrics(registry, connector.name), connector.name)
    current, columns = installation(), (TextColumn("{task.description}"), TimeElapsedColumn())
    async with page_of(connector, registry, home=current.home, port=metrics_port):
        with (
            exporting(current.settings.otlp, connector.document.system) as spans,
            Progress(*columns, console=talk, transient=True) as told.bar,
        ):
            work = Work(
                connector=connector,
                door=door_of(connector, spans),
                workplace=workplace_of(connector.name),
                told=told,
                clock=now,
            )
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, work.ending.set)
            told.task = told.bar.add_task(connector.name, total=None)
            await work.run(follow=not once)
    return totals


class _Both:
    """Tells totals, metrics and the terminal."""

    def __init__(self, totals: Totals, metrics: ConnectorMetrics, connector: str) -> None:
        self._totals = totals
        self._metrics = metrics
        self._connector = connector
        self.bar: Progress | None = None
        self.task: Any = None

    def stretch(self, report: PublishReport, position: Json) -> None:
        """Tell what was taken."""
        self._totals.stretch(report, position)
        self._metrics.stretch(report, position)
        if self.bar is not None:
            rows = self._totals.rows
            self.bar.update(self.task, description=f"{self._connector}: {rows:,}")

    def kept(self) -> None:
        """Tell metrics alone."""
        self._metrics.kept()

    def ended(self, took_s: float) -> None:
        """Tell metrics alone."""
        self._metrics.ended(took_s)

    def held(self, log_bytes: int) -> None:
        """Tell metrics alone."""
        self._metrics.held(log_bytes)

    def down(self, problem: Unavailable, pause: float) -> None:
        """Tell that another attempt follows."""
        self._totals.down(problem, pause)
        self._metrics.down(problem, pause)
        said = text(
            "connector.again", language(), problem=problem.spoken(language()), pause=f"{pause:.1f}"
        )
        talk.print(said, markup=False, style="yellow")


def backfill(
    name: NameArgument,
    *,
    since: Annotated[
        str | None, typer.Option(help="Where history begins, as the source has it.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Where it ends; left out: now.")] = None,
    rate: Annotated[float | None, typer.Option(min=0.1, help="Rows a second at most.")] = None,
    wait_s: Annotated[
        float, typer.Option(min=0, help="How long to wait until it is loaded; 0: not at all.")
    ] = 0.0,
    json: JsonOption = False,
) -> None:
    """Ask the connector that runs to load history beside what is new; it fills gaps only.

    Example: bus connector backfill schools --since 2020-01-01 --rate 500
    """
    workplace = workplace_of(connector_of(name).name)
    workplace.write_history(HistoryAsked(since=since, until=until, rate_per_s=rate))
    done = asyncio.run(_loaded(workplace, wait_s)) if wait_s else workplace.history()
    if json:
        print_json(done)
    elif done is not None:
        key = "connector.history_loaded" if done.is_done else "connector.history_asked"
        results.print(text(key, language(), rows=done.rows), markup=False)
    if done is not None and done.problem is not None:
        talk.print(done.problem, markup=False, style="red")
        raise typer.Exit(1)


async def _loaded(workplace: Workplace, wait_s: float) -> HistoryAsked | None:
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + wait_s
    columns = (TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=talk, transient=True) as bar:
        task = bar.add_task("", total=None)
        while True:
            asked = workplace.history()
            if asked is None or asked.is_done or loop.time() > deadline_s:
                return asked
            bar.update(task, description=f"{asked.rows:,}")
            await asyncio.sleep(0.2)


def pause(name: NameArgument) -> None:
    """Let a connector wait, from its next position on, until it is resumed.

    Example: bus connector pause schools-folder
    """
    workplace_of(connector_of(name).name).pause()


def resume(name: NameArgument) -> None:
    """Let a connector go on that was paused.

    Example: bus connector resume schools-folder
    """
    workplace_of(connector_of(name).name).resume()
