"""An exchange agreement: who may receive which fields and rows of a dataset, why and how long."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum, unique
from typing import assert_never

from bus.catalogue.decision import Judged, Side
from bus.catalogue.row_limits import read_limit, side_of, territory_prefix
from bus.contracts.rules import Text
from bus.model.identifiers import AgencyCode, DatasetCode, SystemCode


@unique
class ConditionOperator(StrEnum):
    """How a field of a row is held against the condition's values."""

    EQUALS = "equals"
    ONE_OF = "one_of"
    PREFIX = "prefix"
    """The value begins with one of the condition's values: codes that are hierarchies."""
    TERRITORY = "territory"
    """The value is the ОКТМО code of one of the territories, or of something within."""
    AT_LEAST = "at_least"
    """The value is the condition's one value or above it; a day holds all moments of it (UTC)."""
    AT_MOST = "at_most"
    """The value is the condition's one value or below it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One demand on a row; an agreement's conditions must all hold."""

    field: str
    """Top-level field, never a personal one. One that the contract does not mark immutable makes
    the view a standing one (`bus.catalogue.views.View.is_standing`)."""
    op: ConditionOperator
    values: tuple[str, ...]
    """Texts; whole numbers are compared by their decimal digits, booleans as true or false. A limit
    is a number, a day or a moment (`bus.catalogue.row_limits.read_limit`)."""


def matches(conditions: Iterable[Condition], wanted: Mapping[str, object]) -> bool:
    """Tell whether a row meets every condition.

    Args:
        conditions: Without any, every row matches.
        wanted: Decoded values by field name, as `Examined.wanted` has them.

    A field that is null or absent meets no condition: what can't be told is not handed over.
    """
    return all(_meets(condition, wanted.get(condition.field)) for condition in conditions)


def _meets(condition: Condition, value: object) -> bool:
    text = _as_text(value)
    match condition.op:
        case ConditionOperator.AT_LEAST:
            return side_of(value, read_limit(condition.values[0])) in {0, 1}
        case ConditionOperator.AT_MOST:
            return side_of(value, read_limit(condition.values[0])) in {0, -1}
        case ConditionOperator.EQUALS | ConditionOperator.ONE_OF:
            return text is not None and text in condition.values
        case ConditionOperator.PREFIX:
            return text is not None and text.startswith(condition.values)
        case ConditionOperator.TERRITORY:
            within = tuple(map(territory_prefix, condition.values))
            return text is not None and text.startswith(within)
        case _:
            assert_never(condition.op)


def _as_text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return None


def canonical_rows(rows: tuple[Condition, ...]) -> tuple[Condition, ...]:
    """Give conditions in one order, each once, and so their values."""
    ordered = {(row.field, row.op.value, tuple(sorted(set(row.values)))): row.op for row in rows}
    return tuple(
        Condition(field=field, op=op, values=values)
        for (field, _, values), op in sorted(ordered.items())
    )


@unique
class Standing(StrEnum):
    """What a side's last word on the terms comes to."""

    NONE = "none"
    """It has said nothing."""
    GIVEN = "given"
    """It approved what stands now."""
    REFUSED = "refused"
    """It refused what stands now."""
    TERMS_CHANGED = "terms_changed"
    """It approved other terms."""
    CONTRACT_CHANGED = "contract_changed"
    """It approved these terms, of which the contract says something else now."""
    UNPROVED = "unproved"
    """It approved with a key that does not count any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """How one side stands to the terms."""

    standing: Standing = Standing.NONE
    on: date | None = None
    """Day (UTC) of that word; an approval counts from it on. None: there is none."""
    changed: tuple[str, ...] = ()
    """Fields of which the contract says something else now, ascending."""


@unique
class AgreementState(StrEnum):
    """What an agreement comes to at a moment."""

    DRAFT = "draft"
    """Both sides have not approved it yet."""
    REFUSED = "refused"
    """A side refused it as it stands."""
    TO_APPROVE = "to_approve"
    """It was approved, and something has changed since."""
    TO_COME = "to_come"
    """Its first day has not begun."""
    IN_FORCE = "in_force"
    SUSPENDED = "suspended"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspension:
    """A time in which one side lets the agreement rest."""

    side: Side
    by: str
    """Post of the person who decided."""
    begins: datetime
    """Included; aware, UTC."""
    ends: datetime | None
    """Excluded; None: until it is resumed."""

    def covers(self, moment: datetime) -> bool:
        """Tell whether the agreement rests at a moment."""
        return self.begins <= moment and (self.ends is None or moment < self.ends)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """An end that came before the last day."""

    side: Side
    by: str
    """Post of the person who decided."""
    at: datetime
    """From then on it grants nothing; aware, UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A time in which an agreement grants."""

    begins: datetime
    """Included; aware, UTC."""
    ends: datetime
    """Excluded."""

    def covers(self, moment: datetime) -> bool:
        """Tell whether the window is open at a moment, which is aware."""
        return self.begins <= moment < self.ends

    def without(self, rest: Suspension) -> tuple[Window, ...]:
        """Give what a suspension leaves of the window: one part, two, or nothing."""
        if rest.ends is not None and rest.ends <= rest.begins:
            return (self,)
        before = replace(self, ends=min(self.ends, rest.begins))
        if rest.ends is None:
            after = replace(self, begins=self.ends)
        else:
            after = replace(self, begins=max(self.begins, rest.begins, rest.ends))
        return tuple(part for part in (before, after) if part.begins < part.ends)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What one consumer may receive of one dataset."""

    id: str
    providers: tuple[AgencyCode, ...] | None
    """Ascending; None: every agency that provides the dataset, now or later."""
    consumer: AgencyCode
    systems: tuple[SystemCode, ...]
    """The consumer's systems that read."""
    dataset: DatasetCode
    fields: tuple[str, ...] | None
    """Top-level fields; None: all fields of all schema versions, now or later."""
    rows: tuple[Condition, ...]
    """All must hold; empty: every row."""
    history_from: date | None
    """First day (UTC, by append time) whose records may be read; None: all history."""
    purpose: Text
    legal_basis: str
    valid_from: date
    """First day, UTC."""
    valid_to: date
    """Last day, UTC, included."""
    provider_consent: Consent = Consent()
    consumer_consent: Consent = Consent()
    suspensions: tuple[Suspension, ...] = ()
    ending: Ending | None = None
    decisions: tuple[Judged, ...] = ()
    """That the consents, the suspensions and the end come from: the provider's, then the
    consumer's, each in their order."""

    @property
    def is_full(self) -> bool:
        """Whether it grants all of the dataset, so that no view is needed."""
        return (
            self.providers is None
            and self.fields is None
            and not self.rows
            and self.history_from is None
        )

    @property
    def is_approved(self) -> bool:
        """Whether both sides approved what stands now; without that nothing is granted, ever."""
        return {consent.standing for consent in self._consents} == {Standing.GIVEN}

    @property
    def windows(self) -> tuple[Window, ...]:
        """Tell when it grants something, ascending and apart: who may read when, is derived here.

        Returns: From the first day on on which its term has begun and both approvals count, to
            its end, without the times in which it rests; nothing where it is not approved.
        """
        days = [consent.on for consent in self._consents if consent.on is not None]
        if not self.is_approved or len(days) < len(self._consents):
            return ()
        begins = _midnight(max(self.valid_from, *days))
        whole = Window(begins=begins, ends=self.ends_at)
        parts: tuple[Window, ...] = (whole,) if whole.begins < whole.ends else ()
        for rest in self.suspensions:
            parts = tuple(left for part in parts for left in part.without(rest))
        return parts

    def is_in_force(self, moment: datetime) -> bool:
        """Tell whether it grants anything at a moment, which is aware."""
        return any(window.covers(moment) for window in self.windows)

    def state_at(self, moment: datetime) -> AgreementState:
        """Tell what it comes to at a moment, which is aware, and why it grants nothing then."""
        if moment >= self.ends_at:
            return AgreementState.ENDED
        day = moment.astimezone(UTC).date()
        if (lacking := self._lacking(day)) is not None:
            return lacking
        if day < self.valid_from:
            return AgreementState.TO_COME
        if any(one.covers(moment) for one in self.suspensions):
            return AgreementState.SUSPENDED
        return AgreementState.IN_FORCE

    def consent_of(self, side: Side) -> Consent:
        """Tell how a side stands to the terms."""
        return self.provider_consent if side is Side.PROVIDER else self.consumer_consent

    @property
    def _consents(self) -> tuple[Consent, Consent]:
        return self.provider_consent, self.consumer_consent

    def _lacking(self, day: date) -> AgreementState | None:
        """Tell what keeps it from granting anything on a day, whatever its term; None: nothing."""
        standings = {consent.standing for consent in self._consents}
        if Standing.REFUSED in standings:
            return AgreementState.REFUSED
        if standings - {Standing.GIVEN, Standing.NONE}:
            return AgreementState.TO_APPROVE
        if any(consent.on is None or day < consent.on for consent in self._consents):
            return AgreementState.DRAFT
        return None

    @property
    def ends_at(self) -> datetime:
        """Moment from which it grants nothing any more."""
        last = _midnight(self.valid_to + timedelta(days=1))
        return last if self.ending is None else min(last, self.ending.at)

    @property
    def turns(self) -> tuple[datetime, ...]:
        """All moments at which it begins or ceases to grant, ascending."""
        return tuple(edge for window in self.windows for edge in (window.begins, window.ends))

    @property
    def changes(self) -> tuple[datetime, ...]:
        """Moments beside the days at which it may begin or cease to grant, ascending."""
        moments = {moment for one in self.suspensions for moment in (one.begins, one.ends)}
        moments.add(None if self.ending is None else self.ending.at)
        return tuple(sorted(moment for moment in moments if moment is not None))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
