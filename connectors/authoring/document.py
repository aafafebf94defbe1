"""A connector's document, begun: every setting of its kind of source, required ones first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from bus.errors import DocumentError
from connectors.describing import Setting, described
from connectors.documents import source_of_kind
from connectors.texts import message

_HEAD: Final = """\
# A connector: `bus connector check {name}`, then `bus connector run {name}`.
connector: {name}
source: {kind}
system: {system}
dataset: {dataset}
# mapping: {name}.mapping.yaml    # beside this file, where columns have other names than fields
# rate_per_s: 500
# again_s: 5
config:
"""


def write_document(name: str, folder: Path, *, kind: str, system: str, dataset: str) -> Path:
    """Write it.

    Args:
        name: Of the connector.
        folder: Of connectors' documents.
        kind: Of source.
        system: That publishes; empty: to be filled in.
        dataset: That it publishes; empty: to be filled in.

    Raises:
        DocumentError: There is one of that name, or no such kind of source.
    """
    settings = described(source_of_kind(kind))
    path = folder / f"{name}.yaml"
    if path.exists():
        raise DocumentError(message("connector.file_there", file=path))
    required = [one for one in settings if one.is_required]
    others = [one for one in settings if not one.is_required]
    lines = [*(_line(one) for one in required), *(f"# {_line(one)}" for one in others)]
    head = _HEAD.format(
        name=name, kind=kind, system=system or "TODO-system", dataset=dataset or "TODO-dataset"
    )
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(head + "".join(f"  {line}\n" for line in lines), encoding="utf-8")
    return path


def _line(setting: Setting) -> str:
    if setting.type == "secret":
        value = f"{{env: {setting.name.upper()}}}"
    elif setting.is_required:
        value = json.dumps(f"TODO {setting.type}")
    else:
        value = setting.default
    says = f"    # {setting.says}" if setting.says else ""
    return f"{setting.name}: {value}{says}"
