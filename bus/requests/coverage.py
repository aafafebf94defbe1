"""Whether an agreement covers a data request: who may ask what, of whom, for which purpose. Pure.

Rights are those of the agreement's view and no others: what its topic would not show, no request
shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique
from typing import TypeAlias

from bus.catalogue.agreement import Agreement
from bus.catalogue.region import Region
from bus.catalogue.views import View, view_of
from bus.model.identifiers import AgencyCode, SystemCode
from bus.requests.asked import AskedData


@unique
class RefusalReason(StrEnum):
    """Why a request is refused; the first six by the bus, the others by its provider."""

    NO_AGREEMENT = "no_agreement"
    AGREEMENT_NOT_IN_FORCE = "agreement_not_in_force"
    PROVIDER_NOT_COVERED = "provider_not_covered"
    PURPOSE_NOT_AGREED = "purpose_not_agreed"
    FIELD_NOT_AGREED = "field_not_agreed"
    PROVIDER_LEFT = "provider_left"
    """The fund has it not, and nobody can be asked any more."""
    UNKNOWN_ENTRY = "unknown_entry"
    """The provider's register has no such entry."""
    NOT_KEPT = "not_kept"
    """The provider does not keep what is asked for."""
    NOT_PERMITTED = "not_permitted"
    """A law forbids the answer, whatever was agreed."""


PROVIDERS_REASONS: frozenset[RefusalReason] = frozenset(
    {RefusalReason.UNKNOWN_ENTRY, RefusalReason.NOT_KEPT, RefusalReason.NOT_PERMITTED}
)
"""What a provider may say; words of its own could carry what nobody agreed to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Covered:
    """The agreement that answers for a request, and what it shows."""

    agreement: Agreement
    view: View | None
    """None: everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotCovered:
    """Nothing agreed answers for it."""

    reason: RefusalReason
    agreement: str | None
    """The one that comes nearest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ambiguous:
    """Several agreements cover it: one must be named, for they show different things."""

    agreements: tuple[str, ...]


Coverage: TypeAlias = Covered | NotCovered | Ambiguous


def cover(
    region: Region,
    system: SystemCode,
    asked: AskedData,
    provider: AgencyCode,
    moment: datetime,
) -> Coverage:
    """Find the agreement under which a request is answered.

    Args:
        region: The catalogue in force.
        system: Who asks.
        asked: The request; what it names (agreement, purpose) must fit.
        provider: Of the dataset, named or the only one.
        moment: Aware; the present.
    """
    found = [
        one
        for one in region.agreements
        if system in one.systems
        and one.dataset == asked.dataset
        and asked.agreement in {None, one.id}
    ]
    if not found:
        return NotCovered(reason=RefusalReason.NO_AGREEMENT, agreement=None)
    narrowings = (
        (RefusalReason.AGREEMENT_NOT_IN_FORCE, lambda one: one.is_in_force(moment)),
        (
            RefusalReason.PROVIDER_NOT_COVERED,
            lambda one: one.providers is None or provider in one.providers,
        ),
        (RefusalReason.PURPOSE_NOT_AGREED, lambda one: _is_purpose(asked.purpose, one)),
        (RefusalReason.FIELD_NOT_AGREED, lambda one: _shows(one, tuple(asked.search or ()))),
    )
    for reason, fits in narrowings:
        nearest, found = found[0], list(filter(fits, found))
        if not found:
            return NotCovered(reason=reason, agreement=nearest.id)
    contract = region.contracts[asked.dataset]
    if len(found) > 1:
        return Ambiguous(agreements=tuple(one.id for one in found))
    return Covered(agreement=found[0], view=view_of(found[0], contract))


def _is_purpose(purpose: str | None, agreement: Agreement) -> bool:
    words = {agreement.purpose.ru.strip(), agreement.purpose.en.strip()}
    return purpose is None or purpose.strip() in words


def _shows(agreement: Agreement, fields: Sequence[str]) -> bool:
    """Tell whether an agreement shows fields: one may not even search by what it does not."""
    return agreement.fields is None or set(fields) <= set(agreement.fields)
