"""The password of a consumer's mart: made once, kept in a file, known to PostgreSQL as a digest.

::

    <home>/secrets/marts/<agency>/     0700
        password                       0600

The file is the truth, as with systems: asked again, the same password is set again.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql

from bus.access.secret_file import make_private_folder, write_once
from bus.errors import DocumentError
from bus.marts.reading import mark_of, read_place
from bus.marts.reconcile import QUERIES
from bus.marts.wanted import role_of
from bus.model.identifiers import AgencyCode
from bus.postgres.session import Session, translated
from bus.texts import message

PASSWORD_BYTES: Final = 32
"""Of chance, before they are written as text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MartLogin:
    """With what a consumer logs in to its mart."""

    agency: AgencyCode
    role: str
    database: str
    password_file: Path
    is_new: bool


def mart_password_file(home: Path, agency: AgencyCode) -> Path:
    """File of the password of a consumer's mart."""
    return home / "secrets" / "marts" / agency / "password"


async def set_mart_password(session: Session, home: Path, agency: AgencyCode) -> MartLogin:
    """Give the role of a mart the password in its file, which is made if there is none.

    Args:
        session: To the data fund.
        home: Folder of the installation.
        agency: A consumer that has a mart.

    Raises:
        DocumentError: The role was not made yet, or the file can't be read.
        Unavailable: PostgreSQL does not answer.
    """
    role = role_of(agency)
    async with translated(message("doing.marts.password", role=role)):
        place = await read_place(session)
        known = await session.execute(QUERIES.get("own_role"), {"role": role})
        # Why the mark: a role that somebody else made is no mart's, and the bus removes it.
        if (mark_of(place.database),) not in await known.fetchall():
            raise DocumentError(message("error.marts.no_role", role=role))
    path = mart_password_file(home, agency)
    make_private_folder(path.parent, inside=home)
    is_new = write_once(path, secrets.token_urlsafe(PASSWORD_BYTES).encode())
    password = _read(path)
    # Why a digest: the statement may stand in the server's log.
    digest = session.pgconn.encrypt_password(password, role.encode(), b"scram-sha-256")
    fills = {"role": sql.Identifier(role), "verifier": sql.Literal(digest.decode())}
    async with translated(message("doing.marts.password", role=role)):
        try:
            await session.execute(QUERIES.get("set_password", **fills))
        except psycopg.errors.InsufficientPrivilege as problem:
            what = problem.diag.message_primary
            raise DocumentError(message("error.marts.not_allowed", problem=what)) from None
    return MartLogin(
        agency=agency, role=role, database=place.database, password_file=path, is_new=is_new
    )


def _read(path: Path) -> bytes:
    try:
        password = path.read_bytes().strip()
    except OSError as problem:
        raise DocumentError(
            message("error.access.file_unreadable", path=path, problem=problem.strerror)
        ) from problem
    if not password:
        raise DocumentError(message("error.wiring.password_empty", path=path))
    return password
