"""Running the demonstration from a fresh home to stopped engines, in a terminal or without one."""

from __future__ import annotations

import asyncio
import csv
import logging
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.live import Live

from bus.demo.account import Account
from bus.demo.display import account_view, flow_view, next_steps
from bus.demo.home import FOLDER, fresh_engines
from bus.demo.meter import Meter
from bus.demo.parties import Clock
from bus.demo.programme import Programme, plan_programme
from bus.demo.records import Values
from bus.demo.scenario import LOG_FOLDER, Stage, at_work, play, set_stage, take_account
from bus.errors import BusError, DocumentError, Unavailable
from bus.local import Engines
from bus.settings import Settings
from bus.texts import Language, Message, message, text
from bus.wiring import Installation

_REFRESH_S: Final = 0.25
_LOOK_S: Final = 0.5
_TABLE_FILE: Final = "new-institutions.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the caller chose."""

    records: int
    seed: int
    spoken: Language
    screen: Console | None
    """Where the flow is shown, and what stays up until Ctrl-C; None: no person is looking."""


def run_demo(
    settings: Settings, options: Options, *, clock: Clock, say: Callable[[str], None]
) -> Account:
    """Run the demonstration; engines and workers are stopped however it ends.

    Args:
        settings: The demonstration lives in the folder `demo` of their home.
        options: How large, and for whom.
        clock: Gives the present, aware.
        say: Told what takes time, in words.

    Raises:
        DocumentError: Settings name external engines, or the region is not the sample region.
        Unavailable: An engine does not start or answer, or the flow does not drain.
        KeyboardInterrupt: It was interrupted before its figures were complete.
    """
    if settings.kafka is not None or settings.postgres is not None:
        raise DocumentError(message("error.demo.external_engines"))
    started = time.monotonic()
    home = settings.home.absolute() / FOLDER
    installation = Installation(settings.model_copy(update={"home": home}))
    say(text("demo.home", options.spoken, home=home))
    programme = plan_programme(records=options.records, seed=options.seed)

    def told(words: Message) -> None:
        say(words.spoken(options.spoken))

    with _ended_by_sigterm(), fresh_engines(home, told) as engines, _logging_into(home):
        show = _Show(installation, programme, engines, options, clock, say)
        account = _run(show)
    figures = replace(account.figures, seconds=round(time.monotonic() - started, 1))
    return replace(account, figures=figures)


def _run(show: _Show) -> Account:
    try:
        return asyncio.run(show.run())
    except asyncio.CancelledError as problem:
        # Why: a Kafka consumer whose broker is gone ends with this in place of the true fault.
        raise _fault_behind(problem) from problem


def _fault_behind(problem: BaseException) -> BusError:
    behind: BaseException | None = problem
    while behind is not None:
        if isinstance(behind, BusError):
            return behind
        behind = behind.__cause__ or behind.__context__
    return Unavailable(message("error.demo.connection_ended"))


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM do what Ctrl-C does, so that engines are stopped too."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _logging_into(home: Path) -> Iterator[None]:
    """Keep what libraries say of lost connections and the like out of the screen."""
    folder = home / LOG_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(folder / "demo.log", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()


@dataclass(slots=True)
class _Show:
    """One run on engines that are up."""

    installation: Installation
    programme: Programme
    engines: Engines
    options: Options
    clock: Clock
    say: Callable[[str], None]

    async def run(self) -> Account:
        interruption = _Interruption()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, interruption.begin)
        stage = await set_stage(self.installation, self.programme, self.clock, self._tell)
        cluster, dsn = self.installation.cluster_as_admin(), self.installation.fund_dsn()
        async with (
            Meter.open(cluster, dsn, stage.layouts) as meter,
            at_work(stage, self.engines) as helpers,
        ):
            async with self._screen(stage, meter) as said:

                def tell(key: str) -> None:
                    interruption.check()  # a library may have swallowed it in the act before
                    said(key)

                await helpers.unless_one_fails(play(stage, meter, tell))
                interruption.check()
                account = await take_account(stage, self.engines, tell)
                interruption.check()
            if self.options.screen is not None:
                await helpers.unless_one_fails(self._stay_up(stage, account, self.options.screen))
        return account

    def _tell(self, key: str) -> None:
        self.say(text(key, self.options.spoken))

    @asynccontextmanager
    async def _screen(self, stage: Stage, meter: Meter) -> AsyncIterator[Callable[[str], None]]:
        """Show the flow for the time of a block, where somebody looks."""
        if self.options.screen is None:
            yield self._tell
            return
        spoken, flow = self.options.spoken, stage.flow

        def tell(key: str) -> None:
            flow.headline = text(key, spoken)

        with Live(console=self.options.screen, auto_refresh=False) as live:
            showing = asyncio.create_task(_show_flow(live, stage, meter, spoken))
            try:
                yield tell
            finally:
                showing.cancel()
                await asyncio.gather(showing, return_exceptions=True)
                live.update(flow_view(flow, spoken), refresh=True)

    async def _stay_up(self, stage: Stage, account: Account, screen: Console) -> None:
        """Say what to try, and wait for Ctrl-C."""
        spoken, home = self.options.spoken, self.installation.home
        table_file = home / _TABLE_FILE
        _write_table(table_file, self.programme.unpublished)
        screen.print(account_view(account, spoken))
        screen.print(f"\n{text('demo.try', spoken)}", style="bold")
        for key, command in next_steps(
            home=_short(home),
            table_file=_short(table_file),
            example_key=self.programme.example_key,
            example_entry=stage.flow.reading.example,
        ):
            screen.print(f"  # {text(key, spoken)}", markup=False, style="dim", soft_wrap=True)
            screen.print(f"  {command}", markup=False, soft_wrap=True)
        screen.print(f"\n{text('demo.stop', spoken)}", style="bold")
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopping.set)
        await stopping.wait()
        self.say(text("demo.stopping", spoken))


async def _show_flow(live: Live, stage: Stage, meter: Meter, spoken: Language) -> None:
    clock = asyncio.get_running_loop().time
    looked_at = 0.0
    while True:
        if clock() - looked_at >= _LOOK_S:
            stage.flow.reading = await meter.read()
            looked_at = clock()
        live.update(flow_view(stage.flow, spoken), refresh=True)
        await asyncio.sleep(_REFRESH_S)


class _Interruption:
    """SIGTERM does what Ctrl-C does, also where a library swallows the cancellation it causes."""

    def __init__(self) -> None:
        self._begun = False

    def begin(self) -> None:
        self._begun = True
        signal.raise_signal(signal.SIGINT)

    def check(self) -> None:
        if self._begun:
            raise KeyboardInterrupt


def _write_table(path: Path, records: tuple[Values, ...]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(records[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(records)


def _short(path: Path) -> Path:
    """Name a path from here, where it lies below."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
