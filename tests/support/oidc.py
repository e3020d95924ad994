"""A provider of identities over real HTTP that lies as a test wants; and the way of a browser through one."""

from __future__ import annotations

import base64
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

CLIENT, SECRET = "jianzheng", "client-secret-that-nobody-logs"


class LyingProvider:
    """Says what ``lies`` tell it instead of the truth; checks client, redirection and PKCE as it should."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": "1", "use": "sig", "alg": "RS256"})
        self.lies: dict[str, Any] = {}
        self.subject = "248289761001"
        self.issuer = ""
        self.asked: dict[str, dict[str, str]] = {}  # by code: what was asked for
        self.status = 200

    def described(self) -> dict[str, Any]:
        return {
            "issuer": self.lies.get("issuer", self.issuer),
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
        }

    def authorized(self, url: str) -> str:
        """Somebody agrees: the code for what was asked for."""
        code = secrets.token_urlsafe(16)
        self.asked[code] = dict(parse_qsl(urlsplit(url).query))
        return code

    def token(self, told: dict[str, str], authorization: str) -> dict[str, Any]:
        """RFC 6749, 4.1.3 and RFC 7636, 4.6; an empty answer is a refusal."""
        asked = self.asked.pop(told.get("code", ""), None)
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if asked is None or authorization != f"Basic {basic}":
            return {}
        fits = create_s256_code_challenge(told["code_verifier"]) == asked["code_challenge"]
        if not fits or told["redirect_uri"] != asked["redirect_uri"]:
            return {}
        return {"access_token": "x", "token_type": "Bearer", "id_token": self._id_token(asked)}

    def _id_token(self, asked: dict[str, str]) -> str:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": self.subject,
            "aud": CLIENT,
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
        }
        claims |= {name: value for name, value in self.lies.items() if name in (*claims, "azp")}
        claims = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": self.lies.get("alg", "RS256"), "kid": "1"}
        if header["alg"] == "none":
            parts = (json.dumps(part).encode() for part in (header, claims))
            return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts) + "."
        key = OctKey.import_key(SECRET) if header["alg"] == "HS256" else self.lies.get("key", self.key)
        return jwt.encode(header, claims, key, algorithms=[header["alg"]])


@contextmanager
def lying_provider() -> Iterator[LyingProvider]:
    """It is served until the context ends."""
    provider = LyingProvider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            said = {
                "/.well-known/openid-configuration": provider.described(),
                "/jwks": {"keys": [provider.key.as_dict(private=False)]},
            }.get(self.path)
            self._say(said or {})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            told = {name: values[0] for name, values in parse_qs(body).items()}
            self._say(provider.token(told, self.headers.get("Authorization", "")))

        def _say(self, said: dict[str, Any]) -> None:
            self.send_response(provider.status if said else 400)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(said).encode())

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.issuer = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
