"""An agency's document written down as YAML, and that it has left. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bus.catalogue.decision import moment_text
from bus.model.identifiers import is_code


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """An agency with its first information system, as its people name it."""

    agency: str
    name_ru: str
    name_en: str
    oktmo: str | None
    """Territory; None where it serves no single one."""
    system: str
    system_name_ru: str
    system_name_en: str
    provides: Sequence[str] = ()
    """Datasets with a contract that the system is to publish."""


def render_agency(newcomer: Newcomer) -> bytes:
    """Write the document of an agency that joins; what can't be a code is left to the linter."""
    lines = [
        f"agency: {_plain(newcomer.agency)}",
        "name:",
        f"  ru: {_quoted(newcomer.name_ru)}",
        f"  en: {_quoted(newcomer.name_en)}",
        *([] if newcomer.oktmo is None else [f"oktmo: {_quoted(newcomer.oktmo)}"]),
        "systems:",
        f"  - system: {_plain(newcomer.system)}",
        "    name:",
        f"      ru: {_quoted(newcomer.system_name_ru)}",
        f"      en: {_quoted(newcomer.system_name_en)}",
    ]
    if newcomer.provides:
        lines.append(f"    provides: [{', '.join(map(_plain, newcomer.provides))}]")
    return ("\n".join(lines) + "\n").encode()


def with_left_at(content: bytes, moment: datetime) -> bytes:
    """Add to an agency's document the moment from which it takes part no more."""
    return content.rstrip() + f"\nleft_at: {moment_text(moment)}\n".encode()


def without_left_at(content: bytes) -> bytes:
    """Give the document as it was before the agency left."""
    lines = content.splitlines(keepends=True)
    return b"".join(line for line in lines if not line.startswith(b"left_at:"))


def _plain(code: str) -> str:
    return code if is_code(code) else _quoted(code)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
