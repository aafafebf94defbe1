"""The kit itself: it passes a right source, and names the row that each wrong one would lose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from connectors.kit import checks
from connectors.kit.checks import Check, Kit
from connectors.kit.plugin import conforms
from connectors.kit.trial import Failed
from connectors.kit.twin import Twin
from connectors.source import Source
from tests.connectors.toys import (
    CursorOnly,
    Keyset,
    OpenTableTwin,
    TableTwin,
    TieBlind,
    TooEarly,
)

test_a_right_source_conforms = conforms(Keyset, TableTwin)


@pytest.mark.parametrize(
    ("source", "twin", "check", "said"),
    [
        (TieBlind, TableTwin, checks.marks_mean_it, r"position 1\d* is given before row mt-"),
        (TieBlind, TableTwin, checks.kill_at_every_step, r"killed at step .*row t-\d is lost"),
        (TieBlind, TableTwin, checks.a_transaction_cut, r"row all-\d{4} is lost"),
        (
            TooEarly,
            TableTwin,
            checks.marks_mean_it,
            r"Mark with position 1 is given before row m-00",
        ),
        (TooEarly, TableTwin, checks.kill_at_every_step, r"killed at step .*row a-\d is lost"),
        (CursorOnly, OpenTableTwin, checks.late_commit, r"row late-1 is lost"),
    ],
    ids=lambda one: one.__name__ if callable(one) else None,
)
async def test_a_wrong_source_fails_and_the_lost_row_is_named(
    source: type[Source[Any]], twin: Callable[[], Twin], check: Check, said: str
) -> None:
    with pytest.raises(Failed, match=said):
        await check(Kit(source=source, make=source, make_twin=twin, still_s=1.5))
