"""`bus ask`: a data request in place of a letter."""

from __future__ import annotations

import asyncio
import json as json_module
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated
from uuid import UUID

import typer

from bus.cli.context import installation, language, now
from bus.cli.output import JsonOption, print_json, print_table, results, tell
from bus.client import Asker, Question, Reply
from bus.client.delivered import as_text
from bus.model.identifiers import AgencyCode, DatasetCode, SystemCode
from bus.requests.state import RequestState
from bus.texts import text


def ask(
    dataset: Annotated[str, typer.Argument(help="Dataset that is asked about.")],
    key: Annotated[
        str | None, typer.Argument(help="Registry number of one entry, as its provider has it.")
    ] = None,
    *,
    system: Annotated[str, typer.Option("--as", help="The information system that asks.")],
    search: Annotated[
        list[str] | None,
        typer.Option(help="FIELD=VALUE in place of a key; several must all be equal."),
    ] = None,
    provider: Annotated[
        str | None, typer.Option(help="Agency that is asked; needed where several provide.")
    ] = None,
    agreement: Annotated[
        str | None, typer.Option(help="Agreement that covers it; needed where several do.")
    ] = None,
    purpose: Annotated[
        str | None, typer.Option(help="The agreement's own words; left out, they hold.")
    ] = None,
    recorded: Annotated[str | None, typer.Option(help="As recorded by a moment.")] = None,
    valid: Annotated[str | None, typer.Option(help="As true at a moment.")] = None,
    request_id: Annotated[
        UUID | None, typer.Option(help="Of a question asked before, to see its answer again.")
    ] = None,
    wait_s: Annotated[
        float, typer.Option(min=0, help="How long to wait where the provider is asked.")
    ] = 0.0,
    json: JsonOption = False,
) -> None:
    """Ask for one entry: answered from the data fund at once, or asked of its provider.

    An answer is cut to what the agreement shows, and proved. Exit code 0: answered, or asked of the
    provider; 1: refused or expired.

    Example: bus ask educational-institutions 63-0001 --as health-analytics --provider education-samara

    Example: bus ask organisations --search inn=6315000000 --as region-portal --json
    """  # noqa: E501 - an example is one line
    question = Question(
        dataset=DatasetCode(dataset),
        key=key,
        search=_searched(search),
        provider=AgencyCode(provider) if provider else None,
        agreement=agreement,
        purpose=purpose,
        recorded=_moment(recorded),
        valid=_moment(valid),
    )
    reply = asyncio.run(_ask(SystemCode(system), question, request_id, wait_s))
    if json:
        print_json(plain_reply(reply))
    else:
        print_reply(reply)
    if reply.state in {RequestState.REFUSED, RequestState.EXPIRED}:
        raise typer.Exit(1)


async def _ask(
    system: SystemCode, question: Question, request_id: UUID | None, wait_s: float
) -> Reply:
    current = installation()
    cluster, gateway = current.cluster_as(system), current.gateway_as(system)
    async with Asker.open(cluster, gateway, clock=now) as asker:
        reply = await asker.ask(question, request_id)
        return await asker.look(reply, wait_s=wait_s) if wait_s else reply


def _searched(given: list[str] | None) -> Mapping[str, str] | None:
    if not given:
        return None
    pairs = [one.partition("=") for one in given]
    for one, (name, sign, _) in zip(given, pairs, strict=True):
        if not name or not sign:
            raise typer.BadParameter(text("error.requests.search_form", language(), given=one))
    return {name: value for name, _, value in pairs}


def _moment(given: str | None) -> datetime | None:
    if given is None:
        return None
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise typer.BadParameter(text("fund.no_moment", language(), given=given))
    return moment


def plain_reply(reply: Reply) -> dict[str, object]:
    """Write a reply as JSON has it: values, and where they come from."""
    return {
        "id": reply.id,
        "request_id": str(reply.request_id),
        "state": reply.state,
        "reason": reply.reason,
        "provider": reply.provider,
        "agreement": reply.agreement,
        "deadline_at": reply.deadline_at,
        "answered_by": reply.answered_by,
        "records": [
            {
                "key": one.key,
                "values": json_module.loads(json_module.dumps(one.fields, default=as_text)),
                "record_id": None if one.version is None else one.version.record_id,
                "version": None if one.version is None else one.version.version,
                "operation": None if one.version is None else one.version.operation,
                "accepted": one.accepted,
                "recorded_at": one.recorded_at,
            }
            for one in reply.records
        ],
    }


def print_reply(reply: Reply) -> None:
    """Print a reply for people."""
    told = {"id": reply.id, "request_id": reply.request_id, "provider": reply.provider}
    match reply.state:
        case RequestState.ASKED:
            tell("requests.asked", **told, deadline=reply.deadline_at)
        case RequestState.EXPIRED:
            tell("requests.expired", **told, deadline=reply.deadline_at)
        case RequestState.REFUSED if reply.why is not None:
            tell("requests.refused_by_bus", reason=reply.reason, why=reply.why)
        case RequestState.REFUSED:
            tell("requests.refused", **told, reason=reply.reason)
        case _:
            if not reply.records:
                tell("requests.nothing_shown", **told)
    for one in reply.records:
        key = "requests.by_hand" if one.version is None else "requests.from_fund"
        version = one.version
        tell(
            key,
            key=one.key,
            system=reply.answered_by,
            agreement=reply.agreement,
            version=None if version is None else version.version,
            record_id=None if version is None else version.record_id,
            recorded=one.recorded_at,
        )
        values = json_module.loads(json_module.dumps(one.fields, default=as_text))
        print_table(["", ""], [[name, _cell(value)] for name, value in values.items()])
        results.print()


def _cell(value: object) -> object:
    nested = isinstance(value, list | dict)
    return json_module.dumps(value, ensure_ascii=False) if nested else value
