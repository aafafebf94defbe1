"""What is stated of files of tables in a connector's document; all else is found out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bus.client import Encoding
from connectors.source import SourceConfig

TOTALS = ("итого", "всего", "total")


class FileOptions(SourceConfig):
    """How files are read; a source that reads files has these settings among its own."""

    encoding: Annotated[
        Encoding | None,
        Field(description="encoding of texts and DBF; not stated: told by each file's content"),
    ] = None
    delimiter: Annotated[
        Literal[",", ";", "\t", "|"] | None,
        Field(description="sign between cells of CSV; not stated: told by the content"),
    ] = None
    quote: Annotated[
        Literal['"', "'", ""] | None,
        Field(description='sign around cells of CSV, empty for none; not stated: `"`'),
    ] = None
    sheets: Annotated[
        tuple[str, ...],
        Field(description="sheets of a workbook; not stated: every visible one with data"),
    ] = ()
    skip_rows: Annotated[
        int | None,
        Field(
            ge=0,
            le=1000,
            description="lines or rows above the header; not stated: those with fewer filled cells"
            " than half of the widest row",
        ),
    ] = None
    header_rows: Annotated[
        int | None,
        Field(
            ge=0,
            le=20,
            description="rows of the header, 0 for none (columns are then `1`, `2` and so on);"
            " not stated: told by merged cells and a row of column numbers, else one",
        ),
    ] = None
    column_numbers: Annotated[
        bool | None,
        Field(
            description="whether a row `1 2 3 ...` under the header numbers its columns;"
            " not stated: where it numbers five or more",
        ),
    ] = None
    totals: Annotated[
        tuple[str, ...],
        Field(
            description="a row is passed over whose first or second column says one of these, or"
            " begins with the first of them and a space; empty: no row is",
        ),
    ] = TOTALS
    fill_merged: Annotated[
        bool,
        Field(description="cells merged downwards have their value in every row"),
    ] = True
    row_element: Annotated[
        str | None,
        Field(
            description="XML: name of the element that is a row, without its namespace;"
            " not stated: each child of the root",
        ),
    ] = None
