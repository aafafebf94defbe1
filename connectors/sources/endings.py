"""A row that its source has marked as deleted, in the bus's terms. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from bus.model.record import Operation
from connectors.source import Cell, Row

ENDINGS: Final[Mapping[str, Operation]] = {"cease": Operation.CEASE, "annul": Operation.ANNUL}


def standing(cells: Mapping[str, Cell], place: str, version: int | None) -> Row:
    """Tell a row of a source that marks what is deleted, and has not marked this one."""
    # Why a create: it is one where the entry had come to an end, and else a correction.
    return Row(cells, place=place, version=version, operation=Operation.CREATE)


def ended(
    cells: Mapping[str, Cell],
    place: str,
    version: int | None,
    operation: Operation,
    *,
    was_never_told: bool,
) -> Sequence[Row]:
    """Tell a row that is marked as deleted.

    Args:
        cells: Its last values.
        place: Where it stands.
        version: Of the source, or None.
        operation: What the mark says.
        was_never_told: Everything is read for the first time.
    """
    end = Row(cells, place=place, version=version, operation=operation)
    if operation is Operation.CEASE and version is None:
        # Why both: who was never told of the entry learns what it is that has ended.
        return [Row(cells, place=place), end]
    return [] if was_never_told else [end]
