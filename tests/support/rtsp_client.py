"""A client that speaks RTSP by hand, for tests of servers."""

from __future__ import annotations

import asyncio
import struct

TCP = "RTP/AVP/TCP;unicast;interleaved=0-1"
DEADLINE_S = 5.0


class Client:
    """A client that speaks RTSP by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, base: str) -> None:
        self.reader = reader
        self.writer = writer
        self.base = base
        self.cseq = 0
        self.reports: list[tuple[int, bytes]] = []  # that came before answers

    async def ask(
        self, method: str, path: str, body: str = "", **headers: str
    ) -> tuple[int, dict[str, str], str]:
        """Send a request; returns status, headers by lower-case name (``_`` for ``-``), and body."""
        self.cseq += 1
        lines = [f"{method} {self.base}{path} RTSP/1.0", f"CSeq: {self.cseq}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.writer.write(("\r\n".join([*lines, "", ""]) + body).encode())
        head = (await asyncio.wait_for(self._head(), DEADLINE_S)).decode()
        start, *rest = head.strip().split("\r\n")
        found = {name.lower(): value for name, _, value in (line.partition(": ") for line in rest)}
        content = await self.reader.readexactly(int(found.get("content-length", "0")))
        return int(start.split()[1]), found, content.decode()

    async def _head(self) -> bytes:
        """The head of the next answer; receiver reports that come before it are kept."""
        while (first := await self.reader.readexactly(1)) == b"$":
            channel, size = struct.unpack(">BH", await self.reader.readexactly(3))
            self.reports.append((channel, await self.reader.readexactly(size)))
        return first + await self.reader.readuntil(b"\r\n\r\n")

    async def play(self, path: str = "cam") -> str:
        """Set the video up and play; returns the session."""
        status, headers, _ = await self.ask("SETUP", f"{path}/trackID=0", Transport=TCP)
        assert status == 200
        session = headers["session"].partition(";")[0]
        status, headers, _ = await self.ask("PLAY", path, Session=session)
        assert (status, "seq=" in headers["rtp-info"]) == (200, True)
        return session

    async def packet(self) -> tuple[int, bytes]:
        """The next interleaved packet: channel and bytes."""
        head = await asyncio.wait_for(self.reader.readexactly(4), DEADLINE_S)
        assert head[:1] == b"$"
        return head[1], await self.reader.readexactly(int.from_bytes(head[2:], "big"))

    async def gone(self) -> bool:
        """Whether the server cut the connection (after what was still on its way)."""
        try:
            while await asyncio.wait_for(self.reader.read(65_536), DEADLINE_S):
                pass
        except ConnectionResetError:
            return True
        return True

    def close(self) -> None:
        self.writer.close()
