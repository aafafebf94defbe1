"""Reading a source once, and certificates of a service on loopback."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from connectors import Bad, Context, Item, Json, Mark, Row, Source, SourceConfig

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


def context(spool: Path) -> Context:
    async def sleep(_: float) -> None:
        return None

    return Context(connector="tested", spool=spool, clock=lambda: NOW, sleep=sleep)


async def read(
    kind: type[Source[Any]], config: SourceConfig, spool: Path, position: Json = None
) -> list[Item]:
    source = kind(config, context(spool))
    items: Any = source.read(position)
    async with aclosing(items):
        return [item async for item in items]


def keys(items: Sequence[Item], column: str = "number") -> list[object]:
    return [item.cells.get(column) for item in items if isinstance(item, Row)]


def bad(items: Sequence[Item]) -> list[Bad]:
    return [item for item in items if isinstance(item, Bad)]


def last_position(items: Sequence[Item]) -> Json:
    return [item for item in items if isinstance(item, Mark)][-1].position


def left_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def numbered(count: int) -> Mapping[str, str]:
    return {f"s-{number:02d}": "first" for number in range(1, count + 1)}


def own_certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """Make a certificate for loopback: its file, and what a server is secured with."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    today = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "ca.pem", folder / "server.pem"
    public.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(public, private)
    return public, server
