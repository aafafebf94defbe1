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
from typing import Protocol, TypeAlias, runtime_checkable


@runtime_checkable
class Bilingual(Protocol):
    """Words that can be said in each language of the bus's users; `str` says them in English."""

    def spoken(self, language: str) -> str:
        """Say it.

        Args:
            language: `en` or `ru`.
        """


Words: TypeAlias = "str | Bilingual"
"""What a person is told: `bus.texts.message`, or a text that is the same in every language."""


def say(words: Words, language: str) -> str:
    """Say words in a language, where they know it."""
    return words.spoken(language) if isinstance(words, Bilingual) else words


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing wrong with a document, precise enough to mend it without reading code."""

    path: str
    """File and place, e.g. `organisations/contract.yaml:41 schema[0].properties[2].quality[0]`."""
    found: Words
    expected: Words
    remedy: Words

    def __str__(self) -> str:
        return self.spoken("en")

    def spoken(self, language: str) -> str:
        """Say it in a language: `en` or `ru`."""
        found, expected = say(self.found, language), say(self.expected, language)
        remedy = say(self.remedy, language)
        if language == "ru":
            return f"{self.path}: найдено: {found}; ожидается: {expected}. {remedy}"
        return f"{self.path}: found {found}; expected {expected}. {remedy}"


class BusError(Exception):
    """Base of everything the bus raises on purpose."""

    def __init__(self, message: Words) -> None:
        super().__init__(str(message))
        self.message = message

    def spoken(self, language: str) -> str:
        """Say what is wrong in a language: `en` or `ru`."""
        return say(self.message, language)


class DocumentError(BusError):
    """A document that people write is wrong; carries every finding at once."""

    def __init__(self, message: Words, findings: Sequence[Finding] = ()) -> None:
        super().__init__(message)
        self.findings = tuple(findings)

    def __str__(self) -> str:
        return self.spoken("en")

    def spoken(self, language: str) -> str:
        """Say what is wrong, and every finding on a line of its own."""
        told = [super().spoken(language), *(one.spoken(language) for one in self.findings)]
        return "\n".join(told)


class Unavailable(BusError):
    """An engine (Kafka, PostgreSQL) or a download does not answer; trying again may help."""


class InvariantBroken(BusError):
    """Something that can't happen did: the process must stop before it does harm."""


class Fenced(InvariantBroken):
    """Another worker has moved the position of a partition that this one believed its own."""
