"""Homes of installations whose systems have secrets, without a cluster that knows them."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bus.access.credentials import key_id_of, password_file, private_key_file, public_key_file
from bus.catalogue.documents import render_key
from bus.catalogue.parties import SigningKey
from bus.model.identifiers import SystemCode


def enrolled_home(home: Path, *systems: str) -> None:
    """Write a password and a first key of each system, valid since 2025."""
    for code in systems:
        system = SystemCode(code)
        key = Ed25519PrivateKey.from_private_bytes(sha256(code.encode()).digest())
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        public = SigningKey(
            key_id=key_id_of(system, 1),
            system=system,
            algorithm="ed25519",
            public_key=key.public_key().public_bytes_raw(),
            valid_from=datetime(2025, 1, 1, tzinfo=UTC),
            valid_to=None,
            revoked_at=None,
        )
        for file, content in (
            (password_file(home, system), b"secret"),
            (private_key_file(home, system, 1), pem),
            (public_key_file(home, public.key_id), render_key(public)),
        ):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
