"""`bus marts`: what consumers read of the data fund by SQL."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from bus.cli.context import installation, now, region
from bus.cli.output import JsonOption, heading, headings, print_json, print_table
from bus.contracts.yaml_document import some_of
from bus.errors import DocumentError
from bus.fund.layout import layouts_of
from bus.marts.password import MartLogin, set_mart_password
from bus.marts.reconcile import connect_marts
from bus.marts.wanted import Marts, marts_of, role_of
from bus.model.identifiers import AgencyCode
from bus.texts import message

app = typer.Typer(no_args_is_help=True, help="Marts: the data fund for consumers' SQL.")


def wanted_marts() -> Marts:
    """Tell the marts that the region's documents come to now."""
    current = region()
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
    marts = wanted_marts()
    code = AgencyCode(agency)
    if role_of(code) not in marts.by_role:
        known = some_of(mart.agency for mart in marts.by_role.values())
        raise DocumentError(message("error.marts.no_mart", agency=agency, known=known))
    login = asyncio.run(_set(code))
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


async def _set(agency: AgencyCode) -> MartLogin:
    current = installation()
    session = await connect_marts(current.fund_dsn())
    try:
        return await set_mart_password(session, current.home, agency)
    finally:
        await session.close()
