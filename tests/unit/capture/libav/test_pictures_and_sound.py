"""What containers carry, taken apart without a container."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction

import pytest

from capture.libav.demuxer import Unwrapper
from capture.libav.pictures import PictureTrack, split_lengths
from capture.libav.sound import SampleCount, sound_track
from kernel.errors import SourceProtocolError
from kernel.isobmff.boxes import find
from kernel.isobmff.sample_entry import decoder_config
from kernel.model.footage import Codec
from tests.unit.capture.conftest import EncodedVideo


def units(data: bytes) -> list[bytes]:
    return list(split_lengths(data, 4))


def header_of(video: EncodedVideo) -> bytes:
    return decoder_config(video.started.info.sample_entry).extradata


def test_lengths_of_two_bytes_become_four(video: EncodedVideo) -> None:
    header = bytearray(header_of(video))
    header[4] = 0xFC | 1
    track = PictureTrack(Codec.H264, 90_000, bytes(header))
    _, data, key = video.units[0]
    short = b"".join(len(nal).to_bytes(2, "big") + nal for nal in units(data))
    assert track.sample(short) == (data, key)


def test_start_codes_become_lengths_and_in_band_sets_the_sample_entry(video: EncodedVideo) -> None:
    config = header_of(video)
    sps_end = 8 + int.from_bytes(config[6:8], "big")
    sps = config[8:sps_end]
    pps = config[sps_end + 3 : sps_end + 3 + int.from_bytes(config[sps_end + 1 : sps_end + 3], "big")]
    _, data, _ = video.units[0]
    track = PictureTrack(Codec.H264, 90_000, b"")
    assert track.started() is None
    stream = b"\0\0\0\1\x09\xf0" + b"".join(b"\0\0\0\1" + nal for nal in (sps, pps, *units(data)))
    assert track.sample(stream) == (data, True)
    started = track.started()
    assert started is not None
    assert started.info == video.started.info
    assert track.started() is None


def test_a_picture_whose_length_reaches_beyond_it_is_refused(video: EncodedVideo) -> None:
    track = PictureTrack(Codec.H264, 90_000, header_of(video))
    _, data, _ = video.units[0]
    with pytest.raises(SourceProtocolError):
        track.sample(data[:-1])


def test_a_new_configuration_in_mid_stream_is_told(video: EncodedVideo, make_video: object) -> None:
    track = PictureTrack(Codec.H264, 90_000, header_of(video))
    assert track.started() is not None
    larger = make_video(5, size=(128, 96))  # type: ignore[operator]
    track.learn_header(header_of(larger))
    started = track.started()
    assert started is not None
    assert (started.info.width, started.info.height) == (128, 96)


def test_a_header_cut_off_anywhere_is_refused(video: EncodedVideo) -> None:
    header = header_of(video)
    for cut in range(1, len(header)):
        with suppress(SourceProtocolError):
            assert PictureTrack(Codec.H264, 90_000, header[:cut]).started() is None, cut


def test_mp3_is_no_sound_of_the_ring() -> None:
    """Invariant 7: and that is all it costs."""
    assert sound_track("mp3float", 44_100, 2, b"", b"") is None


def test_aac_with_adts_headers_is_kept_without_them() -> None:
    body = bytes(range(50))
    size = len(body) + 7
    adts = bytes(
        (0xFF, 0xF1, 0x50 | 1 << 2 & 0, 0x80 | size >> 11, size >> 3 & 255, (size & 7) << 5 | 31, 0xFC)
    )
    track = sound_track("aac", 0, 0, b"", adts + body)
    assert track is not None
    assert (track.info.sample_rate, track.info.channels) == (44_100, 2)
    assert track.frame(adts + body) == body
    assert find(track.info.sample_entry[36:], "esds") is not None
    with pytest.raises(SourceProtocolError):
        track.frame(body)


def test_times_in_milliseconds_are_counted_in_samples() -> None:
    place = SampleCount(44_100)
    told = [round(1000 * 1024 * number / 44_100) for number in range(1000)]
    ticks = [place.place(Fraction(ms, 1000), 1024) for ms in told]
    assert ticks == [1024 * number for number in range(1000)]


def test_a_hole_in_the_sound_stays_a_hole() -> None:
    place = SampleCount(8000)
    assert [place.place(Fraction(ms, 1000), 160) for ms in (0, 20, 540)] == [0, 160, 4320]


@pytest.mark.parametrize("modulus", [1 << 32, 1 << 33])
def test_time_stamps_that_wrap_go_on(modulus: int) -> None:
    unwrapper = Unwrapper(modulus)
    true = list(range(modulus - 5000, 3 * modulus + 5000, modulus // 7))
    assert [unwrapper.unwrap(one % modulus) for one in true] == true


def test_time_stamps_may_go_back_a_little_over_the_wrap() -> None:
    unwrapper = Unwrapper(1 << 32)
    assert [unwrapper.unwrap(one % (1 << 32)) for one in ((1 << 32) - 3, (1 << 32) + 2, (1 << 32) - 1)] == [
        (1 << 32) - 3,
        (1 << 32) + 2,
        (1 << 32) - 1,
    ]
