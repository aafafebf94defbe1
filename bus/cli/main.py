"""Entry point of the `bus` command, and the exit codes of all its commands.

0  done
1  findings: a document is wrong, a law does not hold, something differs
2  usage
3  an engine is unavailable
70 the bus itself is wrong
"""

from __future__ import annotations

import sys
from typing import Final

import typer

from bus.cli import (
    access,
    agency,
    agreement,
    ask,
    audit,
    catalogue,
    contract,
    demo,
    doors,
    erase,
    explain,
    fund,
    key,
    local,
    marts,
    plugins,
    quarantine,
    request,
    serve,
    slo,
    status,
    system,
    topics,
    trace,
    verify,
)
from bus.cli.context import choose, language
from bus.cli.output import talk
from bus.errors import BusError, DocumentError, InvariantBroken, Unavailable

_NAME: Final = "bus"
EXIT_FINDINGS: Final = 1
EXIT_UNAVAILABLE: Final = 3
EXIT_BROKEN: Final = 70

app = typer.Typer(
    name=_NAME,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
    callback=choose,
)
for group in (
    *(local, contract, agency, agreement, catalogue, topics, access, system, key, fund, marts),
    quarantine,
    *(request, audit),
):
    app.add_typer(group.app, name=group.__name__.rpartition(".")[2])
app.command("serve")(serve.serve)
app.command("publish")(doors.publish)
app.command("subscribe")(doors.subscribe)
app.command("ask")(ask.ask)
app.command("verify")(verify.verify)
app.command("status")(status.status)
app.command("slo")(slo.slo)
app.command("trace")(trace.trace)
app.command("explain")(explain.explain)
app.command("erase")(erase.erase)
app.command("erasures")(erase.erasures)
app.command("demo")(demo.demo)
plugins.add_to(app)


def exit_code(problem: BusError) -> int:
    """Tell the exit code that a fault comes to."""
    match problem:
        case Unavailable():
            return EXIT_UNAVAILABLE
        case InvariantBroken():
            return EXIT_BROKEN
        case DocumentError():
            return EXIT_FINDINGS
        case _:
            return EXIT_BROKEN


def run() -> None:
    """Run the command line; a fault becomes one message on standard error and an exit code."""
    try:
        app(prog_name=_NAME)
    except BusError as problem:
        talk.print(f"{_NAME}: {problem.spoken(language())}", style="red", markup=False)
        sys.exit(exit_code(problem))
