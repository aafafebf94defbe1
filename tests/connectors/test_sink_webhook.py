"""The webhook sink against a real HTTP server: signed, in order, and nothing left out."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr, ValidationError

from bus.client import DeliveredBatch, DeliveredRecord, Group
from connectors.sink import SinkContext, SinkDown, Taken
from connectors.sinks.webhook import Webhook, WebhookConfig, telling_id
from tests.connectors.test_sink_postgres import delivered

KEY = bytes(range(32))
SECRET = SecretStr("whsec_" + base64.b64encode(KEY).decode())
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
Said = tuple[int, dict[str, str], str]
OK: Said = (204, {}, "")


@dataclass(kw_only=True)
class Receiver:
    """A consumer's service, which checks what it gets as the specification says."""

    answers: list[Said] = field(default_factory=list)
    """In turn; behind the last: 204."""
    got: list[tuple[str, list[str]]] = field(default_factory=list)
    """Ids and keys of what it took, in order."""
    url: str = ""

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        own_id, moment = request.headers["webhook-id"], request.headers["webhook-timestamp"]
        signed = f"{own_id}.{moment}.".encode() + body
        expected = base64.b64encode(hmac.digest(KEY, signed, hashlib.sha256)).decode()
        assert request.headers["webhook-signature"] == f"v1,{expected}"
        assert int(moment) == int(NOW.timestamp())
        assert request.content_type == "application/json"
        status, headers, text = self.answers.pop(0) if self.answers else OK
        if status < 300:
            self.got.append((own_id, [one["key"] for one in json.loads(body)["records"]]))
        return web.Response(status=status, headers=headers, text=text)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    application = web.Application()
    application.router.add_post("/records", made.take)
    async with TestServer(application, host="127.0.0.1") as server:
        made.url = str(server.make_url("/records"))
        yield made


Make = Callable[..., Webhook]


@pytest.fixture
async def make(receiver: Receiver, tmp_path: Path) -> AsyncIterator[Make]:
    sinks = []

    def made(**changed: object) -> Webhook:
        config = WebhookConfig.model_validate({"url": receiver.url, "secret": SECRET, **changed})
        context = SinkContext(
            connector="hook", dataset="schools", folder=tmp_path / "hook", clock=lambda: NOW
        )
        sinks.append(Webhook(config, context))
        return sinks[-1]

    yield made
    for sink in sinks:
        await sink.close()


def batch(*units: list[DeliveredRecord]) -> DeliveredBatch:
    return DeliveredBatch(units=units, behind={("accepted.schools", 0): 9})


async def test_each_record_is_told_by_a_signed_request_in_order(
    receiver: Receiver, make: Make
) -> None:
    sink = make()
    await sink.open()
    first, second = delivered(1, key="a"), delivered(1, key="b")
    pair = [
        replace(one, group=Group(id="0" * 16, index=index, size=2))
        for index, one in enumerate((delivered(2, key="a"), delivered(2, key="b")))
    ]
    assert await sink.write(batch([first], [second], pair)) == Taken(records=4)
    assert receiver.got == [
        (telling_id([first]), ["a"]),
        (telling_id([second]), ["b"]),
        (telling_id(pair), ["a", "b"]),
    ]


def test_an_id_names_what_is_told_and_not_one_record_of_it() -> None:
    first, second = delivered(1, key="a"), delivered(1, key="b")
    in_a_view = replace(first, position=replace(first.position, topic="view.schools"))
    tellings = [[first], [second], [first, second], [in_a_view]]
    assert len({telling_id(one) for one in tellings}) == len(tellings)
    assert telling_id([first]) == telling_id([replace(first, fields={})])


async def test_what_the_service_refuses_is_kept_and_the_next_one_follows(
    receiver: Receiver, make: Make
) -> None:
    sink = make()
    await sink.open()
    receiver.answers = [(422, {}, "no such school"), OK]
    bad, good = delivered(1, key="a"), delivered(1, key="b")
    assert await sink.write(batch([bad], [good])) == Taken(records=1, refused=1)
    assert [keys for _, keys in receiver.got] == [["b"]]
    (line,) = sink.refused_file.read_text(encoding="utf-8").splitlines()
    kept = json.loads(line)
    assert (kept["problem"], kept["record"]["key"]) == ("422 no such school", "a")
    assert sink.refused_file.stat().st_mode & 0o077 == 0
    with sink.refused_file.open("a") as torn:
        torn.write('{"problem": "cut')
    receiver.answers = [(422, {}, "again")]
    await sink.write(batch([bad]))
    assert json.loads(sink.refused_file.read_text().splitlines()[-1])["problem"] == "422 again"


@pytest.mark.parametrize("status", [301, 302, 401, 403, 404, 408, 410, 429, 500, 503])
async def test_any_other_answer_is_a_fault_and_the_record_comes_again_under_its_id(
    receiver: Receiver, make: Make, status: int
) -> None:
    sink = make()
    await sink.open()
    headers = {"Location": receiver.url} if status in {301, 302} else {"Retry-After": "7"}
    receiver.answers = [OK, (status, headers, "")]
    first, second = delivered(1, key="a"), delivered(1, key="b")
    with pytest.raises(SinkDown, match=f"answers {status}") as told:
        await sink.write(batch([first], [second]))
    assert told.value.retry_after_s == (None if status in {301, 302} else 7.0)
    await sink.write(batch([first], [second]))  # the bus gives what was not taken again
    ids = [telling_id([one]) for one in (first, first, second)]
    assert [own for own, _ in receiver.got] == ids
    assert not sink.refused_file.exists()


async def test_no_answer_is_a_fault_that_tells_no_more_than_the_host(make: Make) -> None:
    sink = make(url="http://127.0.0.1:1/records?token=s3cret")
    await sink.open()
    with pytest.raises(SinkDown, match=r"http://127.0.0.1:1 does not answer") as told:
        await sink.write(batch([delivered(1)]))
    assert "s3cret" not in str(told.value)
    (finding,) = await sink.check()
    assert "does not answer" in str(finding)


async def test_check_sends_nothing(receiver: Receiver, make: Make) -> None:
    assert await make().check() == ()
    assert receiver.got == []


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"url": "http://school.example/records"}, "records travel encrypted"),
        ({"url": "https://user:pw@school.example/"}, "no login in the address"),
        ({"secret": "whsec_c2hvcnQ="}, "at least 24 bytes"),
        ({"secret": "not base64!"}, "whsec_ and base64"),
    ],
)
def test_what_is_not_safe_is_not_begun(settings: dict[str, object], why: str) -> None:
    given = {"url": "https://school.example/records", "secret": SECRET, **settings}
    with pytest.raises(ValidationError, match=why):
        WebhookConfig.model_validate(given)
