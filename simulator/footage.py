"""The user's own footage in place of painted scenes: demuxed, looped without a seam, paced in real time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import structlog
from av.audio.stream import AudioStream
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer
from av.video.stream import VideoStream

from kernel.clock import SECOND_US
from kernel.errors import SettingsError
from kernel.model.footage import Codec
from kernel.model.source import ContentKind
from simulator.encoder import G711_FRAME, G711_RATE, VIDEO_CLOCK_RATE
from simulator.feed import Feed
from simulator.media import MediaUnit, Track, is_key, parameter_sets, split_nals
from simulator.source import SimulatedSource

_SUFFIXES = (".mp4", ".mkv", ".mov", ".m4v")
_VIDEO_CODECS = {"h264": Codec.H264, "hevc": Codec.H265}
_AUDIO_CODECS = {"aac": Codec.AAC, "pcm_alaw": Codec.G711A, "pcm_mulaw": Codec.G711U}
_TO_ANNEX_B = {Codec.H264: "h264_mp4toannexb", Codec.H265: "hevc_mp4toannexb"}
_WORDS: dict[ContentKind, tuple[str, ...]] = {
    ContentKind.ROOM: ("room", "hall"),
    ContentKind.SUPERVISION: ("room", "hall"),
    ContentKind.SCREEN: ("screen", "desktop"),
    ContentKind.EXTRACTION_TERMINAL: ("desktop", "screen"),
    ContentKind.SEAT_DESKTOP: ("desktop",),
    ContentKind.SEAT_FACE: ("face", "seat"),
}
"""Which words in a file's name make it fit a content kind, best first."""

_log = structlog.get_logger(__name__)


def footage_feeds(directory: Path, sources: Sequence[SimulatedSource]) -> Mapping[str, Sequence[Feed]]:
    """One feed per source from the files of a directory; files may serve several sources.

    Raises:
        SettingsError: the directory has no file with H.264 or H.265 video.
    """
    files = [path for path in _candidates(directory) if _usable(path)]
    if not files:
        raise SettingsError(
            f"The footage directory {directory} has no video that can be served.",
            hint="Put MP4 or MKV files with H.264 or H.265 video (and AAC, G.711 or no sound) into it.",
        )
    return {source_id: [FootageFeed(path)] for source_id, path in assign(files, sources).items()}


def assign(files: Sequence[Path], sources: Sequence[SimulatedSource]) -> dict[str, Path]:
    """Which file serves which source: by its exact name, else by words in names, else in sorted order."""
    ids = {source.id for source in sources}
    named = {path.stem: path for path in files if path.stem in ids}
    free = sorted(path for path in files if path.stem not in ids) or sorted(files)
    taken: Counter[ContentKind] = Counter()
    chosen = {}
    for source in sources:
        if source.id in named:
            chosen[source.id] = named[source.id]
            continue
        fitting = _fitting(free, source.content_kind)
        chosen[source.id] = fitting[taken[source.content_kind] % len(fitting)]
        taken[source.content_kind] += 1
    return chosen


def _fitting(files: Sequence[Path], kind: ContentKind) -> tuple[Path, ...]:
    """The files whose names say they show this kind; a word that a better one rules out does not count."""
    for word in _WORDS[kind]:
        found = tuple(path for path in files if word in path.stem and not _belongs_elsewhere(path, kind))
        if found:
            return found
    return tuple(files)


def _belongs_elsewhere(path: Path, kind: ContentKind) -> bool:
    """``seat-02-desktop`` holds the word seat, but is no face."""
    return kind is ContentKind.SEAT_FACE and "desktop" in path.stem


def _candidates(directory: Path) -> list[Path]:
    if not directory.is_dir():
        return []
    return sorted(path for path in directory.iterdir() if path.suffix.lower() in _SUFFIXES)


def _usable(path: Path) -> bool:
    try:
        with av.open(str(path)) as container:
            return _video_stream(container) is not None
    except av.FFmpegError as error:
        _log.warning(
            "a file cannot be read as video", action="footage_skipped", path=str(path), reason=str(error)
        )
        return False


def _video_stream(container: InputContainer) -> VideoStream | None:
    return next((one for one in container.streams.video if one.codec_context.name in _VIDEO_CODECS), None)


def _audio_stream(container: InputContainer) -> AudioStream | None:
    """The first audio that RTP can carry as it is."""
    for stream in container.streams.audio:
        context = stream.codec_context
        codec = _AUDIO_CODECS.get(context.name)
        if codec is Codec.AAC and context.extradata:
            return stream
        if codec in (Codec.G711A, Codec.G711U) and (context.sample_rate, context.channels) == (G711_RATE, 1):
            return stream
    return None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Shape:
    """What has to be known of a file before it can be looped. Times in seconds, exact."""

    first: Fraction  # presentation time of the first picture
    length: Fraction  # from the first picture to the end of the last
    reordering: Fraction  # how much earlier than shown a picture is decoded, at most


@dataclass(frozen=True, kw_only=True, slots=True)
class _Piece:
    """One unit of the file in the order it is sent."""

    video: bool
    shown: Fraction  # presentation time in the file, seconds
    sent: Fraction  # decoding time (video) or end (audio) in the file, seconds
    parts: tuple[bytes, ...]


class FootageFeed:
    """One file, again and again. Presentation times become capture times; packets go in decoding order."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._shape = _measure(path)
        self._pieces = self._endless()
        self._tracks = _tracks(path)
        self._start_us = 0
        self._passed = Fraction(0)  # seconds of all passes before this one
        self._next = next(self._pieces)
        self._last_due_us = 0

    @property
    def tracks(self) -> Sequence[Track]:
        return self._tracks

    @property
    def due_us(self) -> int:
        """When the next piece was decoded, delayed so that no picture is sent before it was captured."""
        sent = self._passed + self._next.sent - self._shape.first + self._shape.reordering
        return max(self._last_due_us, self._start_us + int(sent * SECOND_US))

    def start(self, at_us: int) -> None:
        self._start_us = at_us // 1000 * 1000

    def make(self, now_us: int) -> MediaUnit | None:
        piece = self._next
        self._last_due_us = self.due_us
        shown = self._passed + piece.shown - self._shape.first
        track = next(one for one in self._tracks if one.codec.is_video is piece.video)
        unit = MediaUnit(
            video=piece.video,
            key=not piece.video or is_key(track.codec, piece.parts),
            at_us=self._start_us + round(shown * SECOND_US),
            ticks=round(shown * track.clock_rate),
            parts=piece.parts,
        )
        self._next = next(self._pieces)
        return unit

    def replay(self, start_us: int) -> FootageFeed:
        """By its place in the loop; passes before the first one count backwards."""
        other = FootageFeed(self._path)
        other._start_us = self._start_us
        wanted = Fraction(start_us - self._start_us, SECOND_US)
        length = self._shape.length
        other._passed = wanted // length * length
        video = self._tracks[0].codec
        shown = self._shape.first + wanted - other._passed
        keys = [one.shown for one in _read(self._path) if one.video and is_key(video, one.parts)]
        from_key = max((key for key in keys if key <= shown), default=min(keys))
        while not other._next.video or other._next.shown < from_key:
            other._next = next(other._pieces)
        return other

    def _endless(self) -> Iterator[_Piece]:
        """The file's pieces pass after pass; sound that outlasts the picture is left out."""
        end = self._shape.first + self._shape.length
        while True:
            yield from (one for one in _read(self._path) if one.video or self._shape.first <= one.shown < end)
            self._passed += self._shape.length


def _measure(path: Path) -> _Shape:
    """Read all time stamps of the picture once."""
    shown: list[Fraction] = []
    reordering = end = Fraction(0)
    with av.open(str(path)) as container:
        stream = _video_stream(container)
        rate = Fraction(25) if stream is None else stream.average_rate or Fraction(25)
        for packet in container.demux(stream) if stream is not None else ():
            if packet.pts is None or packet.dts is None or packet.time_base is None:
                continue
            shown.append(packet.pts * packet.time_base)
            reordering = max(reordering, (packet.pts - packet.dts) * packet.time_base)
            duration = packet.duration * packet.time_base if packet.duration else 1 / rate
            end = max(end, shown[-1] + duration)
    if not shown:
        raise SettingsError(f"{path} has no pictures with time stamps.", hint="Take it out of the directory.")
    return _Shape(first=min(shown), length=end - min(shown), reordering=reordering)


def _tracks(path: Path) -> tuple[Track, ...]:
    with av.open(str(path)) as container:
        video, audio = _video_stream(container), _audio_stream(container)
        if video is None:
            raise SettingsError(f"{path} has no video that can be served.")
        codec = _VIDEO_CODECS[video.codec_context.name]
        rate = float(video.average_rate or 0)
        tracks = [Track(codec=codec, clock_rate=VIDEO_CLOCK_RATE, frame_rate=rate)]
        if audio is not None:
            context = audio.codec_context
            config = bytes(context.extradata or b"")
            kind = _AUDIO_CODECS[context.name]
            tracks.append(
                Track(codec=kind, clock_rate=context.sample_rate, channels=context.channels, config=config)
            )
    return _with_parameter_sets(path, tracks)


def _with_parameter_sets(path: Path, tracks: Sequence[Track]) -> tuple[Track, ...]:
    """Complete the video track with the sets of the first picture that has them."""
    video, *rest = tracks
    wanted = 2 if video.codec is Codec.H264 else 3
    for piece in _read(path):
        sets = parameter_sets(video.codec, piece.parts) if piece.video else ()
        if len(sets) == wanted:
            complete = Track(
                codec=video.codec,
                clock_rate=video.clock_rate,
                frame_rate=video.frame_rate,
                parameter_sets=sets,
            )
            return (complete, *rest)
    raise SettingsError(f"{path} carries no parameter sets.", hint="Take it out of the directory.")


def _read(path: Path) -> Iterator[_Piece]:
    """One pass over a file."""
    with av.open(str(path)) as container:
        video, audio = _video_stream(container), _audio_stream(container)
        if video is None:
            return
        to_annex_b = BitStreamFilterContext(_TO_ANNEX_B[_VIDEO_CODECS[video.codec_context.name]], video)
        for packet in container.demux([one for one in (video, audio) if one is not None]):
            if packet.pts is None or packet.dts is None or packet.time_base is None:
                continue
            shown = packet.pts * packet.time_base
            if packet.stream_index == video.index:
                sent = packet.dts * packet.time_base
                data = b"".join(bytes(one) for one in to_annex_b.filter(packet))
                yield _Piece(video=True, shown=shown, sent=sent, parts=split_nals(data))
            elif audio is not None:
                yield from _sound(bytes(packet), shown, audio)


def _sound(data: bytes, shown: Fraction, audio: AudioStream) -> Iterator[_Piece]:
    """AAC frames as they are, G.711 in packets of 20 ms."""
    is_aac = audio.codec_context.name == "aac"
    step = len(data) if is_aac else G711_FRAME
    for at in range(0, len(data), max(1, step)):
        samples = 1024 if is_aac else len(data[at : at + step])
        start = shown + (Fraction(0) if is_aac else Fraction(at, G711_RATE))
        end = start + Fraction(samples, audio.codec_context.sample_rate)
        yield _Piece(video=False, shown=start, sent=end, parts=(data[at : at + step],))
