"""A time stamp authority on this machine: ``openssl ts`` behind HTTP, with certificates of its own."""

from __future__ import annotations

import datetime
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_CONFIGURATION = """
[tsa]
serial = {directory}/serial
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha512
accuracy = secs:1
ess_cert_id_alg = sha256
"""


class TestAuthority:
    """Makes its certificates in a directory and answers queries (RFC 3161)."""

    __test__ = False

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.root = directory / "root.pem"
        self.asked = 0
        self.spoil: Callable[[bytes], tuple[int, bytes]] = lambda answer: (200, answer)
        directory.mkdir(parents=True)
        self._make_certificates()
        (directory / "serial").write_text("01\n")
        (directory / "tsa.conf").write_text(_CONFIGURATION.format(directory=directory))

    def answer(self, query: bytes) -> bytes:
        """What ``openssl ts`` answers."""
        self.asked += 1
        (self._directory / "query.tsq").write_bytes(query)
        command = "openssl ts -reply -config tsa.conf -section tsa -queryfile query.tsq -inkey tsa.key"
        subprocess.run(
            [*command.split(), "-signer", "tsa.pem", "-out", "answer.tsr"],
            cwd=self._directory,
            check=True,
            capture_output=True,
        )
        return (self._directory / "answer.tsr").read_bytes()

    def _make_certificates(self) -> None:
        root_key, key = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
        root_name, name = (
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one)]) for one in ("Test root", "Test TSA")
        )
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        authority = x509.BasicConstraints(ca=True, path_length=None)
        root = _begun(root_name, root_name, root_key).add_extension(authority, critical=True)
        root = root.add_extension(
            x509.SubjectKeyIdentifier.from_public_key(root_key.public_key()), critical=False
        )
        leaf = _begun(name, root_name, key).add_extension(usage, critical=True)
        leaf = leaf.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        by_root = x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key())
        leaf = leaf.add_extension(by_root, critical=False)
        for one, path in ((root, self.root), (leaf, self._directory / "tsa.pem")):
            path.write_bytes(one.sign(root_key, hashes.SHA256()).public_bytes(Encoding.PEM))
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (self._directory / "tsa.key").write_bytes(pem)


def _begun(name: x509.Name, issuer: x509.Name, key: rsa.RSAPrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(issuer)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    day = datetime.timedelta(days=1)
    return builder.not_valid_before(now - day).not_valid_after(now + 30 * day)


@contextmanager
def serving(authority: TestAuthority) -> Iterator[str]:
    """The authority's address while it is up."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.headers["Content-Type"] == "application/timestamp-query"
            status, content = authority.spoil(authority.answer(query))
            self.send_response(status)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="tsa")
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/tsa"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
