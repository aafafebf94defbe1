"""The states of a data request, and what leads from one to another. Pure.

                 ┌─ found ────────► answered_auto
    (received) ──┼─ not_covered ──► refused
                 └─ routed ──► asked ──┬─ answer ───► answered
                                       ├─ refusal ──► refused
                                       └─ deadline ─► expired

Every state but `asked` is final: what was told to somebody is not taken back.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum, unique
from types import MappingProxyType
from typing import Final


@unique
class RequestState(StrEnum):
    """What a request has come to."""

    ANSWERED_AUTO = "answered_auto"
    """From the data fund, at once."""
    ASKED = "asked"
    """Its provider was asked and has time to answer."""
    ANSWERED = "answered"
    """By its provider."""
    REFUSED = "refused"
    """By the bus, for want of a right; or by its provider."""
    EXPIRED = "expired"
    """Its provider did not answer in time."""


@unique
class Happening(StrEnum):
    """What may befall a request."""

    FOUND = "found"
    NOT_COVERED = "not_covered"
    ROUTED = "routed"
    ANSWER = "answer"
    REFUSAL = "refusal"
    DEADLINE = "deadline"


_LEADS: Final[Mapping[tuple[RequestState | None, Happening], RequestState]] = MappingProxyType(
    {
        (None, Happening.FOUND): RequestState.ANSWERED_AUTO,
        (None, Happening.NOT_COVERED): RequestState.REFUSED,
        (None, Happening.ROUTED): RequestState.ASKED,
        (RequestState.ASKED, Happening.ANSWER): RequestState.ANSWERED,
        (RequestState.ASKED, Happening.REFUSAL): RequestState.REFUSED,
        (RequestState.ASKED, Happening.DEADLINE): RequestState.EXPIRED,
    }
)


def following(state: RequestState | None, happening: Happening) -> RequestState | None:
    """Tell what a request comes to.

    Args:
        state: Of now; None: it has just been received.
        happening: What befalls it.

    Returns: The next state; None where this can't befall it: it stays as it is.
    """
    return _LEADS.get((state, happening))
