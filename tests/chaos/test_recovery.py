from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import psycopg

from tests.chaos.recovery import ProgressWatch, recoveries, summary
from tests.fund.engine import running_postgres

FIRST, SECOND = ("accepted.roads", 0), ("accepted.roads", 1)
SOON_S: Final = 10.0


def test_the_slowest_of_those_that_move_again_tells_when_a_fault_is_over() -> None:
    moves = {FIRST: [1.0, 10.5, 11.0], SECOND: [2.0, 14.0]}
    assert recoveries([10.0], moves) == [4.0]


def test_one_partition_that_moves_hides_none_that_stands() -> None:
    busy = [0.1 * tick for tick in range(300)]
    assert recoveries([10.0], {FIRST: busy, SECOND: [25.0]}) == [15.0]


def test_what_moves_no_more_counts_for_nothing_nor_does_a_fault_behind_the_last_move() -> None:
    moves = {FIRST: [11.0], SECOND: [9.0, 10.0]}
    assert recoveries([10.0, 11.0], moves) == [1.0]
    assert recoveries([10.0], {}) == []


def test_the_summary_of_nothing_is_no_number() -> None:
    assert summary([]) == {"p50": None, "max": None}
    assert summary([0.04, 1.26, 7.0]) == {"p50": 1.3, "max": 7.0}


def test_each_partition_of_the_fund_is_watched_by_itself() -> None:
    with running_postgres() as server:
        dsn = f"{server} dbname=postgres"
        with psycopg.connect(dsn, autocommit=True) as fund:
            fund.execute("CREATE SCHEMA bus")
            fund.execute(
                "CREATE TABLE bus.positions AS SELECT consumer, topic, partition, 0 AS next_offset"
                " FROM unnest(ARRAY['fund', 'quarantine']) AS consumer,"
                " unnest(ARRAY['accepted.roads']) AS topic, generate_series(0, 1) AS partition"
            )
            watch = ProgressWatch(dsn)
            watch.start()
            begun_s = time.monotonic()

            def moved(consumer: str, partition: int, is_seen: Callable[[], bool]) -> None:
                """Move a position until that is seen: the first look may be yet to come."""
                while not is_seen():
                    assert time.monotonic() < begun_s + SOON_S, "it is not seen"
                    fund.execute(
                        "UPDATE bus.positions SET next_offset = next_offset + 1"
                        " WHERE consumer = %s AND partition = %s",
                        [consumer, partition],
                    )
                    time.sleep(0.05)

            moved("fund", 1, lambda: len(watch.moves.get(SECOND, ())) >= 2)
            fund.execute("UPDATE bus.positions SET next_offset = 7 WHERE consumer = 'quarantine'")
            moves = watch.stop()
    assert set(moves) == {SECOND}
    assert all(begun_s < at_s < time.monotonic() for at_s in moves[SECOND])
