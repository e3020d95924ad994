"""An opening hall as a camera on its rear wall sees it. Design size 960 x 540."""

from __future__ import annotations

from dataclasses import dataclass

from simulator.picture import Picture, Sprite
from simulator.scenes.figure import seated_from_behind, standing_host
from simulator.scenes.motion import busy, wander
from simulator.scenes.paint import WHITE, Paint, shade

_WALL = (214, 210, 200)
_WOOD = (158, 116, 78)
_ROWS = ((322, 0.62, 5), (392, 0.86, 5), (462, 1.16, 4))  # top of the people, their scale, how many


@dataclass(frozen=True, kw_only=True, slots=True)
class _Person:
    """Somebody in a row."""

    seed: int
    x: float
    y: float
    leaning: tuple[Sprite, Sprite, Sprite]  # to the left, upright, to the right
    hand_up: Sprite


class HallScene:
    """Rows of people from behind, a host at the lectern who gestures, the hall's screen."""

    noise = 4

    def __init__(self, width: int, height: int, seed: int) -> None:
        self._seed = seed
        self._scale = min(width / 960, height / 540)
        self._size = (width, height)
        self.background = _room(width, height)
        self._hosts = [standing_host(seed, scale=self._scale * 0.78, gesture=gesture) for gesture in range(3)]
        self._lectern = _lectern(self._scale)
        self._rows = [self._people(row) for row in range(len(_ROWS))]
        self._desks = [_desk_row(row, width / 960) for row in range(len(_ROWS))]

    def draw(self, picture: Picture, seconds: float) -> None:
        gesture = 0
        if busy(self._seed, seconds, period=8, share=0.5):
            gesture = 1 + (wander(self._seed, seconds, period=1.7) > 0)
        x = 742 + wander(self._seed + 5, seconds, period=13) * 6
        self._put(picture, self._hosts[gesture], x, 158)
        self._put(picture, self._lectern, 744, 242)
        for (top, scale, _), desk, people in zip(_ROWS, self._desks, self._rows, strict=True):
            self._put(picture, desk, 0, top + 62 * scale - 26)
            for person in people:
                self._draw_person(picture, person, seconds)

    def _draw_person(self, picture: Picture, person: _Person, seconds: float) -> None:
        sway = wander(person.seed, seconds, period=11)
        sprite = person.leaning[1 + (sway > 0.45) - (sway < -0.45)]
        if person.seed % 3 == 0 and busy(person.seed, seconds, period=37, share=0.12):
            sprite = person.hand_up
        breath = wander(person.seed + 3, seconds, period=3.4)
        self._put(picture, sprite, person.x + sway * 4, person.y + breath * 1.2)

    def _people(self, row: int) -> list[_Person]:
        top, scale, count = _ROWS[row]
        size = self._scale * scale
        people = []
        for place in range(count):
            seed = self._seed + row * 17 + place * 5
            lean = [seated_from_behind(seed, scale=size, leaning=side, hand_up=False) for side in (-1, 0, 1)]
            raised = seated_from_behind(seed, scale=size, leaning=0, hand_up=True)
            x = 480 + (place - (count - 1) / 2) * 176 * (0.72 + row * 0.2) - 60 * scale + (seed % 5 - 2) * 5
            people.append(_Person(seed=seed, x=x, y=top, leaning=(lean[0], lean[1], lean[2]), hand_up=raised))
        return people

    def _put(self, picture: Picture, sprite: Sprite, x: float, y: float) -> None:
        sprite.blend(picture, round(x * self._size[0] / 960), round(y * self._size[1] / 540))


def _room(width: int, height: int) -> Picture:
    paint = Paint(960, height * 960 / width, scale=width / 960, ground=(150, 140, 128))
    paint.polygon([(0, 0), (960, 0), (800, 96), (160, 96)], (236, 236, 230))
    for lamp in range(3):
        x = 300 + lamp * 180
        paint.polygon([(x - 44, 70), (x + 44, 70), (x + 36, 84), (x - 36, 84)], (255, 255, 250))
    paint.fade(160, 96, 640, 204, shade(_WALL, 1.04), shade(_WALL, 0.92))
    paint.polygon([(0, 0), (160, 96), (160, 300), (0, 430)], shade(_WALL, 0.84))
    paint.polygon([(960, 0), (800, 96), (800, 300), (960, 430)], shade(_WALL, 0.78))
    paint.polygon([(160, 300), (800, 300), (960, 430), (960, 540), (0, 540), (0, 430)], (136, 126, 116))
    _windows(paint)
    paint.rect(160, 282, 640, 18, shade(_WOOD, 0.7))
    _banner(paint)
    _wall_screen(paint)
    paint.rect(180, 180, 70, 104, (124, 88, 60))  # a door
    paint.ellipse(242, 236, 3, 3, (220, 200, 120))
    paint.frame(180, 180, 70, 104, (92, 64, 44), line=3)
    paint.soften(0.7)
    paint.shadow(480, 560, 700, 200, 0.25)
    paint.shadow(480, 190, 360, 150, -0.07)
    return paint.picture()


def _windows(paint: Paint) -> None:
    """Three windows in the left wall, in perspective."""
    for index in range(3):
        near, far = 0.08 + index * 0.3, 0.08 + index * 0.3 + 0.2
        corners = []
        for along, upper in ((near, True), (far, True), (far, False), (near, False)):
            top = 96 * along + 30 + 40 * along
            bottom = 430 - 130 * along - 110 + 40 * along
            corners.append((160 * along, top + 40 if upper else bottom))
        paint.polygon(corners, (214, 234, 248))
        paint.line([*corners, corners[0]], (240, 240, 238), 4)
        middle = (corners[0][0] + corners[1][0]) / 2
        paint.line([(middle, corners[0][1] + 3), (middle, corners[3][1] - 3)], (240, 240, 238), 3)


def _banner(paint: Paint) -> None:
    paint.rect(270, 72, 420, 34, (176, 28, 34))
    paint.text("公共资源交易中心 · 开标大厅", 480, 97, 23, (255, 232, 150), weight=700, centred=True)


def _wall_screen(paint: Paint) -> None:
    """The hall's screen, small: a table one cannot quite read from here."""
    paint.rect(322, 114, 316, 158, (24, 28, 34), radius=4)
    paint.rect(330, 121, 300, 143, (240, 246, 252))
    paint.rect(330, 121, 300, 26, (24, 74, 148))
    paint.text("开标一览表", 480, 141, 17, WHITE, weight=700, centred=True)
    names = ("江城建设集团", "远大市政工程", "华通建筑公司", "中岳路桥工程", "安泰工程公司")
    for row, name in enumerate(names):
        y = 154 + row * 22
        paint.rect(336, y, 288, 19, (218, 230, 244) if row % 2 else (232, 240, 250))
        paint.text(name, 344, y + 15, 13, (40, 50, 70))
        paint.text(
            f"{46 + row * 3 % 4},{row * 137 % 900 + 100},{row * 71 % 900 + 100}.00",
            520,
            y + 15,
            13,
            (170, 40, 40),
        )


def _lectern(scale: float) -> Sprite:
    paint = Paint(130, 120, scale=scale)
    paint.polygon([(6, 12), (110, 12), (102, 120), (16, 120)], _WOOD)
    paint.rect(0, 4, 116, 10, shade(_WOOD, 1.25))
    paint.ellipse(58, 62, 22, 22, (190, 46, 42))
    paint.text("开标", 58, 71, 22, (255, 226, 140), weight=700, centred=True)
    paint.line([(34, 6), (28, -14)], (40, 40, 44), 3)
    return paint.sprite()


def _desk_row(row: int, scale: float) -> Sprite:
    """The desk in front of a row of people, with papers and name plates."""
    _, size, count = _ROWS[row]
    height = 34 * size + 24
    paint = Paint(960, height, scale=scale)
    back, front = 116 - 44 * row, 90 - 44 * row  # margins left and right of the top's two edges
    top = [(back, 8), (960 - back, 8), (960 - front, 26), (front, 26)]
    paint.polygon(top, shade(_WOOD, 1.22))
    paint.rect(front, 26, 960 - 2 * front, height - 26, shade(_WOOD, 0.8))
    for place in range(count):
        x = 480 + (place - (count - 1) / 2) * 176 * (0.72 + row * 0.2)
        paint.polygon(
            [(x + 30 * size, 10), (x + 62 * size, 10), (x + 66 * size, 22), (x + 30 * size, 22)], WHITE
        )
        paint.rect(x - 66 * size, 2, 30 * size, 15, (236, 238, 242))
    return paint.sprite()
