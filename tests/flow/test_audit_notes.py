"""What the audit log says of administrators, rights and readers, and that it can't be changed."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from bus.audit import standalone
from bus.audit.note import Read, Way, act_note
from bus.audit.notes import note_at, note_read
from bus.client import snapshot as fund_snapshot
from bus.gateway.process import serving
from bus.model.identifiers import SystemCode
from bus.wire import topics
from tests.factories import AGENCY, DATASET
from tests.flow import path
from tests.flow.audit_bench import Bench
from tests.flow.command_line import bus

HEALTH = SystemCode("health-analytics")


async def test_a_note_that_is_changed_taken_away_or_put_in_later_is_found(
    bench: Bench, tmp_path: Path
) -> None:
    dsn = bench.installation.fund_dsn()
    await note_at(dsn, [act_note("one"), act_note("two"), act_note("three")])
    await bench.sign()
    assert (await bench.examine(tmp_path)).holds
    with psycopg.connect(dsn, autocommit=True) as table:
        found = table.execute("SELECT max(number) FROM bus.audit_notes").fetchone()
        assert found is not None
        last = int(found[0])
        table.execute("ALTER TABLE bus.audit_notes DISABLE TRIGGER only_grows")
        table.execute("CREATE TABLE kept AS SELECT * FROM bus.audit_notes")
        try:
            table.execute(
                "UPDATE bus.audit_notes SET content = replace(content, 'three', 'four') "
                "WHERE number = %s",
                [last],
            )
            table.execute("DELETE FROM bus.audit_notes WHERE number = %s", [last - 1])
            table.execute(
                "INSERT INTO bus.audit_notes (kind, writer, keys, content) "
                "VALUES ('act', 'administrator', '{}', '{}')"
            )
            examined = await bench.examine(tmp_path)
            assert not examined.holds
            assert (examined.changed, examined.missing) == ((last,), (last - 1,))
            assert len(examined.unsealed) == 1
            code, out, talk = await asyncio.to_thread(bus, bench.installation, "audit", "verify")
            assert code == 1, out
            assert "DOES NOT HOLD" in talk
        finally:
            table.execute("DELETE FROM bus.audit_notes WHERE number >= %s", [last - 1])
            table.execute(
                "INSERT INTO bus.audit_notes OVERRIDING SYSTEM VALUE "
                "SELECT * FROM kept WHERE number >= %s",
                [last - 1],
            )
            table.execute("DROP TABLE kept")
            table.execute("ALTER TABLE bus.audit_notes ENABLE TRIGGER only_grows")
    assert (await bench.examine(tmp_path)).holds


async def test_the_owner_learns_who_was_given_an_entry_and_who_could_read_it(
    bench: Bench, tmp_path: Path
) -> None:
    installation = bench.installation
    async with path.supervised(installation), serving(installation):
        await path.publish(installation, path.rows("who-read", 4))
        await path.settled(installation)
        async with fund_snapshot(
            installation.cluster_as(HEALTH),
            installation.gateway_as(HEALTH),
            dataset=DATASET,
            clock=lambda: datetime.now(UTC),
        ) as entries:
            loaded = [one.current.key async for one in entries if one.current is not None]
    assert "who-read-1" in loaded
    code, out, _ = bus(installation, "audit", "who-read", DATASET, "who-read-1", "--json")
    assert code == 0
    told = json.loads(out)
    given = [(one["way"], one["system"], one["providers"]) for one in told["exact"]]
    assert given == [("first_load", HEALTH, [AGENCY])]
    assert told["exact"][0]["agreements"]
    entitled = {one["system"]: one for one in told["entitled"] if one["ends"] is None}
    assert entitled[HEALTH]["topic"].startswith("view.")
    assert entitled[HEALTH]["begins"] is not None
    # Its rule was broken, so nobody was given it.
    _, out, _ = bus(installation, "audit", "who-read", DATASET, "who-read-0", "--json")
    assert json.loads(out)["exact"] == []
    other = ["--agency", "health-samara", "--json"]
    _, out, _ = bus(installation, "audit", "who-read", DATASET, "who-read-1", *other)
    assert json.loads(out)["exact"] == []
    await note_read(
        bench.session,
        Read(
            way=Way.REQUEST,
            system=HEALTH,
            agency="health-samara",
            dataset=DATASET,
            agreements=("one",),
            catalogue=1,
            keys=["who-read-0"],
            providers=(AGENCY,),
        ),
        bench.seals.audit_key,
    )
    code, out, _ = bus(installation, "audit", "who-read", DATASET, "who-read-0")
    assert code == 0
    assert "request" in out
    await bench.sign()
    assert (await bench.examine(tmp_path)).holds


async def test_what_administrators_did_is_on_record_and_the_log_is_checked_without_the_bus(
    bench: Bench, tmp_path: Path
) -> None:
    installation = bench.installation
    assert bus(installation, "system", "enrol", HEALTH)[0] == 0
    assert bus(installation, "marts", "password", "health-samara")[0] == 0
    rows = await bench.session.execute("SELECT kind, content FROM bus.audit_notes ORDER BY number")
    notes = [(str(kind), json.loads(str(content))) for kind, content in await rows.fetchall()]
    acts = [content for kind, content in notes if kind == "act"]
    assert {"act": "system_enrol", "systems": [HEALTH]} in acts
    assert {"act": "mart_password", "agency": "health-samara"} in acts
    applied = [one for one in acts if one["act"] == "catalogue_apply"]
    assert applied[0]["version"] == 1
    assert "region.yaml" in applied[0]["documents"]
    agreements = {one["agreement"] for one in acts if one["act"] == "agreement"}
    assert "portal-municipalities" in agreements
    rights = [content for kind, content in notes if kind == "right"]
    reading = {one["name"] for one in rights if one.get("principal") == f"User:{HEALTH}"}
    assert topics.CHECKPOINTS in reading
    of_marts = {(one["change"], one["thing"]) for one in rights if "role" in one}
    assert {("granted", "role"), ("granted", "view"), ("granted", "right")} <= of_marts
    await bench.sign()
    code, out, _ = bus(installation, "audit", "status", "--json")
    status = json.loads(out)
    assert (code, status["uncovered"], status["waiting"]) == (0, 0, 0)
    code, out, _ = bus(installation, "audit", "verify", "--json")
    assert code == 0, out
    assert json.loads(out)["examination"]["notes"] == len(notes)
    file = tmp_path / "audit.jsonl"
    code, out, _ = bus(installation, "audit", "export", str(file))
    assert code == 0
    # Why -I: neither this folder nor the installed bus is importable.
    command = [sys.executable, "-I", standalone.__file__, str(file), "--key", out.strip()]
    ran = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    printed, _ = await ran.communicate()
    assert ran.returncode == 0, printed
    assert json.loads(printed)["leaves"] == status["covered"]
