"""An entry that its provider annulled is erased by one command, and the law still holds."""

from __future__ import annotations

import json

import psycopg

from bus.client import Annul
from bus.wiring import Installation
from tests.factories import AGENCY, DATASET, VALID
from tests.flow import path
from tests.flow.command_line import bus
from tests.flow.conftest import put_in_force

KEY = "erased-1"
ROW = {**VALID, "registry_number": KEY, "short_name": "Школа Смирновой"}
WORDS = ("--by", "Steward", "--second", "Head of the office", "--because", "152-FZ")


async def test_an_entry_is_erased_by_one_command_and_the_law_holds(own: Installation) -> None:
    # Why its own: what was erased, topics have and the fund has not.
    installation = own
    await put_in_force(installation)
    wrong = {**ROW, "inn": "6317000001"}
    async with path.supervised(installation):
        await path.publish(installation, [ROW])
        await path.settled(installation)
        code, _, said = bus(installation, "erase", DATASET, AGENCY, KEY, *WORDS)
        assert code == 1, said
        assert "stands" in said
        await path.publish(installation, [Annul(ROW)])
        await path.settled(installation)
        await path.publish(installation, [wrong])
        await path.settled(installation)
        code, out, said = bus(installation, "erase", DATASET, AGENCY, KEY, *WORDS, "--json")
        assert code == 0, said
    told = json.loads(out)
    assert told["erased"] == {"versions": 2, "set_aside": 1, "answers": 0}
    assert {f"in.{AGENCY}.{DATASET}", f"accepted.{DATASET}"} <= set(told["kept_for_ever"])
    assert (await path.verified(installation)).holds
    code, out, _ = bus(installation, "erasures", "--json")
    assert {"dataset": DATASET, "agency": AGENCY, "key": KEY} in json.loads(out)
    code, out, said = bus(installation, "erasures", "--again", *WORDS, "--json")
    assert (code, json.loads(out)["held_anything"]) == (0, 0), said
    with psycopg.connect(installation.fund_dsn()) as fund:
        for table in ("history", "current", "past"):
            kept = fund.execute(f'SELECT FROM {table}."{DATASET}" WHERE key = %s', [KEY])
            assert kept.rowcount == 0
        rows = fund.execute("SELECT value, header_names FROM bus.quarantine WHERE key IS NULL")
        assert rows.fetchall() == [(None, [])]
        noted = fund.execute(
            "SELECT content, cardinality(keys) FROM bus.audit_notes "
            "WHERE content::jsonb ->> 'act' = 'erase' ORDER BY number DESC"
        )
        ((content, marks), *_) = noted.fetchall()
    assert json.loads(content)["by"] == "Steward"
    assert KEY not in content
    assert marks == 1
