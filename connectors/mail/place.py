"""How far a mailbox was read, and by which signs its mails are known again. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Self

from connectors.mail.server import Lying
from connectors.source import Json

KNOWN_MAX: Final = 1_000
"""Mails that are known again by their signs; older ones by when they came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How far a mailbox was read."""

    validity: int = 0
    uid: int = 0
    """Of the last mail that was read whole."""
    begun: tuple[int, int] = (0, 0)
    """The mail behind it and how many of its items were given."""
    known: tuple[str, ...] = ()
    """Signs of the mails that were read last, the latest at the end."""
    oldest_s: int = 0
    """What came before was read too; 0: `known` has all."""
    again_to: int = 0
    """Up to this one mails are looked at again, after their numbers changed."""

    @classmethod
    def of(cls, position: Json) -> Self:
        """Read a position."""
        kept = dict(position or {})
        kept["begun"] = tuple(kept.get("begun", (0, 0)))
        kept["known"] = tuple(kept.get("known", ()))
        return cls(**kept)

    @property
    def position(self) -> Json:
        """Write it."""
        return {
            "validity": self.validity,
            "uid": self.uid,
            "begun": list(self.begun),
            "known": list(self.known),
            "oldest_s": self.oldest_s,
            "again_to": self.again_to,
        }

    def behind(self, mail: Lying) -> Place:
        """Move behind a mail that is not read, or known."""
        return replace(self, uid=mail.uid, begun=(0, 0))

    def read(self, mail: Lying, signs: str) -> Place:
        """Move behind a mail that was read."""
        known = [one for one in self.known if not one.endswith(f".{signs}")]
        known.append(f"{mail.arrived_s:x}.{signs}")
        forgotten = [int(one.partition(".")[0], 16) for one in known[:-KNOWN_MAX]]
        moved = self.behind(mail)
        oldest_s = max(self.oldest_s, *forgotten) if forgotten else self.oldest_s
        return replace(moved, known=tuple(known[-KNOWN_MAX:]), oldest_s=oldest_s)

    def knows(self, mail: Lying, signs: str) -> bool:
        """Tell whether a mail was read under another number."""
        if mail.uid > self.again_to:
            return False
        is_known = any(one.endswith(f".{signs}") for one in self.known)
        return is_known or 0 < mail.arrived_s <= self.oldest_s
