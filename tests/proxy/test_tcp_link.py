from __future__ import annotations

import asyncio
import random

import pytest

from tests.proxy import Cut, Fault, HoldProduce, Latency, Reset, Slow, TcpLink
from tests.proxy.engines import client, echo_behind_a_link, serving, until

STREAM = random.Random(5).randbytes(5_000_000)
MIB = 1024 * 1024


async def test_a_clean_link_passes_bytes_and_the_end_both_ways_and_counts_them() -> None:
    async with echo_behind_a_link() as (echo, link), client(link.port) as one:
        await one.echo(b"one")
        await one.say(b"two")
        one.writer.write_eof()
        # The engine's last words come though the client has said all of its own.
        assert await one.hear(3) == b"two"
        assert await one.reader.read() == b""
        assert echo.ended == ["end"]
        await until(lambda: link.open_connections == 0)
        assert link.counters.connections == 1
        assert link.counters.bytes_passed == 12


async def test_last_words_arrive_whole_though_both_sides_have_hung_up() -> None:
    async def say_and_hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.write(STREAM)
        writer.close()
        await writer.wait_closed()

    async with (
        serving(say_and_hang_up) as port,
        TcpLink(port).running() as link,
        client(link.port) as one,
    ):
        one.writer.write_eof()
        await until(lambda: link.counters.bytes_passed > MIB)
        assert await one.reader.read() == STREAM


@pytest.mark.parametrize(
    "fault",
    [None, Latency(seconds=0.02, jitter=0.02), Slow(bytes_per_s=20_000_000)],
    ids=["clean", "latency", "slow"],
)
async def test_a_long_stream_arrives_whole_and_in_order(fault: Fault | None) -> None:
    async with echo_behind_a_link() as (echo, link), client(link.port) as one:
        if fault is not None:
            link.apply(fault)
        saying = asyncio.create_task(one.say(STREAM))
        assert await one.hear(len(STREAM)) == STREAM
        await saying
        assert echo.heard == STREAM
        assert link.counters.bytes_passed == 2 * len(STREAM)


async def test_a_stream_arrives_whole_though_faults_of_pace_come_and_go_in_it() -> None:
    async with echo_behind_a_link() as (echo, link), client(link.port) as one:
        saying = asyncio.create_task(one.say(STREAM))
        heard = b""
        for fault in (Latency(seconds=5.0), Slow(bytes_per_s=1_000), Latency(seconds=0.01)):
            link.apply(fault)
            await asyncio.sleep(0.02)
            link.lift()
            heard += await one.hear(MIB)
        assert heard + await one.hear(len(STREAM) - len(heard)) == STREAM
        await saying
        assert echo.heard == STREAM


async def test_latency_delays_each_way_and_is_gone_when_lifted() -> None:
    async with echo_behind_a_link() as (_, link), client(link.port) as old:
        await old.echo(b"before")
        link.apply(Latency(seconds=0.4, jitter=0.1))
        async with client(link.port) as new:
            assert await old.echo(b"old") >= 0.6
            assert await new.echo(b"new") >= 0.6
            link.lift()
            assert await old.echo(b"after") < 0.6
            assert await new.echo(b"after") < 0.6


async def test_what_waits_under_latency_goes_on_at_once_when_it_is_lifted() -> None:
    async with echo_behind_a_link() as (echo, link), client(link.port) as one:
        link.apply(Latency(seconds=600.0))
        await one.say(b"waiting")
        assert await one.hears_nothing()
        assert not echo.heard
        link.lift()
        assert await one.hear(7) == b"waiting"


async def test_many_pieces_wait_their_latency_together_not_one_after_the_other() -> None:
    async with echo_behind_a_link() as (echo, link), client(link.port) as one:
        link.apply(Latency(seconds=0.2))
        time = asyncio.get_running_loop().time
        begun_s = time()
        for number in range(20):
            await one.say(bytes([number]))
            await asyncio.sleep(0.005)
        assert await one.hear(20) == bytes(range(20))
        assert 0.4 <= time() - begun_s < 3
        assert echo.heard == bytes(range(20))


async def test_a_slow_link_keeps_the_pace_on_old_and_new_connections() -> None:
    async with echo_behind_a_link() as (_, link), client(link.port) as old:
        await old.echo(b"before")
        link.apply(Slow(bytes_per_s=100_000))
        async with client(link.port) as new:
            seconds = await asyncio.gather(old.echo(bytes(50_000)), new.echo(bytes(50_000)))
            assert all(one >= 0.4 for one in seconds)
            link.lift()
            assert await old.echo(bytes(500_000)) < 4


async def test_a_cut_resets_old_connections_and_refuses_new_ones_until_it_is_lifted() -> None:
    async with echo_behind_a_link() as (echo, link), client(link.port) as old:
        await old.echo(b"before")
        link.apply(Cut())
        assert await old.is_ended()
        await until(lambda: echo.ended == ["reset"])
        async with client(link.port) as new:
            assert await new.is_ended()
        assert link.open_connections == 0
        assert link.counters.connections == 2
        link.lift()
        async with client(link.port) as new:
            await new.echo(b"after")


async def test_a_reset_ends_the_connections_of_now_and_no_later_one() -> None:
    async with echo_behind_a_link() as (echo, link), client(link.port) as old:
        await old.echo(b"before")
        link.apply(Reset())
        assert link.fault is None
        assert await old.is_ended()
        await until(lambda: echo.ended == ["reset"])
        async with client(link.port) as new:
            await new.echo(b"after")


async def test_an_engine_is_stopped_by_a_client_that_does_not_read() -> None:
    written = 0

    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        while True:
            writer.write(bytes(MIB))
            await writer.drain()
            written += MIB

    async with (
        serving(flood) as port,
        TcpLink(port).running() as link,
        client(link.port) as one,
    ):
        await one.hear(1)
        before = -1
        while before < written < 100 * MIB:
            before = written
            await asyncio.sleep(0.3)
        # The line, and the buffers of four sockets.
        assert written < 40 * MIB
        await one.hear(written)
        await until(lambda: written > before)


async def test_one_fault_at_a_time_and_none_that_needs_to_know_kafka() -> None:
    async with echo_behind_a_link() as (_, link):
        with pytest.raises(TypeError, match="Kafka"):
            link.apply(HoldProduce())
        link.apply(Latency(seconds=0.1))
        with pytest.raises(RuntimeError, match=r"Latency.* is in force"):
            link.apply(Cut())
        link.lift()
        link.lift()
        link.apply(Cut())
        assert link.fault == Cut()
