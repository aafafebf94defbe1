"""`bus marts`: what consumers read of the data fund by SQL."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from bus.catalogue.region import Region
from bus.cli.context import installation, now, region
from bus.cli.output import JsonOption, heading, headings, print_json, print_table
from bus.contracts.yaml_document import some_of
from bus.errors import DocumentError
from bus.fund.layout import layouts_of
from bus.marts.wanted import Marts, marts_of, role_of
from bus.model.identifiers import AgencyCode
from bus.provision.noted import set_mart_password_noted
from bus.texts import message

app = typer.Typer(no_args_is_help=True, help="Marts: the data fund for consumers' SQL.")


def wanted_marts(current: Region) -> Marts:
    """Tell the marts that a region comes to now."""
    return marts_of(current, layouts_of(current.contracts.values(), current.lock), now())


@app.command()
def password(
    agency: Annotated[str, typer.Argument(help="The consuming agency, e.g. health-samara.")],
    *,
    json: JsonOption = False,
) -> None:
    """Give the role of a consumer's mart its password, and tell the file that holds it.

    The password is made once and never printed. Run again, it sets the file's password again.

    Example: bus marts password health-samara
    """
    marts = wanted_marts(region())
    code = AgencyCode(agency)
    if role_of(code) not in marts.by_role:
        known = some_of(mart.agency for mart in marts.by_role.values())
        raise DocumentError(message("error.marts.no_mart", agency=agency, known=known))
    current = installation()
    login = asyncio.run(set_mart_password_noted(current.home, code, current.fund_dsn()))
    if json:
        print_json(login)
        return
    print_table(
        headings("field", "value"),
        [
            [heading("role"), login.role],
            [heading("database"), login.database],
            [heading("password_file"), login.password_file],
            [heading("new"), heading("yes" if login.is_new else "no")],
        ],
    )
