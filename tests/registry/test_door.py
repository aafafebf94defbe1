"""The door over real HTTP, asked by hand and by Confluent's own client."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from aiohttp import ClientSession, web
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from bus.catalogue.snapshot import locked_schema_id
from bus.catalogue.subjects import schema_entries
from bus.registry import routes
from tests.factories import DATASET, snapshot

SUBJECT = f"accepted.{DATASET}-value"
NEWEST: dict[str, Any] = dict(snapshot().region.contracts[DATASET].newest.schema)
NUMBER = snapshot().region.contracts[DATASET].newest.number
NEWEST_ID = locked_schema_id(snapshot().region, DATASET, NUMBER)
FIELDS: list[dict[str, object]] = NEWEST["fields"]
MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"


@asynccontextmanager
async def door() -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_routes(routes(snapshot))
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with door() as address:
        yield address


async def ask(url: str, path: str, body: object = None, method: str = "GET") -> tuple[int, Any]:
    async with (
        ClientSession() as session,
        session.request(
            "POST" if body is not None and method == "GET" else method,
            url + path,
            data=None if body is None else json.dumps(body),
        ) as answer,
    ):
        assert answer.content_type == MEDIA_TYPE
        return answer.status, json.loads(await answer.text())


def candidate(**changed: object) -> dict[str, str]:
    return {"schema": json.dumps({**NEWEST, **changed})}


async def test_every_schema_of_the_region_is_found_by_subject_id_guid_and_meaning(url: str) -> None:
    entries = schema_entries(snapshot().region)
    assert (await ask(url, "/subjects"))[1] == list(dict.fromkeys(e.subject for e in entries))
    for entry in entries:
        _, registered = await ask(url, f"/subjects/{entry.subject}/versions/{entry.version}")
        assert registered.items() >= {
            "subject": entry.subject, "version": entry.version, "id": entry.id,
            "schema": entry.text,
        }.items()  # fmt: skip
        guid = str(UUID(hashlib.md5(entry.text.encode(), usedforsecurity=False).hexdigest()))
        assert registered["guid"] == guid
        _, by_id = await ask(url, f"/schemas/ids/{entry.id}")
        assert by_id["schema"] == entry.text
        assert (await ask(url, f"/schemas/guids/{guid}"))[1]["schema"] == entry.text
        found = await ask(url, f"/subjects/{entry.subject}", {"schema": entry.text})
        assert found[1]["id"] == entry.id
        _, places = await ask(url, f"/schemas/ids/{entry.id}/versions")
        assert {"subject": entry.subject, "version": entry.version} in places
        assert entry.subject in (await ask(url, f"/schemas/ids/{entry.id}/subjects"))[1]


async def test_the_small_reading_calls_answer_what_clients_expect(url: str) -> None:
    for path, wanted in {
        "/": {},
        "/schemas/types": ["AVRO"],
        "/contexts": ["."],
        "/config": {"compatibilityLevel": "FULL_TRANSITIVE"},
        f"/config/{SUBJECT}": {"compatibilityLevel": "FULL_TRANSITIVE"},
        "/mode": {"mode": "READONLY"},
        f"/mode/{SUBJECT}": {"mode": "READONLY"},
        f"/subjects/{SUBJECT}/versions": list(range(1, NUMBER + 1)),
        f"/subjects/{SUBJECT}/versions/latest/schema": NEWEST,
        f"/subjects/{SUBJECT}/versions/-1/schema": NEWEST,
        f"/subjects/{SUBJECT}/versions/{NUMBER}/referencedby": [],
        f"/schemas/ids/{NEWEST_ID}/schema": NEWEST,
        f"/subjects?subjectPrefix={SUBJECT}": [SUBJECT],
        f"/subjects?subjectPrefix=:*:{SUBJECT}": [SUBJECT],
        "/subjects?deletedOnly=true": [],
    }.items():
        assert await ask(url, path) == (200, wanted), path
    _, listed = await ask(url, "/schemas?latestOnly=true")
    assert [entry["subject"] for entry in listed] == (await ask(url, "/subjects"))[1]


async def test_metadata_name_who_answers_for_a_schema_and_no_rules_are_handed_to_clients(
    url: str,
) -> None:
    contract = snapshot().region.contracts[DATASET]
    _, found = await ask(url, f"/schemas/ids/{NEWEST_ID}")
    assert found["metadata"]["properties"].items() >= {
        "dataset": DATASET, "owner": contract.owner, "steward": contract.steward,
    }.items()  # fmt: skip
    assert "ruleSet" not in found


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/subjects/strange-value/versions", 404, 40401),
        ("/subjects/strange-value/versions/1", 404, 40401),
        (f"/subjects/{SUBJECT}/versions/99", 404, 40402),
        (f"/subjects/{SUBJECT}/versions/0x1", 422, 42202),
        (f"/subjects/{SUBJECT}/versions/٣", 422, 42202),
        ("/schemas/ids/4000000000", 404, 40403),
        ("/schemas/guids/00000000-0000-0000-0000-000000000000", 404, 40403),
        ("/associations/resources/-/a-topic?resourceType=topic", 404, 404),
        ("/subjects/a-value/no/such/route", 404, 404),
        ("/schemas/ids/one", 404, 404),
    ],
)
async def test_what_is_not_there_is_refused_in_json(
    url: str, path: str, status: int, code: int
) -> None:
    answered, content = await ask(url, path)
    assert (answered, content["error_code"]) == (status, code)
    assert content["message"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/config"),
        ("PUT", f"/config/{SUBJECT}"),
        ("PUT", "/mode"),
        ("POST", "/subjects"),
        ("DELETE", f"/config/{SUBJECT}"),
        ("DELETE", f"/subjects/{SUBJECT}"),
        ("DELETE", f"/subjects/{SUBJECT}/versions/1"),
        ("POST", "/associations/resources/-/a-topic"),
    ],
)
async def test_a_write_is_refused_with_the_way_it_is_really_done(
    url: str, method: str, path: str
) -> None:
    status, content = await ask(url, path, {}, method)
    assert (status, content["error_code"]) == (422, 42205)
    assert "bus contract publish" in content["message"]


async def test_registering_gives_the_id_of_a_known_schema_and_refuses_another(url: str) -> None:
    path = f"/subjects/{SUBJECT}/versions"
    assert (await ask(url, path, candidate()))[1]["id"] == NEWEST_ID
    status, content = await ask(url, path, candidate(name="Another"))
    assert (status, content["error_code"]) == (422, 42205)
    status, content = await ask(url, "/subjects/new-value/versions", candidate())
    assert (status, content["error_code"]) == (422, 42205)


async def test_a_schema_is_known_however_it_is_spelled(url: str) -> None:
    spelled: dict[str, Any] = {
        "name": f"{NEWEST['namespace']}.{NEWEST['name']}",
        "type": "record",
        "fields": [
            {**{k: v for k, v in field.items() if k != "doc"}, "order": "ascending"}
            for field in FIELDS
        ],
    }
    spelled["fields"][0]["type"] = {"type": "string", "avro.java.string": "String"}
    status, found = await ask(url, f"/subjects/{SUBJECT}", {"schema": json.dumps(spelled)})
    assert (status, found["id"]) == (200, NEWEST_ID)
    spelled["fields"][0]["type"] = "bytes"
    status, found = await ask(url, f"/subjects/{SUBJECT}", {"schema": json.dumps(spelled)})
    assert (status, found["error_code"]) == (404, 40403)


async def test_compatibility_is_what_the_contract_promises(url: str) -> None:
    path = f"/compatibility/subjects/{SUBJECT}/versions"
    optional = {"name": "added", "type": ["null", "string"], "default": None}
    for place in (path, f"{path}/latest"):
        _, fits = await ask(url, place, candidate(fields=[*FIELDS, optional]))
        assert fits == {"is_compatible": True}
        _, breaks = await ask(
            url,
            f"{place}?verbose=true",
            candidate(fields=[*FIELDS, {"name": "added", "type": "string"}]),
        )
        assert breaks["is_compatible"] is False
        assert any("added" in message for message in breaks["messages"])


HOSTILE = {
    "no json": "{",
    "no schema": {},
    "no text": {"schema": {"type": "string"}},
    "no avro": {"schema": "{}"},
    "another kind": {"schema": "syntax", "schemaType": "PROTOBUF"},
    "references": {"schema": json.dumps(NEWEST), "references": [{"name": "a"}]},
    "nested deep": {"schema": "[" * 100_000},
    "arrays in arrays": {
        "schema": '{"type":"record","name":"R","fields":[{"name":"a","type":'
        + '{"type":"array","items":' * 900 + '"int"' + "}" * 900 + "}]}"
    },
    "recursive": {
        "schema": '{"type":"record","name":"R","fields":[{"name":"a","type":["null","R"]}]}'
    },
}  # fmt: skip


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize(
    "path", [f"/subjects/{SUBJECT}", f"/compatibility/subjects/{SUBJECT}/versions"]
)
async def test_a_body_that_is_no_schema_is_refused(url: str, path: str, body: object) -> None:
    async with (
        ClientSession() as session,
        session.post(url + path, data=body if isinstance(body, str) else json.dumps(body)) as got,
    ):
        assert got.status == 422
        assert (await got.json(content_type=None))["error_code"] == 42201


async def test_a_body_without_end_is_cut_off(url: str) -> None:
    status, content = await ask(url, f"/subjects/{SUBJECT}", {"schema": " " * 300_000})
    assert (status, content["error_code"]) == (413, 413)


async def test_confluents_own_client_reads_and_registers_nothing(url: str) -> None:
    def work() -> None:
        with SchemaRegistryClient({"url": url}) as client:
            assert SUBJECT in client.get_subjects()
            latest = client.get_latest_version(SUBJECT)
            assert latest.schema_id == NEWEST_ID
            metadata = client.get_schema(NEWEST_ID).to_dict()["metadata"]
            assert metadata["properties"]["dataset"] == DATASET
            known = Schema(json.dumps(NEWEST), "AVRO")
            assert client.register_schema(SUBJECT, known) == NEWEST_ID
            assert client.lookup_schema(SUBJECT, known).version == latest.version
            assert client.test_compatibility(SUBJECT, known)
            assert client.get_compatibility(SUBJECT) == "FULL_TRANSITIVE"

    await asyncio.to_thread(work)
