"""Agreements with every kind of word that moves when they grant, and moments around them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

from hypothesis import strategies as st

from bus.catalogue.agreement import Agreement, Consent, Ending, Standing, Suspension
from bus.catalogue.decision import Side

START = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = st.integers(-3, 33).map(lambda days: START.date() + timedelta(days=days))
MOMENTS = st.integers(-48, 34 * 24).map(lambda hours: START + timedelta(hours=hours, minutes=7))
SUSPENSIONS = st.builds(
    lambda side, begins, ends, hours: Suspension(
        side=side,
        by="post",
        begins=begins,
        ends=begins + timedelta(hours=hours) if ends is None and hours else ends,
    ),
    side=st.sampled_from(Side),
    begins=MOMENTS,
    ends=st.none() | MOMENTS,
    hours=st.integers(0, 100),
)
ENDINGS = st.builds(Ending, side=st.sampled_from(Side), by=st.just("post"), at=MOMENTS)
LONG_AGO = st.just(Consent(standing=Standing.GIVEN, on=date(2025, 12, 1)))
OTHERWISE = st.one_of(
    st.builds(Consent, standing=st.just(Standing.GIVEN), on=DAYS),
    st.builds(Consent, standing=st.sampled_from(Standing), on=DAYS).filter(
        lambda consent: consent.standing is not Standing.NONE
    ),
    st.just(Consent()),
)
CONSENTS = st.integers(0, 3).flatmap(lambda number: LONG_AGO if number < 3 else OTHERWISE)
"""Most of them given, else most of what is drawn would grant nothing."""


def moments_around(one: Agreement) -> list[datetime]:
    """Give each moment that an agreement speaks of, and the one before it."""
    days = (
        one.valid_from,
        one.valid_to + timedelta(days=1),
        one.provider_consent.on,
        one.consumer_consent.on,
    )
    edges = [datetime.combine(day, time(), UTC) for day in days if day is not None]
    edges += [edge for rest in one.suspensions for edge in (rest.begins, rest.ends) if edge]
    edges += [] if one.ending is None else [one.ending.at]
    return [moment for edge in edges for moment in (edge - timedelta(seconds=1), edge)]


def agreements_like(one: Agreement) -> st.SearchStrategy[Agreement]:
    """Draw agreements of January 2026 that grant what another grants, at times of their own."""
    return st.builds(
        lambda suspensions, ending, provider, consumer: replace(
            one,
            valid_from=date(2026, 1, 1),
            valid_to=date(2026, 1, 31),
            suspensions=tuple(suspensions),
            ending=ending,
            provider_consent=provider,
            consumer_consent=consumer,
        ),
        st.lists(SUSPENSIONS, min_size=1, max_size=3),
        st.integers(0, 3).flatmap(lambda number: st.none() if number else ENDINGS),
        CONSENTS,
        CONSENTS,
    )
