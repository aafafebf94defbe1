"""What every command needs: the installation it works on, the time, the language it speaks."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from bus.catalogue.documents import read_documents
from bus.catalogue.region import Region, parse_region
from bus.errors import DocumentError
from bus.settings import read_settings
from bus.texts import Language
from bus.wiring import Installation

_chosen: dict[str, object] = {}


def choose(
    home: Annotated[
        Path | None,
        typer.Option(help="Folder of the installation; default .bus, or BUS_HOME."),
    ] = None,
    region: Annotated[
        Path | None,
        typer.Option(help="The region's root document; default deploy/samara/region.yaml."),
    ] = None,
    lang: Annotated[
        Language | None, typer.Option(help="Language of texts; default from LANG, else English.")
    ] = None,
) -> None:
    """The interagency exchange bus: registry records between agencies instead of letters.

    Example: bus local up && bus system enrol && bus catalogue apply && bus serve all
    """
    given = {"home": home, "region": region, "language": lang}
    _chosen.clear()
    _chosen.update({name: value for name, value in given.items() if value is not None})


def installation() -> Installation:
    """Give the installation that the command line and the environment name."""
    return Installation(read_settings(**_chosen))


def documents() -> dict[str, bytes]:
    """Read the region's documents from disk, the systems' public keys among them."""
    current = installation()
    return read_documents(current.settings.region, current.keys_dir)


def region() -> Region:
    """Read and parse the region's documents."""
    return parse_region(documents())


def now() -> datetime:
    """Tell the time; the only clock that commands read."""
    return datetime.now(UTC)  # noqa: TID251 - here it is taken, everywhere else handed over


def language() -> Language:
    """Give the language to speak: the chosen one, else LANG's where it is known."""
    chosen = _chosen.get("language")
    # Why so: that the settings are wrong is told in some language too.
    with suppress(DocumentError):
        chosen = chosen or installation().settings.language
    if isinstance(chosen, Language):
        return chosen
    return Language.RU if os.environ.get("LANG", "").startswith("ru") else Language.EN
