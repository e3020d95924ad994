"""Pictures in planar YUV 4:2:0 and the sprites painted onto them.

Scenes are drawn once in BGR with OpenCV, then kept as planes: copying a background, adding noise and blending
small sprites costs well under a millisecond, converting a whole picture for each frame would not.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.uint8]
Image = NDArray[np.uint8]  # height x width x 3, BGR
SpriteImage = NDArray[np.uint8]  # height x width x 4, BGRA


class Picture:
    """One picture, limited range BT.601 (I420). ``y`` is height x width, ``u`` and ``v`` half of both."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self.data: Plane = np.empty((height * 3 // 2, width), np.uint8)  # as PyAV wants yuv420p
        flat = self.data.reshape(-1)
        luma, chroma = width * height, width * height // 4
        self.y: Plane = flat[:luma].reshape(height, width)
        self.u: Plane = flat[luma : luma + chroma].reshape(height // 2, width // 2)
        self.v: Plane = flat[luma + chroma :].reshape(height // 2, width // 2)

    @classmethod
    def from_bgr(cls, image: Image) -> Picture:
        """Convert a drawn image (width and height in multiples of 4)."""
        picture = cls(image.shape[1], image.shape[0])
        picture.data[:] = cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420)
        return picture

    def paste(self, other: Picture, x: int, y: int, *, top: int = 0, height: int | None = None) -> None:
        """Copy ``height`` rows of ``other`` from row ``top`` on to (x, y); all values even."""
        rows = other.height - top if height is None else height
        self.y[y : y + rows, x : x + other.width] = other.y[top : top + rows]
        for mine, theirs in ((self.u, other.u), (self.v, other.v)):
            part = theirs[top // 2 : (top + rows) // 2]
            mine[y // 2 : (y + rows) // 2, x // 2 : (x + other.width) // 2] = part

    def set_neutral(self, top: int, height: int) -> None:
        """Take the colour out of some rows (even values)."""
        self.u[top // 2 : (top + height) // 2] = 128
        self.v[top // 2 : (top + height) // 2] = 128


class Noise:
    """Sensor noise: one tile, shifted for each frame."""

    def __init__(self, width: int, height: int, *, strength: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        tile = rng.normal(0, strength / 2, (height + 61, width + 61))
        # Two's complement: adding wraps, and limited-range luma leaves 16 levels of room at either end.
        self._tile: Plane = np.clip(np.rint(tile), -9, 9).astype(np.int8).view(np.uint8)
        self._shape = (height, width)

    def lay_over(self, source: Plane, target: Plane, index: int) -> None:
        """``target`` = ``source`` + the noise of frame ``index``."""
        height, width = self._shape
        top, left = index * 23 % 61, index * 37 % 61
        np.add(source, self._tile[top : top + height, left : left + width], out=target)


class Sprite:
    """A small image with transparency, ready to be blended into pictures."""

    def __init__(self, image: SpriteImage) -> None:
        image = _even(image)
        planes = Picture.from_bgr(np.ascontiguousarray(image[:, :, :3]))
        alpha: NDArray[np.uint8] = np.ascontiguousarray(image[:, :, 3])
        half = cv2.resize(alpha, (alpha.shape[1] // 2, alpha.shape[0] // 2), interpolation=cv2.INTER_AREA)
        self.width = planes.width
        self.height = planes.height
        self._layers = (
            (planes.y.astype(np.int16), _weight(alpha)),
            (planes.u.astype(np.int16), _weight(half)),
            (planes.v.astype(np.int16), _weight(half)),
        )

    def blend(self, picture: Picture, x: int, y: int) -> None:
        """Blend onto a picture with its top left corner at (x, y), cut at the borders."""
        for plane, (values, weights), shift in zip(
            (picture.y, picture.u, picture.v), self._layers, (0, 1, 1), strict=True
        ):
            _blend(plane, values, weights, x >> shift, y >> shift)


def _even(image: SpriteImage) -> SpriteImage:
    """Pad to multiples of 4 with full transparency."""
    height, width = image.shape[:2]
    padded: Any = cv2.copyMakeBorder(
        image, 0, -height % 4, 0, -width % 4, cv2.BORDER_CONSTANT, value=(0, 0, 0, 0)
    )
    return padded  # type: ignore[no-any-return]


def _weight(alpha: Any) -> NDArray[np.int16]:
    """Alpha 0..255 as a weight 0..64: differences of luma times 64 stay inside int16."""
    weights: NDArray[np.int16] = (alpha.astype(np.int16) * 64 + 127) // 255
    return weights.astype(np.int16)


def _blend(plane: Plane, values: NDArray[np.int16], weights: NDArray[np.int16], x: int, y: int) -> None:
    top, left = max(0, -y), max(0, -x)
    bottom = min(values.shape[0], plane.shape[0] - y)
    right = min(values.shape[1], plane.shape[1] - x)
    if bottom <= top or right <= left:
        return
    under = plane[y + top : y + bottom, x + left : x + right]
    part = values[top:bottom, left:right] - under
    part *= weights[top:bottom, left:right]
    part >>= 6
    part += under
    under[:] = part
