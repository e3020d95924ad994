"""A brush: shapes and Chinese text in design coordinates, drawn large and scaled down for smooth edges."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from simulator.picture import Image, Picture, Sprite

Colour = tuple[int, int, int]  # red, green, blue
Point = tuple[float, float]

_OVERSAMPLING = 2
WHITE: Colour = (250, 250, 250)
INK: Colour = (38, 42, 48)


class Paint:
    """A canvas of ``width`` x ``height`` design units, of which one is ``scale`` pixels in the result."""

    def __init__(
        self, width: float, height: float, *, scale: float = 1.0, ground: Colour | None = None
    ) -> None:
        self._size = (max(4, round(width * scale)), max(4, round(height * scale)))  # of the result
        self._factor = scale * _OVERSAMPLING
        shape = (self._size[1] * _OVERSAMPLING, self._size[0] * _OVERSAMPLING, 4)
        self._image: NDArray[np.uint8] = np.zeros(shape, np.uint8)
        if ground is not None:
            self._image[:] = _bgra(ground)

    def rect(
        self, x: float, y: float, width: float, height: float, colour: Colour, *, radius: float = 0
    ) -> None:
        """A filled rectangle, with round corners if ``radius`` is given."""
        if radius <= 0:
            cv2.rectangle(
                self._image, self._at(x, y), self._at(x + width, y + height, less=1), _bgra(colour), -1
            )
            return
        self.rect(x + radius, y, width - 2 * radius, height, colour)
        self.rect(x, y + radius, width, height - 2 * radius, colour)
        for corner_x, corner_y in ((x, y), (x + width, y), (x, y + height), (x + width, y + height)):
            middle_x = x + radius if corner_x == x else corner_x - radius
            middle_y = y + radius if corner_y == y else corner_y - radius
            self.ellipse(middle_x, middle_y, radius, radius, colour)

    def frame(
        self, x: float, y: float, width: float, height: float, colour: Colour, *, line: float = 1
    ) -> None:
        """The outline of a rectangle."""
        cv2.rectangle(
            self._image, self._at(x, y), self._at(x + width, y + height), _bgra(colour), self._line(line)
        )

    def polygon(self, points: Sequence[Point], colour: Colour) -> None:
        """A filled polygon."""
        corners = np.array([self._at(x, y) for x, y in points], np.int32)
        cv2.fillPoly(self._image, [corners], _bgra(colour))

    def ellipse(
        self,
        x: float,
        y: float,
        radius_x: float,
        radius_y: float,
        colour: Colour,
        *,
        angle: float = 0,
        arc: tuple[float, float] = (0, 360),
        line: float = -1,
    ) -> None:
        """A filled ellipse around (x, y), or an arc of one where ``line`` is its width."""
        axes = (round(radius_x * self._factor), round(radius_y * self._factor))
        thickness = -1 if line < 0 else self._line(line)
        cv2.ellipse(self._image, self._at(x, y), axes, angle, arc[0], arc[1], _bgra(colour), thickness)

    def line(self, points: Sequence[Point], colour: Colour, width: float) -> None:
        """An open line through points, with round ends."""
        corners = [self._at(x, y) for x, y in points]
        cv2.polylines(self._image, [np.array(corners, np.int32)], False, _bgra(colour), self._line(width))
        for corner in (corners[0], corners[-1]):
            cv2.circle(self._image, corner, self._line(width) // 2, _bgra(colour), -1)

    def fade(self, x: float, y: float, width: float, height: float, top: Colour, bottom: Colour) -> None:
        """A rectangle whose colour changes from top to bottom."""
        left, upper = self._at(x, y)
        right, lower = self._at(x + width, y + height)
        part = self._image[max(0, upper) : max(0, lower), max(0, left) : max(0, right)]
        ramp = np.linspace(0, 1, part.shape[0]).reshape(-1, 1, 1)
        colours = np.array(_bgra(top)) * (1 - ramp) + np.array(_bgra(bottom)) * ramp
        part[:] = colours.astype(np.uint8)

    def text(
        self,
        words: str,
        x: float,
        y: float,
        size: float,
        colour: Colour,
        *,
        weight: int = 400,
        centred: bool = False,
    ) -> None:
        """A line of text with its base line at ``y``, ``size`` design units high."""
        pixels = max(6, round(size * self._factor))
        face = cv2.FontFace("uni")
        left, base = self._at(x, y)
        if centred:
            box = cv2.getTextSize((10_000, 10_000), words, (0, 0), face, pixels, weight)
            left -= box[2] // 2
        cv2.putText(self._image, words, (left, base), _bgra(colour), face, pixels, weight)

    def soften(self, amount: float) -> None:
        """Blur everything drawn so far, as a lens out of focus does; ``amount`` in design units."""
        self._image = np.asarray(cv2.GaussianBlur(self._image, (0, 0), amount * self._factor), np.uint8)

    def shadow(self, x: float, y: float, radius_x: float, radius_y: float, strength: float) -> None:
        """Darken an elliptic area with soft borders; a negative strength lights it."""
        height, width = self._image.shape[:2]
        rows, columns = np.mgrid[0:height:4, 0:width:4]
        across = (columns / self._factor - x) / radius_x
        down = (rows / self._factor - y) / radius_y
        depth = (strength * np.exp(-(across**2 + down**2) * 1.5)).astype(np.float32)
        depth = np.asarray(cv2.resize(depth, (width, height)), np.float32)[:, :, None]
        colours = self._image[:, :, :3] * (1 - depth)
        self._image[:, :, :3] = np.clip(colours, 0, 255).astype(np.uint8)

    def image(self) -> Image:
        """What was drawn, at its final size, without transparency."""
        small = cv2.resize(self._image[:, :, :3], self._size, interpolation=cv2.INTER_AREA)
        return np.asarray(small, np.uint8)

    def picture(self) -> Picture:
        """What was drawn, as planes; width and height come out in multiples of 4."""
        image = self.image()
        height, width = (size - size % 4 for size in image.shape[:2])
        return Picture.from_bgr(np.ascontiguousarray(image[:height, :width]))

    def sprite(self) -> Sprite:
        """What was drawn on transparent ground, as a sprite."""
        large = self._image.astype(np.float32)
        small = np.asarray(cv2.resize(large, self._size, interpolation=cv2.INTER_AREA), np.float32)
        alpha = small[:, :, 3:]
        colours = small[:, :, :3] * (255 / np.maximum(alpha, 1))  # averaged over empty ground too
        return Sprite(np.clip(np.concatenate((colours, alpha), axis=2), 0, 255).astype(np.uint8))

    def _at(self, x: float, y: float, *, less: int = 0) -> tuple[int, int]:
        return round(x * self._factor) - less, round(y * self._factor) - less

    def _line(self, width: float) -> int:
        return max(1, round(width * self._factor))


def _bgra(colour: Colour) -> tuple[int, int, int, int]:
    return colour[2], colour[1], colour[0], 255


def shade(colour: Colour, factor: float) -> Colour:
    """The same colour, darker (below 1) or lighter (above 1)."""
    red, green, blue = (min(255, max(0, round(part * factor))) for part in colour)
    return red, green, blue
