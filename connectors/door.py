"""The bus as a runner sees it: rows become durable, a position is kept behind them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol, Self

from bus.client import (
    TRACED_SHARE,
    UNKEPT,
    BatchSigner,
    Cluster,
    MappingFile,
    PositionKeeper,
    Publisher,
    PublishReport,
    SourceRow,
    Spans,
)
from bus.model.identifiers import DatasetCode, SystemCode
from connectors.reading import Fit
from connectors.source import Json


class Door(Protocol):
    """What a runner needs of the bus; the stand-in of the conformance kit is the other one."""

    position: Json
    """That was kept last; None: none was, or the beginning."""
    is_new: bool
    """Whether the connector never ran."""

    @property
    def fit(self) -> Fit:
        """Makes values of the contract's fields of a row's cells."""

    async def __aenter__(self) -> Self:
        """Become the one that runs this connector, and learn what it told before."""

    async def __aexit__(self, *_: object) -> None:
        """Let go."""

    async def publish(self, rows: AsyncIterator[SourceRow]) -> PublishReport:
        """Send rows as they come, and return when all of them are durable."""

    async def keep(self, position: Json) -> None:
        """Keep a position behind which nothing was published yet."""


@dataclass(slots=True, kw_only=True)
class BusDoor:
    """The real one."""

    cluster: Cluster
    home: Path
    system: SystemCode
    dataset: DatasetCode
    connector: str
    version: str
    """Of the source's code."""
    signer: BatchSigner
    clock: Callable[[], datetime]
    traced_share: float = TRACED_SHARE
    """Of live records, those that begin a trace, 0 to 1."""
    spans: Spans = UNKEPT
    mapping: MappingFile | None = None
    is_sparse: bool = False
    position: Json = None
    is_new: bool = True
    _stack: AsyncExitStack | None = None
    _keeper: PositionKeeper | None = None
    _publisher: Publisher | None = None
    _fit: Fit | None = None

    @property
    def fit(self) -> Fit:
        """See `Door`: by the contract that was in force on entering."""
        assert self._fit is not None, "entered first"
        return self._fit

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self._keeper = keeper = await stack.enter_async_context(
                PositionKeeper.open(
                    self.cluster,
                    system=self.system,
                    dataset=self.dataset,
                    connector=self.connector,
                )
            )
            kept = keeper.kept
            self._publisher = await stack.enter_async_context(
                Publisher.open(
                    self.cluster,
                    home=self.home,
                    system=self.system,
                    dataset=self.dataset,
                    signer=self.signer,
                    clock=self.clock,
                    event_time_field=self.mapping.mapping.event_time if self.mapping else None,
                    send_broken=True,
                    barrier=None if kept is None else kept.barrier,
                    traced_share=self.traced_share,
                    spans=self.spans,
                )
            )
            self._fit = self._publisher.fitter(self.mapping, is_sparse=self.is_sparse).fit
            self.is_new = kept is None
            self.position = None if kept is None else kept.position
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._stack is not None, "entered first"
        await self._stack.aclose()

    async def publish(self, rows: AsyncIterator[SourceRow]) -> PublishReport:
        """See `Door`."""
        assert self._publisher is not None, "entered first"
        return await self._publisher.publish(rows)

    async def keep(self, position: Json) -> None:
        """See `Door`."""
        assert self._keeper is not None, "entered first"
        assert self._publisher is not None, "entered first"
        barrier = self._publisher.ends
        await self._keeper.keep(position, barrier, at=self.clock(), by=self.version)
        self.position = position
