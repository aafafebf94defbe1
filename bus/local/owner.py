"""Who an engine runs as."""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

_UNPRIVILEGED_USER = "nobody"
_ROOT_UID = 0


@dataclass(frozen=True, slots=True)
class Owner:
    """A user of the machine."""

    name: str
    uid: int
    gid: int

    @classmethod
    def caller(cls) -> "Owner":
        """The user that runs this process."""
        uid = os.geteuid()
        try:
            name = pwd.getpwuid(uid).pw_name
        except KeyError:  # a container may run under a number that has no name
            name = str(uid)
        return cls(name, uid, os.getegid())

    @classmethod
    def of_postgres(cls) -> "Owner":
        """The caller, or ``nobody`` when root calls, since PostgreSQL refuses root."""
        if os.geteuid() != _ROOT_UID:
            return cls.caller()
        entry = pwd.getpwnam(_UNPRIVILEGED_USER)
        return cls(entry.pw_name, entry.pw_uid, entry.pw_gid)

    def can_reach(self, folder: Path) -> bool:
        """Whether this user may enter a folder and each folder above it; what is missing counts."""
        existing = [f for f in (folder, *folder.parents) if f.exists()]
        return all(self._may_enter(f.stat()) for f in existing)

    def _may_enter(self, found: os.stat_result) -> bool:
        if found.st_uid == self.uid:
            return bool(found.st_mode & stat.S_IXUSR)
        if found.st_gid == self.gid:
            return bool(found.st_mode & stat.S_IXGRP)
        return bool(found.st_mode & stat.S_IXOTH)
