"""A connector's document, begun: every setting of its kind, required ones first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from bus.errors import DocumentError
from connectors.describing import Setting, described
from connectors.documents import SINKS, kinds, sink_of_kind, source_of_kind
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
_SINK_HEAD: Final = """\
# A connector that receives: `bus connector check {name}`, then `bus connector run {name}`.
connector: {name}
sink: {kind}
system: {system}
dataset: {dataset}
# first_load: false    # begin with what the topics still hold, in place of all that the fund has
config:
"""


def write_document(name: str, folder: Path, *, kind: str, system: str, dataset: str) -> Path:
    """Write it.

    Args:
        name: Of the connector.
        folder: Of connectors' documents.
        kind: Of source or sink.
        system: That publishes or receives; empty: to be filled in.
        dataset: That it publishes or receives; empty: to be filled in.

    Raises:
        DocumentError: There is one of that name, or no such kind.
    """
    is_sink = kind in kinds(SINKS)
    settings = described((sink_of_kind(kind) if is_sink else source_of_kind(kind)).Config)
    path = folder / f"{name}.yaml"
    if path.exists():
        raise DocumentError(message("connector.file_there", file=path))
    required = [one for one in settings if one.is_required]
    others = [one for one in settings if not one.is_required]
    lines = [*(_line(one) for one in required), *(f"# {_line(one)}" for one in others)]
    head = (_SINK_HEAD if is_sink else _HEAD).format(
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
