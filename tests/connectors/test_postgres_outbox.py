"""The outbox: rows in the order of their changes, none missed that is committed late."""

from __future__ import annotations

import asyncio

import pytest

from bus.errors import DocumentError
from connectors.kit import checks
from connectors.kit.checks import Check, Kit
from connectors.kit.plugin import conforms
from connectors.kit.trial import Trial, trial
from connectors.sources.postgres_outbox import PostgresOutbox
from connectors.twins.postgres_outbox import KeptOutboxTwin, PostgresOutboxTwin

test_conforms = conforms(PostgresOutbox, PostgresOutboxTwin, kills_max=15)


@pytest.mark.parametrize(
    "check", [checks.replays, checks.kill_at_every_step], ids=["replays", "kills"]
)
async def test_rows_that_are_kept_can_be_read_from_any_position(check: Check) -> None:
    await check(
        Kit(source=PostgresOutbox, make=PostgresOutbox, make_twin=KeptOutboxTwin, kills_max=8)
    )


async def _left(one: Trial) -> list[tuple[object, ...]]:
    assert isinstance(one.twin, PostgresOutboxTwin)
    found = await one.twin.session.execute("SELECT key FROM bus_outbox")
    return await found.fetchall()


async def test_what_is_durable_is_deleted_and_a_position_of_before_finds_nothing() -> None:
    async with trial(PostgresOutbox, PostgresOutboxTwin) as one:
        await one.twin.put({"a": "first", "b": "first"})
        await one.run(until=lambda: one.bus.kept[-1:] != [] and one.bus.kept[-1][0] == 2)
        async with asyncio.timeout(10):
            while await _left(one):
                await asyncio.sleep(0.02)
        one.sound()


async def test_two_changes_of_one_entry_are_told_in_their_order_whichever_began_first() -> None:
    async with trial(PostgresOutbox, PostgresOutboxTwin) as one:
        twin = one.twin
        assert isinstance(twin, PostgresOutboxTwin)
        early, between, late = [await twin._opened() for _ in range(3)]
        for session in (early, between, late):  # the order of their transactions
            await session.execute("BEGIN")
            await session.execute("SELECT pg_current_xact_id()")
        await twin._write(late, "k", {"number": "k", "name": "first"})
        await late.execute("COMMIT")
        await twin._write(early, "k", {"number": "k", "name": "second"})
        await early.execute("COMMIT")
        twin.rows["k"] = {"number": "k", "name": "second"}
        reading = asyncio.ensure_future(one.run(still_s=10))
        await asyncio.sleep(0.3)
        assert not one.bus.log.records(), "one that is under way may still write before them"
        await between.execute("COMMIT")
        await reading
        one.sound()
        for session in (early, between, late):
            await session.close()


async def test_numbers_keep_their_digits() -> None:
    async with trial(PostgresOutbox, PostgresOutboxTwin) as one:
        twin = one.twin
        assert isinstance(twin, PostgresOutboxTwin)
        await twin.session.execute(
            "SELECT bus_outbox_put('n',"
            """ '{"number": "n", "sum": 12345678901234567.10, "x": 0.5}')"""
        )
        twin.rows["n"] = {"number": "n", "sum": "12345678901234567.10", "x": 0.5}
        await one.run()
        one.sound()


async def test_a_position_that_is_no_id_is_refused() -> None:
    async with trial(PostgresOutbox, PostgresOutboxTwin) as one:
        with pytest.raises(DocumentError, match="no position in an outbox"):
            await anext(aiter(one.source().read("7")))


async def test_check_says_what_the_table_lacks() -> None:
    async with trial(PostgresOutbox, PostgresOutboxTwin) as one:
        assert await one.source().check() == ()
        assert isinstance(one.twin, PostgresOutboxTwin)
        await one.twin.session.execute("ALTER TABLE bus_outbox RENAME COLUMN tx TO other")
        (finding,) = await one.source().check()
        assert "columns tx missing" in str(finding)
