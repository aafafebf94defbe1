"""SQL lives in `.sql` files beside the code and is asked for by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files

from psycopg import sql

from bus.errors import InvariantBroken

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


class Queries:
    """The named statements of one `.sql` file.

    A statement begins with a line `-- name: <name>`. Parameters are psycopg's `%(name)s`; tables
    and columns that depend on a dataset stand in braces and are filled in as identifiers.
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._statements = {name: sql.SQL(text) for name, text in texts.items()}

    @classmethod
    def load(cls, package: str, file: str) -> Queries:
        """Read `sql/<file>.sql` of a package."""
        text = (files(package) / "sql" / f"{file}.sql").read_text(encoding="utf-8")
        parts = _NAME.split(text)
        return cls(dict(zip(parts[1::2], parts[2::2], strict=True)))

    def get(self, name: str, **fills: sql.Composable) -> sql.Composed:
        """Give the statement `name`, with its braces filled in.

        Raises:
            InvariantBroken: The file has no statement of this name.
        """
        statement = self._statements.get(name)
        if statement is None:
            raise InvariantBroken(
                f"no SQL statement {name!r}; there are {sorted(self._statements)}"
            )
        return statement.format(**fills)
