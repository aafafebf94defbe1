"""A consumer reads by SQL what came through the whole path, and hand-made changes are mended."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from pathlib import Path

import psycopg

from bus.wiring import Installation
from tests.flow import path
from tests.flow.command_line import bus

MART = '"mart_health-samara"."educational-institutions"'
AS_OF = '"mart_health-samara"."educational-institutions_as_of"(known_at => %s)'
WATERMARK_S = 40.0


async def test_what_was_published_stands_in_the_mart_masked_and_cut_as_agreed(
    installation: Installation,
) -> None:
    inside = [{**row, "oktmo": "36701305"} for row in path.rows("mart-in", 40)]
    outside = [{**row, "oktmo": "36740000"} for row in path.rows("mart-out", 40)]
    async with path.supervised(installation):
        await path.publish(installation, [*inside, *outside])
        await path.settled(installation)
        assert bus(installation, "access", "apply")[0] == 0
        with closing(logged_in(installation)) as reader:
            shown = reader.execute(f"SELECT * FROM {MART} WHERE key LIKE 'mart-%%'")
            names = [column.name for column in shown.description or ()]
            keys = [row[names.index("key")] for row in shown.fetchall()]
            assert len(keys) == 40 - path.broken(40)
            assert all(str(key).startswith("mart-in-") for key in keys)
            assert {"full_name", "oktmo"} < {*names}
            assert not {"head_name", "phone", "email"} & {*names}
            # Housekeeping tells the fund's completeness, and with it the past can be asked for.
            ((moment,),) = reader.execute("SELECT clock_timestamp()").fetchall()
            assert await known(reader, moment) == len(keys)


def logged_in(installation: Installation) -> psycopg.Connection[tuple[object, ...]]:
    """Log in with the password that the command has put into its file."""
    code, out, _ = bus(installation, "marts", "password", "health-samara", "--json")
    assert code == 0
    login = json.loads(out)
    password = Path(login["password_file"]).read_text(encoding="utf-8")
    assert password not in out
    dsn = installation.fund_dsn()
    return psycopg.connect(dsn, user=login["role"], password=password, autocommit=True)


async def known(reader: psycopg.Connection[tuple[object, ...]], moment: object) -> int:
    """Count what was known at a moment, as soon as the fund is complete to it."""
    async with asyncio.timeout(WATERMARK_S):
        while True:
            try:
                found = reader.execute(f"SELECT FROM {AS_OF} WHERE key LIKE 'mart-%%'", [moment])
            except psycopg.errors.ObjectNotInPrerequisiteState:
                await asyncio.sleep(0.5)
            else:
                return found.rowcount


async def test_a_view_changed_by_hand_is_told_with_kafkas_rights_and_mended(
    installation: Installation,
) -> None:
    assert bus(installation, "access", "apply")[0] == 0
    code, out, _ = bus(installation, "access", "diff", "--json")
    assert (code, json.loads(out)["marts"]) == (0, {"missing": [], "surplus": []})
    with psycopg.connect(installation.fund_dsn(), autocommit=True) as fund:
        fund.execute(f"ALTER VIEW {MART} RESET (security_barrier)")
    code, out, _ = bus(installation, "access", "diff", "--json")
    found = json.loads(out)
    assert (code, found["kafka"]["missing"], len(found["marts"]["surplus"])) == (1, [], 1)
    code, out, _ = bus(installation, "--lang", "ru", "access", "apply")
    assert code == 0
    assert "витрины" in out
    assert bus(installation, "access", "diff")[0] == 0
    code, _, said = bus(installation, "--lang", "ru", "marts", "password", "tax-syzran")
    assert (code, "нет витрины" in said) == (1, True)
