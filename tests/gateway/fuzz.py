"""Calls drawn from the gateway's own OpenAPI document, with every check that schemathesis has.

As three roles: the provider of a dataset, a consumer of it, and a stranger without a certificate.
`python -m tests.gateway.fuzz --calls 5000` does it at length against a platform of its own, and
prints one line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bus.access.credentials import certificate_file, private_key_file
from bus.gateway.described import ENDPOINTS
from bus.gateway.process import serving
from bus.local import reset, up
from bus.model.identifiers import SystemCode
from bus.wiring import Installation
from tests.gateway.asking import HEALTH, PROVIDER
from tests.gateway.hostile import installed

ROLES: Final[dict[str, SystemCode | None]] = {
    "provider": PROVIDER,
    "consumer": HEALTH,
    "stranger": None,
}
_CONFIG: Final = Path(__file__).parent / "schemathesis.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fuzzed:
    """What one role met."""

    calls: int
    statuses: dict[str, int]
    is_sound: bool
    told: str


async def fuzz(installation: Installation, role: str, examples: int, seed: int) -> Fuzzed:
    """Call every request of the document, in ways that it allows and in ways that it does not.

    Args:
        installation: Whose gateway is served.
        role: Of `ROLES`.
        examples: At most, for each request and way of drawing them.
        seed: Of chance.
    """
    system, door = ROLES[role], installation.gateway_as(PROVIDER)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.ndjson"
        command = [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(_CONFIG), "run"),
            *(f"{door.url}/openapi.json", "--checks", "all", "--tls-verify", str(door.ca_file)),
            *("--max-examples", str(examples), "--seed", str(seed), "--continue-on-failure"),
            *("--report", "ndjson", "--report-ndjson-path", str(report), "--no-color"),
        ]
        if system is not None:
            home = installation.home
            command += ["--request-cert", str(certificate_file(home, system, 1))]
            command += ["--request-cert-key", str(private_key_file(home, system, 1))]
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        told, _ = await process.communicate()
        statuses = _statuses(report) if report.exists() else Counter()
    return Fuzzed(
        calls=statuses.total(),
        statuses=dict(sorted(statuses.items())),
        is_sound=process.returncode == 0 and not any(one.startswith("5") for one in statuses),
        told=told.decode(errors="replace"),
    )


def _statuses(report: Path) -> Counter[str]:
    """Count the answers that a report tells of, by status."""
    found = Counter[str]()

    def look(part: object) -> None:
        if isinstance(part, dict):
            status = part.get("status_code")
            if isinstance(status, int) and "headers" in part:
                found[str(status)] += 1
            for inner in part.values():
                look(inner)
        elif isinstance(part, list):
            for inner in part:
                look(inner)

    with report.open(encoding="utf-8") as lines:
        for line in lines:
            look(json.loads(line))
    return found


async def _everything(home: Path, calls: int, seed: int) -> dict[str, object]:
    installation = await installed(home)
    found: dict[str, object] = {}
    total, is_sound = 0, True
    async with serving(installation):
        for role in ROLES:
            examples = max(1, calls // len(ROLES) // len(ENDPOINTS))
            fuzzed = await fuzz(installation, role, examples, seed)
            total, is_sound = total + fuzzed.calls, is_sound and fuzzed.is_sound
            found[role] = {"calls": fuzzed.calls, "statuses": fuzzed.statuses}
            if not fuzzed.is_sound:
                sys.stderr.write(fuzzed.told)
    return {"calls": total, "sound": is_sound, **found}


def main() -> None:
    """Call at length; exit 1 where an answer was not as the document says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="bus-fuzz-"))
    up(home)
    try:
        found = asyncio.run(_everything(home, chosen.calls, chosen.seed))
    finally:
        reset(home)
    print(json.dumps(found))  # noqa: T201 - the command's result
    sys.exit(0 if found["sound"] else 1)


if __name__ == "__main__":
    main()
