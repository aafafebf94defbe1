"""Running the checks, and what they came to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from enum import StrEnum, unique

from connectors.kit.checks import CHECKS, Kit
from connectors.kit.trial import Failed
from connectors.kit.twin import NotOffered


@unique
class Outcome(StrEnum):
    """What a check came to."""

    HELD = "held"
    FAILED = "failed"
    DOES_NOT_APPLY = "does_not_apply"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One check."""

    name: str
    outcome: Outcome
    why: str
    """Where it failed: what would be lost, and at which step; where it does not apply: why."""


async def check(kit: Kit, only: Collection[str] = ()) -> AsyncIterator[Result]:
    """Run the checks one by one.

    Args:
        kit: Source and twin.
        only: Names of those to run; empty: all.
    """
    for one in CHECKS:
        if only and one.__name__ not in only:
            continue
        outcome, why = Outcome.HELD, ""
        try:
            await one(kit)
        except Failed as problem:
            outcome, why = Outcome.FAILED, str(problem)
        except NotOffered as problem:
            outcome, why = Outcome.DOES_NOT_APPLY, str(problem)
        yield Result(name=one.__name__, outcome=outcome, why=why)
