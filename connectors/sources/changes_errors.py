"""Faults of PostgreSQL as a runner understands them: try again, or mend something."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import psycopg

from bus.errors import DocumentError
from connectors.source import SourceDown
from connectors.texts import message

_PASSING: Final = ("08", "40", "53", "57", "58", "55")
"""Classes of states that may pass: connection, conflict, resources, operator, system, in use."""


@asynccontextmanager
async def translated() -> AsyncIterator[None]:
    """Turn psycopg's faults into a runner's, without the values that their details may quote.

    Raises:
        SourceDown: It may pass.
        DocumentError: It will not: a right or an object is missing.
    """
    try:
        yield
    except psycopg.Error as problem:
        said = problem.diag.message_primary or ("" if problem.sqlstate else str(problem).strip())
        state = problem.sqlstate or ""
        is_away = isinstance(problem, psycopg.OperationalError | psycopg.InterfaceError)
        if (is_away and not state) or state.startswith(_PASSING):
            raise SourceDown(message("postgres-changes.gone", problem=said)) from None
        raise DocumentError(
            message("postgres-changes.refused", problem=said, state=state)
        ) from None
