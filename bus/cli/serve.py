"""`bus serve`: the bus's own workers, kept running."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from enum import StrEnum
from typing import Annotated

import typer

from bus.agents.log import configure_logging
from bus.agents.role import Role
from bus.agents.supervisor import Slot, Supervisor
from bus.cli.context import installation


class Service(StrEnum):
    """What to serve."""

    ENFORCE = "enforce"
    FUND = "fund"
    QUARANTINE = "quarantine"
    ALL = "all"


def serve(
    service: Annotated[Service, typer.Argument(help="Which workers to run.")],
    *,
    workers: Annotated[int, typer.Option(min=1, max=32, help="Processes per role.")] = 1,
) -> None:
    """Run workers until Ctrl-C; each is started again when it ends, with a growing pause.

    Example: bus serve all
    """
    roles = list(Role) if service is Service.ALL else [Role(service.value)]
    slots = [Slot(role=role, number=number) for role in roles for number in range(workers)]
    configure_logging("supervisor")
    settings = installation().settings
    supervisor = Supervisor(
        slots,
        environment={"BUS_HOME": str(settings.home.absolute())},
    )
    asyncio.run(_until_told_to_stop(supervisor))


async def _until_told_to_stop(supervisor: Supervisor) -> None:
    running = asyncio.ensure_future(supervisor.run())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await running
