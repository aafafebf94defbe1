"""Recognising a record that was delivered before, in bounded memory. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Container, Sequence
from typing import Final, Protocol

from bus.model.identifiers import RecordId
from bus.model.record import RawRecord
from bus.wire.record_id import is_record_id

WINDOW_RECORDS: Final = 32_768
"""Of one topic-partition. Enforcement that starts again writes again what it had on its way and
what it had not committed yet: eight batches of 2,000 records and a tenth of a second, so such a
repeat lies nearer than this. A later one has an older version, which `bus.merge` takes for one."""


class Identified(Protocol):
    """What is the same where it comes again."""

    @property
    def record_id(self) -> RecordId:
        """Equal in every repeat."""


class RecentIds:
    """The last ids of one topic-partition."""

    def __init__(self, size: int = WINDOW_RECORDS) -> None:
        """Begin with none.

        Args:
            size: Ids to remember, 1 at least; 100 bytes each.
        """
        self._size = size
        self._ids: OrderedDict[bytes, None] = OrderedDict()

    def is_repeat(self, record_id: RecordId) -> bool:
        """Tell whether the id is among the last ones, and remember it as the newest."""
        known = bytes.fromhex(record_id)
        if known in self._ids:
            self._ids.move_to_end(known)
            return True
        self._ids[known] = None
        if len(self._ids) > self._size:
            self._ids.popitem(last=False)
        return False

    def are_known(self, unit: Sequence[Identified], passed: Container[RecordId]) -> bool:
        """Tell whether all that is taken together was delivered before, and remember it.

        Why not one by one: a group of which one member is new has to come whole, or its reader
        would write half a correction, and nobody would say that it has ended.

        Args:
            unit: A record that stands alone, or the members of a group.
            passed: Ids that a first load gave already.
        """
        known = [self.is_repeat(one.record_id) or one.record_id in passed for one in unit]
        return all(known)

    def remember(self, raw: RawRecord) -> None:
        """Remember the id of a record that is not delivered; one without an id is passed over."""
        claimed = dict(raw.headers).get("ce_id", b"").decode("ascii", errors="replace")
        if is_record_id(claimed):
            self.is_repeat(RecordId(claimed))
