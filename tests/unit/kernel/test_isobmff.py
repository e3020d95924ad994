"""MP4 boxes: what the writer wrote the reader and FFmpeg find again."""

from __future__ import annotations

import io
import struct
from dataclasses import replace

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.errors import BoxError
from kernel.isobmff.boxes import box, children, find, full_box, header_at
from kernel.isobmff.reader import read_fragments, read_index, read_init, top_level
from kernel.isobmff.tracks import ProducerTime, Sample, Track, TrackRun
from kernel.isobmff.writer import fragment, init_segment, producer_time, segment_index

SOUND = Track(
    id=2,
    timescale=8000,
    sample_entry=box("ulaw", struct.pack(">6xH8xHHHHI", 1, 1, 16, 0, 0, 8000 << 16)),
)


def picture_track() -> tuple[Track, list[bytes]]:
    """MJPEG pictures: every one a key frame, and no decoder configuration is needed."""
    context = av.CodecContext.create("mjpeg", "w")
    context.width, context.height, context.pix_fmt = 64, 48, "yuvj420p"
    context.framerate = 10
    context.time_base = 1 / context.framerate
    pictures = []
    for number in range(6):
        frame = av.VideoFrame(64, 48, "yuvj420p")
        frame.pts = number
        pictures += [bytes(packet) for packet in context.encode(frame)]
    pictures += [bytes(packet) for packet in context.encode(None)]
    entry = box("jpeg", struct.pack(">6xH16xHHIIIH32sHh", 1, 64, 48, 0, 0, 0, 1, bytes(32), 24, -1))
    return Track(id=1, timescale=90_000, sample_entry=entry, width=64, height=48), pictures


def samples_strategy() -> st.SearchStrategy[list[Sample]]:
    sample = st.builds(
        Sample,
        data=st.binary(max_size=20),
        duration=st.integers(1, 1 << 20),
        key=st.booleans(),
        composition_offset=st.integers(-(1 << 20), 1 << 20),
    )
    return st.lists(sample, min_size=1, max_size=8)


@given(video=samples_strategy(), audio=samples_strategy(), base=st.integers(0, 1 << 50))
def test_samples_come_back_as_they_were_written(video: list[Sample], audio: list[Sample], base: int) -> None:
    data = fragment(
        7,
        [
            TrackRun(track_id=1, base_dts=base, samples=tuple(video)),
            TrackRun(track_id=2, base_dts=3, samples=tuple(audio)),
        ],
    )
    (found,) = read_fragments(io.BytesIO(data))
    assert (found.offset, found.size, found.producer_time) == (0, len(data), None)
    for track_id, written, dts in ((1, video, base), (2, audio, 3)):
        for ref, sample in zip(found.runs[track_id], written, strict=True):
            assert data[ref.offset : ref.offset + ref.size] == sample.data
            assert (ref.dts, ref.pts) == (dts, dts + sample.composition_offset)
            assert (ref.duration, ref.key) == (sample.duration, sample.key)
            dts += sample.duration


@given(
    wall_us=st.integers(0, 4_102_444_800_000_000 // 2), media=st.integers(0, 1 << 62), captured=st.booleans()
)
def test_wall_times_are_exact_to_the_microsecond(wall_us: int, media: int, captured: bool) -> None:
    told = ProducerTime(track_id=1, wall_us=wall_us, media_time=media, captured=captured)
    run = TrackRun(track_id=1, base_dts=media, samples=(Sample(data=b"x", duration=1),))
    (found,) = read_fragments(io.BytesIO(producer_time(told) + fragment(1, [run])))
    assert found.producer_time == told


@given(cut=st.floats(0, 1))
def test_a_torn_file_gives_its_whole_fragments(cut: float) -> None:
    run = TrackRun(track_id=1, base_dts=0, samples=(Sample(data=b"x" * 30, duration=1),))
    told = ProducerTime(track_id=1, wall_us=1, media_time=0, captured=True)
    one = producer_time(told) + fragment(1, [run])
    whole = one * 3
    size = round(cut * len(whole))
    assert len(list(read_fragments(io.BytesIO(whole[:size])))) == size // len(one)


def test_tracks_come_back_as_they_were_written() -> None:
    track, _ = picture_track()
    found = read_init(io.BytesIO(init_segment([track, SOUND])))
    assert found.tracks == (track, SOUND)
    assert (found.video, found.audio) == (track, SOUND)


def test_a_file_without_a_beginning_is_an_error() -> None:
    with pytest.raises(BoxError):
        read_init(io.BytesIO(init_segment([SOUND])[:-1]))
    with pytest.raises(BoxError):
        _ = read_init(io.BytesIO(init_segment([SOUND]))).video


def test_boxes_that_claim_too_much_are_an_error() -> None:
    for data in (b"\0\0\0\7free", b"\0\0\1\0free", b"\0\0\0\1free", b"\0\0"):
        with pytest.raises(BoxError):
            header_at(data, 0, len(data))


def test_large_and_open_ended_boxes() -> None:
    data = struct.pack(">I4sQ", 1, b"free", 20) + b"abcd" + struct.pack(">I4s", 0, b"mdat") + b"rest"
    assert [(one.type, one.payload, one.end) for one in children(data)] == [
        ("free", 16, 20),
        ("mdat", 28, 32),
    ]
    assert [one.type for one in top_level(io.BytesIO(data))] == ["free", "mdat"]
    nested = box("moov", box("trak", full_box("tkhd", 1, 3, b"x")))
    found = find(nested, "moov", "trak", "tkhd")
    assert found is not None
    assert nested[found.payload : found.end] == b"\1\0\0\3x"
    assert find(nested, "moov", "mvex") is None


def test_ffmpeg_demuxes_with_the_same_times_and_seeks_by_the_index() -> None:
    track, pictures = picture_track()
    runs = [
        TrackRun(track_id=1, base_dts=n * 9000, samples=(Sample(data=data, duration=9000),))
        for n, data in enumerate(pictures)
    ]
    parts = []
    for n, run in enumerate(runs):
        told = ProducerTime(track_id=1, wall_us=n * 100_000, media_time=run.base_dts, captured=True)
        sound = TrackRun(track_id=2, base_dts=n * 800, samples=(Sample(data=bytes(800), duration=800),))
        parts.append(producer_time(told) + fragment(n + 1, [run, sound]))
    index = segment_index(track, [run.base_dts for run in runs], 6 * 9000, [len(part) for part in parts])
    data = init_segment([track, SOUND]) + index + b"".join(parts)
    with av.open(io.BytesIO(data)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert audio.codec_context.name == "pcm_mulaw"
        assert [packet.pts for packet in container.demux(video) if packet.size] == [
            n * 9000 for n in range(6)
        ]
        container.seek(4 * 9000, stream=video)
        assert next(packet.pts for packet in container.demux(video)) == 4 * 9000
    found = read_index(io.BytesIO(data))
    assert found is not None
    assert [one.start for one in found.subsegments] == [n * 9000 for n in range(6)]
    for one, part in zip(found.subsegments, parts, strict=True):
        assert data[one.offset : one.offset + one.size] == part


# --- damage


@pytest.fixture(scope="module")
def whole_file() -> bytes:
    """Everything that this product writes, in one file."""
    track, pictures = picture_track()
    told = ProducerTime(track_id=1, wall_us=1_772_420_400_000_000, media_time=0, captured=True)
    run = TrackRun(
        track_id=1, base_dts=0, samples=tuple(Sample(data=data, duration=9000) for data in pictures[:3])
    )
    piece = producer_time(told) + fragment(1, [run])
    index = segment_index(track, [0], 27_000, [len(piece)])
    return init_segment([track, SOUND]) + index + piece * 2


def read_all(data: bytes) -> None:
    """Whatever reads a file either understands it or raises BoxError."""
    for read in (read_init, read_index, lambda file: list(read_fragments(file))):
        try:
            read(io.BytesIO(data))
        except BoxError:
            continue


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_understood_or_refused_in_words(whole_file: bytes, data: st.DataObject) -> None:
    whole = whole_file
    damaged = bytearray(whole)
    places = st.one_of(st.integers(0, 1400), st.integers(0, len(whole) - 1))
    for place, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=6)):
        damaged[place] = value
    read_all(bytes(damaged[: data.draw(st.integers(0, len(whole)))]))
    read_all(bytes(damaged))


def test_every_single_byte_of_the_headers_may_be_hurt(whole_file: bytes) -> None:
    whole = whole_file
    for place in range(1400):
        for value in (0, 1, 255):
            read_all(whole[:place] + bytes([value]) + whole[place + 1 :])


def test_a_box_too_short_for_its_fields_is_an_error() -> None:
    short = box(
        "moov", box("trak", box("tkhd"), box("mdia", box("mdhd"), box("minf", box("stbl", box("stsd")))))
    )
    with pytest.raises(BoxError, match="trak"):
        read_init(io.BytesIO(short))
    with pytest.raises(BoxError, match="prft"):
        list(read_fragments(io.BytesIO(box("prft"))))
    with pytest.raises(BoxError, match="sidx"):
        read_index(io.BytesIO(box("sidx", b"x")))
    torn = box("moof", box("traf", box("tfhd"), box("tfdt"), box("trun"))) + box("mdat")
    with pytest.raises(BoxError, match="traf"):
        list(read_fragments(io.BytesIO(torn)))


def test_a_timescale_of_nothing_is_an_error() -> None:
    with pytest.raises(BoxError, match="timescale"):
        read_init(io.BytesIO(init_segment([replace(SOUND, timescale=0)])))


def test_time_beyond_what_a_catalogue_holds_is_an_error() -> None:
    run = TrackRun(track_id=1, base_dts=(1 << 63) - 1, samples=(Sample(data=b"x", duration=1),))
    with pytest.raises(BoxError, match="tick"):
        list(read_fragments(io.BytesIO(fragment(1, [run]))))


def test_an_index_spans_a_night_without_a_picture() -> None:
    """Sixteen hours of 90 kHz do not fit into the 32 bits of a duration."""
    track, _ = picture_track()
    morning = 16 * 3600 * 90_000
    index = segment_index(track, [0, morning], morning + 9000, [10, 10])
    found = read_index(io.BytesIO(init_segment([track]) + index))
    assert found is not None
    assert [one.start / found.timescale for one in found.subsegments] == [0, 16 * 3600]
