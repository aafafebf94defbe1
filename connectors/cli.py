"""`bus connector`: writing, checking, running and proving connectors; a plug-in of the bus's CLI.

Composes: it reads settings, credentials and documents, and hands them over.
"""

from __future__ import annotations

import asyncio
import json as json_text
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from prometheus_client import CollectorRegistry, start_http_server
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from bus.cli.context import installation, language, now, region
from bus.cli.output import JsonOption, print_json, print_table, results, talk
from bus.client import (
    BatchSigner,
    KeptPosition,
    PublishReport,
    position_name,
    read_own_positions,
)
from bus.errors import DocumentError, Unavailable
from bus.model.identifiers import DatasetCode, SystemCode
from connectors.authoring.document import write_document
from connectors.authoring.package import write_package
from connectors.authoring.proposal import propose
from connectors.describing import described
from connectors.documents import SOURCES, TWINS, Connector, kinds, read_connector, source_of_kind
from connectors.door import BusDoor
from connectors.kit.checks import CHECKS, Kit
from connectors.kit.report import Outcome, check
from connectors.metrics import ConnectorMetrics
from connectors.runner import Totals
from connectors.running import Work
from connectors.source import Context, Json, Source, Stream
from connectors.texts import message, text
from connectors.workplace import HistoryAsked, Workplace

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Bring an agency's source onto the bus.\n\nExample: bus connector list",
)
offsets = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="How far a connector is in its source.\n\nExample: bus connector offsets show schools",
)
app.add_typer(offsets, name="offsets")

NameArgument = Annotated[str, typer.Argument(help="The connector's name: of its document.")]


def _folder() -> Path:
    return installation().home / "connectors"


def _connector(name: str) -> Connector:
    return read_connector(_folder() / f"{name}.yaml")


def _workplace(name: str) -> Workplace:
    return Workplace(_folder() / name)


def _source(connector: Connector) -> Source[Any]:
    """Make a source outside of a run: to look at what it reads."""
    context = Context(
        connector=connector.name,
        spool=_workplace(connector.name).spool,
        clock=now,
        sleep=asyncio.sleep,
    )
    return connector.source(connector.config, context)


def _door(connector: Connector) -> BusDoor:
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
        mapping=connector.mapping(),
        is_sparse=document.sparse,
    )


@app.command("list")
def list_(*, json: JsonOption = False) -> None:
    """Tell the kinds of source there are, and the connectors of this installation.

    Example: bus connector list
    """
    documents = sorted(_folder().glob("*.yaml"))
    found: list[dict[str, object]] = []
    for file in documents:
        try:
            one = read_connector(file)
        except DocumentError as problem:
            found.append({"connector": file.stem, "problem": problem.spoken(language())})
            continue
        found.append(
            {
                "connector": one.name,
                "source": one.document.source,
                "system": one.document.system,
                "dataset": one.document.dataset,
                "paused": _workplace(one.name).is_paused,
            }
        )
    if json:
        print_json({"kinds": list(kinds(SOURCES)), "connectors": found})
        return
    results.print(text("connector.kinds", language(), kinds=", ".join(kinds(SOURCES))))
    for entry in found:
        results.print(", ".join(f"{name}: {value}" for name, value in entry.items()), markup=False)


@app.command()
def docs(
    kind: Annotated[str, typer.Argument(help="Kind of source, as `bus connector list` has it.")],
    *,
    json: JsonOption = False,
) -> None:
    """Tell what the document of a connector of this kind says under `config`.

    Example: bus connector docs folder
    """
    source = source_of_kind(kind)
    settings = described(source)
    if json:
        print_json({"kind": kind, "settings": settings})
        return
    results.print((source.__doc__ or "").strip(), markup=False)
    rows: list[list[object]] = [
        [one.name, one.type, "*" if one.is_required else one.default, one.says] for one in settings
    ]
    print_table(["", "", "", ""], rows)


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Name of the connector, or of your kind of source.")],
    *,
    kind: Annotated[
        str, typer.Option(help="Kind of source, as `bus connector list` has it; or: own.")
    ],
    system: Annotated[
        str, typer.Option("--as", help="The information system that publishes.")
    ] = "",
    dataset: Annotated[str, typer.Option(help="Dataset to publish.")] = "",
    to: Annotated[
        Path | None, typer.Option(help="With --kind own: folder of the package; default NAME.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Write a connector's document; or, with --kind own, a package with a source that runs.

    Example: bus connector new schools --kind folder --as edu-registry --dataset schools
    """
    if kind == "own":
        written = write_package(name, to or Path(name))
    else:
        written = (write_document(name, _folder(), kind=kind, system=system, dataset=dataset),)
    if json:
        print_json({"written": written})
        return
    for path in written:
        results.print(text("connector.written", language(), file=path), markup=False)


@app.command()
def discover(
    name: NameArgument,
    *,
    stream: Annotated[
        str | None, typer.Option(help="Of several tables or files: this one.")
    ] = None,
    write: Annotated[
        Path | None,
        typer.Option(help="Write schema, contract and mapping for it into this folder."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Tell what a connector's source has, and propose the documents of a dataset for it.

    Proposals are a beginning: who may see a field, and by which law, people say. Samples are shown
    nowhere: they may hold personal data.

    Example: bus connector discover schools --write schemas/avro/education/school
    """
    connector = _connector(name)
    streams = asyncio.run(_discovered(connector))
    chosen = [one for one in streams if stream in {None, one.name}]
    if stream is not None and not chosen:
        known = ", ".join(one.name for one in streams) or "-"
        raise DocumentError(message("connector.no_stream", stream=stream, known=known))
    if write is not None:
        _write_proposal(connector, chosen, write)
    found = [{"name": one.name, "key": one.key, "columns": one.columns} for one in chosen]
    if json:
        print_json({"connector": name, "streams": found})
        return
    for one in chosen:
        columns = ", ".join(one.columns)
        results.print(f"{one.name} [{one.key or '?'}]: {columns}", markup=False)


def _write_proposal(connector: Connector, streams: Sequence[Stream], folder: Path) -> None:
    if len(streams) != 1:
        names = ", ".join(one.name for one in streams) or "-"
        raise DocumentError(message("connector.which_stream", known=names))
    document = connector.document
    known = region().agency_of(SystemCode(document.system))
    agency = "agency" if known is None else str(known.code)
    proposal = propose(streams[0], dataset=document.dataset, agency=agency)
    folder.mkdir(parents=True, exist_ok=True)
    parts = {
        "v1.avsc": proposal.schema,
        "contract.yaml": proposal.contract,
        f"mapping.{connector.name}.yaml": proposal.mapping,
    }
    for name, content in parts.items():
        path = folder / name
        if path.exists():
            raise DocumentError(message("connector.file_there", file=path))
        path.write_text(content, encoding="utf-8")
        talk.print(text("connector.written", language(), file=path), markup=False)


async def _discovered(connector: Connector) -> Sequence[Stream]:
    try:
        return await _source(connector).discover()
    except (OSError, TimeoutError) as problem:
        raise Unavailable(
            message("connector.source_down", connector=connector.name, problem=problem)
        ) from problem


@app.command("check")
def check_(name: NameArgument, *, json: JsonOption = False) -> None:
    """Look whether a connector's document is right and its source can be read.

    Example: bus connector check schools-folder
    """
    connector = _connector(name)
    connector.mapping()
    findings = asyncio.run(_checked(connector))
    if json:
        print_json({"connector": name, "findings": findings})
    for finding in () if json else findings:
        results.print(finding.spoken(language()), markup=False)
    if findings:
        raise typer.Exit(1)
    if not json:
        results.print(text("connector.sound", language(), connector=name), markup=False)


async def _checked(connector: Connector) -> list[Any]:
    try:
        return list(await _source(connector).check())
    except (OSError, TimeoutError) as problem:
        raise Unavailable(
            message("connector.source_down", connector=connector.name, problem=problem)
        ) from problem


@app.command()
def run(
    name: NameArgument,
    *,
    once: Annotated[
        bool, typer.Option("--once", help="End when the source has nothing more.")
    ] = False,
    metrics_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Serve metrics on this port of loopback.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Run a connector: read its source on from where it was, and publish its rows.

    Killed at any moment it goes on where it was: nothing is lost, nothing told twice. Started
    elsewhere, it ends here.

    Example: bus connector run schools-folder --once
    """
    totals = asyncio.run(_run(_connector(name), once=once, metrics_port=metrics_port))
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


async def _run(connector: Connector, *, once: bool, metrics_port: int | None) -> Totals:
    totals = Totals()
    registry = CollectorRegistry()
    told = _Both(totals, ConnectorMetrics(registry, connector.name), connector.name)
    server = thread = None
    if metrics_port is not None:
        server, thread = start_http_server(metrics_port, addr="127.0.0.1", registry=registry)
    work = Work(
        connector=connector,
        door=_door(connector),
        workplace=_workplace(connector.name),
        told=told,
        clock=now,
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, work.ending.set)
    columns = (TextColumn("{task.description}"), TimeElapsedColumn())
    try:
        with Progress(*columns, console=talk, transient=True) as told.bar:
            told.task = told.bar.add_task(connector.name, total=None)
            await work.run(follow=not once)
    finally:
        if server is not None and thread is not None:
            server.shutdown()
            server.server_close()
            thread.join()
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

    def down(self, problem: Unavailable, pause: float) -> None:
        """Tell that another attempt follows."""
        self._totals.down(problem, pause)
        self._metrics.down(problem, pause)
        said = text(
            "connector.again", language(), problem=problem.spoken(language()), pause=f"{pause:.1f}"
        )
        talk.print(said, markup=False, style="yellow")


@app.command()
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
    workplace = _workplace(_connector(name).name)
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


@app.command()
def pause(name: NameArgument) -> None:
    """Let a connector wait, from its next position on, until it is resumed.

    Example: bus connector pause schools-folder
    """
    _workplace(_connector(name).name).pause()


@app.command()
def resume(name: NameArgument) -> None:
    """Let a connector go on that was paused.

    Example: bus connector resume schools-folder
    """
    _workplace(_connector(name).name).resume()


@offsets.command()
def show(name: NameArgument, *, json: JsonOption = False) -> None:
    """Tell how far a connector is in its source.

    Example: bus connector offsets show schools-folder
    """
    kept = asyncio.run(_kept(_connector(name)))
    if json:
        print_json(kept)
    elif kept is None:
        results.print(text("connector.never_ran", language(), connector=name), markup=False)
    else:
        results.print(json_text.dumps(kept.position, ensure_ascii=False), markup=False)
        results.print(text("connector.kept", language(), at=kept.kept_at, by=kept.by), markup=False)
    if kept is None:
        raise typer.Exit(1)


async def _kept(connector: Connector) -> KeptPosition | None:
    current, system = installation(), SystemCode(connector.document.system)
    found = await read_own_positions(
        current.cluster_as(system), system, DatasetCode(connector.document.dataset)
    )
    return found.get(position_name(system, connector.name))


@offsets.command("set")
def set_(
    name: NameArgument,
    position: Annotated[str, typer.Argument(help="As JSON, as the source itself writes it.")],
) -> None:
    """Let a connector read on from another position; one that runs ends.

    Rows that were told before are recognised where the contract takes versions from the source;
    else a row that has changed since becomes a new version once more.

    Example: bus connector offsets set schools-table '["2026-01-01T00:00:00", 17]'
    """
    try:
        parsed = json_text.loads(position)
    except ValueError as problem:
        raise typer.BadParameter(text("connector.position_not_json", language())) from problem
    asyncio.run(_set(_connector(name), parsed))


@offsets.command()
def reset(name: NameArgument) -> None:
    """Let a connector read its source from the beginning; one that runs ends.

    Example: bus connector offsets reset schools-folder
    """
    asyncio.run(_set(_connector(name), None))


async def _set(connector: Connector, position: Json) -> None:
    door = _door(connector)
    async with door:
        await door.keep(position)


@app.command("test")
def prove(
    kind: Annotated[str, typer.Argument(help="Kind of source, as `bus connector list` has it.")],
    *,
    only: Annotated[
        list[str] | None, typer.Option(help="Run this check alone; may be repeated.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Prove of a kind of source that it loses no row, wherever its runner is killed.

    Runs on a stand-in for the bus, and on a real small source: its twin.

    Example: bus connector test folder
    """
    source, twins = source_of_kind(kind), kinds(TWINS)
    if kind not in twins:
        raise DocumentError(message("connector.no_twin", kind=kind, known=", ".join(twins) or "-"))
    named = [one.__name__ for one in CHECKS]
    unknown = sorted(set(only or ()) - set(named))
    if unknown:
        raise typer.BadParameter(
            text("connector.no_such_check", language(), known=", ".join(named)), param_hint="--only"
        )
    kit = Kit(source=source, make=source, make_twin=twins[kind].load())
    told = asyncio.run(_proved(kit, only or (), json=json))
    if json:
        print_json({"kind": kind, "checks": told})
    if any(one["outcome"] is Outcome.FAILED for one in told):
        raise typer.Exit(1)


async def _proved(kit: Kit, only: Any, *, json: bool) -> list[Mapping[str, object]]:  # noqa: ANN401
    told: list[Mapping[str, object]] = []
    async for result in check(kit, only):
        asks = text(f"kit.check.{result.name}", language())
        told.append(
            {"name": result.name, "asks": asks, "outcome": result.outcome, "why": result.why}
        )
        if not json:
            said = text(f"kit.outcome.{result.outcome}", language())
            why = f": {result.why}" if result.why else ""
            results.print(f"{said}  {asks} [{result.name}]{why}", markup=False)
    return told
