"""Where notes are kept: a table that only grows, and the numbers whose leaf is still to be written.

Whoever notes does so before the act is done or the answer is given. A note without its leaf stands
in `bus.audit_untold` until housekeeping has written it, so none is forgotten; it may be written
twice, in equal bytes.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from datetime import datetime
from typing import Final, cast

from bus.audit.note import GATEWAY, KeptNote, Note, Read, read_note
from bus.model.identifiers import DatasetCode
from bus.postgres.queries import Queries
from bus.postgres.session import Session, connect, translated
from bus.texts import message

QUERIES: Final = Queries.load("bus.audit", "audit")
_PAGE_NOTES: Final = 5_000


async def create_audit_tables(session: Session) -> None:
    """Create the audit log's tables where they are missing."""
    async with translated(message("doing.audit.tables")):
        ((is_there,),) = await (await session.execute(QUERIES.get("is_there"))).fetchall()
        if not is_there:
            async with session.transaction():
                await session.execute(QUERIES.get("create"))


async def note(session: Session, notes: Iterable[Note]) -> None:
    """Write notes, all or none; they are durable when this returns.

    Args:
        session: On the bus's database, whose tables are there; where a transaction is open the
            notes are a part of it.
        notes: In the order in which they are to be read.

    Raises:
        Unavailable: PostgreSQL does not answer: what was to be noted must not be done.
    """
    rows = [
        {
            "kind": one.kind,
            "writer": one.writer,
            "dataset": one.dataset,
            "keys": list(one.keys),
            "content": one.text,
        }
        for one in notes
    ]
    # Why one statement: the gateway's answer waits for it, and for its one trip to the disk.
    async with translated(message("doing.audit.note")):
        await session.execute(QUERIES.get("note"), {"notes": json.dumps(rows)})


async def note_read(session: Session, read: Read, audit_key: bytes) -> None:
    """Note that the gateway is about to give records to a system; call it before the answer goes.

    Args:
        session: The one that the records were read through, or any other on the bus's database.
        read: Who is given what, under which agreements.
        audit_key: Makes marks of the registry keys.

    Raises:
        Unavailable: PostgreSQL does not answer: the records must not be given.
    """
    await note(session, [read_note(read, audit_key, GATEWAY)])


async def note_at(dsn: str, notes: Sequence[Note]) -> None:
    """Write notes through a session of their own, making the tables if need be: for commands.

    Raises:
        Unavailable: PostgreSQL does not answer: what was to be noted must not be done.
    """
    if not notes:
        return
    session = await connect(dsn, "bus audit")
    try:
        await create_audit_tables(session)
        await note(session, notes)
    finally:
        await session.close()


async def untold(session: Session, limit: int) -> list[KeptNote]:
    """Read notes whose leaf is still to be written, oldest first."""
    return await _notes(session, "untold", {"limit": limit})


async def told(session: Session, numbers: Sequence[int]) -> None:
    """Say that leaves are durable."""
    async with translated(message("doing.audit.note")):
        await session.execute(QUERIES.get("told"), {"numbers": list(numbers)})


async def untold_numbers(session: Session) -> frozenset[int]:
    """Tell which notes have no leaf yet."""
    async with translated(message("doing.audit.reading")):
        rows = await (await session.execute(QUERIES.get("untold_numbers"))).fetchall()
    return frozenset(cast("int", number) for (number,) in rows)


async def every_note(session: Session) -> AsyncIterator[KeptNote]:
    """Read all notes in the order of their numbers, page by page."""
    after = 0
    while page := await _notes(session, "page", {"after": after, "limit": _PAGE_NOTES}):
        for one in page:
            yield one
        after = page[-1].number


async def notes_numbered(session: Session, numbers: Collection[int]) -> list[KeptNote]:
    """Read certain notes, as far as they are there."""
    return await _notes(session, "numbered", {"numbers": list(numbers)})


async def reads_of(session: Session, dataset: DatasetCode, mark: int) -> list[KeptNote]:
    """Read the notes of reads that showed a registry key, oldest first.

    Args:
        session: On the bus's database.
        dataset: Of the entry.
        mark: Of its key, `bus.audit.note.key_mark`.
    """
    return await _notes(session, "reads", {"dataset": dataset, "mark": mark})


async def rights_on(session: Session, dataset: DatasetCode) -> list[KeptNote]:
    """Read the notes of rights on a dataset's topics, oldest first."""
    return await _notes(session, "rights", {"dataset": dataset})


async def _notes(session: Session, query: str, named: dict[str, object]) -> list[KeptNote]:
    async with translated(message("doing.audit.reading")):
        rows = await (await session.execute(QUERIES.get(query), named)).fetchall()
    return [
        KeptNote(
            number=cast("int", number),
            noted_at=cast("datetime", noted_at),
            kind=str(kind),
            writer=str(writer),
            dataset=cast("str | None", dataset),
            keys=tuple(cast("list[int]", keys)),
            text=str(content),
        )
        for number, noted_at, kind, writer, dataset, keys, content in rows
    ]
