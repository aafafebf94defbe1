"""Accepted versions that are in doubt: a key that was no longer its system's alone signed them.

They stay where they are: who decides about them is their provider, by correcting or annulling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from bus.model.identifiers import AgencyCode, DatasetCode, KeyId, RecordId
from bus.postgres.queries import Queries
from bus.postgres.session import connect, translated
from bus.texts import message

QUERIES: Final = Queries.load("bus.fund", "doubt")
_AT_ONCE: Final = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedVersion:
    """An accepted version that a key signed."""

    agency: AgencyCode
    dataset: DatasetCode
    key: str
    version: int
    record_id: RecordId
    place: str
    """`topic/partition/offset` in the accepted topic."""


async def note_doubts(
    dsn: str, key_id: KeyId, since: datetime, signed: Sequence[SignedVersion]
) -> int:
    """Note versions as doubted, all or none; those that are noted already stay as they are.

    Returns: How many are new.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    session = await connect(dsn, "bus doubts")
    noted = 0
    try:
        async with translated(message("doing.fund.doubting")), session.transaction():
            for start in range(0, len(signed), _AT_ONCE):
                page = signed[start : start + _AT_ONCE]
                done = await session.execute(
                    QUERIES.get("doubt"),
                    {
                        "key_id": key_id,
                        "since": since,
                        "record_ids": [one.record_id for one in page],
                        "agencies": [one.agency for one in page],
                        "datasets": [one.dataset for one in page],
                        "keys": [one.key for one in page],
                        "versions": [one.version for one in page],
                    },
                )
                noted += done.rowcount
    finally:
        await session.close()
    return noted
