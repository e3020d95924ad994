"""Measures pictures and sound for the check-up.

FFmpeg's filters measure what they can: ``signalstats`` colour, ``blurdetect`` sharpness, ``astats`` level.
OpenCV and NumPy measure the rest, each with its reason:

- *stillness*: ``freezedetect`` judges the mean of the whole picture, which every key frame changes by being
  quantized anew, and a clock drawn into a frozen picture keeps it alive. Here parts of the picture are
  compared, between key frames only.
- *black*: ``blackdetect`` says yes or no; the share of dark pixels is a figure that people can compare.
- *covered*: no filter knows it. ``entropy`` does not fall when a hand lies on the lens (0.86 either way).
- *hum*: ``showfreqs`` draws, ``aspectralstats`` knows no lines. Mains hum is narrow lines at known places.
- *clipping*: ``astats`` counts samples at the very peak; a lossy codec has moved them from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import cv2
import numpy as np
from av.error import FFmpegError
from av.filter import Graph

from capture.checkup.measures import NOTHING_DB, PictureMeasures, SoundMeasures
from capture.libav.decoding import frames
from kernel.model.footage import Packet, TrackInfo

Array: TypeAlias = "np.ndarray[Any, Any]"

_LOOKED_AT = 4  # pictures that are measured whole, spread over the look
_WIDEST = 1280  # pixels; beyond it sharpness would be that of the lens, not of the picture as people see it
_DARK = 32  # luma of 8 bits, video range: black is 16
_GRID = (32, 18)  # parts of a picture that are compared
_SMALL = (640, 360)
_APART_SECONDS = 0.38  # between two pictures that are compared: two to three a second
_CHANGED = 0.5  # mean difference of luma of a part: more than an encoder makes by refining what stands still
_DETAIL = 40.0  # gradient (Sobel) of an edge that is more than noise
_BLOCK = 16  # pixels
_JPEG_QUALITY = 80


def measure_pictures(info: TrackInfo, packets: Sequence[Packet], *, moving: bool) -> PictureMeasures | None:
    """Measure; None where nothing could be decoded.

    Args:
        packets: of a track, the first a key frame.
        moving: whether stillness is to be judged, for which every picture has to be decoded.
    """
    chosen = packets if moving else [one for one in packets if one.key]
    keys: list[Any] = []
    compared = _Compared(info.timescale)
    last: Any = None
    for frame in frames(info, chosen):
        last = frame
        if frame.key_frame or not keys:
            keys.append(frame)
        if moving:
            compared.add(frame)
    if last is None:
        return None
    try:
        return _measured(_spread([*keys, last]), compared.median, last)
    except (FFmpegError, cv2.error):
        return None  # a picture of a form that the filters do not take


def _spread(pictures: list[Any]) -> list[Any]:
    """A few of them, first and last among them."""
    places = np.linspace(0, len(pictures) - 1, min(_LOOKED_AT, len(pictures)))
    return [pictures[round(place)] for place in places]


def _measured(pictures: list[Any], changed: float | None, last: Any) -> PictureMeasures:
    luma = [_luma(one) for one in pictures]
    stats = _filtered(pictures)
    blurs = [one["lavfi.blur"] for one in stats if np.isfinite(one.get("lavfi.blur", np.nan))]
    return PictureMeasures(
        black=min(float((one < _DARK).mean()) for one in luma),
        changed=changed,
        detail=max(_detail(one) for one in luma),
        blur=float(np.median(blurs)) if blurs else None,
        saturation=max(one["lavfi.signalstats.SATAVG"] for one in stats),
        cast=float(np.median([_cast(one) for one in stats])),
        jpeg=_jpeg(last),
    )


def _cast(stats: dict[str, float]) -> float:
    return float(np.hypot(stats["lavfi.signalstats.UAVG"] - 128, stats["lavfi.signalstats.VAVG"] - 128))


def _luma(frame: Any) -> Array:
    """Brightness of each pixel, video range. Lines of a plane may be longer than the picture is wide."""
    plane = frame.reformat(format="yuv420p").planes[0]
    lines = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return lines[: frame.height, : frame.width]


class _Compared:
    """Compares pictures some tenths of a second apart, not across a key frame unless every picture is one."""

    def __init__(self, timescale: int) -> None:
        self._apart = _APART_SECONDS * timescale
        self._before: Array | None = None
        self._before_pts = 0
        self._after_key = False  # the picture right before was a key frame
        self._shares: list[float] = []

    def add(self, frame: Any) -> None:
        key = bool(frame.key_frame)
        if key and not self._after_key:
            self._before = None
        self._after_key = key
        if self._before is not None and frame.pts - self._before_pts < self._apart:
            return
        small = cv2.resize(_luma(frame), _SMALL, interpolation=cv2.INTER_AREA)
        if self._before is not None:
            parts = cv2.resize(
                cv2.absdiff(small, self._before).astype(np.float32), _GRID, interpolation=cv2.INTER_AREA
            )
            self._shares.append(float((parts > _CHANGED).mean()))
        self._before, self._before_pts = small, frame.pts

    @property
    def median(self) -> float | None:
        return float(np.median(self._shares)) if self._shares else None


def _detail(luma: Array) -> float:
    """Share of blocks that hold an edge."""
    small = cv2.resize(luma, _SMALL, interpolation=cv2.INTER_AREA)
    edges = np.hypot(cv2.Sobel(small, cv2.CV_32F, 1, 0), cv2.Sobel(small, cv2.CV_32F, 0, 1))
    rows, columns = _SMALL[1] // _BLOCK, _SMALL[0] // _BLOCK
    blocks = edges[: rows * _BLOCK, : columns * _BLOCK].reshape(rows, _BLOCK, columns, _BLOCK)
    strongest = np.percentile(blocks.transpose(0, 2, 1, 3).reshape(rows * columns, -1), 95, axis=1)
    return float((strongest > _DETAIL).mean())


def _filtered(pictures: Sequence[Any]) -> list[dict[str, float]]:
    """What FFmpeg's filters write beside each picture."""
    first = pictures[0]
    graph = Graph()
    graph.threads = 1
    source = graph.add(
        "buffer",
        video_size=f"{first.width}x{first.height}",
        pix_fmt=first.format.name,
        time_base="1/1000",
        pixel_aspect="1/1",
    )
    chain = (
        ("scale", f"w='min({_WIDEST},iw)':h=-2:flags=area"),
        ("format", "yuv420p"),
        ("signalstats", None),
        ("blurdetect", None),
        ("buffersink", None),
    )
    last = source
    for name, arguments in chain:
        following = graph.add(name, arguments) if arguments else graph.add(name)
        last.link_to(following)
        last = following
    graph.configure()
    told = []
    for one in pictures:
        if (one.width, one.height) == (first.width, first.height):
            source.push(one)
            metadata: Any = last.pull().metadata
            told.append({key: float(value) for key, value in metadata.items() if _is_number(value)})
    return told


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _jpeg(frame: Any) -> bytes:
    picture = frame.to_ndarray(format="bgr24")
    if picture.shape[1] > _WIDEST:
        height = round(picture.shape[0] * _WIDEST / picture.shape[1])
        picture = cv2.resize(picture, (_WIDEST, height), interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return data.tobytes()


# --- sound

_MAINS_HZ = (50, 60)
_HARMONICS = 8
_LINE = 100.0  # a line is so much stronger than what lies beside it: 20 dB
_END_OF_SCALE = 0.95  # G.711 ends at 0.98; lossy codecs ripple around the true end


def measure_sound(info: TrackInfo, packets: Sequence[Packet]) -> SoundMeasures | None:
    """Measure; None where nothing could be decoded."""
    heard = list(frames(info, packets))
    if not heard:
        return None
    rate = heard[0].sample_rate
    same = [one for one in heard if one.sample_rate == rate]
    samples = np.concatenate([_mono(one) for one in same])
    hum_db, hum_hz = _hum(samples, rate)
    try:
        level_db = _level(same)
    except FFmpegError:
        return None  # sound of a form that the filters do not take
    return SoundMeasures(
        level_db=level_db,
        hum_db=hum_db,
        hum_hz=hum_hz,
        clipped=float((np.abs(samples) >= _END_OF_SCALE).mean()),
    )


def _mono(frame: Any) -> Array:
    """The first channel, -1 to 1."""
    data = np.asarray(frame.to_ndarray())
    if not frame.format.is_planar:
        data = data.reshape(-1, frame.layout.nb_channels).T
    scale = 1.0 if data.dtype.kind == "f" else float(np.iinfo(data.dtype).max)
    channel: Array = data[0].astype(np.float64) / scale
    return channel


def _level(heard: Sequence[Any]) -> float:
    """RMS of the whole look by ``astats``, without what lies below 20 Hz: A-law's silence is an offset."""
    first = heard[0]
    graph = Graph()
    graph.threads = 1
    source = graph.add(
        "abuffer",
        sample_rate=str(first.sample_rate),
        sample_fmt=first.format.name,
        channel_layout=first.layout.name,
        time_base=f"1/{first.sample_rate}",
    )
    highpass, stats = graph.add("highpass", "f=20"), graph.add("astats", "metadata=1:reset=0")
    sink = graph.add("abuffersink")
    source.link_to(highpass)
    highpass.link_to(stats)
    stats.link_to(sink)
    graph.configure()
    told = "-inf"
    for one in heard:
        source.push(one)
        metadata: Any = sink.pull().metadata
        told = metadata.get("lavfi.astats.Overall.RMS_level", told)
    level = float(told)
    return max(level, NOTHING_DB) if np.isfinite(level) else NOTHING_DB


def _hum(samples: Array, rate: int) -> tuple[float, int]:
    """Level of mains hum in dBFS, and the frequency of the mains.

    Lines at multiples of 50 or 60 Hz that stand 20 dB out of their surroundings; the first or the second of
    them must be there, so that a tone of 300 Hz is no hum. Speech moves too much to make lines.
    """
    if len(samples) < rate:
        return NOTHING_DB, 0
    window = np.hanning(len(samples))
    power = np.abs(np.fft.rfft(samples * window)) ** 2 * 2 / (len(samples) * float((window**2).sum()))
    hertz = np.fft.rfftfreq(len(samples), 1 / rate)
    found = [(_lines(power, hertz, mains), mains) for mains in _MAINS_HZ]
    strength, mains = max(found)
    return (10 * float(np.log10(strength)), mains) if strength > 0 else (NOTHING_DB, 0)


def _lines(power: Array, hertz: Array, mains: int) -> float:
    """Power of the lines of that mains frequency; 0 where there is no hum."""
    total, lowest = 0.0, 0
    for number in range(1, _HARMONICS + 1):
        off = np.abs(hertz - number * mains)
        width = 0.5 + 0.2 * number  # mains stray by 0.2 Hz
        line, beside = power[off <= width], power[(off > width + 1) & (off <= width + 9)]
        if len(line) and len(beside) and line.sum() > _LINE * np.median(beside) * len(line):
            total += float(line.sum())
            lowest = lowest or number
    return total if lowest in (1, 2) else 0.0
