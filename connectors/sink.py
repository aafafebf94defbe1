"""The other direction: what an author writes so that a dataset's records reach a consumer's system.

A sink takes batches in order. Either it keeps positions itself, written together with what it makes
of a batch, and then every record counts exactly once; or the bus keeps them, behind what the sink
has taken, and after a kill the last batch comes again: then what it does with a record must be the
same when it is done twice.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from bus.client import Column, DeliveredBatch, KeptState
from bus.errors import Finding, Unavailable, Words


class SinkConfig(BaseModel):
    """What a connector's document says of its sink; secrets are `SecretStr`."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True
    )


class SinkDown(Unavailable):
    """The target does not answer, or not now; the runner tries again from the last position."""

    def __init__(self, message: Words, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        """What the target itself asks for; None: the runner's own pause, longer each time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkContext:
    """What a sink may know of where it runs."""

    connector: str
    """The connector's name."""
    dataset: str
    folder: Path
    """A folder of its own, which survives a restart."""
    clock: Callable[[], datetime]
    """The present, aware."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of a batch."""

    records: int
    """That the target has now, repeats among them."""
    refused: int = 0
    """That it will never take, set aside where `bus connector docs` says."""


ConfigT = TypeVar("ConfigT", bound=SinkConfig)


class Sink(ABC, Generic[ConfigT]):
    """A kind of target; one object writes to one of them, for one session."""

    Config: ClassVar[type[SinkConfig]]
    keeps_state: ClassVar[bool] = False
    """Whether `state` tells from where to go on, in place of the bus. Such a target holds one cut
    of the dataset: it is written from one topic alone."""

    def __init__(self, config: ConfigT, context: SinkContext) -> None:
        """Take what it writes with; open nothing yet."""
        self.config = config
        self.context = context

    async def check(self) -> Sequence[Finding]:
        """Look whether the target can be written to as it is configured; everything wrong."""
        return ()

    async def open(self) -> None:
        """Connect.

        Raises:
            SinkDown: The target does not answer. `OSError` and `TimeoutError` count as it.
            DocumentError: The configuration can't be right.
        """

    async def prepare(self, columns: Sequence[Column]) -> None:
        """Make what must be there to hold the dataset; comes before the first `write`.

        Args:
            columns: What a table would hold the dataset's fields in.

        Raises: as `open`.
        """

    async def close(self) -> None:
        """Let go; comes also where `open` failed."""

    async def state(self) -> KeptState:
        """Tell how far the target is; only asked where the sink keeps that, while it is open."""
        return KeptState(positions={}, load=None)

    @abstractmethod
    async def write(self, batch: DeliveredBatch) -> Taken:
        """Take a batch.

        Where the sink keeps its state: all of it with `behind` and `load`, or nothing. Elsewhere a
        batch is one record, or the members of one group, and it comes again until it is taken.

        Raises: as `open`.
        """


AnySink = Sink[Any]
