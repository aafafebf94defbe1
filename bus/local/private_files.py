"""Files and folders whose owner and mode are part of the promise."""

import os
import secrets
import stat
from pathlib import Path

from bus.errors import DocumentError
from bus.local.owner import Owner
from bus.texts import message

OWNER_ONLY_FILE = 0o600
OWNER_ONLY_FOLDER = 0o700
READABLE_FILE = 0o644
READABLE_FOLDER = 0o755

_PASSWORD_BYTES = 32


def write_file(
    path: Path, text: str, *, mode: int = OWNER_ONLY_FILE, owner: Owner | None = None
) -> None:
    """Replace a file at once: a reader sees the old text or the new one, never a part."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        os.fchmod(descriptor, mode)  # Why: the umask may have taken bits away.
        if owner is not None and owner.uid != os.geteuid():
            os.fchown(descriptor, owner.uid, owner.gid)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def make_folder(path: Path, *, mode: int = OWNER_ONLY_FOLDER, owner: Owner | None = None) -> None:
    """Create a folder, or confirm that an existing one is ours.

    Args:
        path: The folder; its parents are created as the caller's.
        mode: Set exactly, whatever the umask.
        owner: Whose it must be; the caller's if None.

    Raises:
        DocumentError: Somebody else's folder, or no folder, is in this place.
    """
    wanted = owner or Owner.caller()
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.mkdir(mode=OWNER_ONLY_FOLDER)
    except FileExistsError:
        refuse_foreign(path, wanted)
    else:
        if wanted.uid != os.geteuid():
            os.chown(path, wanted.uid, wanted.gid, follow_symlinks=False)
    path.chmod(mode)


def refuse_foreign(path: Path, owner: Owner) -> None:
    """Confirm that an existing folder belongs to a user.

    Raises:
        DocumentError: It is somebody else's, or no folder.
    """
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise DocumentError(message("error.local.not_a_folder", path=path))
    if found.st_uid != owner.uid:
        raise DocumentError(
            message(
                "error.local.foreign_folder",
                path=path,
                found=found.st_uid,
                expected=owner.uid,
                user=owner.name,
            )
        )


def ensure_password(path: Path) -> str:
    """Return the password in a file, generating it the first time."""
    if not path.exists():
        write_file(path, secrets.token_urlsafe(_PASSWORD_BYTES))
    return path.read_text(encoding="utf-8").strip()
