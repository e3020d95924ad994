"""Replies of devices, true and odd: read by names, never trusted with more than they need."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
from contextlib import suppress
from xml.etree import ElementTree

import pytest

from capture.onvif import quirks, soap
from capture.onvif.client import OnvifClient
from capture.onvif.device_clock import DeviceClock, read_device_time
from capture.onvif.discovery import Found, answering, local_addresses, merged, parse_matches
from capture.onvif.events import DeviceEvent, EventKind, parse_messages
from capture.onvif.profiles import Profile, choose, media2_profiles, media_profiles
from capture.onvif.recordings import Recording, choose_recording, parse_recordings
from kernel.clock import SECOND_US, SystemClock
from kernel.errors import SettingsError, SourceHasNoVideo, SourceNotFound, SourceProtocolError
from kernel.model.footage import Codec
from kernel.settings import CaptureSettings, SourceSpec

SOAP12 = "http://www.w3.org/2003/05/soap-envelope"
SOAP11 = "http://schemas.xmlsoap.org/soap/envelope/"


def reply(body: str, version: str = SOAP12) -> bytes:
    return f'<e:Envelope xmlns:e="{version}"><e:Body>{body}</e:Body></e:Envelope>'.encode()


def parsed(body: str) -> ElementTree.Element:
    found = soap.parse_reply(reply(body))
    assert isinstance(found, ElementTree.Element)
    return found


@pytest.mark.parametrize("version", [SOAP12, SOAP11])
def test_replies_of_either_soap_version_are_read(version: str) -> None:
    found = soap.parse_reply(reply("<x:Answer xmlns:x='urn:x'><x:Uri>rtsp://a</x:Uri></x:Answer>", version))
    assert isinstance(found, ElementTree.Element)
    assert soap.text(found, "Uri") == "rtsp://a"


def test_a_prefix_that_is_declared_nowhere_is_passed_over() -> None:
    data = b"<E:Envelope><E:Body><trt:A><tt:Uri>u</tt:Uri></trt:A></E:Body></E:Envelope>"
    found = soap.parse_reply(data)
    assert isinstance(found, ElementTree.Element)
    assert soap.text(found, "Uri") == "u"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP page",
        b"<html><body>login</body></html>",
        b"<e:Envelope xmlns:e='urn:e'><e:Body/></e:Envelope>",
        b"<e:Envelope xmlns:e='urn:e'><e:Body><cut",
        b'<!DOCTYPE x [<!ENTITY a "aaaa">]><x:Envelope xmlns:x="u"><x:Body><a>&a;</a></x:Body></x:Envelope>',
    ],
)
def test_what_is_no_reply_is_an_error_of_the_source(data: bytes) -> None:
    with pytest.raises(SourceProtocolError):
        soap.parse_reply(data)


def test_a_fault_is_its_codes_and_none_of_its_words() -> None:
    found = soap.parse_reply(
        reply(
            "<e:Fault><e:Code><e:Value>e:Sender</e:Value><e:Subcode><e:Value>ter:NotAuthorized</e:Value>"
            "</e:Subcode></e:Code><e:Reason><e:Text>password s3cret is wrong</e:Text></e:Reason></e:Fault>"
        )
    )
    assert isinstance(found, soap.Fault)
    assert found.refused
    assert "s3cret" not in repr(found)


def test_a_token_proves_the_password_at_the_devices_own_time() -> None:
    token = soap.Token(
        username="admin", password="s3cret", nonce=b"n" * 16, created_us=1_772_420_400 * SECOND_US
    )
    told = ElementTree.fromstring(soap.envelope(soap.element(soap.DEVICE, "GetScopes"), token=token))
    values = {one.tag.rpartition("}")[2]: one.text for one in told.iter()}
    assert values["Created"] == "2026-03-02T03:00:00.000Z"
    digest = hashlib.sha1(b"n" * 16 + b"2026-03-02T03:00:00.000Z" + b"s3cret").digest()
    assert values["Password"] == base64.b64encode(digest).decode()
    assert "s3cret" not in repr(token)


def test_a_clock_is_read_as_utc_and_off_by_half_a_second_at_most() -> None:
    told = read_device_time(
        parsed(
            "<t:R xmlns:t='u'><t:SystemDateAndTime><t:UTCDateTime><t:Time><t:Hour>3</t:Hour>"
            "<t:Minute>0</t:Minute>"
            "<t:Second>60</t:Second></t:Time><t:Date><t:Year>2026</t:Year><t:Month>3</t:Month><t:Day>2</t:Day>"
            "</t:Date></t:UTCDateTime></t:SystemDateAndTime></t:R>"
        )
    )
    assert told == 1_772_420_459 * SECOND_US  # a leap second does not break it
    look = DeviceClock(told_us=told, at_us=told, round_trip_us=0)
    assert look.offset_us == SECOND_US // 2


def test_the_beginning_of_a_second_tells_the_clock_exactly() -> None:
    before = DeviceClock(told_us=10 * SECOND_US, at_us=10_950_000, round_trip_us=1000)
    after = DeviceClock(told_us=11 * SECOND_US, at_us=11_050_000, round_trip_us=1000)
    exact = after.at_edge(before)
    assert exact.offset_us == 0
    assert exact.error_us == 50_000


def test_a_device_that_tells_no_utc_time_tells_none() -> None:
    assert read_device_time(parsed("<t:R xmlns:t='u'><t:SystemDateAndTime/></t:R>")) is None
    assert (
        read_device_time(
            parsed("<t:R xmlns:t='u'><t:SystemDateAndTime><t:UTCDateTime/></t:SystemDateAndTime></t:R>")
        )
        is None
    )


MEDIA = """<t:GetProfilesResponse xmlns:t='u'>
<t:Profiles token='main'><t:Name>Main</t:Name><t:VideoSourceConfiguration><t:SourceToken>s0</t:SourceToken>
</t:VideoSourceConfiguration><t:VideoEncoderConfiguration><t:Encoding>H264</t:Encoding><t:Resolution>
<t:Width>1920</t:Width><t:Height>1080</t:Height></t:Resolution><t:RateControl><t:FrameRateLimit>25</t:FrameRateLimit>
<t:BitrateLimit>4096</t:BitrateLimit></t:RateControl><t:H264><t:GovLength>50</t:GovLength></t:H264>
</t:VideoEncoderConfiguration></t:Profiles>
<t:Profiles token='bare'><t:Name>Bare</t:Name></t:Profiles></t:GetProfilesResponse>"""

MEDIA2 = """<t:GetProfilesResponse xmlns:t='u'><t:Profiles token='p1'><t:Name>One</t:Name><t:Configurations>
<t:VideoSource><t:SourceToken>s0</t:SourceToken></t:VideoSource><t:VideoEncoder GovLength='60'><t:Encoding>
H265</t:Encoding><t:Resolution><t:Width>3840</t:Width><t:Height>2160</t:Height></t:Resolution></t:VideoEncoder>
<t:AudioEncoder><t:Encoding>MP4A-LATM</t:Encoding></t:AudioEncoder></t:Configurations></t:Profiles>
</t:GetProfilesResponse>"""


def test_profiles_of_both_media_services_are_read() -> None:
    main, bare = media_profiles(parsed(MEDIA))
    assert (main.codec, main.width, main.key_interval, main.bit_rate_kbps) == (Codec.H264, 1920, 50, 4096)
    assert bare.codec is None
    [one] = media2_profiles(parsed(MEDIA2))
    assert (one.codec, one.height, one.key_interval, one.audio) == (Codec.H265, 2160, 60, Codec.AAC)


def profile(
    token: str, *, source: str = "s0", codec: Codec | None = Codec.H264, width: int = 640, audio: bool = False
) -> Profile:
    return Profile(
        token=token,
        name=token.upper(),
        video_source=source,
        codec=codec,
        width=width,
        height=width,
        frame_rate=25,
        key_interval=50,
        bit_rate_kbps=1000,
        audio=Codec.AAC if audio else None,
    )


def test_the_largest_picture_of_the_first_sensor_is_chosen_with_sound_if_there_is() -> None:
    there = [
        profile("sub"),
        profile("silent", width=1920),
        profile("main", width=1920, audio=True),
        profile("jpeg", width=4000, codec=Codec.MJPEG),
        profile("other", source="s1", width=3840),
    ]
    assert choose(there, "", "cam").token == "main"


def test_a_profile_is_named_by_token_or_name() -> None:
    assert choose([profile("sub"), profile("main")], "sub", "cam").token == "sub"
    assert choose([profile("sub"), profile("main")], "SUB", "cam").token == "sub"


def test_an_unknown_profile_names_those_that_there_are() -> None:
    with pytest.raises(SourceNotFound, match=r"no profile nope; it has: sub, main"):
        choose([profile("sub"), profile("main")], "nope", "cam")


def test_a_device_without_video_is_told_from_one_without_the_profile() -> None:
    with pytest.raises(SourceHasNoVideo):
        choose([profile("x", codec=None)], "", "cam")


@pytest.mark.parametrize(
    "told",
    ["http://192.168.1.64/onvif/media", "http://0.0.0.0:80/onvif/media", "http://localhost:8000/onvif/media"],
)
def test_services_are_where_the_device_was_asked(told: str) -> None:
    used = quirks.service_address(told, "http://10.0.0.9:8081/onvif/device_service")
    assert used == "http://10.0.0.9:8081/onvif/media"


@pytest.mark.parametrize(
    ("told", "used"),
    [
        ("rtsp://192.168.1.64:554/h264?x=1&y=2", "rtsp://10.0.0.9:554/h264?x=1&y=2"),
        ("rtsp://admin:s3cret@0.0.0.0/live", "rtsp://10.0.0.9/live"),
        (" rtsp://10.0.0.9/a b\n", "rtsp://10.0.0.9/a b"),
    ],
)
def test_streams_are_at_the_host_that_was_asked_and_carry_no_credentials(told: str, used: str) -> None:
    assert quirks.stream_address(told, "10.0.0.9") == used


def test_what_is_no_address_is_refused() -> None:
    for told in ("", "h264", "rtsp://"):
        with pytest.raises(ValueError, match="no URI"):
            quirks.stream_address(told, "10.0.0.9")


def notification(topic: str, at: str) -> ElementTree.Element:
    data = "<t:Data><t:SimpleItem Name='State' Value='true'/></t:Data>"
    message = f"<t:Message><t:Message UtcTime='{at}'>{data}</t:Message></t:Message>"
    told = f"<t:NotificationMessage><t:Topic>{topic}</t:Topic>{message}</t:NotificationMessage>"
    return parsed(f"<t:PullMessagesResponse xmlns:t='u'>{told}</t:PullMessagesResponse>")


def test_events_are_known_by_their_topics() -> None:
    [event] = parse_messages(notification("\n tns1:VideoSource/tns1:MotionAlarm ", "2026-03-02T03:00:00Z"))
    assert event == DeviceEvent(
        at_us=1_772_420_400 * SECOND_US,
        kind=EventKind.MOTION,
        topic="VideoSource/MotionAlarm",
        data=(("State", "true"),),
    )


def test_an_event_without_a_time_zone_has_no_time() -> None:
    topic = "tns1:Device/HardwareFailure/StorageFailure"
    [event] = parse_messages(notification(topic, "2026-03-02T03:00:00"))
    assert (event.at_us, event.kind) == (None, EventKind.STORAGE)


def test_the_recording_of_the_profile_is_chosen_and_never_guessed() -> None:
    mine = profile("main")
    kept = [
        Recording(token=f"r{n}", source_token=token, from_us=None, until_us=None, has_video=True)
        for n, token in enumerate(("other", "main"))
    ]
    assert choose_recording(kept, mine, "cam").token == "r1"
    assert choose_recording(kept[:1], mine, "cam").token == "r0"  # the only one
    with pytest.raises(SourceNotFound, match="2 recordings"):
        choose_recording(kept, profile("third", source="s9"), "cam")
    with pytest.raises(SourceNotFound, match="no recording"):
        choose_recording([], mine, "cam")


def test_recordings_of_sound_alone_are_none_of_ours() -> None:
    body = (
        "<t:R xmlns:t='u'><t:ResultList><t:RecordingInformation><t:RecordingToken>r</t:RecordingToken>"
        "<t:Track><t:TrackType>Audio</t:TrackType></t:Track></t:RecordingInformation></t:ResultList></t:R>"
    )
    [one] = parse_recordings(parsed(body))
    assert not one.has_video


MATCHES = """<e:Envelope xmlns:e='u'><e:Header><e:RelatesTo>uuid:q-1</e:RelatesTo></e:Header>
<e:Body><e:ProbeMatches><e:ProbeMatch><e:EndpointReference><e:Address>urn:uuid:d-1</e:Address></e:EndpointReference>
<e:Scopes>onvif://www.onvif.org/name/Hall%20One onvif://www.onvif.org/location/%E4%BA%91%E5%8D%97</e:Scopes>
<e:XAddrs>https://10.0.0.9/x http://192.168.1.64:8081/onvif/device_service</e:XAddrs></e:ProbeMatch>
</e:ProbeMatches></e:Body></e:Envelope>"""


def test_a_device_may_be_where_it_answers_from_whatever_it_tells() -> None:
    [found] = parse_matches(MATCHES.encode(), {"q-1"})
    assert (found.scope("name"), found.scope("location"), found.scope("hardware")) == ("Hall One", "云南", "")
    elsewhere = answering(found, "10.0.0.9")
    assert elsewhere.uri == "onvif://192.168.1.64:8081"
    assert elsewhere.addresses[1] == "http://10.0.0.9:8081/onvif/device_service"
    told_by_https, told = found.addresses
    assert answering(found, "192.168.1.64").addresses == (told, told_by_https)


def test_answers_to_other_questions_and_other_noise_are_passed_over() -> None:
    assert parse_matches(MATCHES.encode(), {"q-2"}) == []
    assert parse_matches(b"\x00\xff noise", {"q-1"}) == []


def test_a_device_on_two_networks_is_one() -> None:
    one = Found(endpoint="e", addresses=("http://a/x",), scopes=())
    two = Found(endpoint="e", addresses=("http://b/x", "http://a/x"), scopes=())
    assert merged(merged(None, one), two).addresses == ("http://a/x", "http://b/x")


def test_an_interface_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(SettingsError, match="no interface nope0"):
        local_addresses("nope0")
    assert local_addresses("127.0.0.1") == ["127.0.0.1"]


@pytest.mark.parametrize(
    ("status", "fields", "why"),
    [
        ("200 OK", "Content-Encoding: gzip\r\n", "is packed"),
        ("200 OK", "", "is too long"),
        ("401 Unauthorized", 'WWW-Authenticate: Digest realm="a", nonce="b"\r\n', "is too long"),
    ],
)
async def test_answers_are_bounded_while_they_come(status: str, fields: str, why: str) -> None:
    """What unpacks to gigabytes, or does not end: of challenges, too."""
    asked: list[bytes] = []
    sent = 0
    over = asyncio.Event()
    piece = gzip.compress(bytes(1 << 20)) if "gzip" in fields else bytes(1 << 20)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(f"HTTP/1.1 {status}\r\n{fields}Content-Length: {1 << 30}\r\n\r\n".encode())
        with suppress(ConnectionError):
            while True:
                writer.write(piece)
                await writer.drain()
                sent += len(piece)
        writer.close()
        over.set()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        spec = SourceSpec(
            id="seat-1",
            content_kind="room",
            uri=f"onvif://127.0.0.1:{port}",
            username="admin",
            password="s3cret",
            label_zh="x",
        )
        async with OnvifClient(spec, CaptureSettings(connect_seconds=30), SystemClock()) as device:
            with pytest.raises(SourceProtocolError, match=why):
                await device.exact_clock()
        await over.wait()
    assert b"accept-encoding: identity\r\n" in asked[0].lower()
    assert sent < 100 << 20
