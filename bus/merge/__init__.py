"""What accepted records do to the registry entry they are versions of.

One rule for the data fund and for every consumer's copy. Its result depends on the set of records
and not on their order or number, with one exception: of two records that claim one version with
other content, the first seen stays and the later is a conflict.

Source: design of the bus, ADR-0005.
"""

from __future__ import annotations

from bus.merge.entry import (
    EMPTY_ENTRY,
    Entry,
    Merged,
    Outcome,
    Version,
    needs_whole_history,
    version_of,
)
from bus.merge.histories import merge, merge_entries, standing

__all__ = [
    "EMPTY_ENTRY",
    "Entry",
    "Merged",
    "Outcome",
    "Version",
    "merge",
    "merge_entries",
    "needs_whole_history",
    "standing",
    "version_of",
]
