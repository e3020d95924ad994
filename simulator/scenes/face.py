"""An expert at a seat, facing the camera. Design size 640 x 360."""

from __future__ import annotations

from itertools import product

from simulator.picture import Picture, Sprite
from simulator.scenes.figure import HEAD_SIZE, Look, hand_with_pen, head_front, torso_front
from simulator.scenes.motion import blinking, busy, wander
from simulator.scenes.paint import Colour, Paint, shade

_WALLS: tuple[Colour, ...] = ((206, 212, 210), (214, 208, 198), (198, 208, 220))
_TURNS = (-1.0, -0.5, 0.0, 0.5, 1.0)


class FaceScene:
    """Moving head, blinking eyes, a mouth that speaks now and then, a hand that writes."""

    noise = 4

    def __init__(self, width: int, height: int, seed: int) -> None:
        self._scale = min(width / 640, height / 360)
        self._seed = seed
        look = Look.of(seed)
        self.background = _office(width, height, seed)
        self._torso = torso_front(look, scale=self._scale)
        self._heads: dict[tuple[bool, int, float], Sprite] = {
            (eyes_open, mouth, turn): head_front(
                look, scale=self._scale, eyes_open=eyes_open, mouth=mouth, turn=turn
            )
            for eyes_open, mouth, turn in product((True, False), range(3), _TURNS)
        }
        self._desk = _desk(seed, width / 640)
        self._hand = hand_with_pen(look, scale=self._scale)

    def draw(self, picture: Picture, seconds: float) -> None:
        sway = wander(self._seed, seconds)
        nod = wander(self._seed + 40, seconds, period=5)
        breath = wander(self._seed + 80, seconds, period=3.6)
        self._put(picture, self._torso, 320 - 190 + sway * 5, 188 + breath * 2)
        turn = min(_TURNS, key=lambda one: abs(one - sway * 1.6))
        head = self._heads[not blinking(self._seed, seconds), self._mouth(seconds), turn]
        self._put(picture, head, 320 - HEAD_SIZE[0] / 2 + sway * 16, 26 + nod * 7 + abs(sway) * 3)
        self._put(picture, self._desk, 0, 308)
        self._write(picture, seconds)

    def _mouth(self, seconds: float) -> int:
        if not busy(self._seed, seconds, period=11, share=0.45):
            return 0
        return int(abs(wander(self._seed + 7, seconds, period=0.45)) * 2.99)

    def _write(self, picture: Picture, seconds: float) -> None:
        x, y = 400.0, 284.0
        if busy(self._seed + 3, seconds, period=9, share=0.5):
            x += wander(self._seed, seconds, period=0.5) * 4 - seconds % 4 * 9
            y += wander(self._seed + 9, seconds, period=0.3) * 2
        self._put(picture, self._hand, x, y)

    def _put(self, picture: Picture, sprite: Sprite, x: float, y: float) -> None:
        sprite.blend(picture, round(x * picture.width / 640), round(y * picture.height / 360))


def _office(width: int, height: int, seed: int) -> Picture:
    """Wall, window with blinds, cabinet and a partition, out of focus; the chair's back in front."""
    wall = _WALLS[seed % len(_WALLS)]
    paint = Paint(640, height * 640 / width, scale=width / 640, ground=wall)
    paint.fade(0, 0, 640, 360, shade(wall, 1.05), shade(wall, 0.86))
    mirrored = seed % 2 == 0
    window, cabinet = (440, 30) if mirrored else (24, 470)
    _window(paint, window)
    _cabinet(paint, cabinet)
    paint.rect(0, 236, 640, 130, shade(wall, 0.62))
    paint.rect(0, 232, 640, 5, shade(wall, 0.45))
    paint.soften(2.6)
    paint.rect(206, 150, 228, 230, (52, 56, 64), radius=36)
    paint.rect(222, 166, 196, 200, (66, 72, 82), radius=28)
    paint.shadow(320, 180, 480, 300, -0.08)
    return paint.picture()


def _window(paint: Paint, x: float) -> None:
    paint.fade(x, 40, 170, 170, (232, 242, 250), (196, 222, 240))
    for slat in range(17):
        paint.rect(x, 40 + slat * 10, 170, 3, (172, 186, 198))
    paint.frame(x, 40, 170, 170, (238, 240, 240), line=7)
    paint.rect(x + 82, 40, 5, 170, (238, 240, 240))


def _cabinet(paint: Paint, x: float) -> None:
    paint.rect(x, 60, 140, 180, (150, 122, 94))
    colours: tuple[Colour, ...] = ((44, 84, 150), (170, 52, 48), (230, 226, 214), (52, 110, 88), (90, 90, 96))
    for shelf in range(3):
        paint.rect(x + 6, 66 + shelf * 58, 128, 50, (112, 88, 66))
        for book in range(9):
            colour = colours[(book * 7 + shelf * 3) % len(colours)]
            paint.rect(x + 10 + book * 13.4, 72 + shelf * 58, 11, 44, colour)


def _desk(seed: int, scale: float) -> Sprite:
    """The desk's edge with paper, a name plate that names a seat only, and a cup."""
    paint = Paint(640, 56, scale=scale)
    paint.fade(0, 6, 640, 50, (176, 138, 98), (142, 106, 72))
    paint.rect(0, 4, 640, 4, (204, 170, 130))
    paint.polygon([(330, 12), (470, 12), (500, 48), (320, 48)], (246, 246, 242))
    for row in range(4):
        paint.line([(344, 18 + row * 7), (456 + row * 6, 18 + row * 7)], (170, 174, 182), 1.4)
    paint.polygon([(86, 8), (206, 8), (216, 50), (76, 50)], (236, 238, 240))
    paint.rect(76, 46, 140, 6, (196, 200, 206))
    paint.text(f"席位 {seed:02d}", 146, 39, 25, (150, 30, 34), weight=700, centred=True)
    paint.rect(250, 4, 34, 44, (238, 240, 244), radius=5)
    paint.rect(250, 18, 34, 7, (56, 104, 170))
    return paint.sprite()
