"""A simulated centre: all its sources, served. The way in for demos and for other rooms' tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from kernel.clock import SECOND_US, Clock
from simulator.broadcast import Broadcast
from simulator.certificate import self_signed
from simulator.digest import Scheme
from simulator.faults import Faults
from simulator.feed import Feed, painted_feeds
from simulator.footage import footage_feeds
from simulator.media import MediaUnit, Track
from simulator.rtsp_server import SESSION_TIMEOUT_S, RtspServer
from simulator.source import DEFAULT_CENTRE, SceneKind, SimulatedSource
from simulator.studio import Studio
from simulator.timeline import Timeline

__all__ = ["DEFAULT_CENTRE", "SceneKind", "SimulatedCentre", "SimulatedSource"]


class SimulatedCentre:
    """Starts, serves and stops sources; any of them can be lost and restored meanwhile.

    Use it inside one running loop: ``async with SimulatedCentre(clock=SystemClock()) as centre``.
    Without a user name nobody is asked for a password. With ``tls`` it is served by ``rtsps`` under a
    certificate of its own, ``certificate``.
    """

    def __init__(
        self,
        sources: Sequence[SimulatedSource] = DEFAULT_CENTRE,
        *,
        clock: Clock,
        host: str = "127.0.0.1",
        port: int = 0,
        username: str = "",
        password: str = "",
        footage: Path | None = None,
        report_every_s: float = 5.0,
        tls: bool = False,
        schemes: Sequence[Scheme] = (Scheme.MD5,),
        session_timeout_s: int = SESSION_TIMEOUT_S,
    ) -> None:
        self.sources = tuple(sources)
        self._host = host
        self._wanted_port = port
        self._username = username
        self._password = password
        self._footage = footage
        self._report_every_us = round(report_every_s * SECOND_US)
        self._timeline = Timeline(clock)
        self.certificate = self_signed(host, clock.now_us()) if tls else None
        self._schemes = schemes
        self._session_timeout_s = session_timeout_s
        self._studio = Studio(self._timeline)
        self._broadcasts: dict[str, Broadcast] = {}
        self._server: RtspServer | None = None

    @property
    def port(self) -> int:
        """The port that is served; 0 before ``start``."""
        return self._server.port if self._server is not None else 0

    def url(self, source_id: str, *, with_credentials: bool = True) -> str:
        """Where a source is served, with user name and password unless asked otherwise."""
        credentials = f"{quote(self._username, safe='')}:{quote(self._password, safe='')}@"
        host = f"[{self._host}]" if ":" in self._host else self._host
        before = credentials if with_credentials and self._username else ""
        scheme = "rtsp" if self.certificate is None else "rtsps"
        return f"{scheme}://{before}{host}:{self.port}/{quote(source_id)}"

    async def start(self) -> None:
        """Build all sources and serve them; returns when clients can connect.

        Raises:
            SettingsError: the footage directory has nothing that can be served.
            OSError: host or port cannot be used.
        """
        try:
            feeds = await self._studio.build(self._build_feeds)
            self._broadcasts = {source.id: self._broadcast(source, feeds) for source in self.sources}
            self._server = RtspServer(
                self._broadcasts,
                timeline=self._timeline,
                username=self._username,
                password=self._password,
                schemes=self._schemes,
                session_timeout_s=self._session_timeout_s,
            )
            tls = None if self.certificate is None else self.certificate.context
            await self._server.start(self._host, self._wanted_port, tls)
        except BaseException:
            await self._studio.stop()
            raise
        self._studio.start(self._publish)

    async def stop(self) -> None:
        """Say goodbye to all clients and end every thread."""
        await self._studio.stop()
        if self._server is not None:
            await self._server.stop()

    async def __aenter__(self) -> SimulatedCentre:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def tracks(self, source_id: str) -> Sequence[Track]:
        """What a source really sends: footage may be of other codecs than the painted scene.

        Raises:
            KeyError: there is no such source.
        """
        return self._broadcasts[source_id].tracks

    def lose(self, source_id: str) -> None:
        """Cut a source off as a power cut does. Call it in the loop that started the centre.

        Raises:
            KeyError: there is no such source.
        """
        self._started().lose(source_id)

    def restore(self, source_id: str) -> None:
        """Switch a lost source on again. Call it in the loop that started the centre.

        Raises:
            KeyError: there is no such source.
        """
        self._started().restore(source_id)

    def drop(self, source_id: str) -> None:
        """Cut a source's connections; new ones are welcome. Call it in the loop that started the centre.

        Raises:
            KeyError: there is no such source.
        """
        self._started().drop(source_id)

    def faults(self, source_id: str) -> Faults:
        """What is wrong with a source, to be changed in the loop that started the centre.

        Raises:
            KeyError: there is no such source.
        """
        return self._broadcasts[source_id].faults

    def set_clock(self, source_id: str, *, skew_us: int, drift_ppm: float = 0.0) -> None:
        """Set the clock of a source's sender reports: a step at once, and drift from now on.

        Raises:
            KeyError: there is no such source.
        """
        self._broadcasts[source_id].set_clock(skew_us=skew_us, drift_ppm=drift_ppm)

    def jump(self, source_id: str, seconds: float) -> None:
        """Let a source's RTP time stamps jump.

        Raises:
            KeyError: there is no such source.
        """
        self._broadcasts[source_id].jump(seconds)

    async def become(self, source: SimulatedSource) -> None:
        """Let a painted source of that id go on with another size, frame rate or codec.

        Another size shows in-band, as it does with cameras; another codec cuts the connections. The sound
        stays as it is.

        Raises:
            KeyError: there is no such source.
            ValueError: it is not painted.
        """
        before = self._broadcasts[source.id].tracks
        track = await self._studio.become(source)
        self._broadcasts[source.id].change([track, *before[1:]])
        if track.codec is not before[0].codec:
            self.drop(source.id)

    @property
    def server(self) -> RtspServer:
        """The server, for what tests want of it.

        Raises:
            RuntimeError: the centre has not been started.
        """
        return self._started()

    def _started(self) -> RtspServer:
        if self._server is None:
            raise RuntimeError("the simulated centre has not been started")
        return self._server

    def _build_feeds(self) -> Mapping[str, Sequence[Feed]]:
        if self._footage is not None:
            return footage_feeds(self._footage, self.sources)
        return {source.id: painted_feeds(source) for source in self.sources}

    def _broadcast(self, source: SimulatedSource, feeds: Mapping[str, Sequence[Feed]]) -> Broadcast:
        return Broadcast(
            source.id,
            title=source.label_zh,
            tracks=[track for feed in feeds[source.id] for track in feed.tracks],
            timeline=self._timeline,
            report_every_us=self._report_every_us,
            recall=lambda start_us: [feed.replay(start_us) for feed in feeds[source.id]],
        )

    def _publish(self, source_id: str, unit: MediaUnit) -> None:
        self._broadcasts[source_id].publish(unit)
