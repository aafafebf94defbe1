"""A process passport: what an agency's process consumes and produces, and how far it has come.

A process takes four states one after the other, and each is reached by documents, not by saying
so: a state without its documents is no state (`lacking`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum, unique

from bus.contracts.rules import Text
from bus.errors import Words
from bus.model.identifiers import AgencyCode, DatasetCode
from bus.texts import message


@unique
class ProcessState(StrEnum):
    """Steps that a process takes one after the other; each implies those before it."""

    INVENTORIED = "inventoried"
    """Found and named, with the datasets that it consumes and produces."""
    DESCRIBED = "described"
    """As it is: its model and its diagram."""
    OPTIMISED = "optimised"
    """As it is to be: a target model that leaves something out."""
    APPROVED = "approved"
    """By a legal act."""

    def reaches(self, other: ProcessState) -> bool:
        """Tell whether a process in this state has taken the step `other`."""
        order = list(ProcessState)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """The legal act that approved a passport."""

    number: str
    date: date
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Passport:
    """One process of one agency, as described and as it is to become."""

    process: str
    title: Text
    agency: AgencyCode
    owner: str
    """Post, never a person's name, that answers for the process."""
    state: ProcessState
    act: Act | None
    consumes: tuple[DatasetCode, ...] | None
    """None: nobody has written down yet what the process needs; that it needs nothing is ()."""
    produces: tuple[DatasetCode, ...]
    """At least one; may be without a contract until the passport is approved."""
    current_model: tuple[str, ...]
    """Steps and data elements of the process as it is."""
    target_model: tuple[str, ...]
    """Steps and data elements of the process as it is to be."""
    diagram_sha256: str | None
    """Of the process diagram's file, 64 hex digits."""
    replaces_letter: tuple[DatasetCode, ...] = ()
    """Of the datasets consumed those whose every record was asked for by letter before."""

    @property
    def removed(self) -> tuple[str, ...]:
        """Steps and data elements that optimisation takes away, in the current order.

        Without a target model there is no optimisation, and nothing is taken away.
        """
        if not self.target_model:
            return ()
        kept = frozenset(self.target_model)
        return tuple(element for element in self.current_model if element not in kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lacking:
    """A document that a passport's state demands and that is not there."""

    member: str
    """Of the passport's file: `act`."""
    state: ProcessState
    """That demands it; not later than the passport's."""
    found: Words
    expected: Words
    remedy: Words


def lacking(passport: Passport) -> tuple[Lacking, ...]:
    """Find the documents that a passport's state demands and that are not there, by state.

    Source: the region's concept of digital transformation: inventory, description, optimisation
    and approval of processes, each with its documents.
    """
    demanded = (
        (passport.consumes is not None, _CONSUMES),
        (bool(passport.current_model), _CURRENT_MODEL),
        (passport.diagram_sha256 is not None, _DIAGRAM),
        (bool(passport.target_model), _TARGET_MODEL),
        (bool(passport.removed) or not passport.target_model, _NOTHING_REMOVED),
        (passport.act is not None, _ACT),
    )
    return tuple(
        document
        for is_there, document in demanded
        if not is_there and passport.state.reaches(document.state)
    )


def _lacking(member: str, state: ProcessState, case: str) -> Lacking:
    return Lacking(
        member=member,
        state=state,
        found=message(f"error.passport.{case}.found"),
        expected=message(f"error.passport.{case}.expected"),
        remedy=message(f"error.passport.{case}.remedy"),
    )


_CONSUMES = _lacking("consumes", ProcessState.INVENTORIED, "consumes")
_CURRENT_MODEL = _lacking("current_model", ProcessState.DESCRIBED, "current_model")
_DIAGRAM = _lacking("diagram_sha256", ProcessState.DESCRIBED, "diagram")
_TARGET_MODEL = _lacking("target_model", ProcessState.OPTIMISED, "target_model")
_NOTHING_REMOVED = _lacking("target_model", ProcessState.OPTIMISED, "nothing_removed")
_ACT = _lacking("act", ProcessState.APPROVED, "act")
