"""The conservation law notices what is missing, wherever it was lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from bus.wiring import Installation
from tests.flow import path
from tests.flow.command_line import bus

HISTORY = 'history."educational-institutions"'
ACCEPTED, ASIDE = "accepted.educational-institutions", "quarantine.education-samara"


async def test_a_row_taken_from_the_fund_or_quarantine_is_missed_with_its_partition(
    installation: Installation,
) -> None:
    async with path.supervised(installation):
        await path.publish(installation, path.rows("missed", 100))
        await path.settled(installation)
    assert bus(installation, "verify")[0] == 0
    with taken_away(installation, HISTORY, "missed-7") as partition:
        code, out, _ = bus(installation, "verify", "--json")
        found = json.loads(out)
        assert (code, found["holds"]) == (1, False)
        assert found["verification"]["lost_in_fund"] == 1
        assert [
            law["partition"]
            for law in found["verification"]["accepted"]
            if law["kept_records"] != law["history"] + law["repeats"] + law["refused"] + law["held"]
        ] == [partition]
        code, out, talk = bus(installation, "verify")
        assert code == 1
        assert "DIFFERS" in out
        assert "DOES NOT HOLD" in talk
    with taken_away(installation, "bus.quarantine", "missed-33"):
        code, out, _ = bus(installation, "verify", "--json")
        assert code == 1
        assert sum(law["missing"] for law in json.loads(out)["verification"]["quarantine"]) == 1
    assert bus(installation, "verify")[0] == 0


async def test_what_fund_or_quarantine_has_not_read_at_all_is_shown_as_lag(
    installation: Installation,
) -> None:
    async with path.supervised(installation):
        await path.publish(installation, path.rows("unread", 100))
        await path.settled(installation)
    before = laws(installation, "accepted"), laws(installation, "quarantine")
    assert not any(law["lag"] for found in before for law in found.values())
    with never_read(installation, "fund", ACCEPTED):
        found = laws(installation, "accepted")
        assert found.keys() == before[0].keys()
        for place, law in before[0].items():
            lag, position = (law["position"], 0) if place[0] == ACCEPTED else (0, law["position"])
            assert (found[place]["lag"], found[place]["position"]) == (lag, position)
        assert sum(law["lag"] for law in found.values()) >= 90
        _, out, _ = bus(installation, "verify")
        (line,) = (line for line in out.splitlines() if f"{ACCEPTED}/0" in line)
        assert line.split()[1:3] == ["0", "0"]
    with never_read(installation, "quarantine", ASIDE):
        found = laws(installation, "quarantine")
        law, sound = found[ASIDE, None], before[1][ASIDE, None]
        assert (law["distinct"], law["missing"]) == (0, 0)
        assert law["lag"] >= sound["distinct"] > 0
        assert f"{ASIDE} " in bus(installation, "verify")[1]
    assert (laws(installation, "accepted"), laws(installation, "quarantine")) == before


def laws(installation: Installation, part: str) -> dict[tuple[str, int | None], dict[str, Any]]:
    """Give a part of the account by place; the whole of it holds."""
    code, out, _ = bus(installation, "verify", "--json")
    assert code == 0
    found = json.loads(out)["verification"][part]
    return {(law["topic"], law.get("partition")): law for law in found}


@contextmanager
def never_read(installation: Installation, consumer: str, topic: str) -> Iterator[None]:
    """Let nobody know for a while how far a topic was read."""
    which = "WHERE consumer = %s AND topic = %s"
    with psycopg.connect(installation.fund_dsn(), autocommit=True) as fund:
        named = [consumer, topic]
        fund.execute(f"CREATE TABLE known AS SELECT * FROM bus.positions {which}", named)
        fund.execute(f"DELETE FROM bus.positions {which}", named)
        try:
            yield
        finally:
            fund.execute("INSERT INTO bus.positions SELECT * FROM known")
            fund.execute("DROP TABLE known")


@contextmanager
def taken_away(installation: Installation, table: str, key: str) -> Iterator[int | None]:
    """Move one row out of a table for a while; give its accepted partition, where it has one."""
    with psycopg.connect(installation.fund_dsn(), autocommit=True) as fund:
        fund.execute(f"CREATE TABLE taken AS SELECT * FROM {table} WHERE key = %s", [key])
        fund.execute(f"DELETE FROM {table} WHERE key = %s", [key])
        try:
            row = None
            if table == HISTORY:
                row = fund.execute("SELECT accepted_partition FROM taken").fetchone()
            yield None if row is None else int(row[0])
        finally:
            fund.execute(f"INSERT INTO {table} SELECT * FROM taken")
            fund.execute("DROP TABLE taken")
