"""`bus serve`: the bus's own workers, gateway, keeper of rights and probe, kept running."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from enum import StrEnum
from typing import Annotated

import typer

from bus.cli.context import installation
from bus.observe.doors import wanted_here
from bus.process.log import configure_logging
from bus.supervise.role import Door, Role
from bus.supervise.supervisor import Slot, Supervisor


class Service(StrEnum):
    """What to serve."""

    ENFORCE = "enforce"
    FUND = "fund"
    QUARANTINE = "quarantine"
    GATEWAY = "gateway"
    KEEPER = "keeper"
    PROBE = "probe"
    ALL = "all"


def serve(
    service: Annotated[Service, typer.Argument(help="What to run.")],
    *,
    workers: Annotated[int, typer.Option(min=1, max=32, help="Processes per role.")] = 1,
) -> None:
    """Run workers, gateway, keeper of rights and probe until Ctrl-C; what ends starts again.

    Example: bus serve all
    """
    slots = [
        Slot(role=role, number=number)
        for role in Role
        if service in {Service.ALL, Service(role.value)}
        for number in range(workers)
    ]
    doors = [door for door in Door if service in {Service.ALL, Service(door.value)}]
    slots += [Slot(role=door, number=0) for door in doors]
    configure_logging("supervisor")
    settings = installation().settings
    supervisor = Supervisor(
        slots,
        environment={"BUS_HOME": str(settings.home.absolute())},
    )
    with wanted_here(settings.home, doors):
        asyncio.run(_until_told_to_stop(supervisor))


async def _until_told_to_stop(supervisor: Supervisor) -> None:
    running = asyncio.ensure_future(supervisor.run())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await running
