"""What a connector's document says of a table of any SQL database."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from sqlalchemy import exc, make_url

from connectors.source import SourceConfig


class SqlTableConfig(SourceConfig):
    """Which table is read, and how."""

    url: Annotated[
        str,
        Field(
            description="SQLAlchemy's URL without a password: mssql+pymssql://reader@db/register."
        ),
    ]
    password: Annotated[SecretStr | None, Field(description="Of the user.")] = None
    table: Annotated[
        str, Field(description="Table or view, with its schema where it needs one.", min_length=1)
    ]
    key: Annotated[
        tuple[str, ...], Field(description="Columns that name a row; left out: the primary key.")
    ] = ()
    columns: Annotated[
        tuple[str, ...], Field(description="Columns to read; left out: all of them.")
    ] = ()
    mode: Annotated[
        Literal["cursor", "whole"],
        Field(description="Read on from a cursor, or all rows each time."),
    ] = "cursor"
    cursor: Annotated[
        str | None,
        Field(description="Indexed column that grows as rows change or come: time, day, number."),
    ] = None
    settle_s: Annotated[
        float, Field(description="How old a row must be to be read, seconds.", ge=0)
    ] = 5.0
    overlap_s: Annotated[
        float, Field(description="How far back each pass begins, seconds; for times.", ge=0)
    ] = 300.0
    overlap_numbers: Annotated[
        int, Field(description="How far back each pass begins; for numbers.", ge=0)
    ] = 1_000
    clock_sql: Annotated[
        str | None,
        Field(
            description="SQL that gives the present as the cursor writes it, where"
            " CURRENT_TIMESTAMP does not: another time zone, fractions of a second."
        ),
    ] = None
    vanished: Annotated[
        Literal["keep", "cease"],
        Field(description="What a row that is gone from a table read whole says: nothing, or end."),
    ] = "keep"
    vanished_share_max: Annotated[
        float,
        Field(description="Share of rows that may vanish at once; more stops it.", gt=0, le=1),
    ] = 0.2
    version_column: Annotated[
        str | None, Field(description="Column with the version, where the contract asks for one.")
    ] = None
    deleted_column: Annotated[
        str | None, Field(description="Column that says that a row is deleted: true, a moment, 1.")
    ] = None
    deleted_means: Annotated[
        Literal["cease", "annul"],
        Field(description="What a deleted row says: it has come to an end, or never was true."),
    ] = "cease"

    @field_validator("url")
    @classmethod
    def _has_no_password(cls, url: str) -> str:
        try:
            parsed = make_url(url)
        except exc.ArgumentError:
            raise ValueError("it is no URL of SQLAlchemy") from None
        if parsed.password is not None:
            raise ValueError("the password belongs into config.password")
        return url

    @model_validator(mode="after")
    def _has_what_its_mode_needs(self) -> Self:
        if (self.mode == "cursor") != (self.cursor is not None):
            raise ValueError("mode cursor needs a cursor, mode whole has none")
        if self.vanished == "cease" and self.mode != "whole":
            raise ValueError("only in mode whole is it noticed that a row is gone")
        return self
