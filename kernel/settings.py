"""Settings: ``cameras.yaml`` for sites, rooms, seats and sources; ``jianzheng.toml`` and the environment
(``JIANZHENG_…``) for the rest. Closed: an unknown key fails and is named.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable, Iterable
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings import SettingsError as UnreadableSource

from kernel.clock import SECOND_US
from kernel.errors import SettingsError
from kernel.model.cut import CutRules, PauseRule
from kernel.model.source import ContentKind, RecordMode, Room, RoomKind, Seat, Site, Source, Wish
from kernel.tags import LockRule

ENV_PREFIX = "JIANZHENG_"
CONFIG_FILE = Path("jianzheng.toml")
CATALOGUE_FILE = "catalogue.sqlite"


class Closed(BaseModel):
    """A part of the settings: frozen, and no key that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RingSettings(Closed):
    """The ring: the local store of segments."""

    segment_seconds: float = Field(
        default=60, gt=0, description="Length of a segment; cut at the next key frame."
    )
    fragment_seconds: float = Field(
        default=1, gt=0, description="Longest fragment; what a power cut may cost."
    )
    watched_fragment_seconds: float = Field(
        default=0.08, gt=0, description="The same of a source that somebody watches live."
    )
    fsync_seconds: float = Field(
        default=5, gt=0, description="How often written fragments are forced to disk."
    )
    reserve_bytes: int = Field(default=1 << 30, ge=0, description="Free space below which recording stops.")
    make_room_bytes: int = Field(
        default=10 << 30, ge=0, description="Free space to keep by removing the oldest that nothing needs."
    )
    keep_hours: float = Field(
        default=72, ge=0, description="Younger footage goes only when recording would stop: events come late."
    )
    keep_days: float = Field(
        default=0, ge=0, description="Older footage that nothing needs is removed; 0: until room is needed."
    )
    minimum_yields: bool = Field(
        default=True,
        description="What nothing needs goes before its minimum age (class RAW) if recording would stop.",
    )

    @model_validator(mode="after")
    def _check_ages(self) -> RingSettings:
        if 0 < self.keep_days * 24 < self.keep_hours:
            raise ValueError("keep_days must be 0 or at least as long as keep_hours")
        return self


class CaptureSettings(Closed):
    """How patient the recorder is."""

    connect_seconds: float = Field(default=5, gt=0, description="Time for a device to answer each request.")
    silence_seconds: float = Field(default=5, gt=0, description="No picture for so long: the source is lost.")
    hole_seconds: float = Field(default=1.5, gt=0, description="More than this without a picture is a gap.")
    report_seconds: float = Field(default=5, gt=0, description="Wait for the first RTCP sender report.")
    retry_seconds: float = Field(default=1, gt=0, description="First pause before a new connection.")
    retry_max_seconds: float = Field(default=30, gt=0, description="Longest pause; pauses double up to it.")
    sources_per_process: int = Field(
        default=64, ge=1, description="Most sources of one recording process: what its crash may cost."
    )
    libav_sources_per_process: int = Field(
        default=8, ge=1, description="The same for sources that come through FFmpeg's libraries."
    )
    push_host: str = Field(default="0.0.0.0", description="Address on which devices may push by RTSP.")
    push_port: int = Field(
        default=8654, ge=0, le=65535, description="Port on which devices may push by RTSP."
    )


class ArchiveCodec(StrEnum):
    """Profiles of equal rank."""

    AV1 = "av1"
    H264 = "h264"


class ArchiveSettings(Closed):
    """How projects are archived."""

    codec: ArchiveCodec = Field(
        default=ArchiveCodec.AV1, description="av1 (smaller) or h264 (plays everywhere)."
    )
    budget_kbps: float | None = Field(
        default=None,
        gt=0,
        description="One storage budget per stream, sound included, instead of that of each content kind.",
    )
    rules: Path | None = Field(
        default=None, description="A file like archive.yaml: what each content kind may weigh and must show."
    )
    cores: int = Field(
        default=0,
        ge=0,
        description="Cores that encoding may use; 0 leaves one to recording where there are more than two.",
    )
    workers: int = Field(default=0, ge=0, description="Encoding processes; 0 means one for each such core.")
    scheduler: str = Field(
        default="", description="A Dask scheduler, such as tcp://10.0.0.5:8786, to encode on other machines."
    )
    signing_key: Path | None = Field(
        default=None,
        description="Ed25519 key (PEM) that signs packages, made if missing; default: keys/archiver.pem.",
    )
    tsa_url: str = Field(
        default="",
        pattern=r"^(https?://[^/?#@]+([/?#].*)?)?$",
        description="Time stamp authority (RFC 3161) for packages; empty: packages get no time stamp.",
    )
    tsa_certificates: Path | None = Field(
        default=None, description="Its root certificate (PEM); with it, stamps are checked as they come."
    )
    tsa_seconds: float = Field(default=20, gt=0, description="Time for it to answer.")
    tsa_wait_hours: float = Field(
        default=24,
        ge=0,
        description="Longest wait of an archive for its time stamp; then it is made without. 0: for ever.",
    )


class LockMode(StrEnum):
    """How strictly a bucket keeps what is locked."""

    GOVERNANCE = "governance"  # whoever has the right to bypass it can delete
    COMPLIANCE = "compliance"  # nobody can, not even the bucket's owner


class StoreSettings(Closed):
    """S3-compatible storage, where store_url is s3://BUCKET/PREFIX. Credentials best come by environment."""

    endpoint: str = Field(
        default="",
        pattern=r"^(https?://[^/?#@\s]+/?)?$",
        description="Address, such as https://rgw.example.net; empty: Amazon's of the region.",
    )
    region: str = Field(default="us-east-1", description="Region that requests are signed for.")
    vendor: str = Field(
        default="",
        description="ceph, minio, seaweedfs, aliyun-oss, huawei-obs or aws; empty trusts in nothing special.",
    )
    addressing: Literal["", "path", "virtual"] = Field(
        default="", description="Bucket in the path or in the host name; empty: as the vendor wants it."
    )
    access_key: SecretStr = Field(default=SecretStr(""), description="JIANZHENG_STORE__ACCESS_KEY.")
    secret_key: SecretStr = Field(default=SecretStr(""), description="JIANZHENG_STORE__SECRET_KEY.")
    ca_file: Path | None = Field(
        default=None, description="The authority (PEM) of a private certificate; default: the system's."
    )
    lock_mode: LockMode = Field(
        default=LockMode.COMPLIANCE,
        description="compliance: nobody can shorten a retention; governance: whoever may bypass it can.",
    )
    connect_seconds: float = Field(default=5, gt=0, description="Time for it to take a connection.")
    read_seconds: float = Field(default=20, gt=0, description="Time for it to answer a request.")
    slowest_bytes_per_second: int = Field(
        default=1 << 16, gt=0, description="An answer that comes more slowly is given up."
    )
    attempts: int = Field(default=3, ge=1, description="How often a request is tried.")
    retry_seconds: float = Field(default=1, gt=0, description="First pause between; it doubles.")
    part_bytes: int = Field(
        default=16 << 20, ge=5 << 20, description="Larger objects are sent in parts of this size."
    )
    abandoned_hours: float = Field(
        default=48, gt=0, description="Parts of uploads that nobody took up again are cleared away then."
    )


class CopySettings(StoreSettings):
    """A store of its own for copies: with an endpoint and credentials other than those of [store]."""

    url: str = Field(description="file:///PATH or s3://BUCKET/PREFIX.")


class PreservationSettings(Closed):
    """How archives are kept whole: read back, copied, restored for practice."""

    sweep_days: float = Field(
        default=90, gt=0, description="Every stored object is read back and compared within this time."
    )
    sweep_bytes_per_second: int = Field(
        default=20_000_000, gt=0, description="Most that reading back takes of disk and network."
    )
    again_days: float = Field(
        default=1, gt=0, description="An object that is not as it should be is looked at again after this."
    )
    copies: tuple[str | CopySettings, ...] = Field(
        default=(),
        description="More stores that hold every archive: file:///PATH, s3://BUCKET/PREFIX by what [store] "
        "says, or a table of url and what [store] may say.",
    )
    drill_days: float = Field(
        default=30, gt=0, description="How often an archived project is fetched, verified and decoded."
    )

    @field_validator("copies")
    @classmethod
    def _check_copies(cls, copies: tuple[str | CopySettings, ...]) -> tuple[str | CopySettings, ...]:
        """Copies are named by their address on record, which must not change its meaning or be a secret."""
        names = [public_uri(url_of_copy(one)) for one in copies]
        if len(set(names)) < len(names):
            raise ValueError("two copies have the same address")
        if any(name != url_of_copy(one) for name, one in zip(names, copies, strict=True)):
            raise ValueError("the address of a copy has no user, password, query or fragment")
        return copies


def url_of_copy(copy: str | CopySettings) -> str:
    return copy if isinstance(copy, str) else copy.url


class UseSettings(Closed):
    """How archives are used."""

    request_days: float = Field(
        default=30, gt=0, description="What was approved has to be used within this time."
    )


class CutSettings(Closed):
    """How much is kept around a session."""

    pre_roll_seconds: float = Field(default=300, ge=0, description="Kept before a session's start event.")
    post_roll_seconds: float = Field(default=300, ge=0, description="Kept after a session's end event.")
    settle_seconds: float = Field(
        default=120, ge=0, description="Longest wait for footage on its way to the ring after the post-roll."
    )
    give_up_seconds: float = Field(
        default=6 * 3600, ge=0, description="Longest wait for footage that a fallen recorder did not seal."
    )
    handover_days: float = Field(
        default=7, ge=0, description="Longest wait for the files of an external venue (five working days)."
    )
    pauses: PauseRule = Field(
        default=PauseRule.KEEP, description="keep: pauses stay in clips, as marks; omit: they are cut out."
    )
    night_stops: tuple[ContentKind, ...] = Field(
        default=(ContentKind.SEAT_FACE, ContentKind.SEAT_DESKTOP),
        description="Content kinds that stop while a room is sealed for the night.",
    )
    shared_rooms: tuple[RoomKind, ...] = Field(
        default=(RoomKind.SCATTERED_HALL,),
        description="Kinds of rooms that projects share; sources at no seat belong to the hall's own record.",
    )
    handed_over_rooms: tuple[RoomKind, ...] = Field(
        default=(RoomKind.EXTERNAL_VENUE,),
        description="Kinds of rooms whose footage comes as files: it is awaited, and cut without rolls.",
    )

    def rules(self) -> CutRules:
        """As cutter and eviction take them."""
        return CutRules(
            pre_roll_us=round(self.pre_roll_seconds * SECOND_US),
            post_roll_us=round(self.post_roll_seconds * SECOND_US),
            pauses=self.pauses,
            night_stops=frozenset(self.night_stops),
            shared_rooms=frozenset(self.shared_rooms),
            no_rolls=frozenset(self.handed_over_rooms),
        )


class TagSettings(Closed):
    """What people mark while they watch."""

    lock_before_seconds: float = Field(
        default=300, ge=0, description="Footage of a seat that an irregularity holds, before its moment."
    )
    lock_after_seconds: float = Field(default=600, gt=0, description="The same after its moment.")

    def lock_rule(self) -> LockRule:
        """As ``kernel.tags`` takes it."""
        return LockRule(
            before_us=round(self.lock_before_seconds * SECOND_US),
            after_us=round(self.lock_after_seconds * SECOND_US),
        )


class DocumentSettings(Closed):
    """Documents beside the video, and the numbers of projects' files."""

    max_bytes: int = Field(default=256 << 20, gt=0, description="Largest document that is taken in.")
    settle_minutes: float = Field(
        default=10, ge=0, description="Documents that come after the archive wait so long for others."
    )
    number_rule: Path | None = Field(
        default=None, description="A file like archive_number.yaml: how archive numbers (档号) are made."
    )


class AuditSettings(Closed):
    """Who did what: where the chain's newest link is kept besides the catalogue, and how long all of it."""

    anchor_file: Path | None = Field(
        default=None, description="File on another machine's disk; the signed head is appended as a line."
    )
    anchor_url: str = Field(
        default="", pattern=r"^(https?://\S+)?$", description="Address to which the signed head is posted."
    )
    anchor_minutes: float = Field(default=60, gt=0, description="How often, by serve and archive --follow.")
    keep_days: float = Field(
        default=180, ge=180, description="Younger records never leave the catalogue (网络安全法, six months)."
    )

    @property
    def anchored(self) -> bool:
        """Whether the head is kept anywhere else."""
        return self.anchor_file is not None or bool(self.anchor_url)


class TlsSettings(Closed):
    """The page by HTTPS, with a certificate of one's own."""

    certificate: Path | None = Field(default=None, description="Its certificate, with those between (PEM).")
    key: Path | None = Field(default=None, description="Its private key (PEM), for its owner only.")

    @model_validator(mode="after")
    def _check_pair(self) -> TlsSettings:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key belong together: set both or none")
        return self

    @property
    def there(self) -> bool:
        return self.certificate is not None


class ServerSettings(Closed):
    """Where the page is served. Beyond loopback only with accounts and over TLS."""

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8480, ge=0, le=65535, description="Port of the page; 0 lets the system choose.")
    names: tuple[str, ...] = Field(
        default=(), description="Names by which browsers may call it, such as witness.example.gov.cn."
    )
    behind_proxy: bool = Field(
        default=False, description="Whether a proxy in front speaks HTTPS with browsers for it."
    )
    proxies: tuple[str, ...] = Field(
        default=(), description="Addresses or networks of that proxy; only its X-Forwarded-For counts."
    )
    tls: TlsSettings = TlsSettings()

    @field_validator("names")
    @classmethod
    def _check_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if any(not _HOST_NAME.match(name) for name in names):
            raise ValueError("a name is a host's, without scheme, port or path")
        return names

    @field_validator("proxies")
    @classmethod
    def _check_proxies(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in proxies:
            try:
                network = ipaddress.ip_network(proxy)
            except ValueError:
                raise ValueError("a proxy is an address or a network such as 10.0.0.0/24") from None
            if network.prefixlen == 0:
                raise ValueError("a network of all addresses would let everybody say where they are")
        return proxies

    @model_validator(mode="after")
    def _check_proxy(self) -> ServerSettings:
        if self.behind_proxy != bool(self.proxies):
            raise ValueError("behind_proxy and proxies belong together: say which proxy is trusted")
        if self.behind_proxy and self.tls.there:
            raise ValueError("either the proxy speaks HTTPS (behind_proxy) or this server does (tls)")
        return self

    @property
    def https(self) -> bool:
        """Whether browsers reach it by HTTPS."""
        return self.behind_proxy or self.tls.there


_HOST_NAME = re.compile(r"^(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?$")


class AccountSettings(Closed):
    """Signing in."""

    second_factor: bool = Field(
        default=True, description="Whether a code of an authenticator is asked of everybody."
    )
    idle_minutes: float = Field(
        default=30, gt=0, description="Who does nothing for so long is signed out; watching is doing."
    )
    longest_hours: float = Field(default=12, gt=0, description="Everybody signs in anew after this.")
    attempts_per_address: int = Field(
        default=60,
        ge=1,
        description="Attempts to sign in from one address that are looked at in five minutes.",
    )
    attempts_per_account: int = Field(default=10, ge=1, description="The same for one account.")
    desktops_for_witnesses: bool = Field(
        default=True, description="Whether witness staff watch experts' desktops live."
    )


class OidcSettings(Closed):
    """Signing in by a provider of identities (OpenID Connect); accounts are linked to it one by one."""

    issuer: str = Field(
        default="",
        pattern=r"^(https?://[^/?#@\s]+(/[^?#\s]*)?)?$",
        description="Such as https://id.example.gov.cn/realms/centre; empty: there is none.",
    )
    client_id: str = Field(default="", description="What it calls this server.")
    client_secret: SecretStr = Field(
        default=SecretStr(""), description="JIANZHENG_OIDC__CLIENT_SECRET; or by client_secret_file."
    )
    client_secret_file: Path | None = Field(default=None, description="File that holds nothing else.")
    ca_file: Path | None = Field(
        default=None, description="The authority (PEM) of a private certificate; default: the system's."
    )
    name: str = Field(default="统一身份认证", description="What the button of the sign-in page calls it.")
    scope: str = Field(default="openid", pattern=r"^openid( \S+)*$", description="What it is asked for.")
    claim: str = Field(
        default="sub", min_length=1, description="Claim that links an account; it must never change hands."
    )

    @model_validator(mode="after")
    def _check_whole(self) -> OidcSettings:
        if self.issuer and not self.client_id:
            raise ValueError("issuer needs a client_id")
        parts = urlsplit(self.issuer)
        if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            raise ValueError("issuer must be reached by https")
        return self

    @property
    def there(self) -> bool:
        return bool(self.issuer)


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine only; a name other than localhost is not."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class AlertSettings(Closed):
    """When somebody is told that something is the matter."""

    seal_at: str = Field(
        default="21:00",
        pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$",
        description="Beijing time at which evaluations that run are sealed for the night.",
    )
    seal_notice_minutes: float = Field(default=15, gt=0, le=720, description="How long before it is told.")
    not_started_minutes: float = Field(
        default=10, gt=0, description="How long after the start of a booking nothing may have begun."
    )
    project_gb: float = Field(
        default=5, gt=0, description="What a project's archive may be forecast to weigh, 10^9 bytes."
    )


class LiveSettings(Closed):
    """Live pictures. What is recorded is never converted."""

    converted_pictures: int = Field(
        default=4, ge=0, description="Most sources made into H.264 at a time, for browsers without H.265."
    )
    converted_sounds: int = Field(default=8, ge=0, description="Most sounds made into Opus at a time.")


class ReceiverSettings(Closed):
    """Where agents on experts' computers send their segments, by HTTPS."""

    host: str = Field(default="0.0.0.0", description="Address to listen on.")
    port: int = Field(default=8443, ge=0, le=65535, description="Port; 0 lets the system choose.")
    certificate: str = Field(
        default="", description="File of the certificate; empty means one that signs itself, below data_dir."
    )
    key: str = Field(default="", description="File of its private key.")
    lost_seconds: float = Field(
        default=30, gt=0, description="An agent that was not heard for so long is lost."
    )
    segment_max_bytes: int = Field(default=1 << 28, gt=0, description="Largest segment that is taken.")


class Settings(BaseSettings):
    """All settings but the sources. Environment: ``JIANZHENG_RING__SEGMENT_SECONDS=60`` and so on."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix=ENV_PREFIX, env_nested_delimiter="__"
    )

    data_dir: Path = Field(
        default=Path("var"), description="Ring, catalogue and store live below it by default."
    )
    cameras: Path = Field(
        default=Path("cameras.yaml"), description="The file of sites, rooms, seats and sources."
    )
    database_url: str = Field(
        default="",
        repr=False,  # it may hold a password (invariant 16)
        description="The catalogue: postgresql://ROLE:PASSWORD@HOST/DATABASE; empty: SQLite below data_dir.",
    )
    store_url: str = Field(
        default="",
        description="The object store: s3://BUCKET/PREFIX, file:///PATH; empty: a directory below data_dir.",
    )
    ring: RingSettings = RingSettings()
    capture: CaptureSettings = CaptureSettings()
    cut: CutSettings = CutSettings()
    archive: ArchiveSettings = ArchiveSettings()
    preservation: PreservationSettings = PreservationSettings()
    use: UseSettings = UseSettings()
    store: StoreSettings = StoreSettings()
    documents: DocumentSettings = DocumentSettings()
    tags: TagSettings = TagSettings()
    audit: AuditSettings = AuditSettings()
    server: ServerSettings = ServerSettings()
    accounts: AccountSettings = AccountSettings()
    oidc: OidcSettings = OidcSettings()
    alerts: AlertSettings = AlertSettings()
    live: LiveSettings = LiveSettings()
    receiver: ReceiverSettings = ReceiverSettings()

    @property
    def ring_dir(self) -> Path:
        return self.data_dir / "ring"

    @property
    def keys_dir(self) -> Path:
        return self.data_dir / "keys"

    @property
    def locks_dir(self) -> Path:
        return self.data_dir / "locks"

    @property
    def live_dir(self) -> Path:
        """Where it is said who is watched live."""
        return self.data_dir / "live"

    @property
    def store_dir(self) -> Path:
        return self.data_dir / "store"

    @property
    def incoming_dir(self) -> Path:
        """Documents on their way in."""
        return self.data_dir / "incoming"

    @property
    def work_dir(self) -> Path:
        return self.data_dir / "work"

    @property
    def catalogue_url(self) -> str:
        return self.database_url or f"sqlite:///{self.data_dir / CATALOGUE_FILE}"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, CONFIG_FILE)


def load_settings(**overrides: Any) -> Settings:
    """The settings of file and environment, with overrides on top.

    Raises:
        SettingsError: a key is unknown or a value cannot be used; the key is named.
    """
    _refuse_unknown_environment()
    try:
        return Settings(**overrides)
    except ValidationError as error:
        where = f"{CONFIG_FILE} or the environment"
        raise SettingsError(f"{where}: {explain(error)}.") from None
    except UnreadableSource as error:
        raise SettingsError(f"the environment cannot be read: {error}.") from None
    except ValueError as error:
        raise SettingsError(f"{CONFIG_FILE} cannot be read: {error}.") from None


def _refuse_unknown_environment() -> None:
    known = {name.upper() for name in Settings.model_fields}
    for name in os.environ:
        if name.startswith(ENV_PREFIX):
            key = name.removeprefix(ENV_PREFIX).split("__")[0].upper()
            if key not in known:
                raise SettingsError(f"the environment variable {name} names no setting.")


def explain(error: ValidationError, content: object = None) -> str:
    """The faults of a validation error in words, each with the key it is about, never with the value.

    Args:
        content: what was validated; a thing in it that has an id is called by it rather than by its place.
    """
    said = []
    for fault in error.errors(include_url=False):
        key = _place(fault["loc"], content) or "the file"
        said.append(
            f"unknown key {key}" if fault["type"] == "extra_forbidden" else f"{key}: {_message(fault)}"
        )
    return "; ".join(said)


_KINDS = {"sites": "site", "rooms": "room", "seats": "seat", "sources": "source"}


def _place(location: tuple[int | str, ...], content: object) -> str:
    """Such as ``source seat-01-face: uri``; by position where the thing has no id that can be shown."""
    named, rest = "", []
    for before, part in zip((None, *location), location, strict=False):
        content = _inside(content, part)
        # A value glued to its key ("password:abc" between braces) is part of the key to YAML.
        rest.append(str(part).partition(":")[0])
        own = content.get("id") if isinstance(content, dict) else None
        if isinstance(part, int) and before in _KINDS and isinstance(own, str) and _ID.match(own):
            named, rest = f"{_KINDS[str(before)]} {own}: ", []
    return f"{named}{'.'.join(rest)}".removesuffix(": ")


def _inside(content: object, part: int | str) -> object:
    try:
        return content[part]  # type: ignore[index]
    except (LookupError, TypeError):
        return None


def _message(fault: ErrorDetails) -> str:
    """What pydantic says, without its own words for our words and our types; never the value itself."""
    if fault["type"] == "model_type":
        return "is no table of keys and values"
    if fault["type"] == "string_type" and isinstance(fault["input"], int | float | date):
        return "is meant as text: put it in quotes, or it is taken for a number, a date, yes or no"
    return str(fault["msg"]).removeprefix("Value error, ")


_ID = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")


class Transport(StrEnum):
    """How RTP comes."""

    TCP = "tcp"
    UDP = "udp"


SCHEMES = {
    "rtsp": "rtsp://HOST[:PORT]/PATH",
    "rtsps": "rtsps://HOST[:PORT]/PATH",
    "onvif": "onvif://HOST[:PORT][/PROFILE]",
    "onvifs": "onvifs://HOST[:PORT][/PROFILE]",
    "rtmp": "rtmp://HOST[:PORT]/APP/STREAM",
    "push+rtsp": "push+rtsp:///PATH",
    "push+rtmp": "push+rtmp://ADDRESS:PORT/APP/STREAM",
    "file": "file:///PATH",
    "agent": "agent:",
}
"""Schemes of a source's uri and how each is written. A push is a source that calls us."""
ONVIF_SCHEMES = frozenset({"onvif", "onvifs"})  # by HTTP, by HTTPS
_WITHOUT_HOST = frozenset({"push+rtsp", "file", "agent"})
RTMP_PORT = 1935
_USUAL_PORTS = {
    "rtsp": 554,
    "rtsps": 322,
    "onvif": 80,
    "onvifs": 443,
    "rtmp": RTMP_PORT,
    "push+rtmp": RTMP_PORT,
}
_AT_A_SEAT = (ContentKind.SEAT_FACE, ContentKind.SEAT_DESKTOP)
SHORTEST_TOKEN = 16
"""Letters of an agent's token: it is all that keeps others from sending footage in its place."""


class SourceSpec(Closed):
    """One source as ``cameras.yaml`` writes it."""

    id: str = Field(pattern=_ID.pattern)
    content_kind: ContentKind
    uri: str
    username: str = ""
    password: SecretStr = SecretStr("")
    seat: str | None = None
    label_zh: str
    label_en: str = ""
    replay_uri: str = ""  # where its device plays back what it kept, as rtsp(s); empty: ONVIF tells, or none
    transport: Transport = Transport.TCP
    record: RecordMode = RecordMode.ALWAYS
    certificate_sha256: str = Field(
        default="", pattern=r"^([0-9a-f]{64})?$"
    )  # of a device that signs its own
    archive_source: str = ""  # another source of the same picture, whose footage is archived instead

    @property
    def scheme(self) -> str:
        """A key of ``SCHEMES``."""
        return urlsplit(self.uri).scheme

    @model_validator(mode="after")
    def _check_uri(self) -> SourceSpec:
        # What urllib says of a URI that it cannot take apart repeats parts of it (invariant 16).
        try:
            parts = urlsplit(self.uri)
            known, bare = parts.scheme in SCHEMES, parts.scheme in _WITHOUT_HOST
            usable = known and (bare or bool(parts.hostname)) and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            written = ", ".join(SCHEMES.values())
            raise ValueError(f"uri must be one of {written}; credentials go into username and password")
        if parts.username or parts.password:
            raise ValueError("uri must not carry credentials; put them in username and password")
        if parts.scheme == "push+rtsp" and (parts.netloc or not parts.path.strip("/")):
            raise ValueError(
                "uri must be push+rtsp:///PATH, with three slashes and a path: the device calls us, "
                "so that no host is named"
            )
        return self

    @field_validator("replay_uri")
    @classmethod
    def _check_replay_uri(cls, uri: str) -> str:
        try:
            parts = urlsplit(uri)
            known = parts.scheme in ("rtsp", "rtsps")
            usable = not uri or (known and bool(parts.hostname) and parts.port != 0)
        except ValueError:
            usable = False
        if not usable:
            raise ValueError("must be rtsp://HOST[:PORT]/PATH or rtsps://HOST[:PORT]/PATH")
        if parts.username or parts.password:
            raise ValueError("must not carry credentials; put them in username and password")
        return uri


class SeatSpec(Closed):
    """One seat as ``cameras.yaml`` writes it."""

    id: str
    ordinal: int = Field(ge=1)


class RoomSpec(Closed):
    """One room as ``cameras.yaml`` writes it."""

    id: str
    kind: RoomKind
    name_zh: str
    name_en: str = ""
    seats: tuple[SeatSpec, ...] = ()
    sources: tuple[SourceSpec, ...] = ()


class SiteSpec(Closed):
    """One trading centre as ``cameras.yaml`` writes it."""

    id: str
    region: str = Field(pattern=r"^\d{6}$")
    name_zh: str
    name_en: str = ""
    rooms: tuple[RoomSpec, ...] = ()


class CamerasFile(Closed):
    """The whole of ``cameras.yaml``."""

    sites: tuple[SiteSpec, ...]

    @model_validator(mode="after")
    def _check_ids(self) -> CamerasFile:
        _refuse_twins("site", [site.id for site in self.sites])
        _refuse_twins("room", [room.id for room in self._rooms()])
        _refuse_twins("seat", [seat.id for room in self._rooms() for seat in room.seats])
        _refuse_twins("source", [source.id for source in self.specs()])
        _refuse_shared("addresses", "they would record the same device twice", self.specs(), _address)
        _refuse_shared("ports", "a device that pushes by RTMP needs one of its own", self.specs(), _own_port)
        for room in self._rooms():
            for source in room.sources:
                _refuse_without_secret(source)
                _refuse_wrong_seat(source, room)
                _refuse_wrong_archive_source(source, room)
        return self

    def _rooms(self) -> list[RoomSpec]:
        return [room for site in self.sites for room in site.rooms]

    def specs(self) -> list[SourceSpec]:
        """All sources with their addresses."""
        return [source for room in self._rooms() for source in room.sources]

    def sites_public(self) -> list[Site]:
        return [
            Site(id=s.id, region_code=s.region, name_zh=s.name_zh, name_en=s.name_en or s.name_zh)
            for s in self.sites
        ]

    def rooms_public(self) -> list[Room]:
        return [
            Room(id=r.id, site_id=s.id, kind=r.kind, name_zh=r.name_zh, name_en=r.name_en or r.name_zh)
            for s in self.sites
            for r in s.rooms
        ]

    def seats_public(self) -> list[Seat]:
        return [Seat(id=t.id, room_id=r.id, ordinal=t.ordinal) for r in self._rooms() for t in r.seats]

    def sources_public(self) -> list[Source]:
        """All sources without their addresses, as the catalogue may know them."""
        return [
            Source(
                id=source.id,
                room_id=room.id,
                seat_id=source.seat,
                content_kind=source.content_kind,
                label_zh=source.label_zh,
                label_en=source.label_en or source.label_zh,
            )
            for room in self._rooms()
            for source in room.sources
        ]

    def archive_sources(self) -> dict[str, str]:
        """By source, the one whose footage is archived instead, where one is named."""
        return {source.id: source.archive_source for source in self.specs() if source.archive_source}

    def wishes(self) -> list[Wish]:
        """When each source asks to be recorded."""
        return [
            Wish(source_id=source.id, room_id=room.id, record=source.record)
            for room in self._rooms()
            for source in room.sources
        ]


def _refuse_twins(kind: str, ids: list[str]) -> None:
    twins = sorted({one for one in ids if ids.count(one) > 1})
    if twins:
        raise ValueError(f"{kind} id {', '.join(twins)} is used more than once")


def _refuse_shared(
    what: str, why: str, specs: Iterable[SourceSpec], share: Callable[[SourceSpec], object]
) -> None:
    """Refuse sources that share what each needs for itself; ``share`` is None for those that need none."""
    first: dict[object, str] = {}
    for spec in specs:
        found = share(spec)
        other = spec.id if found is None else first.setdefault(found, spec.id)
        if other != spec.id:
            raise ValueError(
                f"sources {other} and {spec.id} have the same {what} in their uris: {why}; "
                "give each its own, or remove one"
            )


def _address(spec: SourceSpec) -> object:
    """What a device is called by; None where several may share a uri: desktops with agents, files."""
    if spec.scheme in ("agent", "file"):
        return None
    parts = urlsplit(spec.uri)
    port = parts.port or _USUAL_PORTS.get(parts.scheme)
    return parts.scheme, parts.hostname, port, parts.path.rstrip("/"), parts.query


def _own_port(spec: SourceSpec) -> object:
    """The port that a listener of its own needs."""
    return (urlsplit(spec.uri).port or _USUAL_PORTS[spec.scheme]) if spec.scheme == "push+rtmp" else None


def _refuse_without_secret(source: SourceSpec) -> None:
    """Who calls us or sends to us must prove who it is."""
    if source.scheme == "push+rtsp" and not (source.username and source.password):
        raise ValueError(
            f"source {source.id} is pushed to us and needs username and password: "
            "without them anybody could put footage in its place"
        )
    if source.scheme == "agent" and len(source.password.get_secret_value()) < SHORTEST_TOKEN:
        raise ValueError(
            f"source {source.id}: its password is its agent's token and needs {SHORTEST_TOKEN} letters "
            "or more; take a random one, such as 'openssl rand -hex 32' makes"
        )


def _refuse_wrong_seat(source: SourceSpec, room: RoomSpec) -> None:
    outside = room.kind is RoomKind.EXTERNAL_VENUE  # its seats are none of ours
    if source.seat is None and source.content_kind in _AT_A_SEAT and not outside:
        raise ValueError(
            f"source {source.id} is of content_kind {source.content_kind} and needs a seat: "
            f"name one of room {room.id}"
        )
    if source.seat is not None and source.seat not in {seat.id for seat in room.seats}:
        raise ValueError(f"source {source.id} looks at seat {source.seat}, which room {room.id} lacks")


def _refuse_wrong_archive_source(source: SourceSpec, room: RoomSpec) -> None:
    """It must show the same, be recorded at the same times, and have no other to stand in for it."""
    if not source.archive_source:
        return
    second = next((one for one in room.sources if one.id == source.archive_source), None)

    def place(one: SourceSpec) -> object:
        return one.seat, one.content_kind, one.record

    if second is None or second is source or second.archive_source or place(second) != place(source):
        raise ValueError(
            f"archive_source {source.archive_source} of source {source.id} must be another source of room "
            f"{room.id} with the same seat, content_kind and record, and without an archive_source"
        )


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML lets the last of two equal keys win; here a second list of sources would lose the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        for key, _ in node.value:
            if keys.count(key.value) > 1:
                raise _TwiceError(None, None, f"the key {key.value} is there twice", key.start_mark)
        return super().construct_mapping(node, deep)


class _TwiceError(yaml.constructor.ConstructorError):
    """A key is there twice."""


def _where(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f" in line {mark.line + 1}" if mark else ""


def _problem(error: yaml.YAMLError) -> str:
    """What is wrong, as far as it cannot repeat a password that begins with ! * or & (invariant 16)."""
    if isinstance(error, yaml.scanner.ScannerError | _TwiceError):
        return str(error.problem)
    return "it cannot be parsed; a value that begins with ! * & must be in quotes"


def load_cameras(path: Path) -> CamerasFile:
    """The sites, rooms, seats and sources of a ``cameras.yaml``.

    Raises:
        SettingsError: the file is missing, is no YAML, or a key or value in it cannot be used; it is named.
    """
    try:
        content = _UniqueKeyLoader(path.read_text(encoding="utf-8")).get_single_data()
    except FileNotFoundError:
        hint = "Write one like the sample that comes with the project, or name another with --cameras."
        raise SettingsError(f"{path} does not exist.", hint=hint) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}.") from None
    except yaml.YAMLError as error:
        raise SettingsError(f"{path} is not YAML{_where(error)}: {_problem(error)}.") from None
    except ValueError:
        hint = "Put dates and numbers that are meant as text into quotes."
        raise SettingsError(f"{path} holds a date or number that is none.", hint=hint) from None
    try:
        return CamerasFile.model_validate(content)
    except ValidationError as error:
        raise SettingsError(f"{path}: {explain(error, content)}.") from None


def public_uri(uri: str) -> str:
    """A URI without user and password, fit for logs, errors and pages (invariant 16)."""
    parts = urlsplit(uri)
    host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    return urlunsplit((parts.scheme, host + port, parts.path, "", ""))
