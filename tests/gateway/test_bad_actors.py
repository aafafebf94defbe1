"""The gateway under hostile clients, in numbers that a test has time for."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

from bus.access.credentials import public_key_file
from bus.catalogue.documents import read_documents, render_key
from bus.catalogue.region import parse_region
from bus.model.identifiers import KeyId
from bus.provision.catalogue_apply import apply_catalogue
from bus.wiring import Installation
from tests.factories import DATASET
from tests.gateway.asking import HEALTH, PROVIDER, ask
from tests.gateway.test_publishing import RECORDS, body, key

FEED = f"/feeds/{DATASET}"


async def test_sql_in_every_place_is_only_text(served: Installation) -> None:
    nasty = "x'; DROP TABLE bus.gateway_requests; --"
    quoted = "x%27;%20DROP%20TABLE%20bus.gateway_requests;%20--"
    told = await ask(served, "POST", RECORDS, by=PROVIDER, body=body(nasty))
    assert told.status == 202  # a registry number may hold any printable sign
    for address, code in {
        f"{RECORDS}/{quoted}": (404, "no_record_id"),
        f"/records/{quoted}/{'0' * 32}": (403, "not_provided"),
        f"{RECORDS}/{'0' * 32}?position={quoted}": (400, "bad_query"),
        f"/feeds/{quoted}": (403, "not_granted"),
    }.items():
        assert (await ask(served, "GET", address, by=PROVIDER)).code == code
    told = await ask(
        served, "POST", RECORDS, by=PROVIDER, body=body(key()), headers={"Idempotency-Key": nasty}
    )
    assert told.code == (400, "bad_idempotency_key")
    told = await ask(
        served, "POST", RECORDS, by=PROVIDER, body=body(key()), headers={"Idempotency-Key": key()}
    )
    assert told.status == 202


async def test_a_position_of_another_agency_is_none_of_ones_own(served: Installation) -> None:
    foreign = "in.health-samara.nothing/0/1"
    told = await ask(served, "GET", f"{RECORDS}/{'0' * 32}?position={foreign}", by=PROVIDER)
    assert told.code == (403, "not_yours")


async def test_what_is_no_http_and_what_is_not_served_are_told_as_problems(
    served: Installation,
) -> None:
    told = await ask(served, "GET", "/healthz", headers={"X": "y" * 9_000})
    assert told.code == (400, "bad_head")
    told = await ask(served, "DELETE", RECORDS, by=PROVIDER)
    assert told.code == (405, "not_served")
    assert "POST" in told.headers["Allow"]


async def test_a_revoked_key_opens_nothing_and_signs_nothing(served: Installation) -> None:
    """Both of the provider's keys: its own, and the one that it delegated."""
    documents = read_documents(served.settings.region, served.keys_dir)
    region = parse_region(documents)
    assert (await ask(served, "POST", RECORDS, by=PROVIDER, body=body(key()))).status == 202
    for revoked, code in (
        (KeyId("edu-registry.gateway-1"), (403, "not_delegated")),
        (KeyId("edu-registry.1"), (401, "key_not_valid")),
    ):
        written = replace(region.keys[revoked], revoked_at=datetime.now(UTC))
        name = f"keys/{public_key_file(served.home, revoked).name}"
        assert name in documents
        await apply_catalogue(
            {**documents, name: render_key(written)},
            cluster=served.cluster_as_admin(),
            fund_dsn=served.fund_dsn(),
            now=datetime.now(UTC),
        )
        async with asyncio.timeout(10):
            while (
                told := await ask(served, "POST", RECORDS, by=PROVIDER, body=body(key()))
            ).status == 202:
                await asyncio.sleep(0.1)
        assert told.code == code
    # What the revoked key approved today waits for another approval (ADR-0020).
    assert (await ask(served, "GET", FEED, by=HEALTH)).code == (403, "not_granted")
