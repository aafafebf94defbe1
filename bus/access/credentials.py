"""A system's way in: the password of its Kafka user and the key that it signs with.

::

    <home>/secrets/systems/<system>/    0700
        password                        0600  of the Kafka user of the system's name
        <system>.<n>.key                0600  Ed25519, PKCS8 PEM
        <system>.<n>.pem                0600  a certificate over that key, for the gateway
        audit.hmac                      0600  of the bus alone: seals what the audit log holds
    <home>/secrets/gateway/             0700
        <system>.gateway-<n>.key        0600  that the system delegated to the gateway
    <home>/keys/<key id>.yaml                 the public half, a document of the catalogue
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from bus.catalogue.documents import parse_key
from bus.catalogue.parties import BUS, SigningKey
from bus.catalogue.shapes import DELEGATED
from bus.errors import DocumentError
from bus.model.identifiers import KeyId, SystemCode
from bus.texts import message

USED_AFTER: Final = timedelta(minutes=10)
"""A new key signs nothing before: the catalogue has to know it, and clocks may differ."""
_SYSTEMS: Final = Path("secrets") / "systems"
_GATEWAY_KEYS: Final = Path("secrets") / "gateway"
_PUBLIC_KEYS: Final = Path("keys")


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemCredentials:
    """What one information system proves itself with."""

    principal: SystemCode
    """Kafka user."""
    password: str = field(repr=False)
    key_id: KeyId
    private_key: bytes = field(repr=False)
    """Ed25519 seed, 32 bytes."""


def load_credentials(home: Path, system: SystemCode, moment: datetime) -> SystemCredentials:
    """Read a system's password and the key that it signs with at a moment.

    Args:
        home: Folder of the installation.
        system: Enrolled there.
        moment: Aware.

    Raises:
        DocumentError: The system was not enrolled here, or a file can't be read.
    """
    password = load_password(home, system)
    numbers = key_numbers(home, system)
    if not numbers:
        raise _not_enrolled(system_folder(home, system), system)
    number = _signing_number(home, system, numbers, moment)
    path = private_key_file(home, system, number)
    return SystemCredentials(
        principal=system,
        password=password,
        key_id=key_id_of(system, number),
        private_key=_signing_key(path, _content(path, system)).private_bytes_raw(),
    )


def _signing_number(home: Path, system: SystemCode, numbers: list[int], moment: datetime) -> int:
    """Choose the newest key that has been valid for a while, else the oldest that is valid."""
    documents = {
        number: read_public_key(path)
        for number in numbers
        if (path := public_key_file(home, key_id_of(system, number))).exists()
    }
    valid = [number for number, key in documents.items() if _may_sign(key, moment)]
    settled = [number for number in valid if documents[number].valid_from + USED_AFTER <= moment]
    # Why the newest where none is valid: whoever checks the signature says what is wrong with it.
    return max(settled, default=min(valid, default=numbers[-1]))


def _may_sign(key: SigningKey, moment: datetime) -> bool:
    ends = [end for end in (key.valid_to, key.revoked_at) if end is not None]
    return key.valid_from <= moment and all(moment < end for end in ends)


def read_public_key(path: Path) -> SigningKey:
    """Read a key's document.

    Raises:
        DocumentError: It can't be read, or is none.
    """
    try:
        content = path.read_bytes()
    except OSError as problem:
        raise DocumentError(
            message("error.access.file_unreadable", path=path, problem=problem.strerror)
        ) from problem
    return parse_key(path.name, content)


def load_audit_key(home: Path) -> bytes:
    """Read the key of the audit log, 32 bytes.

    Raises:
        DocumentError: The bus was not enrolled here, or by a version that knew no audit log.
    """
    return _content(audit_key_file(home), BUS)


def load_password(home: Path, system: SystemCode) -> str:
    """Read the password of a Kafka user alone.

    Raises:
        DocumentError: The user was not enrolled here, or the file can't be read.
    """
    password = _content(password_file(home, system), system).decode().strip()
    if not password:
        raise _not_enrolled(system_folder(home, system), system)
    return password


def load_signing_key(path: Path) -> Ed25519PrivateKey:
    """Read a private key's file.

    Raises:
        DocumentError: It can't be read, or holds no Ed25519 key.
    """
    try:
        return _signing_key(path, path.read_bytes())
    except OSError as problem:
        raise DocumentError(
            message("error.access.file_unreadable", path=path, problem=problem.strerror)
        ) from problem


def system_folder(home: Path, system: SystemCode) -> Path:
    """Folder of one system's secrets."""
    return home / _SYSTEMS / system


def password_file(home: Path, system: SystemCode) -> Path:
    """File of the system's Kafka password."""
    return system_folder(home, system) / "password"


def audit_key_file(home: Path) -> Path:
    """File of the key that seals what the audit log holds."""
    return system_folder(home, BUS) / "audit.hmac"


def private_key_file(home: Path, system: SystemCode, number: int) -> Path:
    """File of one of the system's signing keys."""
    return system_folder(home, system) / f"{key_id_of(system, number)}.key"


def certificate_file(home: Path, system: SystemCode, number: int) -> Path:
    """File of the certificate over one of the system's signing keys."""
    return system_folder(home, system) / f"{key_id_of(system, number)}.pem"


def gateway_key_folder(home: Path) -> Path:
    """Folder of the private keys that systems delegated to the gateway."""
    return home / _GATEWAY_KEYS


def delegated_key_file(home: Path, key_id: KeyId) -> Path:
    """File of one private key that a system delegated to the gateway."""
    return gateway_key_folder(home) / f"{key_id}.key"


def delegated_key_id(system: SystemCode, number: int) -> KeyId:
    """Name a key that a system delegates; numbers count from 1."""
    return KeyId(f"{system}.{DELEGATED}{number}")


def public_key_file(home: Path, key_id: KeyId) -> Path:
    """Document with the public half of a signing key."""
    return home / _PUBLIC_KEYS / f"{key_id}.yaml"


def key_id_of(system: SystemCode, number: int) -> KeyId:
    """Name a system's key; numbers count from 1."""
    return KeyId(f"{system}.{number}")


def key_numbers(home: Path, system: SystemCode) -> list[int]:
    """Tell which signing keys of a system lie here, ascending."""
    return _numbers(system_folder(home, system), system, ".key")


def public_key_numbers(home: Path, system: SystemCode) -> list[int]:
    """Tell which of a system's keys have a public document here, ascending."""
    return _numbers(home / _PUBLIC_KEYS, system, ".yaml")


def _numbers(folder: Path, system: SystemCode, ending: str) -> list[int]:
    labels = (
        path.name.removeprefix(f"{system}.").removesuffix(ending)
        for path in folder.glob(f"{system}.*{ending}")
    )
    return sorted(int(label) for label in labels if label.isascii() and label.isdigit())


def _content(path: Path, system: SystemCode) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise _not_enrolled(path, system) from None
    except OSError as problem:
        raise DocumentError(
            message("error.access.secret_unreadable", path=path, problem=problem.strerror)
        ) from problem


def _not_enrolled(path: Path, system: SystemCode) -> DocumentError:
    return DocumentError(message("error.access.not_enrolled", system=system, path=path))


def _signing_key(path: Path, content: bytes) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(content, password=None)
    except (ValueError, TypeError) as problem:
        raise DocumentError(message("error.access.no_private_key", path=path)) from problem
    if not isinstance(key, Ed25519PrivateKey):
        kind = type(key).__name__
        raise DocumentError(message("error.access.other_key", path=path, kind=kind))
    return key
