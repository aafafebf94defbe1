"""`bus system`: information systems and their ways in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from bus.catalogue.parties import BUS
from bus.catalogue.region import Region
from bus.cli.context import installation, now, region
from bus.cli.output import JsonOption, heading, headings, print_json, print_table
from bus.errors import DocumentError
from bus.kafka.administration import connect_admin
from bus.model.identifiers import SystemCode
from bus.provision.noted import delegate_noted, enrol_noted
from bus.texts import message

app = typer.Typer(no_args_is_help=True, help="Information systems and their ways in.")


@app.command()
def enrol(
    systems: Annotated[
        list[str] | None, typer.Argument(help="Codes of systems; none: all of the region.")
    ] = None,
    *,
    json: JsonOption = False,
) -> None:
    """Give systems a Kafka password and a signing key; what they have is kept.

    Secrets lie under `<home>/secrets/systems`, public keys under `<home>/keys`.

    Example: bus system enrol edu-registry
    """
    known = _codes(region())
    wanted = [SystemCode(code) for code in systems] if systems else [BUS, *known]
    _refuse_strangers(wanted, [BUS, *known])
    current = installation()
    admin = connect_admin(current.cluster_as_admin())
    enrolments = enrol_noted(current.home, admin, wanted, now(), current.fund_dsn())
    if json:
        print_json(enrolments)
    else:
        print_table(
            headings("system", "signing_key", "new"),
            [[e.system, e.key_id, heading("yes" if e.is_new_key else "no")] for e in enrolments],
        )


@app.command()
def delegate(
    system: Annotated[str, typer.Argument(help="Code of the system that delegates.")],
    *,
    json: JsonOption = False,
) -> None:
    """Let the gateway sign what a system sends over HTTP, with a key of its own.

    The private key stays with the gateway; its document `<home>/keys/<system>.gateway-<n>.yaml`
    says so, comes into force with the next `bus catalogue apply`, and revokes by `revoked_at`.

    Example: bus system delegate edu-registry && bus catalogue apply
    """
    described = region()
    _refuse_strangers([SystemCode(system)], _codes(described))
    current = installation()
    admin = connect_admin(current.cluster_as_admin())
    made = delegate_noted(
        current.home, admin, SystemCode(system), described.keys, now(), current.fund_dsn()
    )
    if json:
        print_json(made)
    else:
        print_table(
            headings("system", "signing_key", "new"),
            [[made.system, made.key_id, heading("yes" if made.is_new else "no")]],
        )


def _codes(described: Region) -> list[SystemCode]:
    """Give the systems of agencies that take part."""
    moment = now()
    return [
        system.code
        for agency in described.agencies.values()
        if not agency.has_left(moment)
        for system in agency.systems
    ]


def _refuse_strangers(wanted: Sequence[SystemCode], known: Sequence[SystemCode]) -> None:
    strangers = sorted(set(wanted) - set(known))
    if strangers:
        raise DocumentError(
            message(
                "error.cli.no_such_system",
                systems=", ".join(strangers),
                known=", ".join(sorted(set(known) - {BUS})),
            )
        )
