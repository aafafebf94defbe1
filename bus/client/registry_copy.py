"""A consumer's copy of a dataset, kept right by the data fund's own rules. Pure, in memory.

Records may come in any order and any number of times: the copy depends on the set of them alone,
as `bus.merge` says. So a copy that has what the fund has says what the fund says.

A standing view has nothing to merge: the fund has done it. Of each entry the record with the
highest number says all, be it that the row stands or that it left.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeAlias

from bus.client.delivered import DeliveredRecord, as_text
from bus.errors import DocumentError
from bus.merge import EMPTY_ENTRY, Entry, Outcome, Version, merge_entries
from bus.model.identifiers import AgencyCode, DatasetCode
from bus.model.record import Operation, Presence
from bus.texts import message

_Name: TypeAlias = tuple[AgencyCode, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiedEntry:
    """One registry entry as a copy has it; of a standing view only what stands."""

    current: DeliveredRecord | None
    """The highest version that is not annulled; None: nothing stands."""
    ceased_by: DeliveredRecord | None
    """The cease in force; None: the entry is alive."""
    history: tuple[DeliveredRecord, ...]
    """Every version that has its predecessors, lowest first; annulled ones among them."""
    held: tuple[DeliveredRecord, ...]
    """Versions whose predecessor has not come; they join by themselves when it does."""


class RegistryCopy:
    """All that was delivered of one dataset, merged entry by entry.

    Example:
        copy = RegistryCopy(dataset)
        async for records in subscriber.groups():
            copy.apply_together(records)
        standing = copy.entry(agency, key)
    """

    def __init__(self, dataset: DatasetCode) -> None:
        """Begin empty."""
        self.dataset = dataset
        self._entries: dict[tuple[AgencyCode, str], Entry] = {}
        self._held_groups: dict[str, set[_Name]] = {}
        self._records: dict[tuple[AgencyCode, str], dict[int, DeliveredRecord]] = {}
        self._rows: dict[_Name, dict[str, DeliveredRecord]] = {}
        """Of standing views, by topic: what came last of an entry. That a row left is kept, without
        its values, so that an earlier record which comes again does not bring it back."""

    def __len__(self) -> int:
        """Count entries, whether anything of them stands or not, but for rows that left."""
        return sum(1 for _ in self)

    def __iter__(self) -> Iterator[tuple[AgencyCode, str]]:
        """Give agency and key of every entry, in the order in which they first came."""
        yield from self._entries
        yield from (name for name in self._rows if name not in self._entries and self._row(name))

    def apply(self, record: DeliveredRecord) -> Outcome:
        """Take a record in.

        Returns: What became of it; a repeat and a conflict change nothing.

        Raises:
            DocumentError: It is of another dataset.
            InvariantBroken: It names no predecessor though it is no create.
        """
        (outcome,) = self.apply_together([record])
        return outcome

    def apply_together(self, records: Sequence[DeliveredRecord]) -> tuple[Outcome, ...]:
        """Take in a record, or the members of a group, which join or wait together.

        Args:
            records: As `Subscriber.groups` gives them.

        Returns: What became of each.

        Raises: as `apply`; nothing is taken in then.
        """
        for record in records:
            if record.dataset != self.dataset:
                raise DocumentError(
                    message(
                        "error.client.other_dataset",
                        record_id=record.record_id,
                        found=record.dataset,
                        expected=self.dataset,
                    )
                )
        if isinstance(records[0].operation, Presence):
            return tuple(map(self._apply_row, records))
        group = str(records[0].position) if len(records) > 1 else None
        arrivals = [((one.agency, one.key), _version(one, group)) for one in records]
        names = self._tied({name: None for name, _ in arrivals})
        outcomes, merged = merge_entries(
            {name: self._entries.get(name, EMPTY_ENTRY) for name in names}, arrivals
        )
        for record, (name, _), outcome in zip(records, arrivals, outcomes, strict=True):
            if outcome in {Outcome.INSERTED, Outcome.HELD}:
                self._records.setdefault(name, {})[record.version] = record
                if group is not None and outcome is Outcome.HELD:
                    self._held_groups.setdefault(group, set()).add(name)
        self._entries |= {name: one.entry for name, one in merged.items() if name in self._records}
        return outcomes

    def _apply_row(self, record: DeliveredRecord) -> Outcome:
        rows = self._rows.setdefault((record.agency, record.key), {})
        known = rows.get(record.position.topic)
        if known is None or record.version > known.version:
            rows[record.position.topic] = record
            return Outcome.INSERTED
        is_other = record.version == known.version and record.record_id != known.record_id
        return Outcome.CONFLICT if is_other else Outcome.REPEAT

    def _row(self, name: _Name) -> DeliveredRecord | None:
        """Give what stands of an entry in a standing view, the first where several have it."""
        rows = self._rows.get(name, {}).values()
        return next((row for row in rows if row.operation is Presence.STANDS), None)

    def _tied(self, names: dict[_Name, None]) -> dict[_Name, None]:
        """Name the entries too in which groups wait that wait in these."""
        found, looked_at = dict(names), 0
        while looked_at < len(found):
            name = list(found)[looked_at]
            looked_at += 1
            for row in self._entries.get(name, EMPTY_ENTRY).held.values():
                found |= dict.fromkeys(self._held_groups.get(str(row.group), ()))
        return found

    def entry(self, agency: AgencyCode, key: str) -> CopiedEntry | None:
        """Tell all that is known of an entry; None where nothing came of it."""
        merged = self._entries.get((agency, key))
        if merged is None:
            row = self._row((agency, key))
            return None if row is None else _standing(row)
        records = self._records[agency, key]
        return CopiedEntry(
            current=None if merged.current is None else records[merged.current],
            ceased_by=None if merged.ceased_by is None else records[merged.ceased_by],
            history=tuple(records[version] for version in sorted(merged.versions)),
            held=tuple(records[version] for version in sorted(merged.held)),
        )

    def records(self, agency: AgencyCode, key: str) -> tuple[DeliveredRecord, ...]:
        """Give all that has to be kept of an entry so that a copy can be built of it again.

        Versions, be they annulled or held, and of each standing view what came last.
        """
        name = (agency, key)
        return (*self._records.get(name, {}).values(), *self._rows.get(name, {}).values())

    def current(self) -> Iterator[DeliveredRecord]:
        """Give what stands of every entry of which something does, ceased ones among them.

        An entry that several standing views show comes once for each.
        """
        for name, merged in self._entries.items():
            if merged.current is not None:
                yield self._records[name][merged.current]
        for rows in self._rows.values():
            yield from (row for row in rows.values() if row.operation is Presence.STANDS)

    def has(self, record: DeliveredRecord) -> bool:
        """Tell whether this very version is in the copy, held or not."""
        known = self._records.get((record.agency, record.key), {}).get(record.version)
        return known is not None and known.record_id == record.record_id


def _standing(row: DeliveredRecord) -> CopiedEntry:
    return CopiedEntry(current=row, ceased_by=None, history=(row,), held=())


def _version(record: DeliveredRecord, group: str | None) -> Version:
    return Version(
        version=record.version,
        record_id=record.record_id,
        operation=Operation(record.operation),
        supersedes=record.supersedes,
        content=_content(record),
        group=group,
    )


def _content(record: DeliveredRecord) -> bytes:
    """Digest the values. Why not the bytes: of a view, another mask has other bytes."""
    text = json.dumps(dict(record.fields), ensure_ascii=False, sort_keys=True, default=as_text)
    return sha256(text.encode(errors="surrogatepass")).digest()
