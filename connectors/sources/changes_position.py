"""How far a table is read by change capture: in the log, and in the table itself. Pure.

```json
{"epoch": 1, "source": "7577…/1", "lsn": "0/1A2B3C8", "table": {"after": "63-0417"}}
```
`lsn` is behind the last commit that was told whole; `table` how far rows that were there before are
read, by key (`"read"`: all of them). Within a very large transaction `within` counts its rows: the
source sends it whole again, and they are passed over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from bus.errors import DocumentError
from connectors.source import Json
from connectors.texts import message

READ: Final = "read"


def lsn_of(text: str) -> int:
    """Read a place in the log as PostgreSQL writes it."""
    high, low = text.split("/")
    return int(high, 16) << 32 | int(low, 16)


def lsn_text(lsn: int) -> str:
    """Write a place in the log as PostgreSQL does."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


@dataclass(slots=True, kw_only=True)
class Place:
    """A position, taken apart; it moves on as the source is read."""

    epoch: int
    source: str
    """Identifier of the database system, and its timeline."""
    lsn: int
    after: str | None
    """Key of the last row that was read in the table; None: none was yet."""
    is_read: bool
    """Nothing is left to be read there."""
    within: tuple[int, int] | None = None
    """Commit of a transaction that is told in part, and how many of its rows are."""

    @property
    def json(self) -> Json:
        """Write it."""
        return {
            "epoch": self.epoch,
            "source": self.source,
            "lsn": lsn_text(self.lsn),
            "table": READ if self.is_read else {"after": self.after},
        }

    def inside(self, commit: int, rows: int) -> Json:
        """Write it within a transaction."""
        return {**self.json, "within": {"commit": lsn_text(commit), "rows": rows}}

    @classmethod
    def read(cls, position: Json) -> Self:
        """Read a position.

        Raises:
            DocumentError: It is none of this source's.
        """
        try:
            within, table = position.get("within"), position["table"]
            return cls(
                epoch=int(position["epoch"]),
                source=str(position["source"]),
                lsn=lsn_of(position["lsn"]),
                after=None if table == READ else table["after"],
                is_read=table == READ,
                within=within and (lsn_of(within["commit"]), int(within["rows"])),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as problem:
            raise DocumentError(
                message("postgres-changes.position", position=position)
            ) from problem
