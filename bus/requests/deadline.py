"""By when a provider answers, and when it is told that time runs. Pure.

Working days are Monday to Friday, UTC. Public holidays are not known to the bus: a contract whose
provider needs them says more days.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final

_WORKING_WEEKDAYS: Final = 5
_REMIND_AT: Final = 0.5
_ESCALATE_AT: Final = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Moments in the life of a request that its provider was asked; aware, UTC, ascending."""

    remind: datetime
    """When half of the time has passed."""
    escalate: datetime
    """When a quarter of it is left."""
    deadline: datetime


def schedule(asked_at: datetime, working_days: int) -> Schedule:
    """Tell when what is due.

    Args:
        asked_at: Aware; outside of working days the time begins with the next one.
        working_days: 1 or more.
    """
    begins = _in_working_time(asked_at.astimezone(UTC))
    deadline = begins
    for _ in range(working_days):
        deadline = _in_working_time(deadline + timedelta(days=1), keeps_time=True)
    given = deadline - begins
    return Schedule(
        remind=begins + given * _REMIND_AT,
        escalate=begins + given * _ESCALATE_AT,
        deadline=deadline,
    )


def _in_working_time(moment: datetime, *, keeps_time: bool = False) -> datetime:
    """Give the moment itself on a working day, else the beginning (or same time) of the next."""
    while moment.weekday() >= _WORKING_WEEKDAYS:
        following = moment + timedelta(days=1)
        moment = following if keeps_time else datetime.combine(following.date(), time(), UTC)
    return moment
