"""Decisions that a next catalogue must keep: a side's word is added to, never taken back.

Whoever may edit documents could otherwise drop a refusal, or sign an approval of last year with a
key that was stolen last week. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

from bus.catalogue.shapes import DecisionsShape, KeyShape
from bus.catalogue.sources import Source, Sources, read_sources
from bus.errors import Finding
from bus.model.identifiers import KeyId
from bus.texts import finding_at

_FOLDERS: Final = ("keys/", "decisions/")


def kept_decision_findings(
    in_force: Mapping[str, bytes], proposed: Mapping[str, bytes], now: datetime
) -> tuple[Finding, ...]:
    """Find decisions in force that would be lost or replaced, and new ones signed with an old key.

    Args:
        in_force: Documents of the catalogue in force by path; empty before the first, which may
            begin with decisions of any age.
        proposed: Documents that are to follow them, without findings of their own.
        now: Aware.
    """
    if not in_force:
        return ()
    before, after = _decided(in_force), _decided(proposed)
    held = {source.written.file_stem: source for source in after.decisions}
    known = {source.written.file_stem: source.written.decisions for source in before.decisions}
    keys = {source.written.key_id: source.written for source in after.keys}
    findings = []
    for stem, decisions in known.items():
        kept = held.get(stem)
        if kept is None or kept.written.decisions[: len(decisions)] != decisions:
            path = f"decisions/{stem}.yaml"
            findings.append(finding_at(path, "error.decision.lost", count=len(decisions)))
    for stem, source in held.items():
        findings += _late(source, len(known.get(stem, ())), keys, now)
    return tuple(findings)


def _decided(documents: Mapping[str, bytes]) -> Sources:
    return read_sources(
        {path: content for path, content in documents.items() if path.startswith(_FOLDERS)}
    )


def _late(
    source: Source[DecisionsShape], known: int, keys: Mapping[KeyId, KeyShape], now: datetime
) -> Iterator[Finding]:
    """Find new decisions whose key may not sign any more: their day is the signer's word alone."""
    for number, decision in enumerate(source.written.decisions[known:], start=known):
        key = keys.get(decision.key_id)
        if key is None:
            continue  # the linter says so
        ends = [end for end in (key.valid_to, key.revoked_at) if end is not None]
        if any(end <= now for end in ends):
            place = source.document.place(("decisions", number, "key_id"))
            told = {"key_id": key.key_id, "end": min(ends).astimezone(UTC)}
            yield finding_at(place, "error.decision.old_key", **told)
