"""Suspensions and ends of agreements: how they are written, and what makes no sense."""

from __future__ import annotations

from datetime import UTC, datetime

from bus.catalogue.agreement import Ending, Side, Suspension
from bus.catalogue.region import parse_region
from bus.errors import Finding
from tests.catalogue.linting import lint, relocked
from tests.catalogue.small_region import AGREEMENT, planted, small_region

LAST = "consumer: {by: Начальник отдела планирования, on: 2026-01-12}\n"


def with_lines(*lines: str) -> dict[str, bytes]:
    return relocked(
        planted(small_region(), AGREEMENT, LAST, LAST + "".join(f"{one}\n" for one in lines))
    )


def test_suspensions_and_an_end_are_read_as_moments_of_utc() -> None:
    documents = with_lines(
        "suspended:",
        "  - {side: provider, by: П, from: 2026-03-01T12:00:00+04:00, to: 2026-03-02T00:00:00Z}",
        "  - {side: consumer, by: Начальник, from: 2026-04-01T00:00:00Z}",
        "ended: {side: consumer, by: Начальник, at: 2026-05-01T00:00:00Z}",
    )
    assert lint(documents) == ()
    (agreement,) = parse_region(documents).agreements
    assert agreement.suspensions == (
        Suspension(
            side=Side.PROVIDER,
            by="П",
            begins=datetime(2026, 3, 1, 8, tzinfo=UTC),
            ends=datetime(2026, 3, 2, tzinfo=UTC),
        ),
        Suspension(
            side=Side.CONSUMER, by="Начальник", begins=datetime(2026, 4, 1, tzinfo=UTC), ends=None
        ),
    )
    assert agreement.ending == Ending(
        side=Side.CONSUMER, by="Начальник", at=datetime(2026, 5, 1, tzinfo=UTC)
    )


def test_a_suspension_ends_after_its_beginning() -> None:
    documents = with_lines(
        "suspended:",
        "  - {side: provider, by: П, from: 2026-03-01T12:00:00Z, to: 2026-03-01T12:00:00Z}",
    )
    assert list(lint(documents)) == [
        Finding(
            path=f"{AGREEMENT}:17 suspended[0].to",
            found="2026-03-01 12:00:00+00:00",
            expected="a moment after `from`",
            remedy="Correct one of the two.",
        )
    ]


def test_an_end_comes_before_the_last_day_is_over() -> None:
    documents = with_lines("ended: {side: provider, by: П, at: 2028-01-01T00:00:00Z}")
    assert list(lint(documents)) == [
        Finding(
            path=f"{AGREEMENT}:16 ended.at",
            found="2028-01-01 00:00:00+00:00",
            expected="a moment until the end of valid_to, 2027-12-31",
            remedy="Leave it out: the agreement ends by itself.",
        )
    ]
