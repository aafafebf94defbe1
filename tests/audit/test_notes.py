"""Notes in PostgreSQL: all or none, never changed, none forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from bus.audit.chain import Head, SignedCheckpoint, head_told, put_head, read_head
from bus.audit.checkpoint import CheckpointSigner
from bus.audit.leaf import NoteLeaf, parse_leaf
from bus.audit.note import Note, NoteKind, Read, Way, act_note, digest_of, key_mark, read_note
from bus.audit.notes import (
    create_audit_tables,
    every_note,
    note,
    note_at,
    notes_numbered,
    reads_of,
    rights_on,
    untold_numbers,
)
from bus.audit.readers import entitlements, exact_reads
from bus.audit.signing import NOTES_AT_ONCE, Seals, tell_notes
from bus.audit.tree import Frontier
from bus.errors import Unavailable
from bus.model.identifiers import DatasetCode, KeyId
from bus.postgres.session import Session
from bus.wire import topics
from bus.wire.delivery import Delivery

KEY = b"\x05" * 32
SEALS = Seals(signer=CheckpointSigner(KeyId("bus.1"), b"\x07" * 32), audit_key=KEY)
ROADS = DatasetCode("roads")


@pytest.fixture
async def tables(session: Session) -> Session:
    await create_audit_tables(session)
    await create_audit_tables(session)
    return session


def read(*keys: str, system: str = "health", providers: tuple[str, ...] = ("town",)) -> Note:
    return read_note(
        Read(
            way=Way.FIRST_LOAD,
            system=system,
            agency="clinic",
            dataset=ROADS,
            agreements=("roads-for-health",),
            catalogue=1,
            keys=keys,
            providers=providers,
        ),
        KEY,
        "gateway",
    )


async def test_a_command_makes_the_tables_and_notes_in_order(
    empty_dsn: str, session: Session
) -> None:
    await note_at(empty_dsn, [])
    await note_at(empty_dsn, [act_note("one"), act_note("two", dataset=ROADS)])
    found = [one async for one in every_note(session)]
    assert [one.content["act"] for one in found] == ["one", "two"]
    assert [one.dataset for one in found] == [None, "roads"]
    assert {one.number for one in found} == await untold_numbers(session)
    assert all(abs(datetime.now(UTC) - one.noted_at) < timedelta(minutes=1) for one in found)


async def test_notes_are_all_there_or_none(tables: Session) -> None:
    wrong = Note(kind=act_note("x").kind, writer="administrator", content={"act": "\x00"})
    broken = [act_note("one"), Note(kind=wrong.kind, writer="\x00", content={})]
    with pytest.raises(psycopg.DataError):
        await note(tables, broken)
    assert [one async for one in every_note(tables)] == []
    assert await untold_numbers(tables) == frozenset()


async def test_a_note_is_never_changed_nor_taken_away(tables: Session) -> None:
    await note(tables, [act_note("one")])
    for statement in (
        "UPDATE bus.audit_notes SET writer = 'nobody'",
        "DELETE FROM bus.audit_notes",
        "TRUNCATE bus.audit_notes",
    ):
        with pytest.raises(psycopg.errors.RaiseException, match="never changed"):
            await tables.execute(statement)


async def test_an_act_without_a_database_is_refused() -> None:
    with pytest.raises(Unavailable):
        await note_at("host=/nowhere user=bus", [act_note("one")])


async def test_every_note_becomes_a_leaf_and_stays_untold_until_it_is_durable(
    tables: Session,
) -> None:
    await note(tables, [act_note(str(number)) for number in range(NOTES_AT_ONCE + 3)])
    delivered: list[Delivery] = []

    async def away(_: Sequence[Delivery]) -> None:
        raise Unavailable("no broker answers")

    async def deliver(given: Sequence[Delivery]) -> None:
        delivered.extend(given)

    with pytest.raises(Unavailable):
        await tell_notes(tables, SEALS, away)
    assert len(await untold_numbers(tables)) == NOTES_AT_ONCE + 3
    assert await tell_notes(tables, SEALS, deliver)
    assert not await tell_notes(tables, SEALS, deliver)
    assert not await tell_notes(tables, SEALS, deliver)
    assert await untold_numbers(tables) == frozenset()
    leaves = [parse_leaf(one.value or b"") for one in delivered]
    kept = [one async for one in every_note(tables)]
    assert [leaf.number for leaf in leaves if isinstance(leaf, NoteLeaf)] == [
        one.number for one in kept
    ]
    assert leaves == [one.leaf(KEY) for one in kept]
    assert {(one.topic, one.partition) for one in delivered} == {(topics.AUDIT, 0)}


async def test_what_is_sealed_is_what_is_read_back(tables: Session) -> None:
    await note(tables, [read("63-1", "63-2")])
    (kept,) = [one async for one in every_note(tables)]
    assert await notes_numbered(tables, [kept.number, 999]) == [kept]
    (again,) = await reads_of(tables, ROADS, key_mark(KEY, ROADS, "63-1"))
    assert digest_of(again, KEY) == digest_of(kept, KEY)


async def test_who_was_given_an_entry_is_found_by_its_key_alone(tables: Session) -> None:
    await note(
        tables,
        [
            read("63-1", "63-2"),
            read("63-2", system="portal"),
            read("63-1", system="tax", providers=("village",)),
        ],
    )
    notes = await reads_of(tables, ROADS, key_mark(KEY, ROADS, "63-1"))
    assert [one.system for one in exact_reads(notes, None)] == ["health", "tax"]
    assert [one.system for one in exact_reads(notes, "town")] == ["health"]
    assert not await reads_of(tables, ROADS, key_mark(KEY, ROADS, "63-3"))
    assert not await reads_of(tables, DatasetCode("schools"), key_mark(KEY, ROADS, "63-1"))


async def test_entitlements_begin_and_end_with_the_notes_of_rights(tables: Session) -> None:
    def right(change: str, system: str, operation: str = "read") -> Note:
        content = {
            "change": change,
            "principal": f"User:{system}",
            "permission": "allow",
            "operation": operation,
            "name": "accepted.roads",
        }
        return Note(kind=act_note("").kind, writer="administrator", content=content)

    order = [("granted", "a"), ("granted", "b"), ("withdrawn", "a"), ("withdrawn", "c")]
    await note(tables, [*(right(*one) for one in order), right("granted", "d", "write")])
    notes = [one async for one in every_note(tables)]
    found = entitlements(notes, [("b", "accepted.roads"), ("e", "accepted.roads")])
    told = {one.system: (one.begins is not None, one.ends is not None) for one in found}
    assert told == {
        "a": (True, True),
        "b": (True, False),
        "c": (False, True),
        "e": (False, False),
    }


def signed(number: int, mark: bytes = b"") -> SignedCheckpoint:
    tree = Frontier.empty()
    tree.extend([bytes([number]), mark])
    return SignedCheckpoint(
        number=number, text=b"text" + mark, signature=b"s" * 64, frontiers={0: tree}
    )


async def test_the_head_of_the_chain_is_read_as_it_was_put(tables: Session) -> None:
    assert await read_head(tables) is None
    assert await put_head(tables, signed(1), None)
    assert await read_head(tables) == Head(signed=signed(1), is_told=False)


async def test_of_many_who_sign_one_number_one_does(tables: Session, empty_dsn: str) -> None:
    sessions = [await psycopg.AsyncConnection.connect(empty_dsn, autocommit=True) for _ in range(8)]
    try:
        before = None
        for number in (1, 2, 3):
            came = await asyncio.gather(
                *(
                    put_head(session, signed(number, bytes([place])), before)
                    for place, session in enumerate(sessions)
                )
            )
            assert came.count(True) == 1
            before = await read_head(tables)
            assert before is not None
            assert before.signed == signed(number, bytes([came.index(True)]))
            await head_told(tables, number)
    finally:
        for session in sessions:
            await session.close()


async def test_none_is_signed_before_the_one_before_is_in_its_topic(tables: Session) -> None:
    await put_head(tables, signed(1), None)
    head = await read_head(tables)
    assert not await put_head(tables, signed(2), head)
    await head_told(tables, 1)
    assert await put_head(tables, signed(2), head)


async def test_a_view_that_no_agreement_leads_to_any_more_belongs_to_its_dataset(
    tables: Session,
) -> None:
    def right(change: str, name: str, dataset: DatasetCode | None) -> Note:
        content = {
            "change": change,
            "principal": "User:health",
            "permission": "allow",
            "operation": "read",
            "name": name,
        }
        return Note(kind=NoteKind.RIGHT, writer="keeper", content=content, dataset=dataset)

    await note(
        tables,
        [
            right("granted", "view.1", ROADS),
            right("granted", "view.2", DatasetCode("bridges")),
            right("withdrawn", "view.1", None),
            right("withdrawn", "view.2", None),
        ],
    )
    found = await rights_on(tables, ROADS)
    assert [one.content["change"] for one in found] == ["granted", "withdrawn"]
    (entitled,) = entitlements(found, [])
    assert entitled.topic == "view.1"
    assert entitled.ends is not None
