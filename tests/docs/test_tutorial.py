"""The tutorial's commands, run in order by a shell, with what the page says that they print."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.factories import ROOT

PAGES = sorted((ROOT / "docs/tutorials").glob("*.md"))
TIMEOUT_S = 600
_BLOCK = re.compile(r"^```(sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def steps(page: Path) -> list[tuple[str, list[str]]]:
    """Each block of commands, and lines of which each must stand in what it prints."""
    found: list[tuple[str, list[str]]] = []
    for kind, content in _BLOCK.findall(page.read_text(encoding="utf-8")):
        if kind == "sh":
            found.append((content, []))
        elif found:
            found[-1][1].extend(content.splitlines())
    return found


def script(page: Path) -> str:
    parts = [f"echo '== {number}'\n{commands}" for number, (commands, _) in enumerate(steps(page))]
    return "set -eu\n" + "\n".join(parts)


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_every_command_of_the_tutorial_does_what_the_page_says(page: Path, tmp_path: Path) -> None:
    folder = Path(sys.executable).parent
    known = {name: value for name, value in os.environ.items() if not name.startswith("BUS_")}
    shell = subprocess.run(
        ["bash", "-c", script(page)],
        cwd=tmp_path,
        env={
            **known,
            "PATH": f"{folder}:{known['PATH']}",
            "COLUMNS": "200",
            "LANG": "C.UTF-8",
            "BUS_REGION": str(ROOT / "deploy/samara/region.yaml"),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,  # as at a terminal
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    try:
        assert shell.returncode == 0, shell.stdout
        printed = re.split(r"^== \d+\n", shell.stdout, flags=re.MULTILINE)[1:]
        for (commands, expected), output in zip(steps(page), printed, strict=True):
            for line in expected:
                assert line in output, f"{commands}\nprinted\n{output}"
    finally:
        subprocess.run(
            [str(folder / "bus"), "local", "reset", "--yes"],
            cwd=tmp_path,
            env={**known, "BUS_HOME": str(tmp_path / "mine/home")},
            capture_output=True,
            check=False,
            timeout=60,
        )
