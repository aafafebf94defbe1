"""The conservation law notices what is missing, wherever it was lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from bus.wiring import Installation
from tests.flow import path
from tests.flow.command_line import bus

HISTORY = 'history."educational-institutions"'


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
