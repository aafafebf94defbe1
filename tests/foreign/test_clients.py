"""Unchanged Kafka clients, nothing of the bus in them, publish and read as rights allow."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import ClientSession, TCPConnector
from aiokafka.helpers import create_ssl_context

from bus.catalogue.snapshot import Snapshot
from bus.catalogue.views import view_of
from bus.local.layout import Layout
from bus.model.identifiers import DatasetCode
from bus.provision.schemas_topic import read_schemas
from bus.wire import topics
from bus.wiring import Installation
from tests.factories import DATASET, VALID
from tests.foreign.clients import JavaConsumer, consume, publish

MUNICIPALITIES = DatasetCode("municipalities")
ACCEPTED = topics.accepted(MUNICIPALITIES)
COUNT = 30
SAMARA, TOLYATTI = "36701000", "36740000"


def municipality(number: int) -> dict[str, Any]:
    return {
        "registry_number": f"m-{number}",
        "oktmo": "36701000",
        "name": f"Городской округ № {number}",
        "kind": "urban_district",
        "population": 1_000 + number,
        "area_km2": f"{number}.541",
        "valid_from": f"2006-01-{number % 28 + 1:02}",
    }


def institution(number: int) -> dict[str, Any]:
    place = SAMARA if number % 3 else TOLYATTI
    return {**VALID, "registry_number": f"i-{number}", "oktmo": place}


def created(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    head = {"operation": "create", "version": 1, "event_time": "2026-03-01T09:30:00Z"}
    return [{**head, "value": row} for row in rows]


@pytest.fixture(scope="module")
def published(installation: Installation, registry_url: str) -> list[dict[str, Any]]:
    """Municipalities, the first one corrected, and institutions of two cities."""
    rows = [municipality(number) for number in range(1, COUNT)]
    corrected = {**rows[0], "population": 5}
    correction = {
        "operation": "correct",
        "version": 2,
        "event_time": "2026-03-02T09:30:00.5Z",
        "follows": {"operation": "create", "version": 1},
        "value": corrected,
    }
    lines = [*created(rows), correction]
    publish(
        installation, registry_url, "territory-registry", ("economy-samara", MUNICIPALITIES), lines
    )
    publish(
        installation, registry_url, "edu-registry", ("education-samara", DATASET),
        created(institution(number) for number in range(COUNT)),
    )  # fmt: skip
    return [*rows, corrected]


@pytest.fixture(scope="module")
def java(tmp_path_factory: pytest.TempPathFactory) -> JavaConsumer:
    return JavaConsumer(tmp_path_factory.mktemp("java"))


def view(snapshot: Snapshot) -> tuple[str, list[dict[str, Any]]]:
    """The topic of health analytics' view, and what a reader must find in it."""
    region = snapshot.region
    agreement = next(one for one in region.agreements if one.id == "health-institutions")
    contract = region.contracts[DATASET]
    cut = view_of(agreement, contract)
    assert cut is not None
    assert "director" not in cut.fields
    wanted = [
        {field: institution(number).get(field) for field in cut.fields}
        for number in range(COUNT)
        if institution(number)["oktmo"] == SAMARA
    ]
    return topics.view(cut.code), wanted


def whole(snapshot: Snapshot, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    fields = snapshot.region.contracts[MUNICIPALITIES].field_names
    return [{field: row.get(field) for field in fields} for row in rows]


def unordered(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """A reader meets the partitions in any order."""
    return sorted(json.dumps(row, sort_keys=True, ensure_ascii=False) for row in rows)


def test_an_unchanged_python_client_reads_what_another_published(
    installation: Installation, registry_url: str, snapshot: Snapshot,
    published: list[dict[str, Any]],
) -> None:  # fmt: skip
    found = consume(installation, registry_url, "region-portal", ACCEPTED, len(published))
    assert unordered(record["value"] for record in found) == unordered(whole(snapshot, published))
    assert {record["source"] for record in found} == {"urn:bus:economy-samara:territory-registry"}
    assert [r["version"] for r in found if r["key"] == published[0]["registry_number"]] == [1, 2]


@pytest.mark.usefixtures("published")
def test_an_unchanged_python_client_reads_a_view_under_its_mask_and_filter(
    installation: Installation, registry_url: str, snapshot: Snapshot
) -> None:
    topic, wanted = view(snapshot)
    found = consume(installation, registry_url, "health-analytics", topic, len(wanted))
    assert unordered(record["value"] for record in found) == unordered(wanted)


def test_a_java_client_reads_accepted_records(
    installation: Installation, registry_url: str, snapshot: Snapshot,
    published: list[dict[str, Any]], java: JavaConsumer,
) -> None:  # fmt: skip
    found = java.consume(installation, registry_url, "region-portal", ACCEPTED, len(published))
    wanted = [
        {**row, "area_km2": _decimal_bytes(row["area_km2"]), "valid_from": _days(row["valid_from"])}
        for row in whole(snapshot, published)
    ]
    assert unordered(found) == unordered(wanted)


@pytest.mark.usefixtures("published")
def test_a_java_client_reads_a_view(
    installation: Installation, registry_url: str, snapshot: Snapshot, java: JavaConsumer
) -> None:
    topic, wanted = view(snapshot)
    found = java.consume(installation, registry_url, "health-analytics", topic, len(wanted))
    assert unordered(found) == unordered(wanted)


async def test_the_door_and_the_schemas_topic_say_the_same(
    installation: Installation, registry_url: str
) -> None:
    entries = (await read_schemas(installation.cluster_as_admin())).values()
    trusted = create_ssl_context(cafile=str(Layout.of(installation.home).ca_file))
    async with (
        ClientSession(connector=TCPConnector(ssl=trusted)) as session,
        session.get(f"{registry_url}/schemas") as answer,
    ):
        told = json.loads(await answer.text())
    assert sorted((e.subject, e.version, e.id, e.text) for e in entries) == sorted(
        (one["subject"], one["version"], one["id"], one["schema"]) for one in told
    )


def _decimal_bytes(text: str) -> str:
    """A decimal as Avro has it and Java writes it: the unscaled number's bytes, one sign each."""
    unscaled = int(Decimal(text).scaleb(3))
    return unscaled.to_bytes(unscaled.bit_length() // 8 + 1, "big", signed=True).decode("latin-1")


def _days(text: str) -> int:
    return (date.fromisoformat(text) - date(1970, 1, 1)).days
