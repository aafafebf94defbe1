"""Linting of the small region with an error planted in it."""

from __future__ import annotations

from bus.catalogue import lint as documents_lint
from bus.catalogue.lock import render
from bus.catalogue.region import parse_region
from bus.catalogue.schemas import complete_lock
from bus.catalogue.sources import LOCK_FILE
from bus.errors import Finding
from tests.catalogue.small_region import line, planted, small_region
from tests.texts.english import in_english


def lint(documents: dict[str, bytes]) -> tuple[Finding, ...]:
    """Lint, and say what is found in English."""
    return tuple(map(in_english, documents_lint.lint(documents)))


def found(path: str, old: str, new: str, *, marker: str | None = None) -> tuple[list[Finding], str]:
    """Plant an error; give the findings, and the file and line at which it stands."""
    documents = relocked(planted(small_region(), path, old, new))
    findings = list(lint(documents))
    return findings, f"{path}:{line(documents[path], new if marker is None else marker)}"


def relocked(documents: dict[str, bytes]) -> dict[str, bytes]:
    """Lock the schemas as they are now, so that the lock has nothing to say."""
    unlocked = {path: text for path, text in documents.items() if path != LOCK_FILE}
    return {**unlocked, LOCK_FILE: render(complete_lock(parse_region(unlocked)))}
