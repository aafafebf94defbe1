"""Records over HTTP, from a request to what became of them, on real engines."""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from aiokafka import TopicPartition

from bus.access.credentials import certificate_file, private_key_file
from bus.catalogue.parties import BUS
from bus.gateway.publishing import IDEMPOTENCY, REPLAYED
from bus.kafka.scan import offsets, read_between
from bus.model.identifiers import SystemCode
from bus.model.record import RawRecord
from bus.postgres.session import connect
from bus.wire.signature import BatchSigner, parse_signature
from bus.wiring import Installation
from tests.factories import AGENCY, DATASET, ROOT, SOURCE, VALID, signed, unsigned
from tests.flow import path
from tests.gateway.asking import HEALTH, PROVIDER, Told, ask
from tests.gateway.asking import signed as signed_request
from tests.gateway.test_signed_record import sent

RECORDS = f"/records/{DATASET}"
WAIT_S = 60.0


def key() -> str:
    return f"http-{uuid.uuid4().hex[:12]}"


def body(*keys: str, version: int = 1, **fields: object) -> dict[str, list[dict[str, object]]]:
    return {
        "records": [
            {
                "op": "create",
                "version": version,
                "value": {**VALID, "registry_number": one, **fields},
            }
            for one in keys
        ]
    }


async def publish(installation: Installation, given: object, **headers: str) -> Told:
    return await ask(
        installation,
        "POST",
        RECORDS,
        by=PROVIDER,
        body=given,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


async def lying_at(installation: Installation, taken: Mapping[str, Any]) -> RawRecord:
    place = TopicPartition(taken["topic"], taken["partition"])
    span = {place: (taken["offset"], taken["offset"] + 1)}
    async for raw in read_between(installation.cluster_as(BUS), span):
        return raw
    raise AssertionError("nothing lies there")


async def noted_as_signed(installation: Installation, sent_body: str) -> str:
    """Give the note of what the gateway signed out of a body."""
    session = await connect(installation.fund_dsn(), "test")
    try:
        rows = await session.execute(
            "SELECT content FROM bus.audit_notes WHERE kind = 'signed' "
            "AND content::jsonb ->> 'sha256' = %s",
            [sha256(sent_body.encode()).hexdigest()],
        )
        ((content,),) = await rows.fetchall()
    finally:
        await session.close()
    return str(content)


async def count_inbound(installation: Installation) -> int:
    places = [TopicPartition(str(SOURCE), number) for number in range(4)]
    found = await offsets(installation.cluster_as(BUS), places)
    return sum(end for _, end in found.values())


async def test_a_record_is_published_and_its_fate_told_in_the_readers_language(
    served: Installation,
) -> None:
    good, bad = key(), key()
    receipt = await publish(served, body(good))
    refused = await publish(served, body(bad, inn="6317000001"))
    assert (receipt.status, refused.status) == (202, 202)
    (taken,), (broken,) = receipt.content["records"], refused.content["records"]
    assert (receipt.content["agency"], receipt.content["dataset"]) == (AGENCY, DATASET)
    raw = await lying_at(served, taken)
    signature = parse_signature(dict(raw.headers)["bus_sig"])
    assert signature is not None
    assert signature.key_id == receipt.content["key_id"] == "edu-registry.gateway-1"
    sent_body = json.dumps(body(good), ensure_ascii=False)
    assert taken["record_id"] in await noted_as_signed(served, sent_body)
    first = await ask(served, "GET", taken["status"], by=PROVIDER)
    assert (first.status, first.content["status"]) == (200, "not_seen")
    async with path.supervised(served):
        async with asyncio.timeout(WAIT_S):
            told = await fate(served, taken, "in_fund")
            assert told["in_fund"]["version"] == 1
            told = await fate(served, broken, "quarantined")
    (entry,) = told["quarantine"]
    assert entry["reason"] == "rule_violated"
    assert entry["violations"][0]["path"] == "inn"
    assert any("а" <= letter <= "я" for letter in entry["violations"][0]["says"])
    by_id = taken["status"].partition("?")[0]
    assert (await ask(served, "GET", by_id, by=PROVIDER)).content["status"] == "in_fund"
    assert (await ask(served, "GET", by_id, by=HEALTH)).code == (403, "not_provided")


async def fate(served: Installation, taken: Mapping[str, Any], wanted: str) -> dict[str, Any]:
    seen = []
    while True:
        told = await ask(
            served, "GET", taken["status"], by=PROVIDER, headers={"Accept-Language": "ru"}
        )
        assert told.status == 200
        seen.append(told.content["status"])
        if seen[-1] == wanted:
            assert set(seen) <= {"not_seen", "accepted", wanted}, seen
            content: dict[str, Any] = told.content
            return content
        await asyncio.sleep(0.1)


async def test_the_example_publishes_asks_and_reads(served: Installation, tmp_path: Path) -> None:
    async def run(system: SystemCode, *words: str, given: str = "") -> list[dict[str, Any]]:
        home = served.home
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(ROOT / "docs/examples/over_http.py")),
            *(served.gateway_as(system).url, str(served.gateway_as(system).ca_file)),
            *(str(certificate_file(home, system, 1)), str(private_key_file(home, system, 1))),
            *words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        told, _ = await process.communicate(given.encode())
        assert process.returncode == 0
        return [json.loads(line) for line in told.splitlines()]

    lines = "\n".join(json.dumps(one) for one in body(key(), key())["records"])
    receipts = await run(PROVIDER, "publish", DATASET, given=lines)
    assert len(receipts) == 2
    (status,) = await run(PROVIDER, "status", receipts[0]["status"])
    assert status["record_id"] == receipts[0]["record_id"]
    token = tmp_path / "token"
    await run(HEALTH, "read", DATASET, str(token))
    assert token.read_text()
    assert await run(HEALTH, "read", DATASET, str(token)) == []


async def test_the_same_key_and_request_give_the_same_receipt_and_publish_once(
    served: Installation,
) -> None:
    given, chosen = body(key(), key()), uuid.uuid4().hex
    before = await count_inbound(served)
    answers = await asyncio.gather(
        *[publish(served, given, **{IDEMPOTENCY: chosen}) for _ in range(4)]
    )
    assert {one.status for one in answers} == {202}
    assert len({str(one.content) for one in answers}) == 1
    assert sorted(one.headers.get(REPLAYED, "") for one in answers) == ["", *["true"] * 3]
    assert await count_inbound(served) == before + 2
    other = await publish(served, body(key()), **{IDEMPOTENCY: chosen})
    assert other.code == (422, "key_used")
    assert (await publish(served, given, **{IDEMPOTENCY: "a b"})).code == (
        400,
        "bad_idempotency_key",
    )
    assert await count_inbound(served) == before + 2


async def test_a_record_that_its_system_signed_is_carried(served: Installation) -> None:
    credentials = served.credentials(PROVIDER)
    (raw,) = signed([unsigned(key=key())], BatchSigner(credentials.key_id, credentials.private_key))
    headers = {**sent(raw), "Content-Type": "application/avro"}
    told = await ask(served, "POST", RECORDS, by=PROVIDER, body=raw.value, headers=headers)
    assert told.status == 202
    assert told.content["key_id"] == credentials.key_id
    lying = await lying_at(served, told.content["records"][0])
    assert (lying.key, lying.value) == (raw.key, raw.value)
    assert sorted(lying.headers) == sorted(raw.headers)
    claimed = headers | {"ce-source": "urn:bus:health-samara:health-analytics"}
    told = await ask(served, "POST", RECORDS, by=PROVIDER, body=raw.value, headers=claimed)
    assert told.code == (422, "not_well_formed")


async def test_a_signed_request_publishes_once_and_only_what_it_signed(
    served: Installation,
) -> None:
    given = b'{"records": []}'
    headers = signed_request(served, PROVIDER, "POST", RECORDS, given)
    headers["Content-Type"] = "application/json"
    for body_sent, code in (
        (b'{"records": [] }', (401, "other_body")),
        (given, (422, "not_encodable")),
        (given, (401, "replayed")),
    ):
        told = await ask(served, "POST", RECORDS, body=body_sent, headers=headers)
        assert told.code == code
    bare = signed_request(served, PROVIDER, "POST", RECORDS, None)
    bare["Content-Type"] = "application/json"
    told = await ask(served, "POST", RECORDS, body=given, headers=bare)
    assert told.code == (401, "body_not_signed")


@pytest.mark.parametrize(
    ("headers", "sent_body", "code"),
    [
        ({"Content-Encoding": "gzip"}, b"\x1f\x8b" + b"\0" * 100, (415, "encoded_body")),
        ({"Content-Encoding": "deflate"}, b"x", (415, "encoded_body")),
        ({"Content-Type": "text/plain"}, b"x", (415, "other_media_type")),
        ({}, b"x" * (1024 * 1024 + 1), (413, "body_too_large")),
        ({}, b"{", (400, "no_json")),
    ],
)
async def test_a_body_that_can_not_be_read_is_refused(
    served: Installation, headers: dict[str, str], sent_body: bytes, code: tuple[int, str]
) -> None:
    given = {"Content-Type": "application/json"} | headers
    told = await ask(served, "POST", RECORDS, by=PROVIDER, body=sent_body, headers=given)
    assert told.code == code


async def test_nobody_publishes_for_another(served: Installation) -> None:
    foreign = body(key())
    assert (await ask(served, "POST", RECORDS, body=foreign)).code == (401, "unsigned")
    told = await ask(served, "POST", RECORDS, by=HEALTH, body=foreign)
    assert told.code == (403, "not_provided")
    claimed = {"agency": AGENCY, **body(key())}
    told = await ask(served, "POST", RECORDS, by=PROVIDER, body=claimed)
    assert told.code == (422, "not_encodable")


async def test_a_system_that_delegated_nothing_is_told_how_to(served: Installation) -> None:
    region = (await path.snapshot_of(served)).region
    system, dataset = next(
        (one.code, one.provides[0])
        for agency in region.agencies.values()
        for one in agency.systems
        if one.provides and one.code != PROVIDER
    )
    told = await ask(served, "POST", f"/records/{dataset}", by=system, body=body(key()))
    assert told.code == (403, "not_delegated")
    assert f"bus system delegate {system}" in told.content["next_step"]
