"""What commands print: results on standard output, talk on standard error, JSON on request."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from enum import Enum
from typing import Annotated

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

from bus.cli.context import language
from bus.errors import Finding
from bus.texts import Message, message, text

JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")]

_WIDE = 10_000

talk = Console(stderr=True, highlight=False)
"""For progress and advice; never for results."""
results = Console(highlight=False, soft_wrap=True)
"""For results that people read."""


def plain(value: object) -> object:
    """Turn values of the bus into what JSON knows."""
    match value:
        case Enum():
            return value.value
        case None | bool() | int() | float():
            return value
        case Message():
            return str(value)
        case BaseModel():
            return value.model_dump(mode="json")
        case bytes():
            return value.hex()
        case datetime() | date():
            return value.isoformat()
        case _ if dataclasses.is_dataclass(value):
            fields = dataclasses.fields(value)
            return {field.name: plain(getattr(value, field.name)) for field in fields}
    return _plain_container(value)


def _plain_container(value: object) -> object:
    match value:
        case str():
            return str(value)
        case Mapping():
            return {str(plain(key)): plain(item) for key, item in value.items()}
        case Sequence() | set() | frozenset():
            return [plain(item) for item in value]
    return str(value)


def print_json(value: object) -> None:
    """Print one JSON document on one line."""
    typer.echo(json.dumps(plain(value), ensure_ascii=False))


def tell(key: str, /, **values: object) -> None:
    """Say one text of the catalogue, in the language chosen, beside the results."""
    talk.print(message(key, **values).spoken(language()), markup=False)


def advise(finding: Finding) -> None:
    """Say beside the results what somebody should see to, though nothing fails for it."""
    talk.print(finding.spoken(language()), markup=False, style="yellow", soft_wrap=True)


def heading(name: str) -> str:
    """Give a heading, or a word in a table, in the language chosen: text `column.<name>`."""
    return text(f"column.{name}", language()) if name else ""


def headings(*names: str) -> list[str]:
    """Give headings of a table; an empty name has none."""
    return [heading(name) for name in names]


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under headings."""
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*["" if cell is None else str(plain(cell)) for cell in row])
    # Why: in a file or a pipe a row is a line, however wide it is.
    wide = Console(file=results.file, width=_WIDE, highlight=False)
    (results if results.is_terminal else wide).print(table)
