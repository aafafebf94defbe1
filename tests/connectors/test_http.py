"""The source `http`: whichever way a service gives its pages, logs in and fails."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from ssl import SSLContext
from typing import Any, ClassVar

import pytest
from aiohttp import web
from pydantic import ValidationError

from bus.errors import DocumentError
from connectors import Mark, Row, SourceDown, Span
from connectors.kit.plugin import conforms
from connectors.kit.trial import trial
from connectors.kit.twin import CANARY
from connectors.sources.http import Http
from connectors.twins.http import HttpTwin
from connectors.web.config import HttpConfig
from connectors.web.service import retry_after_s
from tests.connectors.services import (
    NOW,
    bad,
    context,
    keys,
    last_position,
    numbered,
    own_certificate,
    read,
)

Hear = Callable[[web.Request], web.Response | None]


class ByKey(HttpTwin):
    """Rows in no order of the cursor, equal ones left out, pages by offset."""

    settings: ClassVar[Mapping[str, Any]] = {
        "pages": "offset",
        "page_parameter": "offset",
        "cursor": "updated_at",
        "cursor_parameter": "after",
        "cursor_includes_equal": False,
        "query": {"sort": "key"},
        "overlap": 5,
    }


class Whole(HttpTwin):
    """No cursor: the whole list, by Link headers."""

    settings: ClassVar[Mapping[str, Any]] = {"pages": "link", "query": {"sort": "key"}}


class Heard(HttpTwin):
    """A service that a test answers for, where it wants to."""

    settings: ClassVar[Mapping[str, Any]] = {"pages": "page", "query": {"sort": "key"}}

    def __init__(self) -> None:
        super().__init__()
        self.answer: Hear = lambda _: None

    async def hear(self, request: web.Request) -> web.Response | None:
        return await super().hear(request) or self.answer(request)

    def add_routes(self, application: web.Application) -> None:
        application.router.add_post("/token", self._token)

    async def _token(self, _: web.Request) -> web.Response:
        self.token = f"{CANARY}-{len(self.requests)}"
        return web.json_response({"access_token": self.token, "expires_in": 3600})


def but(config: HttpConfig, **others: object) -> HttpConfig:
    return HttpConfig.model_validate({**dict(config), **others})


test_conforms = conforms(Http, HttpTwin, kills_max=25)
test_conforms_without_an_order = conforms(Http, ByKey, kills_max=8)
test_conforms_without_a_cursor = conforms(Http, Whole, kills_max=8)


@pytest.mark.parametrize(
    "pages",
    [
        {"pages": "page"},
        {"pages": "page", "page_size": None, "query": {"per_page": "3"}},
        {"pages": "offset", "page_parameter": "offset"},
        {"pages": "cursor", "page_parameter": "token", "next": "meta.next"},
        {"pages": "link"},
        {"pages": "next_url", "next": "meta.next_url"},
    ],
    ids=lambda pages: "-".join(map(str, pages.values())),
)
@pytest.mark.parametrize("has_cursor", [False, True])
async def test_each_way_of_giving_pages_gives_every_row(
    pages: dict[str, Any], has_cursor: bool, tmp_path: Path
) -> None:
    cursor = {"cursor": "updated_at", "cursor_parameter": "since"} if has_cursor else {}
    async with Heard() as twin:
        await twin.put(numbered(11))
        items = await read(Http, but(twin.config, **pages, **cursor), tmp_path)
        assert keys(items) == list(numbered(11))


async def test_a_whole_list_is_read_on_from_any_page_and_a_forgotten_cursor_begins_anew(
    tmp_path: Path,
) -> None:
    async with Heard() as twin:
        await twin.put(numbered(10))
        config = but(twin.config, pages="cursor", page_parameter="token", next="meta.next")
        first = await read(Http, config, tmp_path)
        within = next(item.position for item in first if isinstance(item, Mark))
        assert keys(await read(Http, config, tmp_path, within)) == list(numbered(10))[4:]
        forgotten = within["next"]
        twin.answer = lambda one: (
            web.Response(status=410)
            if one.query.get("token") == forgotten and len(twin.requests) < 2
            else None
        )
        twin.requests.clear()
        assert keys(await read(Http, config, tmp_path, within)) == list(numbered(10))
        twin.answer = lambda one: web.Response(status=410) if "token" in one.query else None
        with pytest.raises(DocumentError, match="410"):
            await read(Http, config, tmp_path)


@pytest.mark.parametrize(("ordered", "request_of_page_two"), [(False, 2), (True, 3)])
async def test_a_row_that_moves_up_between_two_pages_is_not_lost(
    ordered: bool, request_of_page_two: int, tmp_path: Path
) -> None:
    async with Heard() as twin:
        await twin.put_together(numbered(10))
        pages = 0

        def take_one_away(_: web.Request) -> None:
            nonlocal pages
            pages += 1
            if pages == request_of_page_two:
                twin.take_away("s-01")

        twin.answer = take_one_away
        cursor = {"cursor": "updated_at", "cursor_parameter": "since", "ordered": ordered}
        config = but(twin.config, **cursor)
        items = await read(Http, config, tmp_path)
        assert set(numbered(10)) <= set(keys(items)), "s-05 moved from page two to page one"


async def test_a_row_of_the_newest_value_that_comes_later_is_read_where_equal_ones_are_left_out(
    tmp_path: Path,
) -> None:
    async with ByKey() as twin:
        config = but(twin.config, overlap=0)
        await twin.put({"a": "first"})
        await twin.put_together({"b": "first"})
        position = last_position(await read(Http, config, tmp_path))
        late = {"number": "c", "name": "late", "updated_at": twin.rows["b"]["updated_at"]}
        twin._entries["c"] = (str(late["updated_at"]), late)
        items = await read(Http, config, tmp_path, position)
        assert keys(items) == ["c"]


async def test_rows_out_of_a_promised_order_stop_the_connector(tmp_path: Path) -> None:
    async with ByKey() as twin:
        await twin.put({"b": "first", "a": "first"})
        with pytest.raises(DocumentError, match="ordered: false"):
            await read(Http, but(twin.config, ordered=True), tmp_path)


async def test_nothing_is_read_while_the_mark_of_freshness_is_the_same(tmp_path: Path) -> None:
    async with Whole() as twin:
        await twin.put(numbered(3))
        position = last_position(await read(Http, twin.config, tmp_path))
        assert await read(Http, twin.config, tmp_path, position) == []
        await twin.put({"s-04": "first"})
        assert keys(await read(Http, twin.config, tmp_path, position)) == list(numbered(4))


async def test_a_login_that_expires_in_the_middle_is_renewed_and_outlives_a_reading(
    tmp_path: Path,
) -> None:
    async with Heard() as twin:
        await twin.put(numbered(10))
        config = but(
            twin.config,
            auth="oauth2",
            token_url=f"{twin.base_url.removesuffix('/v1')}/token",
            client_id=str(tmp_path),
            client_secret=CANARY,
        )
        assert len(keys(await read(Http, config, tmp_path))) == 10
        first = twin.token
        await read(Http, config, tmp_path)
        assert twin.token == first, "asked for once"

        def expire(request: web.Request) -> web.Response | None:
            if request.query["page"] == "2" and twin.token == first:
                twin.token = "another"
                return web.Response(status=401)
            return None

        twin.answer = expire
        assert len(keys(await read(Http, config, tmp_path))) == 10
        assert twin.token != first
        twin.answer = lambda _: web.Response(status=401)
        with pytest.raises(DocumentError, match="does not accept the login"):
            await read(Http, config, tmp_path)


@pytest.mark.parametrize(
    ("status", "asks_s"), [(429, 17.0), (503, 17.0), (500, 17.0), (502, None), (408, None)]
)
async def test_a_service_that_can_not_answer_now_is_left_alone_as_long_as_it_asks(
    status: int, asks_s: float | None, tmp_path: Path
) -> None:
    async with Heard() as twin:
        headers = {} if asks_s is None else {"Retry-After": str(asks_s)}
        twin.answer = lambda _: web.Response(status=status, headers=headers)
        with pytest.raises(SourceDown, match=str(status)) as problem:
            await read(Http, twin.config, tmp_path)
        assert problem.value.retry_after_s == asks_s


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("3", 3), ("Mon, 05 Jan 2026 12:01:30 GMT", 90), ("soon", None), ("-4", 0), ("1e9", 3600)],
)
def test_a_service_asks_for_time_in_seconds_or_until_a_moment(
    said: str, seconds: float | None
) -> None:
    assert retry_after_s(said, NOW) == seconds


async def test_a_burst_of_errors_loses_nothing() -> None:
    async with trial(Http, Heard) as one:
        assert isinstance(one.twin, Heard)
        await one.twin.put(numbered(10))
        requests = one.twin.requests
        one.twin.answer = lambda _: web.Response(status=502) if 2 < len(requests) < 5 else None
        await one.run(still_s=20)
        one.sound()
        assert one.totals.attempts_failed


async def test_a_refusal_stops_with_words_and_tells_no_parameter(tmp_path: Path) -> None:
    async with Heard() as twin:
        twin.answer = lambda _: web.Response(status=403)
        with pytest.raises(DocumentError, match=r"refuses the request .status 403") as problem:
            await read(Http, but(twin.config, query={"by": "personal"}), tmp_path)
        assert "personal" not in str(problem.value)
        assert "отклоняет" in problem.value.spoken("ru")


@pytest.mark.parametrize("way", ["redirect", "link", "next_url"])
async def test_the_login_is_never_sent_to_another_host(way: str, tmp_path: Path) -> None:
    async with Heard() as other, Heard() as twin:
        away = f"{other.base_url}/schools"
        link = {"Link": f'<{away}>; rel="next"'}
        body = {"data": {"items": []}, "meta": {"next_url": away}}
        twin.answer = lambda _: (
            web.Response(status=302, headers={"Location": away})
            if way == "redirect"
            else web.json_response(body, headers=link)
        )
        pages = {"pages": "none" if way == "redirect" else way, "next": "meta.next_url"}
        with pytest.raises(DocumentError, match="leads to another host"):
            await read(Http, but(twin.config, **pages), tmp_path)
        assert not other.requests


async def test_a_redirect_within_the_service_is_followed_but_not_for_ever(tmp_path: Path) -> None:
    async with Heard() as twin:
        await twin.put(numbered(2))
        again = web.Response
        twin.answer = lambda one: (
            None
            if "moved" in one.query
            else again(status=307, headers={"Location": "/v1/schools?moved=1"})
        )
        assert keys(await read(Http, but(twin.config, pages="none"), tmp_path)) == ["s-01", "s-02"]
        twin.answer = lambda _: again(status=307, headers={"Location": "/v1/schools"})
        with pytest.raises(DocumentError, match="from address to address"):
            await read(Http, twin.config, tmp_path)


async def test_an_answer_too_large_too_slow_or_no_json_is_told(tmp_path: Path) -> None:
    async with Heard() as twin:
        await twin.put(numbered(30))
        with pytest.raises(DocumentError, match="more than 300 bytes"):
            await read(Http, but(twin.config, response_bytes_max=300), tmp_path)
        twin.answer = lambda _: web.Response(text="<html>maintenance</html>")
        with pytest.raises(SourceDown, match="not JSON"):
            await read(Http, twin.config, tmp_path)
        twin.answer = lambda _: web.json_response({"data": {"items": {}}})
        with pytest.raises(DocumentError, match=r"no list at data.items but dict"):
            await read(Http, twin.config, tmp_path)


async def test_a_service_that_never_answers_is_given_up_in_time(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        config = HttpConfig(base_url=f"http://127.0.0.1:{deaf.getsockname()[1]}", timeout_s=0.2)
        with pytest.raises(SourceDown, match="did not answer in time"):
            await read(Http, config, tmp_path)


async def test_a_certificate_is_checked_by_the_own_authority(tmp_path: Path) -> None:
    ca_file, secured = own_certificate(tmp_path)
    async with _secured(secured) as url:
        config = HttpConfig(base_url=url)
        with pytest.raises(SourceDown, match="Certificate"):
            await read(Http, config, tmp_path)
        assert keys(await read(Http, but(config, ca_file=ca_file), tmp_path)) == ["1"]


@asynccontextmanager
async def _secured(secured: SSLContext) -> AsyncIterator[str]:
    async def give(_: web.Request) -> web.Response:
        return web.json_response([{"number": "1"}])

    application = web.Application()
    application.router.add_get("/", give)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=secured).start()
    try:
        yield f"https://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


async def test_what_is_no_row_is_told_with_its_place(tmp_path: Path) -> None:
    async with Heard() as twin:
        twin.answer = lambda _: web.json_response({"data": {"items": [{"number": 1}, None]}})
        items = await read(Http, but(twin.config, pages="none"), tmp_path)
        assert [one.place for one in bad(items)] == ["schools#2"]
        assert [one.place for one in items if isinstance(one, Row)] == ["schools/1"]


async def test_a_check_finds_what_would_lose_rows(tmp_path: Path) -> None:
    async with Heard() as twin:
        await twin.put(numbered(8))
        source = Http(twin.config, context(tmp_path))
        assert not await source.check()
        wrong = but(
            twin.config,
            key="code",
            cursor="name.at",
            cursor_parameter="since",
            page_size=6,
            size_parameter=None,
            query={"per_page": "4"},
        )
        findings = await Http(wrong, context(tmp_path)).check()
        assert [one.path for one in findings] == [
            "config.key",
            "config.cursor",
            "config.page_size",
        ]
        refused = await Http(but(wrong, path="nowhere"), context(tmp_path)).check()
        assert "404" in str(refused[0])


async def test_a_list_that_nobody_described_is_found(tmp_path: Path) -> None:
    async with HttpTwin() as twin:
        await twin.put(numbered(3))
        config = but(twin.config, rows="", key=None)
        (found,) = await Http(config, context(tmp_path)).discover()
        assert found.config == {"path": "schools", "rows": "data.items", "key": "number"}
        assert found.columns["updated_at"] == {"type": "long", "logicalType": "timestamp-micros"}
        assert found.columns["name"] == "string"
        assert len(found.samples) == 3


async def test_history_is_asked_for_by_its_ends(tmp_path: Path) -> None:
    async with HttpTwin() as twin:
        await twin.put(numbered(9))
        at = [str(row["updated_at"]) for row in twin.rows.values()]
        source = Http(twin.config, context(tmp_path))
        span = Span(since=at[2], until=at[7])
        assert keys([one async for one in source.backfill(span)]) == list(numbered(9))[2:8]
        cut = Http(but(twin.config, until_parameter=None), context(tmp_path))
        with pytest.raises(DocumentError, match="can't be asked for"):
            cut.backfill(span)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"auth": "oauth2"}, "auth oauth2 needs token_url, client_id, client_secret"),
        ({"base_url": "https://user:word@host/"}, "is to hold no password"),
        ({"base_url": "ftp://host/"}, "begins with http"),
        ({"pages": "cursor"}, "pages cursor needs next"),
        ({"cursor": "at"}, "cursor needs cursor_parameter"),
        ({"cursor_template": "since"}, "is to hold {value}"),
    ],
)
def test_settings_that_do_not_fit_together_are_told(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        HttpConfig.model_validate({"base_url": "https://host/", **wrong})
