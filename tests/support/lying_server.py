"""A proxy in front of a real S3 gateway that lies, breaks off or dawdles as it is told."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Answer:
    """What the gateway answered, to be changed."""

    status: int
    headers: dict[str, str]
    body: bytes
    bytes_per_second: int = 0  # 0: at once
    breaks_after: int | None = None  # bytes of the body, then the connection is closed


@dataclass
class Asked:
    """What was asked for."""

    method: str
    path: str
    body: bytes


Lie = Callable[[Asked, Answer], None]


@dataclass
class LyingServer:
    """Its address, and what it does to requests and answers."""

    endpoint: str
    lie: Lie = lambda _asked, _answer: None
    spoil: Callable[[Asked], bytes | None] = lambda asked: asked.body  # None: not passed on at all
    asked: list[Asked] = field(default_factory=list)


@contextmanager
def lying_server(gateway_port: int) -> Iterator[LyingServer]:
    """Between a client and a gateway on this machine. Signatures stay good: the host's name is passed on."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    lying = LyingServer(f"http://127.0.0.1:{server.server_address[1]}")
    server.lying, server.gateway_port = lying, gateway_port  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield lying
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A client that gives up is what is tested."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _pass(self) -> None:
        lying: LyingServer = self.server.lying  # type: ignore[attr-defined]
        asked = Asked(self.command, self.path, self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        lying.asked.append(asked)
        body = lying.spoil(asked)
        answer = Answer(200, {}, b"") if body is None else self._ask(body)
        lying.lie(asked, answer)
        self._give(answer)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass  # noqa: N815

    def _ask(self, body: bytes) -> Answer:
        port: int = self.server.gateway_port  # type: ignore[attr-defined]
        headers = {name: value for name, value in self.headers.items() if name.lower() != "expect"}
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            line.request(self.command, self.path, body=body, headers=headers)
            got = line.getresponse()
            kept = {name: value for name, value in got.getheaders() if name.lower() not in _HOP_BY_HOP}
            return Answer(got.status, kept, got.read())
        finally:
            line.close()

    def _give(self, answer: Answer) -> None:
        self.send_response(answer.status)
        sizes = {name.lower() for name in answer.headers}
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if "content-length" not in sizes:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        try:
            if self.command != "HEAD":
                self._send(answer)
        except OSError:
            self.close_connection = True

    def _send(self, answer: Answer) -> None:
        body = answer.body if answer.breaks_after is None else answer.body[: answer.breaks_after]
        step = answer.bytes_per_second // 10 if answer.bytes_per_second else len(body) or 1
        for start in range(0, len(body), step):
            self.wfile.write(body[start : start + step])
            if answer.bytes_per_second:
                time.sleep(0.1)
        self.close_connection = answer.breaks_after is not None

    def log_message(self, *_: object) -> None:
        return


_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding"})
