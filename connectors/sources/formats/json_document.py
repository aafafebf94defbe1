"""One JSON document that is a list of objects, as exporters of open data write it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from bus.client import detect
from connectors.source import Bad, Cell, Row
from connectors.sources.formats.found import Rows, Unreadable
from connectors.sources.formats.options import FileOptions
from connectors.texts import message

SIZE_BYTES_MAX: Final = 64 * 2**20
"""It is wholly in memory while its rows are read; JSON Lines are not."""


def read_json_document(path: Path, name: str, options: FileOptions) -> Rows:
    """Read each object of the list.

    Raises:
        Unreadable: It is too large, no JSON, or no list.
    """
    size = path.stat().st_size
    if size > SIZE_BYTES_MAX:
        raise Unreadable(message("folder.json_large", size=size, size_max=SIZE_BYTES_MAX))
    content = path.read_bytes()
    encoding = options.encoding or detect(content).encoding
    try:
        text = content.decode(encoding).removeprefix("\ufeff")
        rows = json.loads(text, object_pairs_hook=_object, parse_constant=_refused)
    except (ValueError, RecursionError) as problem:
        raise Unreadable(message("folder.json_broken", problem=problem)) from problem
    if not isinstance(rows, list):
        raise Unreadable(message("folder.json_no_list"))
    for number, row in enumerate(rows, start=1):
        place = f"{name}:{number}"
        if isinstance(row, dict) and row:
            yield Row({column: _cell(value) for column, value in row.items()}, place=place)
        else:
            raw = json.dumps(row, ensure_ascii=False)
            yield Bad(raw=raw, why=message("folder.json_no_object"), place=place)


def _cell(value: Cell) -> Cell:
    return value.strip() or None if isinstance(value, str) else value


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(next(name for name in names if names.count(name) > 1))
    return found


def _refused(name: str) -> object:
    raise ValueError(name)
