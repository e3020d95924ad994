"""What a simulated ONVIF device answers: XML texts from values. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from kernel.clock import iso_utc, to_datetime
from kernel.model.footage import Codec

DEVICE = "http://www.onvif.org/ver10/device/wsdl"
MEDIA = "http://www.onvif.org/ver10/media/wsdl"
MEDIA2 = "http://www.onvif.org/ver20/media/wsdl"
EVENTS = "http://www.onvif.org/ver10/events/wsdl"
SEARCH = "http://www.onvif.org/ver10/search/wsdl"
REPLAY = "http://www.onvif.org/ver10/replay/wsdl"
_NAMESPACES = " ".join(
    f'xmlns:{prefix}="{uri}"'
    for prefix, uri in (
        ("s", "http://www.w3.org/2003/05/soap-envelope"),
        ("wsa", "http://www.w3.org/2005/08/addressing"),
        ("wsnt", "http://docs.oasis-open.org/wsn/b-2"),
        ("ter", "http://www.onvif.org/ver10/error"),
        ("tns1", "http://www.onvif.org/ver10/topics"),
        ("tt", "http://www.onvif.org/ver10/schema"),
        ("tds", DEVICE),
        ("trt", MEDIA),
        ("tr2", MEDIA2),
        ("tev", EVENTS),
        ("tse", SEARCH),
        ("trp", REPLAY),
    )
)
_ENCODINGS = {Codec.G711A: "G711", Codec.G711U: "G711", Codec.AAC: "AAC"}
_MIME = {Codec.G711A: "PCMA", Codec.G711U: "PCMU", Codec.AAC: "MP4A-LATM"}
_KBPS = 2048


@dataclass(frozen=True, kw_only=True, slots=True)
class Stream:
    """What the device says of one source: a profile, a sensor and a recording of the same token."""

    token: str
    name: str
    codec: Codec
    audio: Codec | None
    width: int  # pixels
    height: int  # pixels
    fps: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """An event that the device tells of."""

    at_us: int  # by the device's clock
    topic: str  # such as tns1:VideoSource/MotionAlarm
    data: tuple[tuple[str, str], ...]  # names and values
    sensor: str = ""  # the one it is about, if any


def envelope(body: str) -> bytes:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<s:Envelope {_NAMESPACES}>'
        f"<s:Header/><s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def fault(*subcodes: str, reason: str) -> bytes:
    """A SOAP 1.2 fault; subcodes from the outermost in, such as InvalidArgVal, NoProfile."""
    inner = ""
    for code in reversed(subcodes):
        inner = f"<s:Subcode><s:Value>ter:{code}</s:Value>{inner}</s:Subcode>"
    said = f'<s:Reason><s:Text xml:lang="en">{escape(reason)}</s:Text></s:Reason>'
    return envelope(f"<s:Fault><s:Code><s:Value>s:Sender</s:Value>{inner}</s:Code>{said}</s:Fault>")


def date_and_time(now_us: int) -> str:
    now = to_datetime(now_us)
    return (
        "<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:DateTimeType>NTP</tt:DateTimeType>"
        "<tt:DaylightSavings>false</tt:DaylightSavings><tt:TimeZone><tt:TZ>CST-8</tt:TZ></tt:TimeZone>"
        f"<tt:UTCDateTime><tt:Time><tt:Hour>{now.hour}</tt:Hour><tt:Minute>{now.minute}</tt:Minute>"
        f"<tt:Second>{now.second}</tt:Second></tt:Time><tt:Date><tt:Year>{now.year}</tt:Year>"
        f"<tt:Month>{now.month}</tt:Month><tt:Day>{now.day}</tt:Day></tt:Date></tt:UTCDateTime>"
        "</tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>"
    )


def device_information(name: str) -> str:
    return (
        "<tds:GetDeviceInformationResponse><tds:Manufacturer>Jianzheng</tds:Manufacturer>"
        f"<tds:Model>{escape(name)}</tds:Model><tds:FirmwareVersion>1.0</tds:FirmwareVersion>"
        "<tds:SerialNumber>0001</tds:SerialNumber><tds:HardwareId>simulated</tds:HardwareId>"
        "</tds:GetDeviceInformationResponse>"
    )


def services(addresses: Mapping[str, str]) -> str:
    told = "".join(
        f"<tds:Service><tds:Namespace>{namespace}</tds:Namespace><tds:XAddr>{escape(address)}</tds:XAddr>"
        "<tds:Version><tt:Major>19</tt:Major><tt:Minor>12</tt:Minor></tds:Version></tds:Service>"
        for namespace, address in addresses.items()
    )
    return f"<tds:GetServicesResponse>{told}</tds:GetServicesResponse>"


def capabilities(addresses: Mapping[str, str]) -> str:
    """As devices from before GetServices tell it."""

    def told(name: str, namespace: str) -> str:
        return f"<tt:{name}><tt:XAddr>{escape(addresses[namespace])}</tt:XAddr></tt:{name}>"

    extension = told("Search", SEARCH) + told("Replay", REPLAY)
    return (
        f"<tds:GetCapabilitiesResponse><tds:Capabilities>{told('Device', DEVICE)}{told('Events', EVENTS)}"
        f"{told('Media', MEDIA)}<tt:Extension>{extension}</tt:Extension>"
        "</tds:Capabilities></tds:GetCapabilitiesResponse>"
    )


def scopes(values: Sequence[str]) -> str:
    told = "".join(
        f"<tds:Scopes><tt:ScopeDef>Fixed</tt:ScopeDef><tt:ScopeItem>{escape(one)}</tt:ScopeItem></tds:Scopes>"
        for one in values
    )
    return f"<tds:GetScopesResponse>{told}</tds:GetScopesResponse>"


def profiles(streams: Sequence[Stream]) -> str:
    """Of the Media service, which knows no H.265: such streams are told by Media2 only."""
    told = "".join(_profile(one) for one in streams if one.codec is Codec.H264)
    return f"<trt:GetProfilesResponse>{told}</trt:GetProfilesResponse>"


def _profile(one: Stream) -> str:
    token, audio = quoteattr(one.token), ""
    if one.audio in _ENCODINGS:
        audio = (
            f"<tt:AudioEncoderConfiguration token={token}><tt:Name>sound</tt:Name>"
            f"<tt:UseCount>1</tt:UseCount>"
            f"<tt:Encoding>{_ENCODINGS[one.audio]}</tt:Encoding><tt:Bitrate>64</tt:Bitrate>"
            f"<tt:SampleRate>16</tt:SampleRate>{_MULTICAST}<tt:SessionTimeout>PT60S</tt:SessionTimeout>"
            "</tt:AudioEncoderConfiguration>"
        )
    return (
        f'<trt:Profiles token={token} fixed="true"><tt:Name>{escape(one.name)}</tt:Name>'
        f"<tt:VideoSourceConfiguration token={token}>{_video_source(one)}</tt:VideoSourceConfiguration>"
        f"<tt:VideoEncoderConfiguration token={token}><tt:Name>picture</tt:Name><tt:UseCount>1</tt:UseCount>"
        f"<tt:Encoding>H264</tt:Encoding>{_resolution(one)}<tt:Quality>5</tt:Quality>"
        f"<tt:RateControl><tt:FrameRateLimit>{one.fps}</tt:FrameRateLimit>"
        f"<tt:EncodingInterval>1</tt:EncodingInterval><tt:BitrateLimit>{_KBPS}</tt:BitrateLimit>"
        f"</tt:RateControl><tt:H264><tt:GovLength>{2 * one.fps}</tt:GovLength>"
        f"<tt:H264Profile>High</tt:H264Profile></tt:H264>{_MULTICAST}"
        f"<tt:SessionTimeout>PT60S</tt:SessionTimeout></tt:VideoEncoderConfiguration>{audio}</trt:Profiles>"
    )


_MULTICAST = (
    "<tt:Multicast><tt:Address><tt:Type>IPv4</tt:Type><tt:IPv4Address>0.0.0.0</tt:IPv4Address></tt:Address>"
    "<tt:Port>0</tt:Port><tt:TTL>0</tt:TTL><tt:AutoStart>false</tt:AutoStart></tt:Multicast>"
)


def _video_source(one: Stream) -> str:
    return (
        f"<tt:Name>sensor</tt:Name><tt:UseCount>1</tt:UseCount><tt:SourceToken>{escape(one.token)}"
        f'</tt:SourceToken><tt:Bounds x="0" y="0" width="{one.width}" height="{one.height}"/>'
    )


def _resolution(one: Stream) -> str:
    return (
        f"<tt:Resolution><tt:Width>{one.width}</tt:Width><tt:Height>{one.height}</tt:Height></tt:Resolution>"
    )


def profiles2(streams: Sequence[Stream], *, whole: bool) -> str:
    """Of the Media2 service; configurations only if they were asked for (ONVIF Media2 5.2.2)."""
    told = "".join(_profile2(one, whole=whole) for one in streams)
    return f"<tr2:GetProfilesResponse>{told}</tr2:GetProfilesResponse>"


def _profile2(one: Stream, *, whole: bool) -> str:
    token, audio = quoteattr(one.token), ""
    if one.audio in _MIME:
        audio = (
            f"<tr2:AudioEncoder token={token}><tt:Name>sound</tt:Name><tt:UseCount>1</tt:UseCount>"
            f"<tt:Encoding>{_MIME[one.audio]}</tt:Encoding><tt:Bitrate>64</tt:Bitrate>"
            "<tt:SampleRate>16</tt:SampleRate></tr2:AudioEncoder>"
        )
    encoding = "H265" if one.codec is Codec.H265 else "H264"
    parts = (
        f"<tr2:Configurations><tr2:VideoSource token={token}>{_video_source(one)}</tr2:VideoSource>"
        f'<tr2:VideoEncoder token={token} GovLength="{2 * one.fps}"><tt:Name>picture</tt:Name>'
        f"<tt:UseCount>1</tt:UseCount><tt:Encoding>{encoding}</tt:Encoding>{_resolution(one)}"
        f"<tt:RateControl><tt:FrameRateLimit>{one.fps}</tt:FrameRateLimit>"
        f"<tt:BitrateLimit>{_KBPS}</tt:BitrateLimit></tt:RateControl><tt:Quality>5</tt:Quality>"
        f"</tr2:VideoEncoder>{audio}</tr2:Configurations>"
    )
    return (
        f'<tr2:Profiles token={token} fixed="true"><tr2:Name>{escape(one.name)}</tr2:Name>'
        f"{parts if whole else ''}</tr2:Profiles>"
    )


def media_uri(operation: str, uri: str) -> str:
    """Of GetStreamUri and GetSnapshotUri of the Media service."""
    return (
        f"<trt:{operation}Response><trt:MediaUri><tt:Uri>{escape(uri)}</tt:Uri>"
        "<tt:InvalidAfterConnect>false</tt:InvalidAfterConnect>"
        "<tt:InvalidAfterReboot>false</tt:InvalidAfterReboot><tt:Timeout>PT0S</tt:Timeout>"
        f"</trt:MediaUri></trt:{operation}Response>"
    )


def plain_uri(prefix: str, operation: str, uri: str) -> str:
    """Of Media2 and Replay."""
    inside = f"<{prefix}:Uri>{escape(uri)}</{prefix}:Uri>"
    return f"<{prefix}:{operation}Response>{inside}</{prefix}:{operation}Response>"


def pull_point(address: str, now_us: int, until_us: int) -> str:
    return (
        "<tev:CreatePullPointSubscriptionResponse><tev:SubscriptionReference>"
        f"<wsa:Address>{escape(address)}</wsa:Address></tev:SubscriptionReference>"
        f"<wsnt:CurrentTime>{iso_utc(now_us)}</wsnt:CurrentTime>"
        f"<wsnt:TerminationTime>{iso_utc(until_us)}</wsnt:TerminationTime>"
        "</tev:CreatePullPointSubscriptionResponse>"
    )


def messages(reports: Sequence[Report], now_us: int, until_us: int) -> str:
    told = "".join(_message(one) for one in reports)
    return (
        f"<tev:PullMessagesResponse><tev:CurrentTime>{iso_utc(now_us)}</tev:CurrentTime>"
        f"<tev:TerminationTime>{iso_utc(until_us)}</tev:TerminationTime>{told}</tev:PullMessagesResponse>"
    )


def _message(one: Report) -> str:
    items = "".join(
        f"<tt:SimpleItem Name={quoteattr(name)} Value={quoteattr(value)}/>" for name, value in one.data
    )
    dialect = "http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet"
    return (
        f'<wsnt:NotificationMessage><wsnt:Topic Dialect="{dialect}">{escape(one.topic)}</wsnt:Topic>'
        f'<wsnt:Message><tt:Message UtcTime="{iso_utc(one.at_us)}" PropertyOperation="Changed">'
        f"{_sensor(one)}<tt:Data>{items}</tt:Data></tt:Message></wsnt:Message></wsnt:NotificationMessage>"
    )


def _sensor(one: Report) -> str:
    if not one.sensor:
        return "<tt:Source/>"
    value = quoteattr(one.sensor)
    return f'<tt:Source><tt:SimpleItem Name="VideoSourceToken" Value={value}/></tt:Source>'


def renewed(now_us: int, until_us: int) -> str:
    return (
        f"<wsnt:RenewResponse><wsnt:TerminationTime>{iso_utc(until_us)}</wsnt:TerminationTime>"
        f"<wsnt:CurrentTime>{iso_utc(now_us)}</wsnt:CurrentTime></wsnt:RenewResponse>"
    )


def search_begun(token: str) -> str:
    return (
        f"<tse:FindRecordingsResponse><tse:SearchToken>{token}</tse:SearchToken></tse:FindRecordingsResponse>"
    )


def recordings(streams: Sequence[Stream], from_us: int, until_us: int) -> str:
    told = "".join(_recording(one, from_us, until_us) for one in streams)
    return (
        "<tse:GetRecordingSearchResultsResponse><tse:ResultList><tt:SearchState>Completed</tt:SearchState>"
        f"{told}</tse:ResultList></tse:GetRecordingSearchResultsResponse>"
    )


def _recording(one: Stream, from_us: int, until_us: int) -> str:
    token = escape(one.token)
    return (
        f"<tt:RecordingInformation><tt:RecordingToken>{token}</tt:RecordingToken><tt:Source>"
        f"<tt:SourceId>{token}</tt:SourceId><tt:Name>{escape(one.name)}</tt:Name><tt:Location/>"
        "<tt:Description/><tt:Address/></tt:Source>"
        f"<tt:EarliestRecording>{iso_utc(from_us)}</tt:EarliestRecording>"
        f"<tt:LatestRecording>{iso_utc(until_us)}</tt:LatestRecording><tt:Content/>"
        "<tt:Track><tt:TrackToken>video</tt:TrackToken><tt:TrackType>Video</tt:TrackType><tt:Description/>"
        f"<tt:DataFrom>{iso_utc(from_us)}</tt:DataFrom><tt:DataTo>{iso_utc(until_us)}</tt:DataTo></tt:Track>"
        "<tt:RecordingStatus>Recording</tt:RecordingStatus></tt:RecordingInformation>"
    )


def search_ended(now_us: int) -> str:
    return f"<tse:EndSearchResponse><tse:Endpoint>{iso_utc(now_us)}</tse:Endpoint></tse:EndSearchResponse>"


def probe_matches(
    *, relates_to: str, message_id: str, endpoint: str, scope_list: Sequence[str], address: str
) -> bytes:
    """A WS-Discovery answer (2005 draft, as ONVIF Core 7.3 has it)."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
        'xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
        'xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery" '
        'xmlns:dn="http://www.onvif.org/ver10/network/wsdl">'
        f"<s:Header><a:MessageID>{message_id}</a:MessageID><a:RelatesTo>{escape(relates_to)}</a:RelatesTo>"
        "<a:To>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:To>"
        "<a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/ProbeMatches</a:Action></s:Header>"
        "<s:Body><d:ProbeMatches><d:ProbeMatch>"
        f"<a:EndpointReference><a:Address>{endpoint}</a:Address></a:EndpointReference>"
        f"<d:Types>dn:NetworkVideoTransmitter</d:Types><d:Scopes>{escape(' '.join(scope_list))}</d:Scopes>"
        f"<d:XAddrs>{escape(address)}</d:XAddrs><d:MetadataVersion>1</d:MetadataVersion>"
        "</d:ProbeMatch></d:ProbeMatches></s:Body></s:Envelope>"
    ).encode()
