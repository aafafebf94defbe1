from __future__ import annotations

from tests.proxy import Direction, HalfClosed, OneWay
from tests.proxy.engines import client, echo_behind_a_link, until

MIB = 1024 * 1024


async def test_what_a_client_says_is_swallowed_and_its_connection_reset_at_the_end() -> None:
    async with (
        echo_behind_a_link() as (echo, link),
        client(link.port) as talking,
        client(link.port) as idle,
    ):
        await talking.echo(b"1")
        await idle.echo(b"2")
        link.apply(OneWay(swallowed=Direction.TO_ENGINE))
        await talking.say(b"swallowed")
        assert await talking.hears_nothing()
        async with client(link.port) as new:
            await new.say(b"never answered")
            assert await new.hears_nothing()
            assert echo.heard == b"12"
            assert echo.ended == []
            link.lift()
            assert await talking.is_ended()
            assert await new.is_ended()
        await until(lambda: echo.ended == ["reset"])
        await idle.echo(b"3")
        assert echo.heard == b"123"


async def test_an_engine_that_a_client_left_while_unheard_learns_of_it_at_the_end() -> None:
    async with echo_behind_a_link() as (echo, link), client(link.port) as leaving:
        await leaving.echo(b"1")
        link.apply(OneWay(swallowed=Direction.TO_ENGINE))
        leaving.writer.write_eof()
        assert await leaving.hears_nothing()
        assert echo.ended == []
        link.lift()
        await until(lambda: echo.ended == ["reset"])


async def test_what_the_engine_says_is_swallowed_while_it_still_hears_its_client() -> None:
    async with echo_behind_a_link() as (echo, link), client(link.port) as old:
        await old.echo(b"1")
        link.apply(OneWay(swallowed=Direction.TO_CLIENT))
        await old.say(b"heard")
        await until(lambda: echo.heard == b"1heard")
        assert await old.hears_nothing()
        async with client(link.port) as new:
            assert await new.hears_nothing()
            link.lift()
            assert await new.is_ended()
        assert await old.is_ended()
        await until(lambda: echo.ended == ["reset"])


async def test_half_closed_is_a_reset_for_the_engine_and_silence_for_clients() -> None:
    async with echo_behind_a_link() as (echo, link), client(link.port) as old:
        await old.echo(b"1")
        link.apply(HalfClosed())
        await until(lambda: echo.ended == ["reset"])
        await old.say(bytes(20 * MIB))
        assert await old.hears_nothing()
        async with client(link.port) as new:
            await new.say(b"never heard")
            assert await new.hears_nothing()
            link.lift()
            assert await new.is_ended()
        assert await old.is_ended()
        assert echo.heard == b"1"
        async with client(link.port) as new:
            await new.echo(b"2")


async def test_clients_that_hang_up_on_silence_leave_no_connection_open() -> None:
    async with echo_behind_a_link() as (echo, link):
        async with client(link.port) as old:
            await old.echo(b"1")
            link.apply(HalfClosed())
            async with client(link.port):
                await until(lambda: link.open_connections == 2)
        await until(lambda: link.open_connections == 0)
        assert echo.ended == ["reset"]
