"""The pages in docs/runbooks, and the commands that they tell people to type."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tests.factories import ROOT

FOLDER = ROOT / "docs/runbooks"
PAGES = sorted(FOLDER.glob("*.md"))
_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands(page: Path, heading: str = "") -> Iterator[str]:
    """Give each command of a page, or of the part below one heading."""
    content = page.read_text("utf-8")
    if heading:
        content = content.split(f"## {heading}\n")[1].split("\n## ")[0]
    for block in _BLOCK.findall(content):
        yield from block.strip().splitlines()
