"""Prometheus and Alertmanager as Debian ships them: on PATH, or unpacked into the cache."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from bus.local.artifacts import default_cache

PACKAGES = ("prometheus", "prometheus-alertmanager")
TIMEOUT_S = 180


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """Where the four programs are."""

    prometheus: Path
    promtool: Path
    amtool: Path
    alertmanager: tuple[str, ...] | None
    """How to start it; None where it can't be."""


def find_tools() -> Tools | None:
    """Find them, fetch them where they are not, or give None where neither goes."""
    # Why not among what the product keeps: only tests use them.
    folder = default_cache().with_name("bus-test-tools")
    on_path = _of({name: shutil.which(name) for name in _PROGRAMS})
    return on_path or _in(folder) or (_in(folder) if _fetch(folder) else None)


_PROGRAMS = ("prometheus", "promtool", "amtool", "prometheus-alertmanager")


def _in(folder: Path) -> Tools | None:
    found = _of({name: shutil.which(name, path=str(folder / "usr/bin")) for name in _PROGRAMS})
    # Why: Debian's Alertmanager reads a file of its package under /usr/share, and can't be told
    # another place. It gets the unpacked one in a namespace of its own; no root is needed.
    seen_there = (
        *("unshare", "--user", "--map-root-user", "--mount", "sh", "-c"),
        *('mount --bind "$0" /usr/share && exec "$@"', str(folder / "usr/share")),
    )
    if found is None or found.alertmanager is None:
        return found
    if shutil.which("unshare") and _succeeds(*seen_there, "true"):
        return replace(found, alertmanager=(*seen_there, *found.alertmanager))
    return replace(found, alertmanager=None)


def _of(found: Mapping[str, str | None]) -> Tools | None:
    prometheus, promtool, amtool, alertmanager = (found[name] for name in _PROGRAMS)
    if not (prometheus and promtool and amtool and alertmanager):
        return None
    return Tools(
        prometheus=Path(prometheus),
        promtool=Path(promtool),
        amtool=Path(amtool),
        alertmanager=(alertmanager,),
    )


def _fetch(folder: Path) -> bool:
    """Unpack the packages beside the folder, then put all of it in place at once."""
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        return False
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        unpacked = Path(scratch) / "root"
        if not _succeeds("apt-get", "download", *PACKAGES, folder=scratch):
            return False
        for package in Path(scratch).glob("*.deb"):
            if not _succeeds("dpkg", "-x", str(package), str(unpacked)):
                return False
        with suppress(OSError):  # another process of the same run was faster
            unpacked.rename(folder)
    return True


def _succeeds(*command: str, folder: str | None = None) -> bool:
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=TIMEOUT_S)
    except (subprocess.SubprocessError, OSError):
        return False
    return True
