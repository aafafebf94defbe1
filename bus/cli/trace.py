"""`bus trace`: the way of one record, hop by hop."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated

import typer

from bus.cli.context import installation, language
from bus.cli.output import JsonOption, headings, print_json, print_table, results
from bus.errors import DocumentError, Unavailable
from bus.kafka.catalogue_topic import CatalogueReader
from bus.model.identifiers import RecordId
from bus.observe.trace import Hop, Step, Trace, read_trace
from bus.texts import message, text
from bus.wire.record_id import is_record_id

_BAR = 40
"""Characters between the first append and the last hop."""


def trace(
    record_id: Annotated[str, typer.Argument(help="The record's id: header ce_id, or a receipt.")],
    *,
    json: JsonOption = False,
) -> None:
    """Show the way of one record, from the event to the fund and to who receives it.

    Example: bus trace 5d41402abc4b2a76b9719d911017c592
    """
    if not is_record_id(record_id):
        raise DocumentError(message("error.cli.no_record_id", found=record_id))
    found = asyncio.run(_traced(RecordId(record_id)))
    if found is None:
        raise DocumentError(message("error.cli.no_such_record", record_id=record_id))
    if json:
        print_json(found)
    else:
        _print(found)


async def _traced(record_id: RecordId) -> Trace | None:
    current = installation()
    cluster = current.cluster_as_admin()
    async with CatalogueReader(cluster) as reader:
        await reader.read_to_end()
        snapshot = reader.snapshot()
    if snapshot is None:
        raise Unavailable(message("error.cli.no_catalogue"))
    return await read_trace(record_id, snapshot, cluster=cluster, fund_dsn=current.fund_dsn())


def _print(found: Trace) -> None:
    spoken = language()
    told = {"dataset": found.dataset or "-", "version": found.version or "-"}
    told |= {"lane": found.lane or "-", "catalogue": found.catalogue or "-"}
    results.print(text("trace.record", spoken, **told), markup=False)
    if found.traceparent is not None:
        results.print(text("trace.parent", spoken, value=found.traceparent), markup=False)
    moments = [hop.at for hop in found.hops if hop.step is not Step.EVENT]
    first, last = min(moments), max(moments)
    print_table(
        headings("step", "moment", "after", "", "place", "who"),
        [
            [
                text(f"trace.{hop.step}", spoken),
                f"{hop.at:%Y-%m-%d %H:%M:%S.%f}"[:-3],
                f"{(hop.at - first).total_seconds():+.3f} s",
                _bar(hop, first, last),
                hop.where,
                hop.why or ", ".join(hop.who),
            ]
            for hop in found.hops
        ],
    )


def _bar(hop: Hop, first: datetime, last: datetime) -> str:
    """Draw where between first append and last hop it happened; nothing for what was before."""
    if hop.at < first:
        return ""
    whole = (last - first).total_seconds() or 1.0
    return "─" * round(_BAR * (hop.at - first).total_seconds() / whole) + "●"
