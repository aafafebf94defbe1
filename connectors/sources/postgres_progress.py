"""How far a PostgreSQL table is read, in transaction ids. Pure; `postgres_table` says why so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum, unique
from typing import Any, Final, TypeAlias

from connectors.source import Json

XIDS: Final = 2**32
"""Of a row's `xmin`; the server itself counts on, in 64 bits."""
AGES: Final = 2**31 - 1
"""From here on PostgreSQL can't tell an old transaction from one to come."""
_NUMBERS_BACK: Final = 10_000
"""Numbers that sessions may have drawn from a sequence and not used yet."""
_AHEAD: Final = timedelta(days=1)
"""A time further in the future than this is a slip of a pen, and no place to go on from."""

CursorValue: TypeAlias = datetime | date | Decimal


@unique
class CursorKind(StrEnum):
    """What a cursor column counts in."""

    MOMENT = "moment"
    DAY = "day"
    NUMBER = "number"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The server at one look."""

    now: int
    """The transaction id that is given out next, in 64 bits: what `age(xmin)` counts from."""
    horizon: int
    """Below it no transaction runs, nor ever will."""

    @classmethod
    def of(cls, horizon: int, ceiling: int, age_of_third: int) -> Moment:
        """Take what the server tells.

        Args:
            horizon: `pg_snapshot_xmin`.
            ceiling: `pg_snapshot_xmax` of the same snapshot, in 64 bits.
            age_of_third: `age('3'::xid)` in the same transaction, which has 32 bits and a sign.
        """
        near = (age_of_third + 3 - ceiling) % XIDS
        return cls(now=ceiling + (near - XIDS if near > AGES else near), horizon=horizon)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ages:
    """Rows by `age(xmin)`, both ends included; None: whatever it is."""

    youngest: int
    oldest: int | None

    @classmethod
    def of(cls, moment: Moment, since: int, until: int) -> Ages | None:
        """Translate transactions `since <= id < until`; None: they are too old to be told apart."""
        oldest = moment.now - since
        return None if oldest >= AGES else cls(youngest=moment.now - until + 1, oldest=oldest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What was given, and the pass that is under way."""

    source: str
    """Server, its timeline, database and table: transaction ids mean something there alone."""
    swept: int = 0
    """What transactions below this wrote was given, wherever the cursor stood."""
    swept_at: float = 0.0
    """When that was found, seconds since 1970."""
    seen: int = 0
    """What transactions below this wrote was given where a cursor stood at its bound or behind."""
    bounds: tuple[str | None, ...] = ()
    """By cursor column: never moves back, so what is behind it now was behind it in each pass."""
    to: int | None = None
    """Where the pass that is under way ends; None: there is none."""
    is_sweep: bool = True
    after: tuple[str, ...] | None = None
    """Key of the last row that it gave."""
    top: tuple[str | None, ...] = ()
    """By cursor column: the highest value that it gave."""

    @classmethod
    def read(cls, position: Json, source: str, cursors: int, moment: Moment) -> Progress:
        """Take a position up, or begin again where it tells of another server or table."""
        new = cls(source=source, bounds=(None,) * cursors, top=(None,) * cursors)
        if not isinstance(position, Mapping):
            return new
        told: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in position.items()
        }
        kept = cls(**told)
        is_ahead = max(kept.seen, kept.swept, kept.to or 0) > moment.horizon
        is_other = kept.source != source or len(kept.bounds) != cursors
        return new if is_ahead or is_other else kept

    @property
    def position(self) -> Json:
        """Write it as JSON."""
        found: dict[str, Any] = {
            "source": self.source,
            "swept": self.swept,
            "swept_at": self.swept_at,
            "seen": self.seen,
            "bounds": list(self.bounds),
        }
        if self.to is not None:
            found |= {"to": self.to, "is_sweep": self.is_sweep, "top": list(self.top)}
            found |= {} if self.after is None else {"after": list(self.after)}
        return found

    @property
    def is_first(self) -> bool:
        """Tell whether nothing was ever read to an end."""
        return not self.swept

    def begun(self, moment: Moment, now_s: float, sweep_s: float) -> Progress | None:
        """Begin a pass up to the horizon; None where no transaction has ended since the last."""
        is_due = not any(self.bounds) or not 0 <= now_s - self.swept_at < sweep_s
        if moment.horizon == (self.swept if is_due else self.seen):
            return None
        swept_at = now_s if is_due else self.swept_at
        return replace(
            self,
            to=moment.horizon,
            is_sweep=is_due,
            after=None,
            top=self.bounds,
            swept_at=swept_at,
        )

    def behind(
        self, key: Sequence[str], cursors: Sequence[str | None], kinds: Sequence[CursorKind]
    ) -> Progress:
        """Move on behind a row of the pass."""
        top = tuple(
            _higher(known, found, kind)
            for known, found, kind in zip(self.top, cursors, kinds, strict=True)
        )
        return replace(self, after=tuple(key), top=top)

    def done(self, kinds: Sequence[CursorKind], now: datetime, overlap_s: float) -> Progress:
        """End the pass."""
        assert self.to is not None, "begun"
        bounds = tuple(
            _higher(bound, _lowered(top, kind, now, overlap_s), kind)
            for bound, top, kind in zip(self.bounds, self.top, kinds, strict=True)
        )
        return replace(
            self,
            swept=self.to if self.is_sweep else self.swept,
            seen=self.to,
            bounds=bounds,
            to=None,
            after=None,
        )


def _value(written: str | None, kind: CursorKind) -> CursorValue | None:
    """Read a cursor as the server writes it; None where it is `infinity`, or before our era."""
    if written is None:
        return None
    try:
        match kind:
            case CursorKind.MOMENT:
                return datetime.fromisoformat(written)
            case CursorKind.DAY:
                return date.fromisoformat(written)
            case CursorKind.NUMBER:
                found = Decimal(written)
                return found if found.is_finite() else None
    except (ValueError, InvalidOperation):
        return None


def _higher(known: str | None, found: str | None, kind: CursorKind) -> str | None:
    before, after = _value(known, kind), _value(found, kind)
    if before is None or after is None:
        return known if after is None else found
    return found if after > before else known  # type: ignore[operator]  # both are of the kind


def _lowered(top: str | None, kind: CursorKind, now: datetime, overlap_s: float) -> str | None:
    """Go back from the highest value, as far as a row may be written that is seen later."""
    found, back = _value(top, kind), timedelta(seconds=overlap_s)
    if found is None:
        return None
    if isinstance(found, datetime):
        present = now if found.tzinfo else now.replace(tzinfo=None)
        return str(min(found, present + _AHEAD) - back)
    if isinstance(found, date):
        return str(min(found, now.date() + _AHEAD) - back - timedelta(days=1))
    return str(found - _NUMBERS_BACK)
