"""Enrolling a system: a password that Kafka knows and a key that the catalogue knows.

Where the platform's own certificate authority is here, a certificate over that key too.

The files under the installation's home are the truth. Enrolling again keeps them, mends their
modes, writes a lost public document anew and sets the password on the cluster again: Kafka tells
nobody which password it holds, so setting it is the only way to be sure of it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not in its __all__
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from bus.access.credentials import (
    audit_key_file,
    certificate_file,
    key_id_of,
    key_numbers,
    load_credentials,
    load_password,
    load_signing_key,
    password_file,
    private_key_file,
    public_key_file,
    public_key_numbers,
    system_folder,
)
from bus.access.secret_file import OWNER_ONLY_FILE, make_private_folder, write_once
from bus.catalogue.documents import render_key
from bus.catalogue.parties import BUS, SigningKey
from bus.catalogue.shapes import is_delegated_key
from bus.errors import DocumentError
from bus.kafka.administration import REQUEST_TIMEOUT_S, Administration, settled, wait_for_effect
from bus.local.certificates import ensure_system_certificate
from bus.local.layout import Layout
from bus.model.identifiers import KeyId, SystemCode
from bus.process.replacing import replace_file
from bus.texts import message

PASSWORD_BYTES: Final = 32
"""Of chance, before they are written as text."""
AUDIT_KEY_BYTES: Final = 32
_ITERATIONS: Final = 8_192
"""Enough for a password that nobody can guess; the clients pay them at each connection."""
_READABLE_FOLDER: Final = 0o755


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """What enrolling one system came to."""

    system: SystemCode
    key_id: KeyId
    """Of the key that it signs with."""
    is_new_key: bool
    was_known: bool
    """Whether the cluster had a user of this name before."""


def enrol(home: Path, admin: Administration, system: SystemCode, now: datetime) -> Enrolment:
    """Enrol one system; see `enrol_all`."""
    return enrol_all(home, admin, (system,), now)[0]


def enrol_all(
    home: Path, admin: Administration, systems: Iterable[SystemCode], now: datetime
) -> tuple[Enrolment, ...]:
    """Give systems their way in, and return when the cluster knows them.

    Args:
        home: Folder of the installation.
        admin: Of a user that may administer users.
        systems: Codes, each once; `bus` for the bus itself.
        now: Aware; the start of its day (UTC) is the start of a new key's validity.

    Returns: In the order of `systems`.

    Raises:
        Unavailable: Kafka does not answer.
        DocumentError: A system is named like a super user, or a file can't be read.
    """
    enrolled = tuple(systems)
    if not enrolled:
        return ()
    for system in enrolled:
        # Why: setting the administrator's password here would lock the administrator out.
        if system in admin.super_users:
            raise DocumentError(message("error.access.system_is_super_user", system=system))
    known = _known_users(admin)
    if BUS in enrolled:
        _ensure_audit_key(home)
    for system in enrolled:
        _ensure_password(home, system)
    enrolments = tuple(
        Enrolment(
            system=system,
            is_new_key=_ensure_key(home, system, now),
            key_id=load_credentials(home, system, now).key_id,
            was_known=system in known,
        )
        for system in enrolled
    )
    _set_passwords(home, admin, enrolled)
    return enrolments


def admit(home: Path, admin: Administration, principal: SystemCode) -> None:
    """Give a Kafka user its password, and no key: one that signs nothing under its own name.

    Raises: as `enrol_all`.
    """
    _ensure_password(home, principal)
    _set_passwords(home, admin, (principal,))


def dismiss(admin: Administration, systems: Iterable[SystemCode]) -> tuple[SystemCode, ...]:
    """Let systems log in no more; connections that stand may do what their rights let them.

    Args:
        admin: Of a user that may administer users.
        systems: Codes; who is unknown to the cluster already is passed over.

    Returns: Those that the cluster knew.

    Raises:
        Unavailable: Kafka does not answer.
        DocumentError: Kafka refuses.
    """
    known = _known_users(admin)
    wanted = tuple(system for system in systems if system in known)
    if not wanted:
        return ()
    answers = admin.client.alter_user_scram_credentials(
        [UserScramCredentialDeletion(system, ScramMechanism.SCRAM_SHA_512) for system in wanted],
        request_timeout=REQUEST_TIMEOUT_S,
    )
    for system, answer in answers.items():
        settled(answer, message("doing.access.removing_password", system=system))
    return wanted


def _ensure_password(home: Path, system: SystemCode) -> None:
    make_private_folder(system_folder(home, system), inside=home)
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    write_once(password_file(home, system), password.encode())


def _ensure_audit_key(home: Path) -> None:
    make_private_folder(system_folder(home, BUS), inside=home)
    write_once(audit_key_file(home), secrets.token_bytes(AUDIT_KEY_BYTES))


def _ensure_key(home: Path, system: SystemCode, now: datetime) -> bool:
    """Make a key where there is none, and the public documents of those that lack it.

    The document is what the catalogue trusts, so one that is there is never touched: it may say
    that the key was revoked. The key of one whose secret was lost keeps its number too, for what
    it signed must stay provable.
    """
    day = begin_of_day(now)
    numbers = key_numbers(home, system)
    if numbers:
        for number in numbers:
            _publish_key(home, system, number, day)
            _certify(home, system, number, now)
        return False
    number = max(public_key_numbers(home, system), default=0) + 1
    return make_key(home, system, number, valid_from=day)


def begin_of_day(now: datetime) -> datetime:
    """Give the beginning of a day, UTC, from which a first key is valid.

    Why not `now`: the brokers' clock, by which signatures are judged, may be behind ours.
    """
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def make_key(home: Path, system: SystemCode, number: int, *, valid_from: datetime) -> bool:
    """Make a system's signing key and the document of its public half.

    Args:
        home: Folder of the installation.
        system: Whose.
        number: From 1, higher than those of its other keys.
        valid_from: Aware; included.

    Returns: Whether it is new; False where another process has just made it.
    """
    is_new = write_once(private_key_file(home, system, number), new_private_key())
    _publish_key(home, system, number, valid_from)
    _certify(home, system, number, valid_from)
    return is_new


def _publish_key(home: Path, system: SystemCode, number: int, valid_from: datetime) -> None:
    path, key_id = private_key_file(home, system, number), key_id_of(system, number)
    path.chmod(OWNER_ONLY_FILE)
    document = public_key_file(home, key_id)
    if not document.exists():
        write_public_half(document, path, key_id, system, valid_from)


def _certify(home: Path, system: SystemCode, number: int, now: datetime) -> None:
    if system == BUS:
        return  # which asks the gateway for nothing
    public_key = load_signing_key(private_key_file(home, system, number)).public_key()
    certificate = certificate_file(home, system, number)
    ensure_system_certificate(Layout.of(home), certificate, system, public_key, now)


def write_public_half(
    document: Path, private: Path, key_id: KeyId, system: SystemCode, valid_from: datetime
) -> None:
    """Write the catalogue's document of a private key.

    Args:
        document: To write.
        private: File of the private key.
        key_id: Of both halves; one with a delegated key's name says so in its document.
        system: Whose key it is.
        valid_from: Aware; included.

    Raises:
        DocumentError: The private key can't be read.
    """
    key = SigningKey(
        key_id=key_id,
        system=system,
        algorithm="ed25519",
        public_key=load_signing_key(private).public_key().public_bytes_raw(),
        valid_from=valid_from,
        valid_to=None,
        revoked_at=None,
        is_delegated=is_delegated_key(key_id),
    )
    document.parent.mkdir(mode=_READABLE_FOLDER, parents=True, exist_ok=True)
    replace_file(document, render_key(key))


def new_private_key() -> bytes:
    """Make a signing key, as PEM."""
    return Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )


def _known_users(admin: Administration) -> frozenset[str]:
    answer = admin.client.describe_user_scram_credentials(request_timeout=REQUEST_TIMEOUT_S)
    assert isinstance(answer, Future), "one answer for all users"
    return frozenset(settled(answer, message("doing.access.reading_users")))


def _set_passwords(home: Path, admin: Administration, systems: tuple[SystemCode, ...]) -> None:
    scram = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, _ITERATIONS)
    passwords = {system: load_password(home, system) for system in systems}
    answers = admin.client.alter_user_scram_credentials(
        [
            UserScramCredentialUpsertion(system, scram, password.encode())
            for system, password in passwords.items()
        ],
        request_timeout=REQUEST_TIMEOUT_S,
    )
    for system, answer in answers.items():
        settled(answer, message("doing.access.setting_password", system=system))
    wait_for_effect(
        lambda: sorted(frozenset(systems) - _known_users(admin)),
        lambda left, wait_s: message(
            "error.access.password_without_effect", systems=", ".join(left), wait_s=wait_s
        ),
    )
