"""The small certificate authority of a local platform: for each server, and for each system.

A system's certificate is over the key that it signs with and that the catalogue knows. So it needs
no revocation list: the gateway asks the catalogue whether the key is valid.

Subjects carry a common name only: Kafka reverses the order of a longer one, the mapping rule
``^CN=`` then fails, and the broker never registers.
"""

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bus.local.layout import Layout
from bus.local.private_files import READABLE_FILE, write_file

BROKER_PRINCIPAL = "bus-broker"
GATEWAY_NAME = "bus-gateway"

_CA_NAME = "bus-local-ca"
_CA_VALID_DAYS = 3650
_SERVER_VALID_DAYS = 825
_RENEW_BEFORE_DAYS = 30
_CLOCK_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Identity:
    """A private key with its certificate."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


def ensure_certificates(layout: Layout, *, now: datetime) -> None:
    """Make the CA once, and a server's certificate when it is missing or ends within 30 days."""
    if not (layout.ca_key_file.exists() and layout.ca_file.exists()):
        ca = make_ca(now)
        write_file(layout.ca_key_file, _key_text(ca.key))
        write_file(layout.ca_file, _certificate_text(ca.certificate), mode=READABLE_FILE)
        layout.broker_pem_file.unlink(missing_ok=True)
        layout.gateway_pem_file.unlink(missing_ok=True)
    for path, make in (
        (layout.broker_pem_file, make_broker_identity),
        (layout.gateway_pem_file, make_gateway_identity),
    ):
        if path.exists() and not _ends_soon(path, now):
            continue
        ca = _read_ca(layout)
        server = make(ca, now)
        chain = _certificate_text(server.certificate) + _certificate_text(ca.certificate)
        write_file(path, _key_text(server.key) + chain)


def ensure_system_certificate(
    layout: Layout, path: Path, system: str, public_key: Ed25519PublicKey, now: datetime
) -> None:
    """Give a system a certificate over its key, unless it has one; nothing where no CA is here.

    Args:
        layout: Of the platform.
        path: Of the certificate.
        system: Its code, for people: who it is, the key says.
        public_key: That the catalogue knows.
        now: Aware.
    """
    if not layout.ca_key_file.exists():
        return
    ca = _read_ca(layout)
    if path.exists() and not _ends_soon(path, now):
        known = x509.load_pem_x509_certificate(path.read_bytes())
        if known.public_key() == public_key and _is_of(known, ca.certificate):
            return
    certificate = make_system_certificate(ca, system, public_key, now)
    write_file(path, _certificate_text(certificate))


def make_system_certificate(
    ca: Identity, system: str, public_key: Ed25519PublicKey, now: datetime
) -> x509.Certificate:
    """Make a certificate with which a system proves itself, as a client only."""
    issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key())
    purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    return (
        _builder(system, _CA_NAME, public_key, now, _SERVER_VALID_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(digital_signature=True), critical=True)
        .add_extension(purposes, critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(issuer_key, critical=False)
        .sign(ca.key, hashes.SHA256())
    )


def _is_of(certificate: x509.Certificate, ca: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(ca)
    except (ValueError, InvalidSignature):
        return False
    return True


def make_ca(now: datetime) -> Identity:
    """Make a certificate authority that is valid for ten years from now."""
    key = ec.generate_private_key(ec.SECP256R1())
    usage = _key_usage(key_cert_sign=True, crl_sign=True)
    certificate = (
        _builder(_CA_NAME, _CA_NAME, key.public_key(), now, _CA_VALID_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Identity(key, certificate)


def make_broker_identity(ca: Identity, now: datetime) -> Identity:
    """Make the broker's identity: a server to its clients, a client to its own controller."""
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    return _make_identity(ca, BROKER_PRINCIPAL, purposes, now)


def make_gateway_identity(ca: Identity, now: datetime) -> Identity:
    """Make the gateway's identity: a server only, which proves nothing to the broker."""
    return _make_identity(ca, GATEWAY_NAME, [ExtendedKeyUsageOID.SERVER_AUTH], now)


def _make_identity(
    ca: Identity, subject: str, purposes: list[x509.ObjectIdentifier], now: datetime
) -> Identity:
    key = ec.generate_private_key(ec.SECP256R1())
    public_key = key.public_key()
    names = x509.SubjectAlternativeName(
        [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    )
    issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key())
    certificate = (
        _builder(subject, _CA_NAME, public_key, now, _SERVER_VALID_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(digital_signature=True), critical=True)
        .add_extension(names, critical=False)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(issuer_key, critical=False)
        .sign(ca.key, hashes.SHA256())
    )
    return Identity(key, certificate)


def _builder(
    subject: str,
    issuer: str,
    public_key: ec.EllipticCurvePublicKey | Ed25519PublicKey,
    now: datetime,
    valid_days: int,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + timedelta(days=valid_days))
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _key_usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _ends_soon(path: Path, now: datetime) -> bool:
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    return certificate.not_valid_after_utc - now < timedelta(days=_RENEW_BEFORE_DAYS)


def _read_ca(layout: Layout) -> Identity:
    key = serialization.load_pem_private_key(layout.ca_key_file.read_bytes(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return Identity(key, x509.load_pem_x509_certificate(layout.ca_file.read_bytes()))


def _key_text(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def _certificate_text(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
