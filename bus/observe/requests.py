"""Data requests as metrics: counted in the table, so that every worker tells the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bus.observe import series
from bus.observe.board import Board
from bus.postgres.session import connect
from bus.requests.request import RequestCount
from bus.requests.state import RequestState
from bus.requests.store import count_requests


async def read_request_counts(dsn: str) -> tuple[RequestCount, ...]:
    """Count data requests.

    Args:
        dsn: Of the data fund.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    session = await connect(dsn, "bus standing")
    try:
        return await count_requests(session)
    finally:
        await session.close()


def show_requests(counts: Sequence[RequestCount], board: Board) -> None:
    """Show what became of requests, and what still waits.

    A request counts under its outcome once it has one; what waits is a gauge, for it ends.
    """
    waiting: Counter[tuple[str, ...]] = Counter()
    escalated: Counter[tuple[str, ...]] = Counter()
    for one in counts:
        if one.state is RequestState.ASKED:
            waiting[one.agency, one.dataset] += one.requests
            escalated[one.agency, one.dataset] += one.escalated
        else:
            labels = (one.agency, one.consumer, one.dataset, one.state.value)
            board.reach(series.REQUESTS, labels, one.requests)
    board.replace(series.REQUESTS_OPEN, dict(waiting), gone=0)
    board.replace(series.REQUESTS_ESCALATED, dict(escalated), gone=0)
