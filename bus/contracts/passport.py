"""A process passport: what an agency's process consumes and produces, and how far it has come."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum, unique

from bus.contracts.rules import Text
from bus.model.identifiers import AgencyCode, DatasetCode


@unique
class ProcessState(StrEnum):
    """Steps that a process takes one after the other; `approved` implies the two before it."""

    DESCRIBED = "described"
    OPTIMISED = "optimised"
    APPROVED = "approved"


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
    state: ProcessState
    act: Act | None
    consumes: tuple[DatasetCode, ...]
    produces: tuple[DatasetCode, ...]
    current_model: tuple[str, ...]
    """Steps and data elements of the process as it is."""
    target_model: tuple[str, ...]
    """Steps and data elements of the process as it is to be."""
    diagram_sha256: str
    """Of the process diagram's file, 64 hex digits."""

    @property
    def removed(self) -> tuple[str, ...]:
        """Steps and data elements that optimisation takes away, in the current order."""
        kept = frozenset(self.target_model)
        return tuple(element for element in self.current_model if element not in kept)
