"""What every scene offers."""

from __future__ import annotations

from typing import Protocol

from simulator.picture import Picture


class Scene(Protocol):
    """A background painted once, and what moves before it."""

    @property
    def background(self) -> Picture:
        """What never moves, at the source's size."""

    @property
    def noise(self) -> int:
        """Strength of the sensor noise in luma levels; 0 for a grabbed screen."""

    def draw(self, picture: Picture, seconds: float) -> None:
        """Paint what moves onto a copy of the background. ``seconds`` since midnight UTC."""
