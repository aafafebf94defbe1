"""The chain of checkpoints: never forked, whoever signs it and whatever is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bus.audit.chain import read_head
from bus.audit.log import export, keep_checkpoints, read_checkpoints
from bus.audit.note import act_note
from bus.audit.notes import note_at
from bus.audit.standalone import checkpoints_of, trees_of, verify
from bus.catalogue.parties import BUS
from bus.errors import DocumentError, InvariantBroken, Unavailable
from bus.wire.delivery import Delivery
from bus.wiring import Installation
from tests.factories import SYSTEM
from tests.flow.audit_bench import Bench, housekeeper


async def test_many_housekeepers_never_fork_the_chain(
    installation: Installation, tmp_path: Path
) -> None:
    rounds = 6

    async def keep(number: int) -> list[int]:
        signed = []
        async with housekeeper(installation) as own:
            for place in range(rounds):
                await note_at(installation.fund_dsn(), [act_note("test", by=f"{number}/{place}")])
                signed.append(await own.sign())
        return [one for one in signed if one]

    before = [one.number for one in await read_checkpoints(installation.cluster_as(BUS))]
    kept = await asyncio.gather(*(keep(number) for number in range(3)))
    numbers = [one for own in kept for one in own]
    assert len(numbers) == len(set(numbers)), "one number was signed twice"
    written = await read_checkpoints(installation.cluster_as(BUS))
    assert [one.number for one in written] == list(range(1, len(written) + 1))
    assert len(written) >= len(before) + rounds
    async with housekeeper(installation) as own:
        found = await own.examine(tmp_path)
    assert found.holds, found


async def test_a_checkpoint_whose_signer_ended_before_it_was_told_is_told_by_the_next(
    bench: Bench,
) -> None:
    await bench.sign()

    async def ended(_: Sequence[Delivery]) -> None:
        raise Unavailable("the process is gone")

    with pytest.raises(Unavailable):
        await replace(bench.notary, deliver=ended).sign_next(datetime.now(UTC), every=timedelta(0))
    head = await read_head(bench.session)
    assert head is not None
    assert not head.is_told
    assert await bench.sign() == head.signed.number + 1
    written = await read_checkpoints(bench.notary.cluster)
    assert [one.number for one in written] == list(range(1, len(written) + 1))
    assert written[-2].text == head.signed.text


async def test_a_database_that_was_set_back_takes_up_the_chain_and_does_not_fork_it(
    bench: Bench, tmp_path: Path
) -> None:
    await bench.sign()
    await bench.session.execute("CREATE TABLE backup AS SELECT * FROM bus.audit_head")
    for _ in range(2):
        await bench.sign()
    await bench.session.execute("DELETE FROM bus.audit_head")
    await bench.session.execute("INSERT INTO bus.audit_head SELECT * FROM backup")
    await bench.session.execute("DROP TABLE backup")
    assert await bench.sign()
    await bench.session.execute("DELETE FROM bus.audit_head")
    assert await bench.sign()
    found = await bench.examine(tmp_path)
    assert found.holds, found


async def test_an_agency_keeps_checkpoints_and_sees_when_it_is_shown_others(
    bench: Bench, tmp_path: Path
) -> None:
    await bench.sign()
    cluster = bench.installation.cluster_as(SYSTEM)
    kept = tmp_path / "kept.jsonl"
    written = await read_checkpoints(bench.notary.cluster)
    assert await keep_checkpoints(cluster, kept) == len(written)
    await bench.sign()
    assert await keep_checkpoints(cluster, kept) == 1
    assert await keep_checkpoints(cluster, kept) == 0
    await export(bench.notary.cluster, tmp_path / "log")
    leaves, checkpoints = trees_of(tmp_path / "log"), checkpoints_of(kept)
    assert verify(leaves, checkpoints, await bench.keys())["is_sound"]
    lines = kept.read_text(encoding="ascii").splitlines(keepends=True)
    kept.write_text("".join([*lines[1:], lines[0]]), encoding="ascii")
    with pytest.raises(DocumentError, match="has kept another checkpoint 1"):
        await keep_checkpoints(cluster, kept)


async def test_a_chain_whose_end_was_taken_from_its_topic_is_not_signed_on(bench: Bench) -> None:
    await bench.sign()
    head = await read_head(bench.session)
    assert head is not None
    raised = "UPDATE bus.audit_head SET number = number + %s"
    await bench.session.execute(raised, [5])
    try:
        with pytest.raises(InvariantBroken, match="its end is gone"):
            await bench.sign()
    finally:
        await bench.session.execute(raised, [-5])
    assert await bench.sign() == head.signed.number + 1
