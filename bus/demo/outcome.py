"""What the demonstration came to in the database: operations in the fund, entries decided on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bus.catalogue.region import Region
from bus.fund.entries import tables_of
from bus.model.identifiers import DatasetCode
from bus.model.record import Operation
from bus.postgres.queries import Queries
from bus.postgres.session import connect, translated
from bus.quarantine.entry import QuarantineState
from bus.texts import message

QUERIES: Final = Queries.load("bus.demo", "outcome")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Counts at the end."""

    operations: Mapping[Operation, int]
    """Rows of the history by what they did."""
    states: Mapping[QuarantineState, int]
    """Rows of the quarantine table by what became of them."""
    rule_kinds: tuple[str, ...]
    """Kinds of the rules that records in quarantine broke."""


async def read_outcome(dsn: str, region: Region) -> Outcome:
    """Count.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    session = await connect(dsn, "bus demo")
    try:
        async with translated(message("doing.demo.outcome")):
            states = await (await session.execute(QUERIES.get("states"))).fetchall()
            broken = await (await session.execute(QUERIES.get("rules"))).fetchall()
            operations: Counter[Operation] = Counter()
            for dataset in region.contracts:
                rows = await session.execute(QUERIES.get("operations", **tables_of(dataset)))
                for operation, count in await rows.fetchall():
                    operations[Operation(str(operation))] += int(str(count))
    finally:
        await session.close()
    return Outcome(
        operations=operations,
        states={QuarantineState(str(state)): int(str(count)) for state, count in states},
        rule_kinds=_kinds(region, {(str(dataset), str(rule)) for dataset, rule in broken}),
    )


def _kinds(region: Region, broken: set[tuple[str, str]]) -> tuple[str, ...]:
    kinds = set[str]()
    for dataset, rule_id in broken:
        contract = region.contracts[DatasetCode(dataset)]
        kinds.update(rule.kind for rule in contract.newest.rules if rule.id == rule_id)
    return tuple(sorted(kinds))
