"""Session descriptions of sources (RFC 4566; fmtp: RFC 6184 8.2.1, RFC 7798 7.1, RFC 3640 4.1)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence

from kernel.model.footage import Codec
from simulator.media import Track

_STATIC_PAYLOAD_TYPES = {Codec.G711U: 0, Codec.G711A: 8, Codec.MJPEG: 26}  # RFC 3551, tables 4 and 5
_FIRST_DYNAMIC = 96


def payload_type(codec: Codec) -> int:
    """RTP payload type: static where there is one, else 96 for video and 97 for audio."""
    return _STATIC_PAYLOAD_TYPES.get(codec, _FIRST_DYNAMIC if codec.is_video else _FIRST_DYNAMIC + 1)


def control(index: int) -> str:
    """The control attribute of a source's track, the last part of its SETUP address."""
    return f"trackID={index}"


def describe(*, title: str, host: str, session_number: int, tracks: Sequence[Track]) -> str:
    """The description that answers DESCRIBE."""
    family = "IP6" if ":" in host else "IP4"
    lines = [
        "v=0",
        f"o=- {session_number} 1 IN {family} {host}",
        f"s={title}",
        f"c=IN {family} {'::' if family == 'IP6' else '0.0.0.0'}",
        "t=0 0",
        "a=tool:jianzheng simulator",
        "a=range:npt=now-",
        "a=control:*",
    ]
    for index, track in enumerate(tracks):
        lines += [*_media(track), f"a=control:{control(index)}"]
    return "\r\n".join(lines) + "\r\n"


def _media(track: Track) -> list[str]:
    number = payload_type(track.codec)
    kind = "video" if track.codec.is_video else "audio"
    channels = f"/{track.channels}" if track.channels else ""
    if track.codec is Codec.OPUS:
        channels = "/2"  # RFC 7587, 7: always, whatever it carries
    lines = [
        f"m={kind} 0 RTP/AVP {number}",
        f"a=rtpmap:{number} {_encoding_name(track.codec)}/{track.clock_rate}{channels}",
    ]
    if parameters := _format_parameters(track):
        lines.append(f"a=fmtp:{number} {parameters}")
    if track.frame_rate:
        lines.append(f"a=framerate:{track.frame_rate:g}")
    return lines


def _encoding_name(codec: Codec) -> str:
    return {
        Codec.H264: "H264",
        Codec.H265: "H265",
        Codec.AAC: "MPEG4-GENERIC",
        Codec.G711A: "PCMA",
        Codec.G711U: "PCMU",
        Codec.G726: "G726-32",
        Codec.OPUS: "opus",
        Codec.MJPEG: "JPEG",
    }[codec]


def _format_parameters(track: Track) -> str:
    encoded = [b64encode(one).decode() for one in track.parameter_sets]
    if track.codec is Codec.H264:
        profile = track.parameter_sets[0][1:4].hex().upper()
        return f"packetization-mode=1;profile-level-id={profile};sprop-parameter-sets={','.join(encoded)}"
    if track.codec is Codec.H265:
        names = ("sprop-vps", "sprop-sps", "sprop-pps")
        return ";".join(f"{name}={value}" for name, value in zip(names, encoded, strict=True))
    if track.codec is Codec.AAC:
        return (
            "streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;"
            f"config={track.config.hex().upper()}"
        )
    return "sprop-stereo=0" if track.codec is Codec.OPUS else ""
