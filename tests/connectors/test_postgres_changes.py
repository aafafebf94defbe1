"""Change capture: commits and their rows, large values, keys that change, another source."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from bus.errors import DocumentError
from connectors.kit import checks
from connectors.kit.checks import Check, Kit
from connectors.kit.plugin import conforms
from connectors.kit.trial import Strict, Trial, trial
from connectors.pace import Rate
from connectors.reading import Reading, Stretch
from connectors.source import NOT_HERE, Bad, Item, Json, Mark, Row, Span
from connectors.sources import changes_rows
from connectors.sources.changes_position import lsn_of, lsn_text
from connectors.sources.postgres_changes import ChangesConfig, PostgresChanges
from connectors.twins.postgres_changes import NumberedChangesTwin, PostgresChangesTwin
from connectors.versions import packed

test_conforms = conforms(PostgresChanges, PostgresChangesTwin, kills_max=12)


@pytest.mark.parametrize(
    "check",
    [checks.replays, checks.kill_at_every_step, checks.changes_while_first_read],
    ids=["replays", "kills", "first"],
)
async def test_rows_with_versions_of_the_log_come_right(check: Check) -> None:
    twin = NumberedChangesTwin
    await check(Kit(source=PostgresChanges, make=PostgresChanges, make_twin=twin, kills_max=5))


def configured(**changed: object) -> Callable[[], PostgresChangesTwin]:
    class Twin(PostgresChangesTwin):
        @property
        def config(self) -> ChangesConfig:
            return super().config.model_copy(update=changed)

    return Twin


def _twin(one: Trial) -> PostgresChangesTwin:
    assert isinstance(one.twin, PostgresChangesTwin)
    return one.twin


async def _items(one: Trial, position: Json, count: int) -> list[Item]:
    """Read so many rows, and the marks among them."""
    items, found = one.source().read(position), list[Item]()
    try:
        async with asyncio.timeout(20):
            async for item in items:
                found.append(item)
                if sum(not isinstance(one, Mark) for one in found) >= count:
                    break
    finally:
        await items.aclose()  # type: ignore[attr-defined]
    return found


async def _rows(one: Trial, position: Json, count: int) -> list[Row | Bad]:
    return [item for item in await _items(one, position, count) if not isinstance(item, Mark)]


async def test_a_large_value_that_an_update_leaves_alone_is_no_null() -> None:
    async with trial(PostgresChanges, PostgresChangesTwin) as one:
        twin, chance = _twin(one), random.Random(1)
        long = "".join(chance.choices("абвгдежзиклмнопрст", k=20_000))
        await twin.put({"a": "first"})
        await one.run()
        await twin.run("ALTER TABLE {table} ALTER COLUMN long SET STORAGE EXTERNAL")
        await twin.run("UPDATE {table} SET long = %s", long)
        await twin.run("UPDATE {table} SET name = 'second'")
        twin.note("a", "second", long=long)
        await one.run()
        one.sound()


async def test_a_key_that_changes_ends_one_entry_and_begins_another() -> None:
    async with trial(PostgresChanges, PostgresChangesTwin) as one:
        twin = _twin(one)
        await twin.put({"a": "first"})
        await one.run()
        await twin.run("UPDATE {table} SET number = 'b', name = 'moved'")
        twin.rows.clear()
        twin.note("b", "moved")
        await one.run()
        one.sound()
        assert [done for done, _ in one.bus.histories()["a"]] == ["create", "cease"]


async def test_a_row_that_comes_again_as_it_was_stands_again() -> None:
    async with trial(PostgresChanges, PostgresChangesTwin) as one:
        await one.twin.put({"a": "first"})
        await one.run()
        await one.twin.remove("a")
        await one.run()
        await one.twin.put({"a": "first"})
        await one.run()
        one.sound()
        assert [done for done, _ in one.bus.histories()["a"]] == ["create", "cease", "create"]


async def test_rows_of_one_transaction_have_one_position_behind_the_last() -> None:
    async with trial(PostgresChanges, PostgresChangesTwin) as one:
        await one.twin.put({"a": "first"})
        await one.run()
        position = one.bus.kept[-1][0]
        await one.twin.put_together({f"t-{number}": "x" for number in range(5)})
        await one.twin.put({"b": "first"})
        rows = await _rows(one, position, 6)
        assert [row.position is NOT_HERE for row in rows] == [True] * 4 + [False] * 2
        behind = await _rows(one, rows[4].position, 1)
        assert [row.place for row in behind] == [rows[5].place]


async def test_a_very_large_transaction_is_read_on_within(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes_rows, "PART_ROWS", 10)
    async with trial(PostgresChanges, PostgresChangesTwin) as one:
        await one.twin.put({"a": "first"})
        await one.run()
        await one.twin.put_together({f"t-{number:02d}": "x" for number in range(25)})
        whole = await _rows(one, one.bus.kept[-1][0], 25)
        safe = [number for number, row in enumerate(whole, 1) if row.position is not NOT_HERE]
        assert safe == [10, 20, 25]
        rest = await _rows(one, whole[9].position, 15)
        assert [(row.place, row.event) for row in rest] == [
            (row.place, row.event) for row in whole[10:]
        ]


async def test_an_emptied_table_is_told_and_never_passed_over() -> None:
    async with trial(PostgresChanges, PostgresChangesTwin) as one:
        await one.twin.put({"a": "first"})
        await one.run()
        await _twin(one).run("TRUNCATE {table}")
        await one.run(until=lambda: bool(one.bus.unreadable_places()))
        (place,) = one.bus.unreadable_places()
        assert "/TRUNCATE " in place


async def test_writers_who_never_rest_are_followed_from_the_first_row_on() -> None:
    async with trial(PostgresChanges, configured(piece_rows=7)) as one:
        twin, chance = _twin(one), random.Random(2)
        one.stretch = Stretch(rows_max=20, idle_s=0.02)
        await twin.put_together({f"w-{number:03d}": "first" for number in range(150)})

        async def write() -> None:
            for number in range(300):
                key = f"w-{chance.randrange(170):03d}"
                if chance.random() < 0.2:
                    await twin.remove(key)
                else:
                    await twin.put({key: f"{number}"})
                await asyncio.sleep(0.002)

        writing = asyncio.ensure_future(write())
        await one.run(until=lambda: writing.done() and one.is_complete(), still_s=20)
        await writing
        one.sound()
        assert not one.bus.unreadable_places(), "no delete comes before its row"


async def test_two_thousand_rows_and_three_kills_come_to_what_the_source_has() -> None:
    async with trial(PostgresChanges, configured(piece_rows=200)) as one:
        twin, chance = _twin(one), random.Random(3)
        one.stretch = Stretch(rows_max=150, idle_s=0.02)
        await twin.put_together({f"k-{number:04d}": "first" for number in range(500)})
        for act in range(3):
            one.bus.kill_at = len(one.bus.steps) + chance.randrange(200, 700)
            assert await one.run(until=lambda: False, still_s=20)
            one.bus.kill_at = None
            for _ in range(5):
                keys = [f"k-{chance.randrange(700):04d}" for _ in range(100)]
                await twin.put_together(dict.fromkeys(keys, f"{act}"))
            await twin.remove(next(iter(twin.rows)))
        await one.run(still_s=20)
        one.sound()
        assert not one.bus.unreadable_places()


async def test_what_changed_nothing_does_not_come_back_behind_what_did() -> None:
    """It left no record, so that nothing in the bus's own log says that it was read."""
    async with trial(PostgresChanges, PostgresChangesTwin) as one:
        await one.twin.put({"a": "first", "b": "first"})
        await one.run()
        await one.twin.put({"a": "first"})
        await one.twin.put({"a": "second", "b": "second"})
        kept = one.bus.kept[-1]
        await one.run()
        one.bus.kept.append(kept)  # killed before a later position was kept
        await one.twin.put({"c": "first"})
        await one.run()
        one.sound()
        names = [content["name"] for _, content in one.bus.histories()["a"]]
        assert names == ["first", "second"]


async def test_a_delete_is_told_once_though_the_table_is_being_read() -> None:
    async with trial(PostgresChanges, configured(piece_rows=2)) as one:
        await one.twin.put({f"d-{number}": "first" for number in range(6)})
        await one.run()
        first = one.bus.kept[0]
        await one.twin.remove("d-3")
        await one.run()
        one.bus.kept.append(first)  # killed before any position was kept
        await one.twin.put({"e": "first"})
        await one.run()
        one.sound()
        assert [done for done, _ in one.bus.histories()["d-3"]] == ["create", "cease"]


async def test_a_row_that_is_being_changed_while_it_is_first_read_is_not_told_as_it_was() -> None:
    """The change lies in the log before the piece is read, its commit behind that."""
    async with trial(PostgresChanges, NumberedChangesTwin) as one:
        twin = _twin(one)
        await twin.put({"a": "first", "b": "first"})
        await one.source().created()
        async with twin.late({"a": "changed"}):
            reading = asyncio.ensure_future(one.run(still_s=15))
            await asyncio.sleep(0.4)
        await reading
        one.sound()
        assert [content["name"] for _, content in one.bus.histories()["a"]] == ["changed"]


async def _let_go(one: Trial) -> None:
    """Wait until the server has noticed that nobody reads the slot."""
    query = "SELECT 1 FROM pg_replication_slots WHERE active"
    async with asyncio.timeout(10):
        while await (await _twin(one).session.execute(query)).fetchone():
            await asyncio.sleep(0.02)


async def _confirmed(one: Trial) -> int:
    found = await _twin(one).session.execute(
        "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = 'bus_kit_1'"
    )
    row = await found.fetchone()
    assert row is not None
    return lsn_of(row[0])


@pytest.mark.parametrize("rewind_mb", [0, 64])
async def test_the_source_forgets_its_log_up_to_what_is_durable_and_no_further(
    rewind_mb: int,
) -> None:
    async with trial(PostgresChanges, configured(rewind_mb=rewind_mb)) as one:
        await one.twin.put({"a": "first"})
        await one.source().created()
        before = await _confirmed(one)
        await one.run()
        await one.twin.put({"a": "second"})
        await one.run()
        durable = lsn_of(one.bus.kept[-1][0]["lsn"])
        if rewind_mb:
            assert await _confirmed(one) == before
        else:
            async with asyncio.timeout(10):
                while await _confirmed(one) < durable:
                    await asyncio.sleep(0.02)
            assert await _confirmed(one) == durable


async def test_without_its_slot_it_says_so_and_a_new_epoch_reads_the_table_anew() -> None:
    async with trial(PostgresChanges, NumberedChangesTwin) as one:
        twin = _twin(one)
        await twin.put({"a": "first", "b": "first"})
        await one.run()
        await _let_go(one)
        await twin.run("SELECT pg_drop_replication_slot('bus_kit_1')")
        await twin.put({"a": "second"})
        with pytest.raises(DocumentError, match=r"slot bus_kit_1 has gone.*`epoch: 2`"):
            await one.run(until=lambda: False)
        later = twin.config.model_copy(update={"epoch": 2})
        one.make = lambda _, context: PostgresChanges(later, context)
        await one.run()
        one.sound()
        versions = {record.version >> 48 for record in one.bus.log.records() if record.key == "a"}
        assert versions == {1, 2}
        assert one.bus.kept[-1][0]["epoch"] == 2


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"source": "17/1"}, "restored, replaced or promoted"),
        ({"lsn": "FFFF/0"}, "restored, replaced or promoted"),
        ({"lsn": "0/1"}, "older than what slot"),
        ({"epoch": 7}, "an epoch never goes back"),
        ({"table": None}, "no position of change capture"),
    ],
)
async def test_a_position_of_another_source_stops_it(changed: Json, said: str) -> None:
    async with trial(PostgresChanges, PostgresChangesTwin) as one:
        await one.twin.put({"a": "first"})
        await one.run()
        position = one.bus.kept[-1][0]
        with pytest.raises(DocumentError, match=said):
            await _items(one, {**position, **changed}, 1)


async def test_log_held_back_is_told_and_given_up_where_that_is_asked_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with trial(PostgresChanges, configured(wal_max_mb=1)) as one:
        await one.twin.put({"a": "first"})
        await one.source().created()
        await _twin(one).session.execute(
            "INSERT INTO other SELECT repeat('x', 100) FROM generate_series(1, 15000)"
        )
        (held,) = await one.source().check()
        assert "MiB of log held back" in str(held)
        config, told = _twin(one).config, list[int]()
        one.make = lambda _, context: PostgresChanges(config, replace(context, held=told.append))
        with caplog.at_level(logging.WARNING):
            await one.run()
        assert "holds back" in caplog.text
        assert max(told) > 2**20
        dropping = _twin(one).config.model_copy(update={"wal_over": "drop"})
        one.make = lambda _, context: PostgresChanges(dropping, context)
        with pytest.raises(DocumentError, match="was dropped as `wal_over` says"):
            await one.run(until=lambda: False)
        assert await _slots(one) == []


async def _slots(one: Trial) -> list[Any]:
    found = await _twin(one).session.execute("SELECT slot_name FROM pg_replication_slots")
    return await found.fetchall()


async def test_check_names_all_that_the_source_lacks() -> None:
    async with trial(PostgresChanges, PostgresChangesTwin) as one:
        assert await one.source().check() == []
        await _twin(one).run("ALTER TABLE {table} REPLICA IDENTITY DEFAULT")
        (finding,) = await one.source().check()
        assert "REPLICA IDENTITY FULL" in str(finding)
        with pytest.raises(DocumentError, match="can't be captured as it is"):
            await one.source().created()


async def test_a_change_without_its_old_row_is_set_aside() -> None:
    async with trial(PostgresChanges, PostgresChangesTwin) as one:
        await one.twin.put({"a": "first", "b": "first"})
        await one.run()
        await _twin(one).run("ALTER TABLE {table} REPLICA IDENTITY DEFAULT")
        await one.twin.put({"b": "second"})
        await one.twin.remove("a")
        await one.run(until=lambda: bool(one.bus.unreadable_places()))
        assert one.bus.unreadable_places() == [f"{_twin(one).table}/a"]
        assert one.bus.view()["b"]["name"] == "second"


async def test_a_table_that_was_replaced_is_no_longer_read_in_silence() -> None:
    async with trial(PostgresChanges, PostgresChangesTwin) as one:
        await one.twin.put({"a": "first"})
        await one.run()
        await _twin(one).run("DROP TABLE {table}")
        await _twin(one).run("CREATE TABLE {table} (number text PRIMARY KEY)")
        with pytest.raises(DocumentError, match="does not hold table"):
            await one.run(until=lambda: False)


async def test_deleted_leaves_nothing_in_the_source() -> None:
    async with trial(PostgresChanges, PostgresChangesTwin) as one:
        await one.source().created()
        await one.source().created()
        await one.source().deleted()
        found = await _twin(one).session.execute(
            "SELECT slot_name FROM pg_replication_slots UNION ALL"
            " SELECT pubname FROM pg_publication"
        )
        assert await found.fetchall() == []


async def _drain(items: AsyncIterator[Item]) -> None:
    async for _ in items:
        pass


async def test_history_beside_the_stream_leaves_to_it_what_changes() -> None:
    async with trial(PostgresChanges, configured(piece_rows=4, first_read=False)) as one:
        await one.twin.put({f"h-{number}": "old" for number in range(10)})
        source = one.source()
        await source.created()
        # Why all of it: past a mark of the piece comes whoever goes on reading the stream.
        stream = asyncio.create_task(_drain(source.read(None)))
        await asyncio.sleep(0)
        async with asyncio.timeout(60):
            past = source.backfill(Span(since="h-2", until="h-8"))
            found = [row.place async for row in past]
        stream.cancel()
        await asyncio.gather(stream, return_exceptions=True)
        table = _twin(one).table
        assert found == [f"{table}/h-{number}" for number in range(2, 8)]


async def test_a_change_has_one_name_wherever_reading_began() -> None:
    """Beside a table that is first read, the position before a change differs from time to time."""

    async def name_behind(position: int) -> str:
        async def items() -> AsyncIterator[Item]:
            yield Mark(position)
            yield Row({"number": "a"}, event=17)

        given = items()
        reading = Reading(
            items=given,
            fit=Strict().fit,
            position=None,
            stopping=asyncio.Event(),
            pace=Rate(None, time=asyncio.get_running_loop().time),
            connector="x",
            stretch=Stretch(),
        )
        (row,) = [row async for row in reading.rows_to_a_position()]
        return row.event

    assert await name_behind(1) == await name_behind(2)


def test_versions_rise_with_the_epoch_above_any_log() -> None:
    assert packed(1, 2**48 - 1) < packed(2, 0)
    assert packed(2**15 - 1, 2**48 - 1) == 2**63 - 1
    assert lsn_of(lsn_text(2**40 + 17)) == 2**40 + 17


def test_the_password_stands_by_itself() -> None:
    with pytest.raises(ValidationError, match="a setting of its own") as refused:
        ChangesConfig(dsn="host=x password=hunter2", table="t", key="k")
    assert "hunter2" not in str(refused.value)
