"""The counterpart of a source in tests: a small real one, changed and broken on demand."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import ClassVar, Self

from connectors.source import Cell, Json, SourceConfig, Span

CANARY = "s3cr3t-canary-7391"
"""What a twin gives as each secret of its configuration; the kit looks for it everywhere."""


class NotOffered(Exception):
    """This source has no such thing: the check does not apply, and says why."""


class Twin(ABC):
    """One real source, empty at first: entering it makes it, leaving it takes it away.

    What is not overridden does not apply to this kind of source.
    """

    key: ClassVar[str] = "number"
    """Column of the registry number; `name` is to be the other one."""
    is_numbered: ClassVar[bool] = False
    """Whether rows bring their versions."""

    def __init__(self) -> None:
        """Know of nothing yet."""
        self.rows: dict[str, dict[str, Cell]] = {}
        """What stands in the source now, by registry number: what the bus must come to."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    @property
    @abstractmethod
    def config(self) -> SourceConfig:
        """Give the configuration that reads it."""

    @abstractmethod
    async def put(self, rows: Mapping[str, str]) -> None:
        """Write rows, each on its own: new ones, or other content of those that are there.

        Args:
            rows: Registry number → name. `self.rows` is to be what a row of the source gives.
        """

    async def remove(self, key: str) -> None:  # noqa: ARG002 - for those that offer it
        """Take a row out of the source."""
        raise NotOffered("rows are not taken out of such a source, or nobody can tell")

    async def put_together(self, rows: Mapping[str, str]) -> None:  # noqa: ARG002 - for those that offer it
        """Write rows in one transaction, or with one value of the cursor."""
        raise NotOffered("rows of such a source have no common place")

    def late(self, rows: Mapping[str, str]) -> AbstractAsyncContextManager[None]:  # noqa: ARG002 - for those that offer it
        """Write rows whose place is drawn on entering, and which can be seen on leaving."""
        raise NotOffered("nothing is written here that is seen later than what came after it")

    async def spoil(self, key: str) -> None:  # noqa: ARG002 - for those that offer it
        """Put something in the place of a row that can't be read, among rows that can."""
        raise NotOffered("what can't be read can't stand in such a source")

    async def mend(self, key: str, name: str) -> None:  # noqa: ARG002 - for those that offer it
        """Put a row in its place that can be read."""
        raise NotOffered("what can't be read can't stand in such a source")

    async def drift(self) -> None:
        """Take the column `name` away from what comes from now on."""
        raise NotOffered("the layout of such a source can't change")

    async def go_down(self) -> None:
        """Stop answering."""
        raise NotOffered("such a source is there or is configured wrongly")

    async def come_up(self) -> None:
        """Answer again."""
        raise NotOffered("such a source is there or is configured wrongly")

    async def stir(self) -> None:
        """Let something happen in the source that gives no row: its position moves all the same."""
        raise NotOffered("nothing happens in such a source but rows")

    def span(self) -> Span:
        """Give a stretch of history that holds all rows."""
        raise NotOffered("such a source has no history to load")

    def earlier_positions(self) -> Sequence[Json]:
        """Give positions as earlier versions of the connector wrote them, of an empty source."""
        raise NotOffered("there was no earlier form of its position")
