"""The one exception tree. A bad record is a value (`bus.model.verdict`); only faults raise.

    BusError
    ├── DocumentError     a contract, agreement, setting or table file is wrong  → mend the document
    ├── Unavailable       a broker, database or download does not answer         → retry, then stop
    └── InvariantBroken   the bus itself is wrong, or this worker was replaced    → stop the process
        └── Fenced        another worker moved this partition's position          → stop the process

Every message names the thing, its value, what was expected and the next step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing wrong with a document, precise enough to mend it without reading code."""

    path: str
    """File and place, e.g. `organisations/contract.yaml:41 schema[0].properties[2].quality[0]`."""
    found: str
    expected: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path}: found {self.found}; expected {self.expected}. {self.remedy}"


class BusError(Exception):
    """Base of everything the bus raises on purpose."""


class DocumentError(BusError):
    """A document that people write is wrong; carries every finding at once."""

    def __init__(self, message: str, findings: Sequence[Finding] = ()) -> None:
        super().__init__("\n".join([message, *map(str, findings)]))
        self.findings = tuple(findings)


class Unavailable(BusError):
    """An engine (Kafka, PostgreSQL) or a download does not answer; trying again may help."""


class InvariantBroken(BusError):
    """Something that can't happen did: the process must stop before it does harm."""


class Fenced(InvariantBroken):
    """Another worker has moved the position of a partition that this one believed its own."""
