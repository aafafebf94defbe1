"""What an author writes: a configuration, and a generator from a position to rows.

```python
class Readings(Source["Readings.Config"]):
    class Config(SourceConfig):
        file: Path

    async def read(self, position):
        with closing(sqlite3.connect(self.config.file)) as database:
            query = "SELECT id, number, name FROM school WHERE id > ? ORDER BY id"
            for row_id, number, name in database.execute(query, [position or 0]):
                yield Row({"number": number, "name": name}, position=row_id)
```

The one promise that an author gives: **a row carries a position only where reading on from it
misses nothing**. The conformance kit (`bus connector test`) breaks a source that does not keep it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum, unique
from pathlib import Path
from typing import Any, ClassVar, Final, Generic, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict

from bus.errors import Finding, Unavailable, Words
from bus.model.record import Operation

Json: TypeAlias = Any
"""What JSON can write; 64 KiB of it at most where it is a position."""
Cell: TypeAlias = (
    str | int | float | bool | date | datetime | list[object] | dict[str, object] | None
)
"""One value of a row, as the source gives it; None is an empty one."""


class _NotHere:
    """The type of `NOT_HERE`."""

    def __repr__(self) -> str:
        return "NOT_HERE"


NOT_HERE: Final = _NotHere()
"""In place of a position: reading on from here would miss something, or repeat without an end."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the source."""

    cells: Mapping[str, Cell] = field(repr=False)
    """By column; the mapping file or equal names make fields of them."""
    position: Json = NOT_HERE
    """From where reading on gives everything behind this row; `NOT_HERE`: from an earlier one."""
    place: str = ""
    """Where it stands, for people: `schools.csv:17`, `school/42`. A mended row stands there again.
    Empty: its position, or the one before it and its number behind that."""
    version: int | None = None
    """Where the contract takes versions from the source; see `connectors.versions`."""
    at: datetime | None = None
    """When its content came to be, aware; None: as the mapping says, else when it is published."""
    operation: Operation | None = None
    """ANNUL: it never was true. CEASE: it has come to an end. None: its values are so. CREATE: so,
    and it stands anew where it had ended; a mapping that says that it ends is above that."""
    event: int | None = None
    """Its place in the source's own log, below 2**63: the same wherever reading began, and higher
    for each later event of its entry. None: it is named by its position, or by the one before it
    and its number behind that."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Progress without a row: everything before this position was given."""

    position: Json


@dataclass(frozen=True, slots=True)
class Bad:
    """What stands in the source and is no row: it goes to quarantine with its place and why."""

    raw: str = field(repr=False)
    """As it stands there, or as much of it as can be written as text."""
    why: Words
    place: str
    column: str | None = None
    position: Json = NOT_HERE
    event: int | None = None
    """As a row's."""


Item: TypeAlias = Row | Mark | Bad


@unique
class Kind(StrEnum):
    """What reading from the same position again gives; it decides what the kit demands."""

    LOG = "log"
    """The same events in the same order: files, change capture, an outbox."""
    STATE = "state"
    """What stands now: a table that is polled, a web service."""


class SourceConfig(BaseModel):
    """What a connector's document says of its source; secrets are `SecretStr`."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True
    )


class SourceDown(Unavailable):
    """The source does not answer, or not now; the runner tries again."""

    def __init__(self, message: Words, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        """What the source itself asks for; None: the runner's own pause, longer each time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A table, a file or a list that a source has, as `discover` found it."""

    name: str
    key: str | None
    """Column of the registry number, as far as it can be told."""
    columns: Mapping[str, Mapping[str, Any] | str]
    """Column → Avro type."""
    samples: Sequence[Mapping[str, Cell]] = field(repr=False, default=())
    """A few rows; they may hold personal data and are shown to the author alone."""
    config: Mapping[str, Json] = field(default_factory=dict)
    """What the connector's document must say to read this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of the source's history, in its own terms; None: open."""

    since: str | None = None
    until: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a source may ask of its runner, in place of taking it from the machine."""

    connector: str
    """The connector's name: of slots, groups and the like that it keeps in the source."""
    spool: Path
    """A folder of its own, which survives a restart; never a place for positions."""
    clock: Callable[[], datetime]
    """The present, aware."""
    sleep: Callable[[float], Awaitable[None]]
    """Wait so many seconds; ends early when the runner stops."""
    progress: Callable[[int, int | None], None] = lambda done, total: None  # noqa: ARG005
    """Tell how much is read, of how much; None: that is not known."""
    held: Callable[[int], None] = lambda log_bytes: None  # noqa: ARG005
    """Tell how many bytes of its log the source keeps for this connector."""


ConfigT = TypeVar("ConfigT", bound=SourceConfig)


class Source(ABC, Generic[ConfigT]):
    """A kind of source; one object reads one of them, once."""

    Config: ClassVar[type[SourceConfig]]
    kind: ClassVar[Kind] = Kind.STATE
    version: ClassVar[str] = "1"
    """Of the connector: stands beside each position it leaves."""

    def __init__(self, config: ConfigT, context: Context) -> None:
        """Take what it reads with; open nothing yet."""
        self.config = config
        self.context = context

    @abstractmethod
    def read(self, position: Json) -> AsyncIterator[Item]:
        """Give what stands behind a position, in the order in which it came to be.

        It may end (the runner asks again later, from the last position) or go on for ever. Whatever
        it opens it closes when it is closed itself.

        Args:
            position: That an item carried before, as JSON gives it back; None: the beginning.

        Raises:
            SourceDown: The source does not answer. `OSError` and `TimeoutError` count as it.
            DocumentError: The configuration can't be right.
        """

    async def check(self) -> Sequence[Finding]:
        """Look whether the source can be read as it is configured; everything that is wrong."""
        return ()

    async def discover(self) -> Sequence[Stream]:
        """Tell what there is to be read."""
        return ()

    async def created(self) -> None:
        """Make what must be there before it is read for the first time: a slot, a publication.

        May come twice, after a kill between this and the first position.
        """

    async def deleted(self) -> None:
        """Take that away when the connector is given up."""

    async def acked(self, position: Json) -> None:
        """Learn that everything up to a position is durable on the bus; may come twice, or late."""

    def backfill(self, span: Span) -> AsyncIterator[Row | Bad]:
        """Give a stretch of history, which is loaded beside what is new; positions do not count.

        Raises:
            NotImplementedError: This kind of source has none.
        """
        raise NotImplementedError(f"{type(self).__name__} can't load history ({span})")
