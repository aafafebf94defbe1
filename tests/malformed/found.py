"""Look for every record that was sent, in the quarantine table and in the data fund."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Final, NamedTuple

import psycopg
from psycopg import sql

from bus.fund.entries import tables_of
from bus.model.identifiers import DatasetCode
from bus.model.record import Headers
from bus.model.verdict import Reason
from bus.wiring import Installation
from tests.malformed.examination import Tally, is_disbelieved, is_undecoded
from tests.malformed.mutants import Fate


class Known(NamedTuple):
    """What is known of a record that was sent."""

    fate: Fate
    whole: bytes
    """The digest of all its bytes."""
    content: bytes
    """That of key and value, which the fund keeps as they are."""


Places = Mapping[str, Known]
"""By inbound place."""
_QUARANTINE: Final = """
    SELECT topic, partition, "offset", reason, path, rules, key, header_names, header_values, value
    FROM bus.quarantine
"""
_PAGE_ROWS: Final = 1_000


def known(fate: Fate, key: bytes | None, value: bytes | None, headers: Headers) -> Known:
    """Keep in little room what is to be told of a record."""
    return Known(fate, digest(key, value, headers), digest(key, value, ()))


def digest(key: bytes | None, value: bytes | None, headers: Headers) -> bytes:
    """Digest all that a sender wrote."""
    return sha256(repr((key, value, list(headers))).encode()).digest()


async def look_for(
    installation: Installation, places: Places, datasets: Iterable[DatasetCode], tally: Tally
) -> None:
    """Count what became of each record, and note what must not have."""
    async with await psycopg.AsyncConnection.connect(installation.fund_dsn()) as session:
        refused = await _refused(session, places, tally)
        kept = await _places_in(session, sql.Identifier("bus", "held"), places, tally)
        joined: set[str] = set()
        for dataset in datasets:
            joined |= await _places_in(session, tables_of(dataset)["history"], places, tally)
    for place, (fate, *_) in places.items():
        tally.fates[fate] += 1
        is_in_fund = place in joined or place in kept
        if fate is Fate.SPOILED and is_in_fund:
            tally.accepted_mutants += 1
        if (place in refused) + is_in_fund != 1:
            tally.note(f"{fate} {place}: {(place in refused) + is_in_fund} places have it")
        elif fate is Fate.GOOD and place not in joined:
            tally.note(f"{fate} {place}: it is not in the history")
        elif fate is Fate.HARMLESS and not is_in_fund:
            tally.note(f"{fate} {place}: refused")
        elif fate is Fate.TAMPERED and is_in_fund:
            tally.note(f"{fate} {place}: accepted")


async def _refused(session: psycopg.AsyncConnection, places: Places, tally: Tally) -> set[str]:
    """Read the quarantine table: each entry has a reason, and the bytes that were sent."""
    found = set()
    async with session.cursor("refused") as cursor:
        cursor.itersize = _PAGE_ROWS
        await cursor.execute(_QUARANTINE)
        async for topic, partition, offset, reason, path, rules, *original in cursor:
            place = f"{topic}/{partition}/{offset}"
            if place not in places:
                continue
            fate, sent, _ = places[place]
            found.add(place)
            tally.refused[Reason(reason)] += 1
            key, names, values, value = original
            headers = [
                (name.decode(errors="surrogateescape"), text)
                for name, text in zip(names, values, strict=True)
            ]
            if digest(key, value, headers) != sent:
                tally.note(f"{fate} {place}: quarantine has other bytes than were sent")
            if fate is Fate.TAMPERED and not is_undecoded(Reason(reason), path):
                tally.note(f"{fate} {place}: it was decoded first: {reason}")
            if is_disbelieved(fate, Reason(reason), may_name_another=True):
                tally.note(f"{fate} {place}: its signature is good: {reason}")
            if reason == Reason.RULE_VIOLATED and not rules:
                tally.note(f"{fate} {place}: no rule is named")
    return found


async def _places_in(
    session: psycopg.AsyncConnection, table: sql.Identifier, places: Places, tally: Tally
) -> set[str]:
    """Read a table of the fund: each record once, with the key and the value that were sent."""
    found: set[str] = set()
    query = sql.SQL("SELECT bus_in, key, value FROM {table}").format(table=table)
    async with session.cursor("kept") as cursor:
        cursor.itersize = _PAGE_ROWS
        await cursor.execute(query)
        async for place, key, value in cursor:
            if place not in places:
                continue
            if place in found:
                tally.note(f"{places[place].fate} {place}: the fund has it twice")
            found.add(place)
            if digest(key.encode(), value, ()) != places[place].content:
                tally.note(f"{places[place].fate} {place}: the fund has another key or value")
    return found
