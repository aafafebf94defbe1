"""Mails that are to get a flag once their rows are on the bus."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path


class Flags:
    """Keeps their numbers in a file: a mail read before a kill gets its flag after it."""

    def __init__(self, spool: Path) -> None:
        """Take the connector's own folder."""
        self._file = spool / "to-flag.json"

    def add(self, validity: int, uid: int) -> None:
        """Keep one."""
        kept = self._read()
        if [validity, uid] not in kept:
            self._write([*kept, [validity, uid]])

    def up_to(self, validity: int, uid: int) -> Sequence[int]:
        """Give those up to a number, of one numbering."""
        return [one for of, one in self._read() if of == validity and one <= uid]

    def remove(self, uids: Sequence[int]) -> None:
        """Forget some."""
        self._write([one for one in self._read() if one[1] not in uids])

    def _read(self) -> list[list[int]]:
        try:
            kept: list[list[int]] = json.loads(self._file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []
        return kept

    def _write(self, kept: list[list[int]]) -> None:
        beside = self._file.with_suffix(".new")
        beside.write_text(json.dumps(kept), encoding="utf-8")
        os.replace(beside, self._file)  # noqa: PTH105 - both are paths, and the word says it
