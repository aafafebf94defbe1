"""Schema version 2 comes into force while version 1 still flows, and version 1 comes to its end."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from bus.access.enrol import enrol_all
from bus.catalogue.documents import read_documents
from bus.catalogue.parties import BUS
from bus.fund.reader import FundReader
from bus.kafka.administration import connect_admin
from bus.local import reset, up
from bus.model.record import Operation
from bus.model.verdict import Reason
from bus.provision.catalogue_apply import apply_catalogue
from bus.provision.contract_publish import publish_contracts
from bus.settings import Settings
from bus.wiring import Installation
from tests.factories import AGENCY, DATASET, ROOT, SYSTEM
from tests.flow import path
from tests.flow.test_operations import delivery, publishing, reading, row, send_raw
from tests.growing_contract import MOTTO, edit

CONTRACT = Path("schemas/avro/education/educational-institution")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A platform of this module's own: its contract grows."""
    folder = tmp_path_factory.mktemp("versions") / "home"
    up(folder)
    yield folder
    reset(folder)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the sample region; its region file."""
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    return tmp_path / "deploy" / "samara" / "region.yaml"


@pytest.fixture
async def installation(home: Path, checkout: Path) -> Installation:
    current = Installation(Settings(home=home, region=checkout))
    admin = connect_admin(current.cluster_as_admin())
    enrol_all(home, admin, [BUS, SYSTEM], datetime.now(UTC))
    await _apply(current)
    return current


async def _apply(installation: Installation) -> None:
    await apply_catalogue(
        read_documents(installation.settings.region, installation.keys_dir),
        cluster=installation.cluster_as_admin(),
        fund_dsn=installation.fund_dsn(),
        now=datetime.now(UTC),
    )


def _add_version_2(installation: Installation) -> None:
    """Give the contract a second version with a field, and a rule that only it knows."""
    root = installation.settings.region.parents[2]
    older = (root / CONTRACT / "v1.avsc").read_text(encoding="utf-8")
    field = '{"name": "motto", "type": ["null", "string"], "default": null, "doc": "Its motto."},'
    newer = older.replace('{"name": "website"', f'{field}\n    {{"name": "website"', 1)
    (root / CONTRACT / "v2.avsc").write_text(newer, encoding="utf-8")
    edit(root / CONTRACT / "contract.yaml", "      - name: website\n", MOTTO)
    _end_version_1(installation, datetime.now(UTC) + timedelta(days=400))
    publication = publish_contracts(installation.settings.region, None)
    assert not publication.is_refused, publication
    assert DATASET in {one.subject for one in publication.new_ids}


def _end_version_1(installation: Installation, last_day: datetime) -> None:
    contract = installation.settings.region.parents[2] / CONTRACT / "contract.yaml"
    kept = [
        line
        for line in contract.read_text(encoding="utf-8").splitlines()
        if not line.startswith(("  - property: bus.acceptedUntil", "    value: [{version: 1,"))
    ]
    place = kept.index("  - property: bus.operations")
    kept[place:place] = [
        "  - property: bus.acceptedUntil",
        f"    value: [{{version: 1, until: {last_day:%Y-%m-%d}}}]",
    ]
    contract.write_text("\n".join(kept) + "\n", encoding="utf-8")


async def _send_version_1(installation: Installation, *keys: str) -> None:
    await send_raw(installation, [delivery(key, 1, Operation.CREATE, None) for key in keys])


async def _motto(reader: FundReader, key: str) -> object:
    current = await reader.get(DATASET, AGENCY, key)
    assert current is not None, key
    return current.values.get("motto", "no such column")


async def test_two_versions_flow_side_by_side_until_the_older_one_s_end(
    installation: Installation,
) -> None:
    async with path.supervised(installation):
        await _send_version_1(installation, "v1-before")
        await path.settled(installation)
        older = [f"v1-during-{number}" for number in range(60)]
        flowing = asyncio.create_task(_send_version_1(installation, *older))
        _add_version_2(installation)
        await _apply(installation)
        async with publishing(installation) as publisher:
            mottos = {f"v2-{number}": f"motto {number}" for number in range(60)}
            report = await publisher.publish(
                [row(key, motto=motto) for key, motto in mottos.items()]
            )
            assert (report.sent, report.unsendable_count) == (60, 0)
            refused = await publisher.publish([row("v2-short", motto="a")])
            assert refused.unsendable_count == 1
        await flowing
        await _send_version_1(installation, "v1-after")
        await path.settled(installation)
        async with reading(installation) as (reader, _):
            for key in ("v1-before", *older, "v1-after"):
                assert await _motto(reader, key) is None
            for key, motto in mottos.items():
                assert await _motto(reader, key) == motto
        _end_version_1(installation, datetime.now(UTC) - timedelta(days=1))
        await _apply(installation)
        await asyncio.sleep(6)  # a change of the catalogue is in force within five seconds
        await _send_version_1(installation, "v1-too-late")
        async with publishing(installation) as publisher:
            await publisher.publish([row("v2-later", motto="still here")])
        await path.settled(installation)
    async with reading(installation) as (reader, _):
        assert await reader.get(DATASET, AGENCY, "v1-too-late") is None
        assert await _motto(reader, "v2-later") == "still here"
    assert await _reasons(installation) == {"v1-too-late": Reason.SCHEMA_EXPIRED}
    assert (await path.verified(installation)).holds


async def _reasons(installation: Installation) -> dict[str, Reason]:
    session = await psycopg.AsyncConnection.connect(installation.fund_dsn(), autocommit=True)
    async with session:
        found = await session.execute("SELECT key, reason FROM bus.quarantine")
        return {bytes(key).decode(): Reason(reason) for key, reason in await found.fetchall()}
