"""What a connector's document says of a table of PostgreSQL."""

from __future__ import annotations

from typing import Annotated, Literal

from psycopg.conninfo import conninfo_to_dict
from pydantic import Field, SecretStr, field_validator

from connectors.source import SourceConfig
from connectors.sources.postgres_relation import XMIN, Wanted


class PostgresTableConfig(SourceConfig):
    """Which table or view is read, and how."""

    dsn: Annotated[
        str,
        Field(description="libpq's connection string or URL, without a password."),
    ]
    password: Annotated[
        SecretStr | None, Field(description="Of the role, which needs SELECT alone.")
    ] = None
    table: Annotated[
        str, Field(description="Table or view as SQL names it: register.school.", min_length=1)
    ]
    key: Annotated[
        tuple[str, ...],
        Field(description="Columns that name a row, never null; left out: the primary key."),
    ] = ()
    columns: Annotated[
        tuple[str, ...], Field(description="Columns to read; left out: all of them.")
    ] = ()
    cursor: Annotated[
        tuple[str, ...],
        Field(
            description="Indexed columns that grow as rows change or come, such as updated or id:"
            " times, days or numbers. They make reading cheap and decide nothing else."
        ),
    ] = ()
    overlap_s: Annotated[
        float,
        Field(
            description="How far back of the cursor each pass looks, seconds; at least the usual"
            " length of a transaction.",
            ge=0,
        ),
    ] = 3600.0
    sweep_s: Annotated[
        float,
        Field(
            description="How often the whole table is looked through for rows that the cursor"
            " does not show, seconds.",
            ge=0,
        ),
    ] = 300.0
    xid_columns: Annotated[
        tuple[str, ...],
        Field(
            description="Columns with the id of the transaction that wrote the row. A view has"
            " none of its own: let it give xmin of each table that it reads.",
            min_length=1,
        ),
    ] = (XMIN,)
    version_column: Annotated[
        str | None, Field(description="Column with the version, where the contract asks for one.")
    ] = None
    deleted_column: Annotated[
        str | None,
        Field(
            description="Column that says that a row is deleted: true, a moment, a number but 0."
        ),
    ] = None
    deleted_means: Annotated[
        Literal["cease", "annul"],
        Field(description="What a deleted row says: it has come to an end, or never was true."),
    ] = "cease"
    statement_s: Annotated[
        float, Field(description="How long one query may take, seconds.", gt=0)
    ] = 300.0

    @field_validator("dsn")
    @classmethod
    def _has_no_password(cls, dsn: str) -> str:
        try:
            parts = conninfo_to_dict(dsn)
        except Exception:  # noqa: BLE001 - its words would quote what may be a password
            raise ValueError("it is no connection string of PostgreSQL") from None
        if "password" in parts:
            raise ValueError("the password belongs into config.password")
        return dsn

    @property
    def wanted(self) -> Wanted:
        """What it says of the relation."""
        return Wanted(
            table=self.table,
            key=self.key,
            columns=self.columns,
            cursor=self.cursor,
            xid_columns=self.xid_columns,
            version_column=self.version_column,
            deleted_column=self.deleted_column,
        )
