"""A whole picture: scene, sensor noise, caption and time strip."""

from __future__ import annotations

from collections.abc import Callable

from kernel.clock import iso_utc
from simulator import timestrip
from simulator.picture import Noise, Picture, Plane
from simulator.scenes.base import Scene
from simulator.scenes.desktop import DesktopScene
from simulator.scenes.extraction import ExtractionScene
from simulator.scenes.face import FaceScene
from simulator.scenes.hall import HallScene
from simulator.scenes.paint import Paint
from simulator.scenes.tender_table import TenderTableScene
from simulator.source import SceneKind, SimulatedSource

_SCENES: dict[SceneKind, Callable[[int, int, int], Scene]] = {
    SceneKind.HALL: HallScene,
    SceneKind.TENDER_TABLE: TenderTableScene,
    SceneKind.EXTRACTION: ExtractionScene,
    SceneKind.FACE: FaceScene,
    SceneKind.DESKTOP: DesktopScene,
}
_DAY_MS = 86_400_000
_TIME_CHARACTERS = "0123456789-:. UTC"
_CAPTION_GROUND = (30, 34, 40)
_CAPTION_INK = (245, 245, 245)


class Shot:
    """The pictures of one painted source."""

    def __init__(self, source: SimulatedSource) -> None:
        self._scene = _SCENES[source.painted_scene](source.width, source.height, source.seed)
        self._picture = Picture(source.width, source.height)
        self._caption = _Caption(source)
        strength = self._scene.noise
        self._noise = (
            Noise(source.width, source.height, strength=strength, seed=source.seed) if strength else None
        )

    def picture(self, at_ms: int, index: int) -> Picture:
        """The picture captured at ``at_ms`` (UTC milliseconds); it is painted over by the next one."""
        picture, background = self._picture, self._scene.background
        picture.data[:] = background.data
        self._scene.draw(picture, at_ms % _DAY_MS / 1000)
        if self._noise is not None:
            self._noise.lay_over(picture.y, picture.y, index)
        self._caption.draw(picture, at_ms)
        timestrip.draw(picture.y, at_ms)
        picture.set_neutral(0, timestrip.strip_height(picture.height))
        return picture


class _Caption:
    """The line below the strip: capture time in UTC to the millisecond, and the source's name."""

    def __init__(self, source: SimulatedSource) -> None:
        self._top = timestrip.strip_height(source.height)
        self._height = (max(16, source.height // 20) + 3) // 4 * 4
        size = self._height * 0.66
        self._cell = max(4, round(size * 0.62))  # pixels per character
        self._glyphs = {one: _glyph(one, self._cell, self._height, size) for one in _TIME_CHARACTERS}
        self._left = self._height // 4
        bar = Paint(source.width, self._height, ground=_CAPTION_GROUND)
        label_x = self._left + 28 * self._cell
        bar.text(source.label_zh, label_x, self._height * 0.78, size * 1.05, (255, 214, 92), weight=600)
        self._bar = bar.picture()

    def draw(self, picture: Picture, at_ms: int) -> None:
        words = iso_utc(at_ms * 1000).replace("T", " ").replace("Z", " UTC")
        picture.paste(self._bar, 0, self._top)
        x = self._left
        for one in words:
            right = min(x + self._cell, picture.width)
            picture.y[self._top : self._top + self._height, x:right] = self._glyphs[one][:, : right - x]
            x = right


def _glyph(character: str, width: int, height: int, size: float) -> Plane:
    """The luma of one character on the caption's ground."""
    paint = Paint(width + -width % 4, height, ground=_CAPTION_GROUND)
    paint.text(character, width / 2, height * 0.78, size, _CAPTION_INK, weight=600, centred=True)
    return Picture.from_bgr(paint.image()).y[:, :width].copy()
