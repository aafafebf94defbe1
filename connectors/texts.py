"""Texts of connectors for people, in English and Russian: `texts.yaml` beside this file."""

from __future__ import annotations

from typing import Final

from bus.client import Texts

_TEXTS: Final = Texts("connectors", ("texts.yaml",))
text = _TEXTS.text
message = _TEXTS.message
finding_at = _TEXTS.finding_at


def all_texts() -> dict[str, dict[str, str]]:
    """Read them: key → language → text."""
    return {key: dict(said) for key, said in _TEXTS.all.items()}
