"""`bus request`: a provider's inbox of data requests, and the letters that were not written."""

from __future__ import annotations

import asyncio
import json as json_module
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from bus.cli.context import installation, now, region
from bus.cli.output import JsonOption, headings, print_json, print_table, tell
from bus.client.gateway import GatewaySession
from bus.client.request_inbox import RequestInbox
from bus.errors import DocumentError
from bus.model.identifiers import SystemCode
from bus.observe.letters import read_letters
from bus.requests.coverage import RefusalReason
from bus.texts import message

app = typer.Typer(no_args_is_help=True, help="Data requests: to be answered, and counted.")
SystemOption = Annotated[
    str, typer.Option("--as", help="A system of the provider that publishes the dataset.")
]
RequestArgument = Annotated[str, typer.Argument(help="Id of the request, 32 digits.")]


@app.command()
def inbox(*, system: SystemOption, json: JsonOption = False) -> None:
    """List the data requests that wait for an answer, the most urgent first.

    Example: bus request inbox --as edu-registry
    """
    waiting = _through_gateway(system, lambda door: door.waiting())
    if json:
        print_json(waiting)
        return
    print_table(
        headings("id", "consumer", "dataset", "key", "agreement", "until"),
        [
            [
                one["id"],
                one["consumer"],
                one["dataset"],
                one["key"] or json_module.dumps(one["search"], ensure_ascii=False),
                one["agreement"],
                f"{one['deadline_at']:.16}",
            ]
            for one in waiting
        ],
    )


@app.command()
def answer(
    request: RequestArgument,
    file: Annotated[
        typer.FileBinaryRead, typer.Argument(help="JSON: a record by field, or a list; - reads it.")
    ],
    *,
    system: SystemOption,
    json: JsonOption = False,
) -> None:
    """Answer a data request; the record is judged by the contract, and cut before it is shown.

    Example: bus request answer 0f3c… record.json --as edu-registry
    """
    records = _records(Path(file.name), file.read())
    done = _through_gateway(system, lambda door: door.answer(request, records))
    _tell_done(done, json=json)


@app.command()
def refuse(
    request: RequestArgument,
    *,
    reason: Annotated[
        RefusalReason, typer.Option(help="unknown_entry, not_kept or not_permitted.")
    ],
    system: SystemOption,
    json: JsonOption = False,
) -> None:
    """Refuse a data request with a reason of the list.

    Example: bus request refuse 0f3c… --reason unknown_entry --as edu-registry
    """
    done = _through_gateway(system, lambda door: door.refuse(request, reason))
    _tell_done(done, json=json)


@app.command()
def letters(*, json: JsonOption = False) -> None:
    """Count the letters that the bus replaced, by provider, consumer and dataset; each once.

    An answer from the fund, an answer of a provider through the bus, and each live record that a
    standing subscription delivered where the process passport says it replaces a letter.

    Example: bus request letters --json
    """
    current = installation()
    found = asyncio.run(read_letters(current.cluster_as_admin(), current.fund_dsn(), region()))
    if json:
        print_json({"letters_replaced": sum(one.total for one in found), "by": found})
        return
    print_table(
        headings(
            "agency", "consumer", "dataset", "from_fund", "by_provider", "delivered", "number"
        ),
        [
            [
                *(one.agency, one.consumer, one.dataset, one.answered_auto, one.answered),
                *(one.delivered, one.total),
            ]
            for one in found
        ],
    )


def _records(path: Path, content: bytes) -> list[dict[str, Any]]:
    try:
        read = json_module.loads(content)
    except (ValueError, RecursionError):
        read = None
    records = [read] if isinstance(read, dict) else read
    if not isinstance(records, list) or not all(isinstance(one, dict) for one in records):
        raise DocumentError(message("error.requests.answer_file", path=path))
    return records


def _through_gateway(system: str, work: Callable[[RequestInbox], Awaitable[Any]]) -> Any:  # noqa: ANN401 - JSON
    async def through() -> object:
        gateway = installation().gateway_as(SystemCode(system))
        async with GatewaySession(gateway, now) as session:
            return await work(RequestInbox(session, SystemCode(system)))

    return asyncio.run(through())


def _tell_done(done: dict[str, str], *, json: bool) -> None:
    if json:
        print_json(done)
    else:
        tell("requests.settled", id=done["id"], state=done["state"])
