"""`bus audit`: whether the audit log is whole, and what it says."""

from __future__ import annotations

import asyncio
import base64
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from bus.audit.chain import read_head
from bus.audit.checkpoint import parse_checkpoint
from bus.audit.examination import Examination, examine
from bus.audit.log import export as export_log
from bus.audit.log import keep_checkpoints, trees
from bus.audit.notes import create_audit_tables, untold_numbers
from bus.catalogue.parties import BUS
from bus.cli.audit_readers import who_read
from bus.cli.context import installation, language
from bus.cli.in_force import region_applied
from bus.cli.output import JsonOption, headings, print_json, print_table, results, tell
from bus.kafka.scan import offsets
from bus.model.identifiers import SystemCode
from bus.postgres.session import Session, connect
from bus.texts import text
from bus.wiring import Installation

app = typer.Typer(no_args_is_help=True, help="What was done with records, and who read them.")
app.command("who-read")(who_read)


@app.command()
def verify(*, json: JsonOption = False) -> None:
    """Check that the log is what was signed, and that nothing is missing; exit 1 where it is not.

    May run at any time. A copy of the log is made in a temporary folder and checked there by the
    file that also runs without the bus, `bus audit export` gives the same copy.

    Example: bus audit verify
    """
    found = asyncio.run(_verify(installation()))
    if json:
        print_json({"holds": found.holds, "examination": found})
    else:
        _print(found)
    if not found.holds:
        raise typer.Exit(1)


async def _verify(current: Installation) -> Examination:
    cluster = current.cluster_as(BUS)
    in_force = await region_applied(cluster)
    keys = {str(key.key_id): key.public_key for key in in_force.keys.values() if key.system == BUS}
    async with _session(current) as session:
        with tempfile.TemporaryDirectory(prefix="bus-audit-") as folder:
            return await examine(
                cluster,
                session,
                keys=keys,
                audit_key=current.audit_key(),
                folder=Path(folder),
            )


def _print(found: Examination) -> None:
    verified = found.verified
    if found.wrong:
        tell("audit.unsound", wrong=found.wrong)
    else:
        tell(
            "audit.sound",
            checkpoints=verified["checkpoints"],
            leaves=verified["leaves"],
            uncovered=verified["leaves_after_the_last_checkpoint"],
            at=verified["last_checkpoint_at"],
        )
    print_table(
        headings("checked", "number"),
        [
            [text(f"audit.checked.{name}", language()), number]
            for name, number in (
                ("batches", found.batches),
                ("repeats", found.repeats),
                ("holes", len(found.holes)),
                ("unreached", len(found.unreached)),
                ("contradictions", len(found.contradictions)),
                ("notes", found.notes),
                ("waiting", found.waiting),
                ("changed", len(found.changed)),
                ("missing", len(found.missing)),
                ("unsealed", len(found.unsealed)),
                ("unknown", found.unknown),
            )
        ],
    )
    if found.is_cut:
        tell("audit.cut")
    tell("audit.holds" if found.holds else "audit.broken")


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="To write; one that is there is replaced.")],
) -> None:
    """Write the log and its checkpoints to a file that can be checked without the bus.

    Example: bus audit export audit.jsonl && python bus_audit_verify.py audit.jsonl --key KEY
    """
    current = installation()
    keys = asyncio.run(_export(current, file))
    for key in keys:
        results.print(key, markup=False)
    tell("audit.exported", file=file)


async def _export(current: Installation, file: Path) -> Sequence[str]:
    cluster = current.cluster_as(BUS)
    in_force = await region_applied(cluster)
    await export_log(cluster, file)
    return [
        f"{key.key_id}={base64.b64encode(key.public_key).decode()}"
        for key in in_force.keys.values()
        if key.system == BUS
    ]


@app.command()
def keep(
    file: Annotated[Path, typer.Argument(help="To add to; made if it is not there.")],
    *,
    system: Annotated[str, typer.Option("--as", help="Your system, which reads the topic.")],
) -> None:
    """Add the checkpoints that are new to a copy of your own; exit 1 where the bus shows others.

    Example: bus audit keep checkpoints.jsonl --as edu-registry
    """
    cluster = installation().cluster_as(SystemCode(system))
    added = asyncio.run(keep_checkpoints(cluster, file))
    tell("audit.kept", file=file, added=added)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Status:
    """How far the log has come."""

    checkpoint: int
    """Number of the last; 0: none yet."""
    at: datetime | None
    covered: int
    """Leaves that it covers."""
    uncovered: int
    """Leaves written since."""
    waiting: int
    """Notes whose leaf is still to be written."""


@app.command()
def status(*, json: JsonOption = False) -> None:
    """Tell how far the log is signed.

    Example: bus audit status
    """
    found = asyncio.run(_status(installation()))
    if json:
        print_json(found)
        return
    print_table(
        headings("checked", "number"),
        [
            [text(f"audit.status.{name}", language()), value]
            for name, value in (
                ("checkpoint", found.checkpoint),
                ("at", found.at),
                ("covered", found.covered),
                ("uncovered", found.uncovered),
                ("waiting", found.waiting),
            )
        ],
    )


async def _status(current: Installation) -> _Status:
    cluster = current.cluster_as(BUS)
    ends = await offsets(cluster, await trees(cluster))
    async with _session(current) as session:
        head, waiting = await read_head(session), await untold_numbers(session)
    signed = None if head is None else parse_checkpoint(head.signed.text)
    covered = 0 if signed is None else sum(one.size for one in signed.trees.values())
    return _Status(
        checkpoint=0 if signed is None else signed.number,
        at=None if signed is None else signed.moment,
        covered=covered,
        uncovered=max(0, sum(end for _, end in ends.values()) - covered),
        waiting=len(waiting),
    )


@asynccontextmanager
async def _session(current: Installation) -> AsyncIterator[Session]:
    session = await connect(current.fund_dsn(), "bus audit")
    try:
        await create_audit_tables(session)
        yield session
    finally:
        await session.close()
