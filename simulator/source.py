"""What a simulated source is, and the nine of the default centre."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kernel.model.footage import Codec
from kernel.model.source import ContentKind


class SceneKind(StrEnum):
    """What is painted."""

    HALL = "hall"
    """The opening hall as a whole, people from behind and a host in front."""
    TENDER_TABLE = "tender_table"
    """The hall's screen: 开标一览表, bidders revealed one after the other."""
    EXTRACTION = "extraction"
    """A person at the extraction terminal, a witness beside."""
    FACE = "face"
    """One person at a seat, facing the camera."""
    DESKTOP = "desktop"
    """An evaluation computer: bid document, scoring form, task bar."""


_SCENE_OF_CONTENT = {
    ContentKind.ROOM: SceneKind.HALL,
    ContentKind.SCREEN: SceneKind.TENDER_TABLE,
    ContentKind.EXTRACTION_TERMINAL: SceneKind.DESKTOP,
    ContentKind.SEAT_FACE: SceneKind.FACE,
    ContentKind.SEAT_DESKTOP: SceneKind.DESKTOP,
    ContentKind.SUPERVISION: SceneKind.EXTRACTION,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulatedSource:
    """One simulated camera or desktop."""

    id: str  # the path in its URL
    content_kind: ContentKind
    label_zh: str  # shown in the picture
    codec: Codec = Codec.H264  # H264, H265 or MJPEG
    width: int = 640  # pixels, a multiple of 4
    height: int = 360  # pixels, a multiple of 4
    fps: int = 10  # frames per second
    audio: Codec | None = None  # AAC (16 kHz), G711A, G711U or G726 (8 kHz), OPUS (48 kHz); mono
    scene: SceneKind | None = None  # None: the usual one of its content kind
    seed: int = 0  # varies people, colours and texts

    def __post_init__(self) -> None:
        if not self.codec.is_video or (self.audio is not None and self.audio.is_video):
            raise ValueError(
                f"{self.id}: {self.codec} with {self.audio} is not a video codec with an audio codec"
            )
        if self.width % 4 or self.height % 4 or min(self.width, self.height) < 64:
            raise ValueError(f"{self.id}: {self.width}x{self.height} is not in multiples of 4 from 64 up")

    @property
    def painted_scene(self) -> SceneKind:
        return self.scene or _SCENE_OF_CONTENT[self.content_kind]


def _seat(ordinal: int) -> tuple[SimulatedSource, SimulatedSource]:
    """Face and desktop of one evaluation seat. The third face is H.265: the demo shows both codecs."""
    number = f"{ordinal:02d}"
    face = SimulatedSource(
        id=f"seat-{number}-face",
        content_kind=ContentKind.SEAT_FACE,
        label_zh=f"评标席位 {number} 专家",
        codec=Codec.H265 if ordinal == 3 else Codec.H264,
        fps=10 if ordinal == 3 else 15,
        seed=ordinal,
    )
    desktop = SimulatedSource(
        id=f"seat-{number}-desktop",
        content_kind=ContentKind.SEAT_DESKTOP,
        label_zh=f"评标席位 {number} 桌面",
        width=1280,
        height=720,
        seed=ordinal,
    )
    return face, desktop


DEFAULT_CENTRE: tuple[SimulatedSource, ...] = (
    SimulatedSource(
        id="hall-camera",
        content_kind=ContentKind.ROOM,
        label_zh="开标大厅 全景",
        width=960,
        height=540,
        fps=15,
        audio=Codec.AAC,
        seed=11,
    ),
    SimulatedSource(
        id="hall-screen",
        content_kind=ContentKind.SCREEN,
        label_zh="开标大厅 大屏",
        width=1280,
        height=720,
        seed=12,
    ),
    SimulatedSource(
        id="extraction-room",
        content_kind=ContentKind.ROOM,
        label_zh="专家抽取室",
        width=960,
        height=540,
        fps=15,
        audio=Codec.G711A,
        scene=SceneKind.EXTRACTION,
        seed=13,
    ),
    *_seat(1),
    *_seat(2),
    *_seat(3),
)
"""The centre that ``jianzheng simulate`` shows and the shipped cameras.yaml names."""
