"""What a sender may state about a table file when detection is wrong or not wanted."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from bus.tables.encoding import Encoding


class TableOptions(BaseModel):
    """Section `table` of a mapping file; what is not stated is detected and shown."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoding: Encoding | None = None
    delimiter: Literal[",", ";", "\t", "|"] | None = None
    quote: Literal['"', "'", ""] | None = None
    """Empty: cells are never quoted, a quote is a sign like others. Not stated: `"`."""
    header: bool = True
    """False: there is no row of column names, and columns are called `1`, `2` and so on."""
    sheet: str | None = None
    """Name of the Excel sheet; not stated: the first visible one with data."""
    skip_rows: Annotated[int, Field(ge=0, le=1000)] = 0
    """Lines (Excel: rows) above the header or, without one, above the data."""

    @property
    def stated(self) -> frozenset[str]:
        """Names of the options that were given a value."""
        return frozenset(self.model_fields_set)
