"""Opus, G.726, LATM and MJPEG: from RTP payloads to files that FFmpeg and the archiver decode as sent."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from archiver.decode import open_decoder
from capture.packets import TrackStarted
from capture.rtsp.formats import MediaFormat, media_format
from capture.rtsp.rtp import RtpPacket
from capture.rtsp.sdp import parse_sdp
from capture.rtsp.stream import choose_tracks
from kernel.codec import aac, g726, mjpeg, opus
from kernel.codec.sample_entry import audio_sample_entry
from kernel.codec.sound import frame_ticks
from kernel.errors import BoxError, SourceProtocolError
from kernel.isobmff.boxes import box
from kernel.isobmff.sample_entry import codec_string, decoder_config
from kernel.isobmff.tracks import Sample, Track, TrackRun
from kernel.isobmff.writer import fragment, init_segment
from kernel.model.footage import TrackInfo

SPEECH = (np.sin(np.arange(16_000) ** 1.3 * 0.002) * 9000).astype(np.int16)


def described(line: str, fmtp: str = "", kind: str = "audio") -> MediaFormat:
    told = parse_sdp(f"m={kind} 0 RTP/AVP 97\na=rtpmap:97 {line}\na=fmtp:97 {fmtp}\n").media[0]
    found = media_format(told)
    assert found is not None
    return found


def info_of(how: MediaFormat) -> TrackInfo:
    news = how.format.started()
    assert isinstance(news, TrackStarted)
    return news.info


def taken(how: MediaFormat, payloads: Sequence[bytes], ticks: int) -> list[bytes]:
    """The samples of these payloads, each a packet with a marker."""
    samples = []
    for number, payload in enumerate(payloads):
        for unit in how.depacketizer.push(RtpPacket(97, number, number * ticks, 1, True, payload), 0):
            sample = how.format.sample(unit)
            assert sample is not None
            samples.append(sample[0])
    return samples


def track_of(info: TrackInfo) -> Track:
    return Track(
        id=1,
        timescale=info.timescale,
        sample_entry=info.sample_entry,
        width=info.width,
        height=info.height,
    )


def file_of(info: TrackInfo, samples: Iterable[bytes], ticks: int = 0) -> io.BytesIO:
    """A fragmented MP4 file as the ring keeps it."""
    run = TrackRun(
        track_id=1,
        base_dts=0,
        samples=tuple(Sample(data=one, duration=ticks or frame_ticks(info, one)) for one in samples),
    )
    return io.BytesIO(init_segment([track_of(info)]) + fragment(1, [run]))


def by_ffmpeg(file: io.BytesIO) -> list[NDArray[Any]]:
    with av.open(file) as container:
        return [frame.to_ndarray() for frame in container.decode(container.streams[0])]


def by_archiver(info: TrackInfo, samples: Iterable[bytes]) -> list[NDArray[Any]]:
    context = open_decoder(track_of(info))
    return [frame.to_ndarray() for one in [*map(av.Packet, samples), None] for frame in context.decode(one)]


def encoded(name: str, rate: int, samples: NDArray[np.int16], options: dict[str, str]) -> Any:
    """An encoder with these samples in it, and its packets."""
    context: Any = av.CodecContext.create(name, "w")
    context.sample_rate, context.layout, context.options = rate, "mono", options
    context.format, context.time_base = context.codec.audio_formats[0].name, Fraction(1, rate)
    resampler = av.AudioResampler(context.format.name, "mono", rate)
    frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate, frame.pts = rate, 0
    packets = []
    context.open()
    fifo = av.AudioFifo()
    for one in resampler.resample(frame):
        fifo.write(one)
    size = context.frame_size or rate // 50
    while (block := fifo.read(size)) is not None:
        packets += context.encode(block)
    return context, [bytes(one) for one in [*packets, *context.encode(None)]]


@pytest.mark.parametrize("bits", [2, 3, 4, 5])
@pytest.mark.parametrize(("packing", "codec"), [("", "g726le"), ("AAL2-", "g726")])
def test_g726_in_both_packings_decodes_as_ffmpeg_decodes_the_payloads(
    bits: int, packing: str, codec: str
) -> None:
    _, payloads = encoded(codec, 8000, SPEECH, {"code_size": str(bits)})
    direct: Any = av.CodecContext.create(codec, "r")
    direct.sample_rate, direct.layout, direct.options = 8000, "mono", {"bits_per_coded_sample": str(bits)}
    expected = np.concatenate(
        [frame.to_ndarray()[0] for one in payloads for frame in direct.decode(av.Packet(one))]
    )
    how = described(f"{packing}G726-{8 * bits}/8000")
    info = info_of(how)
    samples = taken(how, payloads, 160)
    assert len(b"".join(samples)) == len(b"".join(payloads))
    assert np.array_equal(np.concatenate(by_ffmpeg(file_of(info, samples)), axis=1)[0], expected)
    assert np.array_equal(np.concatenate(by_archiver(info, samples), axis=1)[0], expected)
    assert sum(frame_ticks(info, one) for one in samples) == len(expected)


def test_static_payload_type_2_is_g726_at_32_kbit() -> None:
    found = media_format(parse_sdp("m=audio 0 RTP/AVP 2\n").media[0])
    assert found is not None
    assert info_of(found).sample_entry == g726.g726_entry(4, 1)


@pytest.mark.parametrize("duration", ["2.5", "5", "10", "20", "40", "60", "120"])
def test_opus_decodes_as_ffmpeg_decodes_the_payloads(duration: str) -> None:
    sound = np.tile(SPEECH, 6)
    _, payloads = encoded("libopus", 48_000, sound, {"frame_duration": duration})
    how = described("opus/48000/2", "sprop-stereo=0")
    info = info_of(how)
    samples = taken(how, payloads, 960)
    assert samples == payloads
    assert {frame_ticks(info, one) for one in samples} == {int(float(duration) * 48)}
    direct: Any = av.CodecContext.create("opus", "r")
    direct.sample_rate, direct.layout = 48_000, "mono"
    expected = [
        frame.to_ndarray() for one in [*map(av.Packet, payloads), None] for frame in direct.decode(one)
    ]
    for found in (by_ffmpeg(file_of(info, samples)), by_archiver(info, samples)):
        assert np.array_equal(np.concatenate(found, axis=1), np.concatenate(expected, axis=1))


@pytest.mark.parametrize("packet", [b"", b"\x03", b"\x1b\x3f", b"\x1b\x00", b"\x1b\x04"])
def test_what_is_no_opus_packet_is_dropped_and_counted(packet: bytes) -> None:
    how = described("opus/48000/2")
    assert taken(how, [packet], 960) == []
    assert how.depacketizer.dropped == 1
    units = how.depacketizer.push(RtpPacket(97, 1, 960, 1, True, b"\xfcgood"), 0)
    assert [unit.after_loss for unit in units] == [True]
    with pytest.raises(SourceProtocolError):
        opus.samples(packet)


def test_the_entry_of_opus_tells_decoder_and_browser_what_they_need() -> None:
    entry = opus.opus_entry(2)
    config = decoder_config(entry)
    assert (config.kind, codec_string(entry)) == ("Opus", "opus")
    assert config.extradata == b"OpusHead" + struct.pack("<BBHIhB", 1, 2, 0, 48_000, 0, 0)
    cut = audio_sample_entry("Opus", 48_000, 2, box("dOps", bytes(5)))
    with pytest.raises(BoxError):
        decoder_config(cut)


@pytest.mark.parametrize(
    ("line", "fmtp", "frame", "ticks"),
    [
        ("MPEG4-GENERIC/16000", "mode=AAC-hbr;config=1408", b"frame", 1024),
        ("MPEG4-GENERIC/48000", "mode=AAC-hbr;config=2b118800", b"frame", 2048),  # HE-AAC: core at 24 kHz
        ("MPEG4-GENERIC/90000", "mode=AAC-hbr;config=1408", b"frame", 5760),
        ("PCMA/8000", "", bytes(160), 160),
        ("PCMU/8000/2", "", bytes(160), 80),
        ("G726-24/8000", "", bytes(60), 160),
        ("opus/48000/2", "", b"\xfc", 960),
        ("opus/48000/2", "", b"", 1),  # damaged: something, so that time goes on
    ],
)
def test_a_frame_of_sound_lasts_as_long_as_its_codec_says(
    line: str, fmtp: str, frame: bytes, ticks: int
) -> None:
    assert frame_ticks(info_of(described(line, fmtp)), frame) == ticks


def aac_frames(rate: int = 16_000) -> tuple[bytes, list[bytes]]:
    context, packets = encoded("aac", rate, SPEECH, {})
    return bytes(context.extradata), packets


def latm(frame: bytes) -> bytes:
    return b"\xff" * (len(frame) // 255) + bytes((len(frame) % 255,)) + frame


def stream_mux(config: bytes) -> str:
    """A StreamMuxConfig with this AudioSpecificConfig of 16 bits, as the cameras' SDP has it."""
    bits = (
        "0"
        + "1"
        + "000000"
        + "0000"
        + "000"
        + "".join(f"{byte:08b}" for byte in config[:2])
        + "000"
        + "1" * 8
    )
    bits += "00"
    return int(bits + "0" * (-len(bits) % 8), 2).to_bytes((len(bits) + 7) // 8, "big").hex()


def test_latm_carries_the_same_frames_and_configuration_as_aac_hbr() -> None:
    config, frames = aac_frames()
    how = described("MP4A-LATM/16000/1", f"cpresent=0;object=2;config={stream_mux(config)}")
    info = info_of(how)
    assert info.sample_entry == aac.mp4a(config[:2])
    samples = taken(how, [latm(a) + latm(b) for a, b in zip(frames[::2], frames[1::2], strict=False)], 2048)
    assert samples == frames[: len(samples)]
    assert len(by_ffmpeg(file_of(info, samples))) == len(samples)


def test_a_latm_frame_over_two_packets_and_one_that_lost_its_half() -> None:
    config, frames = aac_frames()
    how = described("MP4A-LATM/16000/1", f"cpresent=0;config={stream_mux(config)}")
    data = latm(frames[3])
    push = how.depacketizer.push
    assert push(RtpPacket(97, 0, 0, 1, False, data[:40]), 0) == []
    (unit,) = push(RtpPacket(97, 1, 0, 1, True, data[40:]), 0)
    assert unit.units == (frames[3],)
    push(RtpPacket(97, 2, 1024, 1, False, data[:40]), 0)
    (unit,) = push(RtpPacket(97, 4, 2048, 1, True, data), 1)
    assert (unit.units, unit.after_loss, how.depacketizer.dropped) == ((frames[3],), True, 1)


def test_aac_lbr_announces_frames_in_six_and_two_bits() -> None:
    config, _ = aac_frames()
    how = described("MPEG4-GENERIC/16000/1", f"mode=AAC-lbr;config={config.hex()}")
    payload = struct.pack(">H", 16) + bytes((3 << 2, 5 << 2)) + b"one" + b"fiver"
    assert taken(how, [payload], 2048) == [b"one", b"fiver"]


@pytest.mark.parametrize(
    ("line", "fmtp"),
    [
        ("MPEG4-GENERIC/16000", "mode=AAC-hbr; config=zz"),
        ("MPEG4-GENERIC/16000", "mode=AAC-hbr"),
        ("MPEG4-GENERIC/16000", "mode=AAC-hbr; config=1408; sizelength=many"),
        ("MPEG4-GENERIC/16000", "mode=AAC-hbr; config=ff80"),
        ("MP4A-LATM/16000", "cpresent=0; config=40"),
        ("MP4A-LATM/16000", "cpresent=0; config=ffffffffffff"),
        ("PCMA/8000/99999999", ""),
        ("PCMA/99999999999", ""),
        ("opus/48000/77", ""),
    ],
)
def test_a_description_without_sense_is_an_error_that_costs_the_sound_only(line: str, fmtp: str) -> None:
    with pytest.raises(SourceProtocolError):
        described(line, fmtp)


@pytest.mark.parametrize(
    ("line", "fmtp"),
    [
        ("L16/44100/2", ""),
        ("SPEEX/8000", ""),
        ("G726-32/16000", ""),
        ("MP4A-LATM/16000", ""),
        ("MPEG4-GENERIC/16000", "mode=CELP-cbr;config=1408"),
        ("MPEG4-GENERIC/16000", "mode=AAC-hbr;config=1408;auxiliarydatasizelength=8"),
    ],
)
def test_sound_that_we_do_not_know_is_left_out(line: str, fmtp: str) -> None:
    assert (
        media_format(parse_sdp(f"m=audio 0 RTP/AVP 97\na=rtpmap:97 {line}\na=fmtp:97 {fmtp}\n").media[0])
        is None
    )


ENCODINGS = ["MPEG4-GENERIC", "MP4A-LATM", "PCMA", "PCMU", "OPUS", "G726-24", "AAL2-G726-40", "SPEEX", "H264"]
PARAMETERS = ["config", "sizelength", "indexlength", "indexdeltalength", "cpresent", "mode", "sprop-stereo"]
VALUES = st.one_of(
    st.sampled_from(["AAC-hbr", "AAC-lbr", "0", "13", "1408", "40002420adca1fe0"]), st.text(max_size=9)
)


@given(
    st.sampled_from(ENCODINGS),
    st.one_of(st.integers(0, 1 << 40), st.sampled_from([8000, 16_000, 48_000])),
    st.integers(0, 1 << 20),
    st.dictionaries(st.sampled_from(PARAMETERS), VALUES),
)
def test_no_description_of_sound_costs_the_picture(
    encoding: str, rate: int, channels: int, told: dict[str, str]
) -> None:
    fmtp = "; ".join(f"{name}={value}" for name, value in told.items())
    sound = f"m=audio 0 RTP/AVP 97\na=rtpmap:97 {encoding}/{rate}/{channels}\na=fmtp:97 {fmtp}\n"
    video = "m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\n"
    chosen = choose_tracks(parse_sdp("v=0\n" + sound + video), "cam")
    assert chosen[0].media.kind == "video"


KNOWN = [
    ("H264/90000", "", "video"),
    ("H265/90000", "", "video"),
    ("JPEG/90000", "", "video"),
    ("MPEG4-GENERIC/16000", "mode=AAC-hbr;config=1408", "audio"),
    ("MP4A-LATM/16000/1", "cpresent=0;config=40002810bf", "audio"),
    ("PCMA/8000", "", "audio"),
    ("opus/48000/2", "", "audio"),
    ("G726-40/8000", "", "audio"),
]


@pytest.mark.parametrize(("line", "fmtp", "kind"), KNOWN)
@given(st.lists(st.tuples(st.binary(max_size=40), st.booleans(), st.integers(0, 2)), max_size=12))
def test_no_payload_breaks_the_recording(
    line: str, fmtp: str, kind: str, packets: list[tuple[bytes, bool, int]]
) -> None:
    how = described(line, fmtp, kind)
    for number, (payload, marker, lost) in enumerate(packets):
        packet = RtpPacket(97, number, number // 3 * 160, 1, marker, payload)
        for unit in how.depacketizer.push(packet, lost):
            how.format.sample(unit)
            how.format.started()


PICTURE = cv2.GaussianBlur(
    np.random.default_rng(7).integers(0, 255, (120, 160, 3), dtype=np.uint8), (5, 5), 0
)
SAMPLING = {
    0: cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    1: cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
}


def jpeg(kind: int = 1, quality: int = 80, restart: int = 0, picture: NDArray[Any] = PICTURE) -> bytes:
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, SAMPLING[kind % 64]]
    return cv2.imencode(".jpg", picture, [*options, cv2.IMWRITE_JPEG_RST_INTERVAL, restart])[1].tobytes()


def segments(picture: bytes) -> tuple[dict[int, list[bytes]], bytes]:
    """The segments of a JPEG picture by marker, and its scan."""
    found: dict[int, list[bytes]] = {}
    at = 2
    while True:
        marker, size = picture[at + 1], int.from_bytes(picture[at + 2 : at + 4], "big")
        found.setdefault(marker, []).append(picture[at + 4 : at + 2 + size])
        at += 2 + size
        if marker == 0xDA:
            return found, picture[at:-2]


def payloads_of(picture: bytes, kind: int, quality: int, mtu: int = 1000, restart: int = 0) -> list[bytes]:
    """RFC 2435, 3.1, from the picture's own tables where the quality says in-band."""
    found, scan = segments(picture)
    height, width = struct.unpack_from(">HH", found[0xC0][0], 1)
    made = []
    for at in range(0, len(scan), mtu):
        head = struct.pack(">I", at) + bytes((kind, quality, width // 8, -(-height // 8)))
        if restart:
            head += struct.pack(">HH", restart, 0xFFFF)
        if quality > 127 and at == 0:
            tables = b"".join(table[1:] for table in found[0xDB])
            head += struct.pack(">BBH", 0, 0, len(tables)) + tables
        made.append(head + scan[at : at + mtu])
    return made


def push_all(
    how: MediaFormat, payloads: Sequence[bytes], timestamp: int = 0, without: Sequence[int] = ()
) -> list[bytes]:
    """Whole pictures out of these packets, of which some get lost."""
    pictures, lost = [], 0
    for number, payload in enumerate(payloads):
        if number in without:
            lost += 1
            continue
        packet = RtpPacket(26, number, timestamp, 1, number == len(payloads) - 1, payload)
        pictures += [unit.units[0] for unit in how.depacketizer.push(packet, lost)]
        lost = 0
    return pictures


def mjpeg_format() -> MediaFormat:
    return described("JPEG/90000", kind="video")


@pytest.mark.parametrize(
    ("kind", "restart", "quality", "q"),
    [
        (0, 0, 80, 80),
        (1, 0, 30, 30),
        (1, 0, 99, 99),
        (64, 5, 80, 80),
        (65, 3, 50, 255),
        (1, 0, 66, 200),
    ],
)
def test_a_picture_is_the_one_that_was_sent(kind: int, restart: int, quality: int, q: int) -> None:
    sent = jpeg(kind, quality, restart)
    how = mjpeg_format()
    (rebuilt,) = push_all(how, payloads_of(sent, kind, q, restart=restart))
    assert np.array_equal(
        cv2.imdecode(np.frombuffer(rebuilt, np.uint8), 1), cv2.imdecode(np.frombuffer(sent, np.uint8), 1)
    )
    assert segments(rebuilt)[1] == segments(sent)[1]


@pytest.mark.parametrize("told", ["framesize:26 160-120", "x-dimensions:160,120"])
def test_a_picture_too_large_for_its_packets_is_as_large_as_described(told: str) -> None:
    sent = jpeg()
    payloads = [one[:6] + b"\0\0" + one[8:] for one in payloads_of(sent, 1, 80)]
    assert push_all(mjpeg_format(), payloads) == []
    how = media_format(parse_sdp(f"m=video 0 RTP/AVP 26\na={told}\n").media[0])
    assert how is not None
    (rebuilt,) = push_all(how, payloads)
    assert mjpeg.picture_size(rebuilt) == (160, 120)


def test_ffmpeg_and_archiver_decode_the_file_as_they_decode_the_pictures() -> None:
    sent = [jpeg(picture=np.roll(PICTURE, 7 * n, axis=1)) for n in range(5)]
    how = mjpeg_format()
    pictures = [push_all(how, payloads_of(one, 1, 255), timestamp=n * 3600)[0] for n, one in enumerate(sent)]
    unit = how.depacketizer.push(RtpPacket(26, 0, 99, 1, True, payloads_of(sent[0], 1, 255, mtu=99999)[0]), 0)
    assert how.format.sample(unit[0]) is not None
    info = info_of(how)
    assert (info.width, info.height) == (160, 120)
    direct: Any = av.CodecContext.create("mjpeg", "r")
    expected = [frame.to_ndarray() for one in sent for frame in direct.decode(av.Packet(one))]
    for found in (by_ffmpeg(file_of(info, pictures, 3600)), by_archiver(info, pictures)):
        assert len(found) == 5
        assert all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))


def test_tables_that_came_before_are_used_again_but_not_those_of_255() -> None:
    sent = jpeg(quality=66)
    whole, bare = payloads_of(sent, 1, 200), payloads_of(sent, 1, 200)
    bare[0] = bare[0][:8] + bytes(4) + bare[0][12 + 128 :]
    how = mjpeg_format()
    assert push_all(how, bare) == []
    assert len(push_all(how, whole, 1)) == len(push_all(how, bare, 2)) == 1
    changing = [one[:5] + b"\xff" + one[6:] for one in whole]
    poor = [one[:5] + b"\xff" + one[6:] for one in bare]
    assert len(push_all(how, changing, 3)) == 1
    assert push_all(how, poor, 4) == []


@pytest.mark.parametrize("missing", ["first", "middle", "last"])
def test_a_picture_that_lost_a_piece_is_dropped_and_counted(missing: str) -> None:
    parts = payloads_of(jpeg(quality=95), 1, 95, mtu=600)
    lost = {"first": 0, "middle": len(parts) // 2, "last": len(parts) - 1}[missing]
    how = mjpeg_format()
    assert push_all(how, parts, 0, without=(lost,)) == []
    after = [RtpPacket(26, 0, 3600, 1, n == len(parts) - 1, one) for n, one in enumerate(parts)]
    units = [
        u
        for n, one in enumerate(after)
        for u in how.depacketizer.push(one, int(missing == "last" and n == 0))
    ]
    assert [unit.after_loss for unit in units] == [True]
    assert how.depacketizer.dropped == 1


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        bytes(7),
        bytes((0, 0, 0, 0, 2, 80, 20, 15)) + b"scan",  # no such type
        bytes((0, 0, 0, 0, 1, 0, 20, 15)) + b"scan",  # quality 0 is reserved
        bytes((0, 0, 0, 0, 1, 80, 0, 15)) + b"scan",  # too large for its header
        bytes((0, 0, 0, 0, 65, 80, 20, 15)),  # restart header cut off
        bytes((0, 0, 0, 0, 1, 255, 20, 15, 0, 0, 0, 128)) + bytes(60),  # tables cut off
        bytes((0, 0, 0, 0, 1, 255, 20, 15, 0, 0, 0, 0)) + b"scan",  # no tables
        bytes((0, 0, 0, 9, 1, 80, 20, 15)) + b"scan",  # not from the beginning
    ],
)
def test_damaged_pictures_are_dropped_without_an_error(payload: bytes) -> None:
    how = mjpeg_format()
    assert push_all(how, [payload]) == []
    assert how.depacketizer.dropped == 1
    assert len(push_all(how, payloads_of(jpeg(), 1, 80), 1)) == 1


def test_another_size_in_mid_stream_is_another_format() -> None:
    how = mjpeg_format()
    sizes = []
    for picture in (PICTURE, PICTURE, PICTURE[:64, :96].copy()):
        (unit,) = how.depacketizer.push(
            RtpPacket(26, 0, len(sizes), 1, True, payloads_of(jpeg(picture=picture), 1, 80, mtu=99999)[0]), 0
        )
        sample = how.format.sample(unit)
        news = how.format.started()
        assert sample is not None
        assert sample[1]  # every picture is a key frame
        sizes.append((news.info.width, news.info.height) if news else None)
    assert sizes == [(160, 120), None, (96, 64)]


def test_a_size_cannot_be_read_of_what_is_no_jpeg() -> None:
    for data in (b"", mjpeg.SOI, b"\xff\xd8\xff\xd9", bytes(100), jpeg()[:30]):
        with pytest.raises(SourceProtocolError):
            mjpeg.picture_size(data)
