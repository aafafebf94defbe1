"""Connectors for the time of a block, and the files in a folder that one reads."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import yaml

from bus.wiring import Installation
from tests.factories import ROOT


@asynccontextmanager
async def connected(
    installation: Installation, name: str, document: Mapping[str, object]
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Write the document of a connector and run it; it ends as it does when it is told to."""
    folder = installation.home / "connectors"
    folder.mkdir(exist_ok=True)
    content = yaml.safe_dump({"connector": name, **document})
    (folder / f"{name}.yaml").write_text(content, encoding="utf-8")
    log = installation.home / "log" / f"{name}.log"
    log.parent.mkdir(exist_ok=True)
    with log.open("ab") as file:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", "from bus.cli.main import run; run()"),
            *("--home", str(installation.home), "connector", "run", name),
            cwd=ROOT,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def villages(folder: Path, name: str, more: Sequence[str] = ()) -> Mapping[str, object]:
    """Write twenty municipalities into a folder; give the document of a connector that reads it.

    Args:
        folder: To be made.
        name: What their registry numbers begin with.
        more: Lines that are none of its rows.
    """
    folder.mkdir()
    rows = [
        {"registry_number": f"{name}-{number}", "oktmo": "36701000", "name": "Село"}
        for number in range(20)
    ]
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (folder / "villages.jsonl").write_text("\n".join([*lines, *more]), encoding="utf-8")
    return {
        "source": "folder",
        "system": "territory-registry",
        "dataset": "municipalities",
        "again_s": 1,
        "config": {"folder": str(folder), "settle_s": 0.1},
    }
