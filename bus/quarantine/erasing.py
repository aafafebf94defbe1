"""Destroying the bytes of records that were set aside, where their entry is erased.

A row stays, as the law counts it: place, reason and what became of it. Source: ADR-0027.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from bus.errors import Unavailable
from bus.model.identifiers import AgencyCode, DatasetCode, RecordId
from bus.postgres.queries import Queries
from bus.postgres.session import Session
from bus.quarantine.decision import Grounds, Selection
from bus.quarantine.decisions import QUERIES as DECISIONS
from bus.quarantine.decisions import DecisionStore
from bus.texts import message

QUERIES: Final = Queries.load("bus.quarantine", "erasing")


async def erase_set_aside(
    session: Session,
    dataset: DatasetCode,
    agency: AgencyCode,
    key: str,
    record_ids: Collection[RecordId],
    grounds: Grounds,
) -> int:
    """Destroy keys, headers and values of an entry's records in quarantine; discard open ones.

    Found are records with the entry's key, and those with its record ids. A record so broken that
    it names neither is not found.

    Args:
        session: In a transaction that keeps other decisions away.
        dataset: Of the entry.
        agency: That provides it.
        key: Its registry number.
        record_ids: Of all its versions.
        grounds: With a second person, as a discard needs.

    Returns: How many rows lost their bytes.

    Raises:
        Unavailable: A release of one of them is under way.
    """
    named = {"dataset": dataset, "agency": agency, "key": key, "record_ids": list(record_ids)}
    if (await session.execute(QUERIES.get("on_its_way"), named)).rowcount:
        raise Unavailable(message("error.erasure.releasing"))
    rows = await (await session.execute(QUERIES.get("take_bytes"), named)).fetchall()
    to_close = [
        (str(topic), int(str(partition)), int(str(offset)))
        for topic, partition, offset, is_to_close in rows
        if is_to_close
    ]
    if to_close:
        store = DecisionStore(session)
        selection = Selection(agency=agency, dataset=dataset)
        await store.record_discard(to_close, grounds, selection)
    return len(rows)


async def keep_decisions_away(session: Session) -> None:
    """Let other decisions wait to the end of the caller's transaction."""
    await session.execute(DECISIONS.get("lock_transaction"))
