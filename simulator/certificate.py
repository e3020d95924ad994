"""A certificate that a device signs itself, as cameras with TLS do out of the box."""

from __future__ import annotations

import ssl
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kernel.clock import to_datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class SelfSigned:
    """What a TLS server needs, and what its clients may pin."""

    context: ssl.SSLContext
    sha256: str  # of the DER certificate, lower-case hex
    pem: bytes  # the certificate, for clients that trust it


def self_signed(name: str, now_us: int) -> SelfSigned:
    """A new key and a certificate for a host name or address, good for a day around now."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Jianzheng simulator")])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(to_datetime(now_us) - timedelta(days=1))
        .not_valid_after(to_datetime(now_us) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([_general_name(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as home:
        file = Path(home) / "both.pem"  # the standard library loads keys from files only
        file.touch(mode=0o600)
        file.write_bytes(secret + pem)
        context.load_cert_chain(file)
    der = made.public_bytes(serialization.Encoding.DER)
    return SelfSigned(context=context, sha256=sha256(der).hexdigest(), pem=pem)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
