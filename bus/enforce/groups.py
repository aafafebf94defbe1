"""Records that are taken together or not at all: what one member's fate does to the others.

Where the run of a group is not whole, or one member is refused, no member goes on.
Source: ADR-0013.
"""

from __future__ import annotations

from collections.abc import Sequence

from bus.model.record import Group
from bus.model.verdict import Accepted, Quarantined, Reason, Verdict
from bus.wire.groups import GROUP_BYTES_MAX, units
from bus.wire.headers import group_of, headers_bytes


def judge_groups(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Let the members of each group stand or fall together.

    Args:
        verdicts: On the records of one topic-partition, in offset order, each judged for itself.

    Returns: The same, but that accepted members of a group that is not whole, is too large or has
        a refused member are set aside with that reason. A record that was refused keeps its own.
    """
    groups = [_group(verdict) for verdict in verdicts]
    if not any(groups):
        return list(verdicts)
    judged: list[Verdict] = []
    for unit in units(verdicts, groups):
        refusal = None if groups[len(judged)] is None else _refusal(unit, groups[len(judged)])
        judged += unit if refusal is None else [_set_aside(one, refusal) for one in unit]
    return judged


def _group(verdict: Verdict) -> Group | None:
    if isinstance(verdict, Accepted):
        return verdict.envelope.group
    return group_of(verdict.raw.headers)


def _refusal(unit: Sequence[Verdict], first: Group | None) -> Reason | None:
    if first is None or first.index != 0 or len(unit) != first.size:
        return Reason.GROUP_INCOMPLETE
    if sum(map(_size_bytes, unit)) > GROUP_BYTES_MAX:
        return Reason.GROUP_TOO_LARGE
    if any(isinstance(one, Quarantined) for one in unit):
        return Reason.GROUP_REFUSED
    return None


def _size_bytes(verdict: Verdict) -> int:
    raw = verdict.raw
    return len(raw.key or b"") + len(raw.value or b"") + headers_bytes(raw.headers)


def _set_aside(verdict: Verdict, reason: Reason) -> Verdict:
    if isinstance(verdict, Quarantined):
        return verdict
    return Quarantined(
        raw=verdict.raw,
        agency=verdict.envelope.agency,
        dataset=verdict.dataset,
        reason=reason,
        path="bus_group",
    )
