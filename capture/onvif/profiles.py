"""Media profiles of a device: reading them (Media and Media2), choosing one. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from capture.onvif import soap
from kernel.errors import SourceHasNoVideo, SourceNotFound
from kernel.model.footage import Codec

_CODECS = {
    "H264": Codec.H264,
    "H265": Codec.H265,
    "HEVC": Codec.H265,
    "JPEG": Codec.MJPEG,
    "G711": Codec.G711U,
    "PCMU": Codec.G711U,
    "PCMA": Codec.G711A,
    "G726": Codec.G726,
    "AAC": Codec.AAC,
    "MP4A-LATM": Codec.AAC,
    "MPEG4-GENERIC": Codec.AAC,
    "OPUS": Codec.OPUS,
}
"""Media names encodings by an enumeration, Media2 by IANA's MIME subtypes (ONVIF Media2 5.2.3)."""
_RECORDED = (Codec.H264, Codec.H265)


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """What a device offers as one stream."""

    token: str
    name: str  # for people
    video_source: str  # token of the sensor it shows
    codec: Codec | None  # None: no video, or one that we do not know
    width: int  # pixels, 0 where it is not told
    height: int  # pixels
    frame_rate: float  # pictures a second, the device's limit; 0 where it is not told
    key_interval: int  # pictures from key frame to key frame, 0 where it is not told
    bit_rate_kbps: float  # the device's limit, 0 where it is not told
    audio: Codec | None
    video_config: str = ""  # token of how that sensor is used; events name one or the other


def media_profiles(reply: Element) -> list[Profile]:
    """Of a GetProfilesResponse of the Media service (ver10)."""
    return [_profile(one, one, "Configuration") for one in soap.children(reply, "Profiles")]


def media2_profiles(reply: Element) -> list[Profile]:
    """Of a GetProfilesResponse of the Media2 service (ver20)."""
    found = []
    for one in soap.children(reply, "Profiles"):
        configurations = soap.child(one, "Configurations")
        if configurations is not None:
            found.append(_profile(one, configurations, ""))
    return found


def _profile(one: Element, parts: Element, suffix: str) -> Profile:
    video = soap.child(parts, f"VideoEncoder{suffix}")
    audio = soap.child(parts, f"AudioEncoder{suffix}")
    sensor = soap.child(parts, f"VideoSource{suffix}")
    told = video if video is not None else parts
    return Profile(
        token=one.get("token", ""),
        name=soap.text(one, "Name"),
        video_source=soap.text(sensor, "SourceToken") if sensor is not None else "",
        codec=_codec(soap.text(told, "Encoding")) if video is not None else None,
        width=int(soap.number(told, "Resolution", "Width")),
        height=int(soap.number(told, "Resolution", "Height")),
        frame_rate=soap.number(told, "RateControl", "FrameRateLimit"),
        key_interval=_key_interval(told),
        bit_rate_kbps=soap.number(told, "RateControl", "BitrateLimit"),
        audio=_codec(soap.text(audio, "Encoding")) if audio is not None else None,
        video_config=sensor.get("token", "") if sensor is not None else "",
    )


def _codec(name: str) -> Codec | None:
    return _CODECS.get(name.upper())


def _key_interval(video: Element) -> int:
    """GovLength: an attribute in Media2, inside H264 in Media."""
    told = video.get("GovLength", "")
    return int(told) if told.isdecimal() else int(soap.number(video, "H264", "GovLength"))


def choose(profiles: Sequence[Profile], wanted: str, name: str) -> Profile:
    """The profile that is named by token or name, else the best.

    The best: of those with H.264 or H.265 that show the device's first video source, the largest picture,
    and of those one with sound.

    Args:
        wanted: a token or a name, as the source's uri has it; empty leaves the choice.
        name: of the source, for messages.

    Raises:
        SourceNotFound: there is no such profile; those that there are are named.
        SourceHasNoVideo: no profile has video that can be recorded.
    """
    if wanted:
        for one in profiles:
            if wanted in (one.token, one.name):
                return one
        there = ", ".join(_shown(one.token) for one in profiles) or "none"
        message = f"source {name}: the device has no profile {_shown(wanted)}; it has: {there}."
        raise SourceNotFound(message, hint="Name one of them in the source's uri in cameras.yaml, or none.")
    usable = [one for one in profiles if one.codec in _RECORDED]
    if not usable:
        raise SourceHasNoVideo(f"source {name}: no profile of the device has H.264 or H.265 video.")
    first = [one for one in usable if one.video_source == usable[0].video_source]
    return max(first, key=lambda one: (one.width * one.height, one.audio is not None))


def _shown(token: str) -> str:
    """A token as a message may show it: what a device wrote is not trusted with more than a name."""
    return "".join(letter for letter in token if letter.isalnum() or letter in " ._-")[:40] or "?"
