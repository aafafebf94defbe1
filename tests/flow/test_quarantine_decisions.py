"""What people decide about quarantined records, on the whole path: nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from bus.catalogue.documents import read_documents
from bus.catalogue.parties import BUS
from bus.catalogue.region import parse_region
from bus.catalogue.snapshot import build_snapshot
from bus.kafka.producer import BatchProducer
from bus.provision.catalogue_apply import apply_catalogue
from bus.quarantine.decision import DecisionKind, Selection, grounds_of
from bus.quarantine.decisions import DecisionStore
from bus.quarantine.release import ReleaseReport, release
from bus.wiring import Installation
from tests.factories import AGENCY, DATASET, ROOT, SYSTEM, VALID
from tests.flow import path
from tests.flow.command_line import bus

CURED, INCURABLE = "6317000001", "not-an-inn"
REGION = ROOT / "deploy/samara/region.yaml"
STORY, BULK = 6, 1_000
GROUNDS = ("--by", "data steward", "--because")
PATIENCE_S = 120.0


def documents(installation: Installation, *, mended: bool) -> Mapping[str, bytes]:
    """The sample region, with a rule that asks less of an ИНН where it is mended."""
    read = dict(read_documents(REGION, installation.keys_dir))
    if mended:
        (name,) = [one for one in read if one.endswith("educational-institution/contract.yaml")]
        text, count = re.subn(
            r"(id: inn-check-digits\b.*?)kind: check_digits(\s+)algorithm: inn10",
            r"\1kind: pattern\2pattern: '6399000016|631[0-9]{7}'",
            read[name].decode(),
            count=1,
            flags=re.DOTALL,
        )
        assert count == 1
        read[name] = text.encode()
    return read


async def apply(installation: Installation, *, mended: bool) -> int:
    report = await apply_catalogue(
        documents(installation, mended=mended),
        cluster=installation.cluster_as_admin(),
        fund_dsn=installation.fund_dsn(),
        now=datetime.now(UTC),
    )
    return report.version


@pytest.fixture
async def restored(installation: Installation) -> AsyncIterator[Installation]:
    """The sample region is in force again when the test is done."""
    yield installation
    await apply(installation, mended=False)


def rows(prefix: str, count: int, inn: str = CURED) -> list[dict[str, object]]:
    return [
        {**VALID, "registry_number": f"{prefix}-{number}", "inn": inn} for number in range(count)
    ]


def states(installation: Installation, prefix: str) -> dict[str, tuple[str, str, int]]:
    """Quarantine id → state, reason and attempt, of entries whose keys begin with a prefix."""
    with psycopg.connect(installation.fund_dsn()) as fund:
        found = fund.execute(
            "SELECT topic || '/' || partition || '/' || \"offset\", state, reason, attempt "
            "FROM bus.quarantine WHERE key LIKE %s",
            [f"{prefix}-%".encode()],
        )
        return {one[0]: (one[1], one[2], one[3]) for one in found}


def in_fund(installation: Installation, prefix: str) -> int:
    with psycopg.connect(installation.fund_dsn()) as fund:
        found = fund.execute(
            'SELECT count(*) FROM current."educational-institutions" WHERE key LIKE %s',
            [f"{prefix}-%"],
        ).fetchone()
    assert found is not None
    return int(found[0])


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():
            await asyncio.sleep(0.5)


def own(installation: Installation, example: str) -> list[dict[str, Any]]:
    """The provider's causes whose newest entry is this one.

    What was released for the same reason is one cause: other tests have reasons of their own.
    """
    code, out, talk = bus(installation, "quarantine", "list", "--as", SYSTEM, "--json")
    assert code == 0, talk
    return [cause for cause in json.loads(out) if cause["example"] == example]


async def test_entries_are_released_refused_again_resolved_and_discarded(
    restored: Installation,
) -> None:
    async with path.supervised(restored) as supervisor:
        await path.publish(restored, [*rows("story", STORY), *rows("hopeless", 2, INCURABLE)])
        await path.settled(restored)
        ids = sorted(states(restored, "story"))
        hopeless = sorted(states(restored, "hopeless"))
        assert (len(ids), len(hopeless)) == (STORY, 2)

        version = await apply(restored, mended=True)
        code, out, talk = bus(
            restored, "quarantine", "release", *ids, *hopeless, "--dry-run", "--json"
        )
        tried = json.loads(out)
        assert (code, tried["selected"], tried["passing"]) == (1, STORY + 2, STORY), talk
        assert (tried["catalogue"], tried["refused"]) == (version, {"rule_violated": 2})
        assert in_fund(restored, "story") == 0

        code, _, talk = bus(
            restored, "quarantine", "release", *ids, *hopeless, *GROUNDS, "rule mended"
        )
        assert code == 1, talk
        await path.settled(restored)
        assert in_fund(restored, "story") == STORY
        assert {one[0] for one in states(restored, "story").values()} == {"released"}
        assert {one[0] for one in states(restored, "hopeless").values()} == {"open"}
        await until(lambda: own(restored, ids[-1]))
        (told,) = own(restored, ids[-1])
        assert (told["state"], told["because"]) == ("released", "rule mended")

        await _resubmitted(restored, hopeless)
        await _discarded(restored, hopeless)
        await _refused_again(restored)
        assert supervisor.restarts == 0
        await path.settled(restored)
    found = await path.verified(restored)
    assert found.holds, found
    assert sum(law.released for law in found.inbound) >= STORY
    assert sum(law.accepted for law in found.releases) >= STORY


async def _resubmitted(installation: Installation, hopeless: list[str]) -> None:
    """A row that its provider mended answers for the one in quarantine."""
    await path.publish(installation, rows("hopeless", 1))
    await path.settled(installation)
    await until(
        lambda: (
            sorted(one[0] for one in states(installation, "hopeless").values())
            == [
                "open",
                "resolved",
            ]
        )
    )
    resolved = next(
        name for name, one in states(installation, "hopeless").items() if one[0] == "resolved"
    )
    code, out, talk = bus(installation, "quarantine", "show", resolved)
    assert code == 0, talk
    assert "answered by record" in out
    assert str(VALID["director"]) not in out
    hopeless.remove(resolved)


async def _discarded(installation: Installation, hopeless: list[str]) -> None:
    """Two posts let an entry be; a third looks at it, and that is kept."""
    command = ("quarantine", "discard", hopeless[0], "--by", "data steward")
    code, _, talk = bus(installation, *command, "--because", "a test")
    assert (code, "--second" in talk) == (1, True)
    code, _, talk = bus(installation, *command, "--because", "a test", "--second", "operator")
    assert code == 0, talk
    looks = ("quarantine", "show", hopeless[0], "--reveal", "--by", "auditor")
    assert bus(installation, *looks)[0] == 1
    code, out, talk = bus(installation, *looks, "--because", "complaint 7", "--json")
    assert code == 0, talk
    shown = json.loads(out)
    assert shown["entry"]["state"] == "discarded"
    assert [one["kind"] for one in shown["decisions"]] == ["discard", "reveal"]
    director = next(one for one in shown["record"]["fields"] if one["name"] == "director")
    assert director["value"] == VALID["director"]


def quiet(_: ReleaseReport) -> None:
    """Show no progress."""


async def _refused_again(installation: Installation) -> None:
    """The rule is strict again by the time the released record is judged."""
    version = await apply(installation, mended=False)
    await path.publish(installation, rows("again", 1))
    await path.settled(installation)
    (name,) = states(installation, "again")
    region = parse_region(documents(installation, mended=True))
    store = await DecisionStore.open(installation.fund_dsn())
    async with BatchProducer(installation.cluster_as(BUS), client_id="bus.release") as producer:
        report = await release(
            store,
            Selection(ids=(name,)),
            build_snapshot(region, version),
            grounds=grounds_of(DecisionKind.RELEASE, by="data steward", because="too early"),
            deliver=producer.deliver,
            rate_per_s=10,
            progress=quiet,
        )
    await store.close()
    assert report.passing == 1
    await until(lambda: states(installation, "again")[name] == ("open", "rule_violated", 1))


@contextmanager
def releasing(installation: Installation, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command that goes on while the test does."""
    with (
        (installation.home / "log" / "release.log").open("ab") as log,
        subprocess.Popen(
            [sys.executable, "-c", "from bus.cli.main import run; run()", *arguments],
            env={**os.environ, "BUS_HOME": str(installation.home)},
            cwd=ROOT,
            stdout=log,
            stderr=log,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


async def test_a_bulk_release_killed_midway_and_run_again_loses_and_doubles_nothing(
    restored: Installation,
) -> None:
    async with path.supervised(restored):
        await path.publish(restored, rows("bulk", BULK))
        await path.settled(restored)
        assert len(states(restored, "bulk")) == BULK
        await apply(restored, mended=True)
        selection = ("--agency", AGENCY, "--dataset", DATASET, "--rule", "inn-check-digits")
        command = ("quarantine", "release", *selection, *GROUNDS, "many at once", "--json")
        with releasing(restored, *command, "--rate", "50") as process:
            await until(lambda: _count(restored, "released") > 0 or process.poll() is not None)
            os.kill(process.pid, signal.SIGKILL)
        midway = _count(restored, "released")
        assert 0 < midway < BULK, path.log_of(restored, "release")
        code, out, talk = bus(restored, *command, "--rate", "2000")
        report = json.loads(out)
        assert report["passing"] + report["resumed"] >= BULK - midway, talk
        assert code in (0, 1), "what other tests left there may stay"
        await path.settled(restored)
        assert _count(restored, "released") == BULK
        assert in_fund(restored, "bulk") == BULK
    found = await path.verified(restored)
    assert found.holds, found
    with psycopg.connect(restored.fund_dsn()) as fund:
        decided = fund.execute(
            'SELECT count(*), count(DISTINCT (topic, partition, "offset")) '
            'FROM bus.quarantine_decided JOIN bus.quarantine USING (topic, partition, "offset") '
            "WHERE key LIKE %s",
            [b"bulk-%"],
        ).fetchone()
    assert decided == (BULK, BULK)


def _count(installation: Installation, state: str) -> int:
    return sum(one[0] == state for one in states(installation, "bulk").values())
