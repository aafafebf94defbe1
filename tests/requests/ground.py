"""A gateway's world: the sample region with keys for those who ask and answer, and a fund."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import UUID, uuid4

from aiohttp.test_utils import TestClient, TestServer
from pydantic import BaseModel

from bus.catalogue.agreement import Agreement
from bus.catalogue.parties import SigningKey
from bus.catalogue.region import Region
from bus.catalogue.schemas import complete_lock
from bus.catalogue.snapshot import Snapshot, build_snapshot
from bus.fund.batch import FundBatch, FundRecord
from bus.fund.layout import layouts_of
from bus.fund.store import FundStore
from bus.gateway.admission import Admission
from bus.gateway.application import application
from bus.gateway.data_requests import data_request_routes
from bus.gateway.opening import Openings
from bus.gateway.problems import ProblemDocument
from bus.gateway.request_endpoints import RequestSettled, RequestsWaiting, RequestTold
from bus.kafka.cluster import Cluster
from bus.model.identifiers import KeyId, SystemCode
from bus.model.record import RegistryRecord
from bus.requests.asked import request_name
from bus.wire import topics
from bus.wire.headers import parse_delivered
from bus.wire.http_signature import sign_request
from tests import factories
from tests.factories import (
    AGENCY,
    DATASET,
    SEEDS,
    Raw,
    sample_documents,
    signer,
    signing_key,
    unsigned,
)

URL = "https://gateway.test:8443"
NOON = datetime(2026, 6, 3, 12, tzinfo=UTC)
"""A Wednesday."""
EDUCATION, HEALTH, PORTAL = map(SystemCode, ("edu-registry", "health-analytics", "region-portal"))
TAXES = SystemCode("egrul-feed")
_CONTRACT = "contracts/education/educational-institution/contract.yaml"
SEEDS_HERE: Mapping[str, bytes] = MappingProxyType(
    {**SEEDS, HEALTH: b"\x11" * 32, PORTAL: b"\x12" * 32}
)


def key_of(system: str) -> SigningKey:
    factories.SEEDS.setdefault(system, SEEDS_HERE[system])
    return signing_key(system)


def _region() -> Region:
    """The sample region, whose contract declares one more field searchable."""
    contract = sample_documents()[_CONTRACT]
    changed = contract.replace(b"value: [inn]", b"value: [inn, short_name]")
    assert changed != contract
    return factories.region(*map(key_of, SEEDS_HERE), **{_CONTRACT: changed})


REGION = _region()
SNAPSHOT = build_snapshot(REGION, 7)
LAYOUTS = layouts_of(REGION.contracts.values(), REGION.lock)


def with_agreements(*agreements: Agreement, version: int = 8) -> Snapshot:
    """The same catalogue with other agreements."""
    region = replace(REGION, agreements=agreements)
    return build_snapshot(replace(region, lock=complete_lock(region)), version, SNAPSHOT)


def accepted(raw: Raw, offset: int) -> RegistryRecord:
    """A record as the fund takes it from the accepted topic."""
    added = [("bus_in", f"{raw.topic}/2/{offset}".encode()), ("bus_catalogue", b"7")]
    sent = Raw(
        topic=topics.accepted(DATASET),
        offset=offset,
        key=raw.key,
        value=raw.value,
        headers=[*raw.headers, *added],
    )
    return parse_delivered(sent, DATASET)


@dataclass(slots=True, kw_only=True)
class World:
    """What a test turns and asks."""

    store: FundStore
    snapshot: Snapshot = SNAPSHOT
    now: datetime = NOON
    client: TestClient[Any, Any] = field(init=False)
    _offset: int = 0

    async def fund_has(self, *raws: Raw) -> None:
        """Let the fund take records in."""
        records = [
            FundRecord(offset=self._offset + number, record=accepted(raw, self._offset + number))
            for number, raw in enumerate(raws)
        ]
        place = (topics.accepted(DATASET), 2)
        await self.store.positions({place: self._offset})
        end = self._offset + len(records)
        await self.store.apply(
            [FundBatch(topic=place[0], partition=2, start=self._offset, end=end, records=records)]
        )
        self._offset = end

    async def asks(
        self,
        system: SystemCode,
        *,
        request_id: UUID | None = None,
        **members: object,
    ) -> tuple[int, dict[str, Any]]:
        body = {
            "request_id": str(request_id or uuid4()),
            "dataset": DATASET,
            "provider": AGENCY,
            **members,
        }
        return await self.sends(system, "POST", "/requests", body)

    async def looks(self, system: SystemCode, path: str) -> tuple[int, dict[str, Any]]:
        return await self.sends(system, "GET", path, None)

    async def answers(
        self, name: str, *records: Mapping[str, object], system: SystemCode = EDUCATION
    ) -> tuple[int, dict[str, Any]]:
        body = {"records": list(records)}
        return await self.sends(system, "POST", f"/requests/{name}/answer", body)

    async def refuses(
        self, name: str, reason: str, system: SystemCode = EDUCATION
    ) -> tuple[int, dict[str, Any]]:
        return await self.sends(system, "POST", f"/requests/{name}/refuse", {"reason": reason})

    async def sends(
        self, system: SystemCode, method: str, path: str, body: object, **headers: str
    ) -> tuple[int, dict[str, Any]]:
        sent = None if body is None else json.dumps(body).encode()
        signature = sign_request(
            method,
            URL + path,
            key_id=KeyId(f"{system}.1"),
            private_key=SEEDS_HERE[system],
            created_s=int(self.now.timestamp()),
            body=sent,
            nonce=uuid4().hex,
        )
        async with self.client.request(
            method, path, data=sent, headers={**signature, **headers}
        ) as answer:
            content = await answer.json()
            _expect_described(path, answer.status, content)
            return answer.status, content


@asynccontextmanager
async def served(dsn: str) -> AsyncIterator[World]:
    """Serve, with a fund to be filled and a clock to be set."""
    # Why a cluster of nothing: only views with a first day and questions about the past ask it.
    nowhere = Cluster(bootstrap="127.0.0.1:1", ca_file=Path(__file__), principal="bus", password="")
    store = await FundStore.open(dsn, LAYOUTS)
    made = World(store=store)
    async with (
        data_request_routes(
            cluster=nowhere,
            fund_dsn=dsn,
            admission=Admission(catalogue=lambda: made.snapshot, clock=lambda: made.now, url=URL),
            signer=signer("bus"),
            openings=Openings(nowhere, REGION.partitions),
            audit_key=AUDIT_KEY,
        ) as routes,
        TestClient(TestServer(application(routes))) as client,
    ):
        made.client = client
        yield made
    await store.close()


def _expect_described(path: str, status: int, content: object) -> None:
    """See that an answer is what the OpenAPI document says of its request."""
    if status not in {HTTPStatus.OK, HTTPStatus.ACCEPTED}:
        model: type[BaseModel] = ProblemDocument
    elif path.endswith("/inbox"):
        model = RequestsWaiting
    elif path.endswith(("/answer", "/refuse")):
        model = RequestSettled
    else:
        model = RequestTold
    read = model.model_validate_json(json.dumps(content))
    if model is not ProblemDocument:  # which leaves out what is not known
        assert isinstance(content, dict)
        assert read.model_dump().keys() == content.keys()


def named(system: SystemCode, request_id: UUID) -> str:
    return request_name(system, request_id)


def values_of(content: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return [record["values"] for record in content["records"]]


AUDIT_KEY = b"\x05" * 32
SCHOOL = unsigned(key="63-0001")
"""In the City of Samara, which the agreement of health shows."""
SYZRAN_SCHOOL = unsigned(key="63-0002", oktmo="36735000")
"""Elsewhere, which it does not show."""
