"""Files for the owner's eyes only, each written once and never half."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

OWNER_ONLY_FILE: Final = 0o600
OWNER_ONLY_FOLDER: Final = 0o700


def make_private_folder(path: Path, *, inside: Path) -> None:
    """Create a folder that its owner alone may enter, or make an existing one so.

    Args:
        path: The folder.
        inside: A folder above it; what lies between the two is treated alike.
    """
    inside.mkdir(parents=True, exist_ok=True)
    between = [place for place in (path, *path.parents) if inside in place.parents]
    for place in reversed(between):
        place.mkdir(mode=OWNER_ONLY_FOLDER, exist_ok=True)
        place.chmod(OWNER_ONLY_FOLDER)


def write_once(path: Path, content: bytes) -> bool:
    """Write a secret unless there is one; what is there stays, and gets the right mode.

    Why by link: of two processes that write at once, both must go on with the same secret.

    Returns: Whether it was written.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY_FILE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.chmod(OWNER_ONLY_FILE)
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            path.chmod(OWNER_ONLY_FILE)
            return False
        return True
    finally:
        draft.unlink(missing_ok=True)
