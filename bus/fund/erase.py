"""Erasing one registry entry: its data are destroyed in all tables, in one transaction.

What stays are ids and places: of the records, so that the law still adds up and a repeat is known
for one; and of the entry, so that nothing of it is taken in again. An entry that stands is not
erased: its provider annuls or ceases it before, by which every consumer learns of it.
Source: ADR-0027.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from psycopg import sql

from bus.errors import DocumentError, Unavailable
from bus.fund.deciding import take_alone
from bus.fund.entries import tables_of
from bus.model.identifiers import AgencyCode, DatasetCode, RecordId
from bus.postgres.queries import Queries
from bus.postgres.session import Session, translated
from bus.quarantine.decision import Grounds
from bus.quarantine.erasing import erase_set_aside, keep_decisions_away
from bus.requests.store import erase_answers
from bus.texts import message

QUERIES: Final = Queries.load("bus.fund", "erase")


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What was destroyed; nothing where all of it was before."""

    versions: int
    """Of the entry in the fund."""
    set_aside: int
    """Records in quarantine that lost their bytes."""
    answers: int
    """Answers of its provider to data requests."""


async def erase_entry(
    session: Session, dataset: DatasetCode, agency: AgencyCode, key: str, grounds: Grounds
) -> Erased:
    """Erase an entry; begun again, it destroys what has come since.

    Args:
        session: Without an open transaction.
        dataset: Of the entry, which the fund has tables for.
        agency: That provides it.
        key: Its registry number.
        grounds: Who answers for it, with a second person.

    Raises:
        DocumentError: Nothing of such an entry is here, or it stands.
        Unavailable: A version of it waits to join, or a release is under way; or PostgreSQL does
            not answer.
    """
    named = {"dataset": dataset, "agency": agency, "key": key}
    async with translated(message("doing.fund.erasing", dataset=dataset)), session.transaction():
        # Why in this order: a person's decision may take a minute, and workers wait for a dataset.
        await keep_decisions_away(session)
        await take_alone(session, dataset)
        await _expect_ended(session, named)
        was_erased = await are_erased(session, dataset, agency, [key])
        versions = await _take_versions(session, named)
        record_ids = [RecordId(str(one)) for (one,) in await _rows(session, "record_ids", named)]
        set_aside = await erase_set_aside(session, dataset, agency, key, record_ids, grounds)
        answers = await erase_answers(session, dataset, agency, key)
        if not (versions or set_aside or answers or was_erased):
            raise DocumentError(message("error.erasure.nothing", dataset=dataset, agency=agency))
        await session.execute(QUERIES.get("note_erased"), named)
    return Erased(versions=versions, set_aside=set_aside, answers=answers)


async def are_erased(
    session: Session, dataset: DatasetCode, agency: AgencyCode, keys: Collection[str]
) -> frozenset[str]:
    """Tell which of some entries were erased."""
    named = {"dataset": dataset, "agency": agency, "keys": list(keys)}
    rows = await (await session.execute(QUERIES.get("are_erased"), named)).fetchall()
    return frozenset(str(key) for (key,) in rows)


async def _expect_ended(session: Session, named: dict[str, str]) -> None:
    if await _rows(session, "standing", named):
        raise DocumentError(message("error.erasure.stands", **named))
    if await _rows(session, "waiting", named):
        raise Unavailable(message("error.erasure.waiting", dataset=named["dataset"]))


async def _take_versions(session: Session, named: dict[str, str]) -> int:
    versions = (await session.execute(_statement("take_history", named), named)).rowcount
    for statement in ("take_past", "take_current"):
        await session.execute(_statement(statement, named), named)
    return versions


async def _rows(
    session: Session, statement: str, named: dict[str, str]
) -> list[tuple[object, ...]]:
    return await (await session.execute(_statement(statement, named), named)).fetchall()


def _statement(name: str, named: dict[str, str]) -> sql.Composed:
    return QUERIES.get(name, **tables_of(DatasetCode(named["dataset"])))
