"""How a contract grows by a field, in text."""

from __future__ import annotations

from pathlib import Path
from typing import Final

MOTTO: Final = """\
      - name: motto
        businessName: Девиз
        logicalType: string
        classification: public
        quality:
          - id: motto-length
            type: custom
            engine: bus
            implementation:
              kind: length
              minimum: 3
              maximum: 40
              text:
                ru: Девиз - от 3 до 40 знаков
                en: A motto has 3 to 40 characters
      - name: website
"""
"""A property with a rule of its own, in place of the line that begins the property `website`."""


def edit(path: Path, old: str, new: str) -> None:
    """Replace a text that stands once in a file."""
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, (path, old)
    path.write_text(text.replace(old, new), encoding="utf-8")
