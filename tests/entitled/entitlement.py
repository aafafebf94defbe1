"""What an agreement gives, in words of its own: none of the bus's judgement is used here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from bus.catalogue.agreement import Agreement, Condition
from bus.model.record import Operation
from tests.entitled.histories import Entry, Sent


def is_in_force(agreement: Agreement, moment: datetime) -> bool:
    begins = datetime.combine(agreement.valid_from, time(), UTC)
    rests = any(
        one.begins <= moment and not (one.ends is not None and one.ends <= moment)
        for one in agreement.suspensions
    )
    return begins <= moment < end_of(agreement) and not rests


def end_of(agreement: Agreement) -> datetime:
    end = datetime.combine(agreement.valid_to, time(), UTC) + timedelta(days=1)
    return end if agreement.ending is None else min(end, agreement.ending.at)


def gives_row(agreement: Agreement, sent: Sent) -> bool:
    """Tell whether the agreement gives this version's row, whenever."""
    is_provider = agreement.providers is None or sent.envelope.agency in agreement.providers
    return is_provider and all(_holds(one, sent.fields.get(one.field)) for one in agreement.rows)


def gives_day(agreement: Agreement, sent: Sent) -> bool:
    """Tell whether the record came on the agreement's first day of history, or later."""
    return agreement.history_from is None or sent.came.date() >= agreement.history_from


def given_fields(agreement: Agreement, sent: Sent) -> dict[str, object]:
    """Give what of a record the agreement gives."""
    chosen = sent.fields if agreement.fields is None else agreement.fields
    return {name: value for name, value in sent.fields.items() if name in chosen}


def _holds(condition: Condition, value: object) -> bool:
    if value is None:
        return False
    match condition.op.value:
        case "equals" | "one_of":
            return _text(value) in condition.values
        case "prefix":
            return any(_text(value).startswith(one) for one in condition.values)
        case "territory":
            return any(_text(value).startswith(_stem(one)) for one in condition.values)
        case "at_least":
            return _compared(value, condition.values[0]) >= 0
        case "at_most":
            return _compared(value, condition.values[0]) <= 0
        case other:
            raise AssertionError(other)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _stem(code: str) -> str:
    """Leave out the groups of three zeros at the end of a code: they stand for the whole."""
    return re.sub(r"(?<=..)(000)+$", "", code)


def _compared(value: object, limit: str) -> int:
    """Compare: below 0 where the value is less, 0 where the limit holds it, above 0 else."""
    match value:
        case datetime() if "T" in limit:
            bound: object = datetime.fromisoformat(limit)
        case datetime():
            value, bound = value.astimezone(UTC).date(), date.fromisoformat(limit)
        case date():
            bound = date.fromisoformat(limit)
        case _:
            value, bound = Decimal(str(value)), Decimal(limit)
    return (value > bound) - (value < bound)  # type: ignore[operator]


def what_stands(records: Iterable[Sent]) -> Mapping[Entry, tuple[Sent, bool]]:
    """Say what stands of each entry by the words of ADR-0005, whatever the order of coming.

    Returns: Of each entry of which something stands: its current version, and whether the entry
        is ceased.
    """
    entries: dict[Entry, dict[int, Sent]] = {}
    for sent in records:
        entries.setdefault(sent.entry, {}).setdefault(sent.envelope.version, sent)
    found = {entry: _stands(list(versions.values())) for entry, versions in entries.items()}
    return {entry: stands for entry, stands in found.items() if stands is not None}


def _stands(versions: Sequence[Sent]) -> tuple[Sent, bool] | None:
    known = _joined(versions)
    annulled: set[str | None] = set()
    # An annulment counts unless it is annulled itself, which a higher version does.
    for sent in sorted(known, key=lambda one: -one.envelope.version):
        if sent.envelope.operation is Operation.ANNUL and sent.envelope.record_id not in annulled:
            annulled.add(sent.envelope.supersedes)
    left = [
        sent
        for sent in known
        if sent.envelope.record_id not in annulled
        and sent.envelope.operation is not Operation.ANNUL
    ]
    if not left:
        return None
    opened = _highest(left, Operation.CREATE)
    ceased = _highest(left, Operation.CEASE)
    return max(left, key=lambda one: one.envelope.version), ceased > opened


def _joined(versions: Sequence[Sent]) -> list[Sent]:
    """Leave out what waits for a predecessor: one that is there, and lower, and waits for none."""
    known: dict[str, Sent] = {}
    for sent in sorted(versions, key=lambda one: one.envelope.version):
        if sent.envelope.supersedes is None or sent.envelope.supersedes in known:
            known[sent.envelope.record_id] = sent
    return list(known.values())


def _highest(versions: Sequence[Sent], operation: Operation) -> int:
    chosen = [one.envelope for one in versions if one.envelope.operation is operation]
    return max((envelope.version for envelope in chosen), default=0)
