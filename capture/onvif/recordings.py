"""What a device keeps in its own memory (ONVIF profile G): which recording, and where it is played back."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from capture.onvif import soap
from capture.onvif.client import DeviceFault, OnvifClient
from capture.onvif.device import media, rtsp_address, stream_setup
from capture.onvif.events import moment
from capture.onvif.profiles import Profile, choose
from kernel.errors import SourceNotFound

_LOOKS = 10  # a search goes on for some seconds at most
_KEEP_ALIVE = "PT30S"


@dataclass(frozen=True, kw_only=True, slots=True)
class Recording:
    """One recording of a device: it goes on while the device records."""

    token: str
    source_token: str  # what it shows: a profile, on the device's own recordings
    from_us: int | None  # by the device's clock; None where it is not told
    until_us: int | None
    has_video: bool


def parse_recordings(reply: Element) -> list[Recording]:
    """The recordings in a GetRecordingSearchResultsResponse."""
    results = soap.child(reply, "ResultList")
    if results is None:
        return []
    return [_recording(one) for one in soap.children(results, "RecordingInformation")]


def _recording(told: Element) -> Recording:
    kinds = {soap.text(track, "TrackType") for track in soap.children(told, "Track")}
    return Recording(
        token=soap.text(told, "RecordingToken"),
        source_token=soap.text(told, "Source", "SourceId"),
        from_us=moment(soap.text(told, "EarliestRecording")),
        until_us=moment(soap.text(told, "LatestRecording")),
        has_video="Video" in kinds or not kinds,
    )


def choose_recording(recordings: list[Recording], profile: Profile, name: str) -> Recording:
    """The recording of that profile, or of its video source, or the only one there is.

    Raises:
        SourceNotFound: the device keeps none, or several and none of this profile: nothing is guessed.
    """
    kept = [one for one in recordings if one.has_video and one.token]
    for wanted in (profile.token, profile.video_source):
        for one in kept:
            if wanted and one.source_token == wanted:
                return one
    if len(kept) == 1:
        return kept[0]
    what = "no recording" if not kept else f"{len(kept)} recordings, none of profile {profile.token[:40]}"
    raise SourceNotFound(f"source {name}: the device's memory holds {what}.", hint="Give it a replay_uri.")


async def search(device: OnvifClient) -> list[Recording]:
    """All recordings in the device's memory (ONVIF Recording Search 5.4, 5.5).

    Raises:
        SourceNotFound: the device offers no search: it has no profile G.
    """
    address = (await device.services()).get(soap.SEARCH)
    if address is None:
        raise SourceNotFound(
            f"source {device.name}: the device does not offer its memory (no ONVIF profile G).",
            hint="Without it, or a replay_uri, gaps of this source cannot be filled afterwards.",
        )
    scope, alive = soap.element(soap.SEARCH, "Scope"), soap.element(soap.SEARCH, "KeepAliveTime", _KEEP_ALIVE)
    begun = await device.call(soap.SEARCH, address, "FindRecordings", scope, alive)
    token = soap.text(begun, "SearchToken")
    found: list[Recording] = []
    try:
        for _ in range(_LOOKS):
            reply = await device.call(soap.SEARCH, address, "GetRecordingSearchResults", *_asking(token))
            found += parse_recordings(reply)
            if soap.text(reply, "ResultList", "SearchState") == "Completed":
                break
    finally:
        await _end(device, address, token)
    return list({one.token: one for one in found}.values())


def _asking(token: str) -> list[Element]:
    return [
        soap.element(soap.SEARCH, "SearchToken", token),
        soap.element(soap.SEARCH, "WaitTime", "PT1S"),
    ]


async def _end(device: OnvifClient, address: str, token: str) -> None:
    with suppress(DeviceFault):  # a search that is complete may be forgotten already
        await device.call(soap.SEARCH, address, "EndSearch", soap.element(soap.SEARCH, "SearchToken", token))


async def replay_uri(device: OnvifClient, wanted: str) -> str:
    """Where the recording of a profile is played back, by RTSP over TCP (ONVIF Replay Control 5.2).

    Args:
        wanted: the profile as the source's uri names it; empty for the one that is recorded live.

    Raises:
        SourceNotFound: the device has no memory, or none of this profile.
    """
    address = (await device.services()).get(soap.REPLAY)
    recordings = await search(device)
    if address is None:
        raise SourceNotFound(f"source {device.name}: the device cannot play back what it recorded.")
    profile = choose((await media(device)).profiles, wanted, device.name)
    recording = choose_recording(recordings, profile, device.name)
    token = soap.element(soap.REPLAY, "RecordingToken", recording.token)
    reply = await device.call(soap.REPLAY, address, "GetReplayUri", stream_setup(soap.REPLAY), token)
    return rtsp_address(device, soap.text(reply, "Uri"))
