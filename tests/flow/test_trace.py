"""The way of one record, as the command shows it: on to its readers, or into quarantine."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from typing import Any

from bus.wire.record_id import record_id
from bus.wiring import Installation
from tests.factories import AGENCY, DATASET, VALID
from tests.flow import path
from tests.flow.command_line import bus
from tests.flow.test_first_load import orphan, send


async def traced(
    installation: Installation, key: str, version: int = 1, operation: str = "create"
) -> dict[str, Any]:
    own = record_id(AGENCY, DATASET, key, version, operation)
    code, out, talk = await asyncio.to_thread(bus, installation, "trace", own, "--json")
    assert code == 0, talk
    found: dict[str, Any] = json.loads(out)
    assert found["record_id"] == own
    return found


async def test_a_records_way_is_told_hop_by_hop(installation: Installation) -> None:
    good = {**VALID, "registry_number": "traced-1", "oktmo": "36701000"}
    unseen = {**VALID, "registry_number": "traced-2", "oktmo": "36740000"}
    broken = {**VALID, "registry_number": "traced-3", "inn": "6317000001"}
    await path.publish(installation, [good, unseen, broken])
    waits = await traced(installation, "traced-1")
    assert [hop["step"] for hop in waits["hops"]] == ["appended"], "nobody has judged it yet"
    async with path.supervised(installation):
        await send(installation, orphan("traced-4"))
        await path.settled(installation)
        found = await traced(installation, "traced-1")
        hops = {hop["step"]: hop for hop in found["hops"]}
        assert list(hops)[:2] == ["event", "appended"]
        assert set(hops) == {"event", "appended", "accepted", "sent", "recorded"}
        assert found["dataset"] == DATASET
        assert (found["version"], found["lane"]) == (1, "live")
        assert hops["appended"]["where"].startswith(f"in.{AGENCY}.{DATASET}/")
        assert hops["accepted"]["where"].startswith(f"accepted.{DATASET}/")
        assert hops["sent"]["where"].startswith("view.")
        health = next(who for who in hops["sent"]["who"] if who.startswith("health"))
        assert health
        moments = [
            datetime.fromisoformat(hops[step]["at"])
            for step in ("appended", "accepted", "recorded")
        ]
        assert moments == sorted(moments)
        unseen_by = (await traced(installation, "traced-2"))["hops"]
        assert not [hop for hop in unseen_by if hop["step"] == "sent" and health in hop["who"]], (
            "a hop that did not happen is not told"
        )
        aside = await traced(installation, "traced-3")
        assert [hop["step"] for hop in aside["hops"]] == ["appended", "set_aside"]
        assert aside["hops"][1]["why"] == "rule_violated, open"
        waits = await traced(installation, "traced-4", 2, "correct")
        assert {hop["step"] for hop in waits["hops"]} >= {"appended", "accepted", "waiting"}
        assert (waits["dataset"], waits["version"]) == (DATASET, 2)
        code, out, _ = await asyncio.to_thread(
            bus, installation, "--lang", "ru", "trace", found["record_id"]
        )
        assert code == 0
        assert "в фонде" in out
        assert "●" in out
        code, _, talk = await asyncio.to_thread(bus, installation, "trace", "0" * 32)
        assert code == 1
        assert "bus has no record" in talk
        code, _, talk = await asyncio.to_thread(bus, installation, "trace", "nonsense")
        assert code == 1
        assert "no record id" in talk
