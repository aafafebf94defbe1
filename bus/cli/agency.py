"""`bus agency`: agencies that take part, one that joins, one that leaves."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from bus.catalogue.agency_text import Newcomer
from bus.cli.context import installation, language, now, region
from bus.cli.output import JsonOption, headings, print_json, print_table, tell
from bus.model.identifiers import AgencyCode
from bus.provision import agencies
from bus.provision.agencies import Premises
from bus.texts import text

app = typer.Typer(no_args_is_help=True, help="Agencies that take part in the exchange.")


@app.command("list")
def list_(*, json: JsonOption = False) -> None:
    """List agencies, their systems, and what they provide.

    Example: bus agency list
    """
    known = sorted(region().agencies.values(), key=lambda agency: agency.code)
    if json:
        print_json(
            [
                {
                    "agency": one.code,
                    "name": {"ru": one.name.ru, "en": one.name.en},
                    "systems": [system.code for system in one.systems],
                    "provides": sorted(one.provides),
                    "left_at": one.left_at,
                }
                for one in known
            ]
        )
        return
    print_table(
        headings("agency", "system", "dataset", "left_at"),
        [
            [
                one.code,
                ", ".join(system.code for system in one.systems),
                ", ".join(sorted(one.provides)),
                one.left_at,
            ]
            for one in known
        ],
    )


@app.command()
def join(
    agency: Annotated[str, typer.Argument(help="Its code, also the file's name.")],
    *,
    name_ru: Annotated[str | None, typer.Option(help="Its name in Russian.")] = None,
    name_en: Annotated[str | None, typer.Option(help="Its name in English.")] = None,
    oktmo: Annotated[str | None, typer.Option(help="Territory that it serves.")] = None,
    system: Annotated[str | None, typer.Option(help="Code of its first system.")] = None,
    system_name_ru: Annotated[str | None, typer.Option(help="Its name in Russian.")] = None,
    system_name_en: Annotated[str | None, typer.Option(help="Its name in English.")] = None,
    provides: Annotated[
        list[str] | None, typer.Option(help="Dataset that it publishes; again for more.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Let an agency join: its document, its first system's way in, the catalogue.

    In a terminal it asks for what is missing. Begun again, it goes on where it was interrupted.

    Example: bus agency join culture-samara --system museums --provides collections
    """
    newcomer = Newcomer(
        agency=agency,
        name_ru=_asked(name_ru, "name-ru"),
        name_en=_asked(name_en, "name-en"),
        oktmo=oktmo,
        system=_asked(system, "system"),
        system_name_ru=_asked(system_name_ru, "system-name-ru"),
        system_name_en=_asked(system_name_en, "system-name-en"),
        provides=tuple(provides or ()),
    )
    joined = agencies.join(_premises(), newcomer)
    if json:
        print_json(joined)
        return
    tell("agency.joined", agency=joined.agency, catalogue=joined.catalogue, file=joined.document)
    print_table(
        headings("field", "value"),
        [
            [text(f"agency.hand_over.{name}", language()), str(file)]
            for name, file in (
                ("password", joined.password_file),
                ("key", joined.private_key_file),
                ("certificate", joined.certificate_file),
            )
            if file is not None
        ],
    )
    tell("agency.joined_next", system=joined.system)


@app.command()
def leave(
    agency: Annotated[str, typer.Argument(help="Its code.")],
    *,
    by: Annotated[str, typer.Option(help="Post of the person who decided, never a name.")],
    json: JsonOption = False,
) -> None:
    """Let an agency leave: its agreements, rights, keys and passwords end; its records stay.

    Example: bus agency leave culture-samara --by "Head of the digital office"
    """
    left = agencies.leave(_premises(), AgencyCode(agency), by.strip())
    if json:
        print_json(left)
        return
    tell(
        "agency.left",
        agency=left.agency,
        at=left.left_at,
        catalogue=left.catalogue,
        agreements=", ".join(left.agreements) or "-",
        keys=", ".join(left.keys) or "-",
        systems=", ".join(left.systems) or "-",
    )
    if left.unprovided:
        tell("agency.unprovided", datasets=", ".join(left.unprovided))


def _premises() -> Premises:
    current = installation()
    return Premises(
        region_file=current.settings.region,
        home=current.home,
        cluster=current.cluster_as_admin(),
        fund_dsn=current.fund_dsn(),
        clock=now,
    )


def _asked(given: str | None, option: str) -> str:
    """Give what an option says; else ask for it, where somebody is there to answer."""
    if given is not None:
        return given
    if not sys.stdin.isatty():
        raise typer.BadParameter(text("agency.needed", language()), param_hint=f"--{option}")
    answer: str = typer.prompt(text(f"agency.ask.{option}", language()), err=True)
    return answer
