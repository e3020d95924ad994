"""Settings of the agent: ``agent.toml``. Closed: an unknown key fails and is named."""

from __future__ import annotations

import tomllib
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError

from kernel.errors import SettingsError
from kernel.settings import Closed, explain


class AgentSettings(Closed):
    """What the agent records, where it keeps it and where it sends it."""

    recorder: str = Field(default="", description="Address of the receiver: https://HOST:PORT.")
    source: str = Field(default="", description="Id of this desktop in the recorder's cameras.yaml.")
    token: SecretStr = Field(default=SecretStr(""), description="Password of that source.")
    certificate_sha256: str = Field(
        default="",
        pattern=r"^([0-9a-f]{64})?$",
        description="Fingerprint of the receiver's certificate; empty: an authority must vouch for it.",
    )
    authority: str = Field(
        default="", description="File of the authority's certificate; empty: those of this computer."
    )
    data_dir: Path = Field(
        default=Path("jianzheng-agent"), description="Recordings are kept below it until they are received."
    )
    device: str = Field(
        default="", description="What is grabbed, in the words of FFmpeg's grabber; empty: the whole screen."
    )
    frames_per_second: float = Field(default=8, ge=2, le=30, description="Pictures a second, at most.")
    key_seconds: float = Field(default=10, gt=0, description="Time between key frames.")
    quality: int = Field(default=24, ge=10, le=40, description="CRF of x264; lower is better and larger.")
    preset: str = Field(default="veryfast", description="Preset of x264.")
    segment_seconds: float = Field(default=60, gt=0, description="Length of a segment.")
    fragment_seconds: float = Field(default=1, ge=0.5, description="Longest fragment: what a crash costs.")
    fsync_seconds: float = Field(
        default=5, gt=0, description="How often written fragments are forced to disk."
    )
    hole_seconds: float = Field(default=1.5, gt=0, description="More than this without a picture is a gap.")
    limit_bytes: int = Field(default=20 << 30, gt=0, description="Most that is kept; then recording stops.")
    reserve_bytes: int = Field(default=1 << 30, ge=0, description="Free space below which recording stops.")
    keep_sent_hours: float = Field(
        default=24, ge=0, description="How long a segment is kept after the recorder has it."
    )
    exchange_seconds: float = Field(
        default=5, gt=0, description="How often the recorder is asked and told something."
    )
    patience_seconds: float = Field(default=10, gt=0, description="Time for the recorder to answer.")


def load_agent_settings(path: Path) -> AgentSettings:
    """The settings of a file.

    Raises:
        SettingsError: it is missing, or a key or value in it cannot be used; it is named, never its value.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        settings = AgentSettings.model_validate(content)
    except ValidationError as error:
        raise SettingsError(f"{path}: {explain(error)}.") from None
    except OSError as error:
        hint = "'jianzheng enrol' at the recorder writes one for this computer."
        raise SettingsError(f"{path} cannot be read ({error.strerror}).", hint=hint) from None
    except ValueError:  # what the parser says repeats parts of the file (invariant 16)
        raise SettingsError(f"{path} is not TOML.") from None
    _refuse_unusable(path, settings)
    return settings


def _refuse_unusable(path: Path, settings: AgentSettings) -> None:
    for key in ("recorder", "source"):
        if not getattr(settings, key):
            raise SettingsError(f"{path}: {key} is missing.")
    if not settings.token.get_secret_value():
        raise SettingsError(f"{path}: token is missing.")
    try:
        parts = urlsplit(settings.recorder)
        usable = parts.scheme == "https" and bool(parts.hostname) and parts.path in ("", "/")
        usable = usable and not (parts.username or parts.password or parts.query) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise SettingsError(f"{path}: recorder must be https://HOST:PORT.")
