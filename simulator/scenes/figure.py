"""People: from the front at a seat, and from behind in a room."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from simulator.picture import Sprite
from simulator.scenes.paint import WHITE, Colour, Paint, shade

_SKINS: tuple[Colour, ...] = ((238, 201, 172), (226, 184, 152), (243, 209, 184), (218, 175, 140))
_HAIRS: tuple[Colour, ...] = ((34, 30, 30), (48, 40, 36), (62, 58, 58), (28, 26, 30))
_CLOTHES: tuple[Colour, ...] = (
    (46, 62, 92), (66, 72, 80), (112, 58, 62), (56, 88, 84), (88, 80, 108), (140, 128, 110), (60, 94, 130),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What one person looks like."""

    skin: Colour
    hair: Colour
    jacket: Colour
    long_hair: bool
    glasses: bool

    @classmethod
    def of(cls, seed: int) -> Look:
        rng = Random(seed * 7919 + 13)
        return cls(
            skin=rng.choice(_SKINS),
            hair=rng.choice(_HAIRS),
            jacket=_CLOTHES[seed % len(_CLOTHES)],
            long_hair=seed % 3 == 2,
            glasses=seed % 2 == 1,
        )


HEAD_SIZE = (170, 210)  # design units of head_front, of the face picture's 640 x 360


def head_front(look: Look, *, scale: float, eyes_open: bool, mouth: int, turn: float) -> Sprite:
    """A head from the front. ``mouth`` 0 closed, 1 half, 2 open; ``turn`` -1..1 looks sideways."""
    paint = Paint(*HEAD_SIZE, scale=scale)
    _hair_behind(paint, look)
    side = turn * 7
    for ear in (-1, 1):
        paint.ellipse(85 + ear * 54 - side * 0.4, 112, 9, 15, shade(look.skin, 0.9))
    paint.ellipse(85, 105, 55, 64, look.skin)
    paint.ellipse(85, 132, 43, 46, look.skin)
    paint.shadow(112 - side, 128, 46, 70, 0.16)
    paint.shadow(60 + side, 88, 40, 50, -0.06)
    _fringe(paint, look, side)
    for eye in (-1, 1):
        _eye(paint, look, 85 + eye * 23 + side, 108, is_open=eyes_open, side=side)
    nose = shade(look.skin, 0.8)
    paint.line([(84 + side, 112), (80 + side * 1.5, 132), (88 + side * 1.2, 134)], nose, 2)
    _mouth(paint, 85 + side, 152, mouth)
    if look.glasses:
        _glasses(paint, side)
    return paint.sprite()


def _hair_behind(paint: Paint, look: Look) -> None:
    paint.ellipse(85, 90, 62, 66, look.hair)
    if look.long_hair:
        paint.rect(24, 88, 122, 96, look.hair, radius=26)


def _fringe(paint: Paint, look: Look, side: float) -> None:
    """The hair line over the forehead."""
    paint.ellipse(85, 74, 57, 42, look.hair, arc=(180, 360))
    left, right = (58, 70) if look.long_hair else (40, 30)
    paint.polygon([(28, 72), (142, 72), (138, 96), (118 + side, 80), (left + side, 82), (32, 98)], look.hair)
    paint.ellipse(66 + side, 52, 30, 10, shade(look.hair, 1.5), angle=-18)
    paint.polygon([(29, 80), (36, 78), (34, 80 + right), (28, 80 + right)], look.hair)
    paint.polygon([(141, 80), (134, 78), (136, 80 + right), (142, 80 + right)], look.hair)


def _eye(paint: Paint, look: Look, x: float, y: float, *, is_open: bool, side: float) -> None:
    paint.ellipse(x, y - 15, 13, 6, look.hair, arc=(200, 340), line=3.4)
    if not is_open:
        paint.ellipse(x, y - 2, 10, 5, shade(look.skin, 0.62), arc=(10, 170), line=2.4)
        return
    paint.ellipse(x, y, 10.5, 6, WHITE)
    paint.ellipse(x + side * 0.5, y, 5.4, 5.8, (58, 40, 30))
    paint.ellipse(x + side * 0.5, y, 2.6, 2.8, (12, 10, 10))
    paint.ellipse(x + side * 0.5 + 2, y - 2, 1.4, 1.4, WHITE)
    paint.ellipse(x, y, 11, 6.8, shade(look.hair, 1.1), arc=(190, 350), line=2)


def _mouth(paint: Paint, x: float, y: float, mouth: int) -> None:
    lips = (176, 96, 92)
    if mouth == 0:
        paint.ellipse(x, y - 3, 17, 6, lips, arc=(15, 165), line=3.2)
        return
    opening = 4.5 if mouth == 1 else 9
    paint.ellipse(x, y + 2, 15 - mouth, opening + 2, lips)
    paint.ellipse(x, y + 2, 12 - mouth, opening, (84, 34, 36))
    paint.rect(x - 8, y + 2 - opening + 1, 16, 2.6, (240, 236, 232))


def _glasses(paint: Paint, side: float) -> None:
    rim = (40, 42, 48)
    for eye in (-1, 1):
        paint.ellipse(85 + eye * 23 + side, 109, 18, 14, rim, line=2.4)
        paint.line([(85 + eye * 41 + side, 106), (85 + eye * 54, 104)], rim, 2.4)
    paint.line([(80 + side, 107), (90 + side, 107)], rim, 2.4)


def torso_front(look: Look, *, scale: float) -> Sprite:
    """Neck, shoulders and jacket from the front; 380 x 200 design units, neck at (190, 0)."""
    paint = Paint(380, 200, scale=scale)
    jacket, dark = look.jacket, shade(look.jacket, 0.78)
    paint.rect(164, 0, 52, 60, shade(look.skin, 0.86), radius=8)
    paint.polygon([(164, 30), (216, 30), (250, 48), (320, 72), (352, 112), (366, 200),
                   (14, 200), (28, 112), (60, 72), (130, 48)], jacket)  # fmt: skip
    paint.ellipse(72, 100, 46, 40, jacket)
    paint.ellipse(308, 100, 46, 40, jacket)
    paint.polygon([(158, 34), (222, 34), (198, 140), (182, 140)], (236, 240, 246))
    paint.polygon([(158, 32), (132, 48), (176, 190), (190, 150)], dark)
    paint.polygon([(222, 32), (248, 48), (204, 190), (190, 150)], dark)
    paint.polygon([(160, 30), (190, 62), (172, 78), (154, 42)], WHITE)
    paint.polygon([(220, 30), (190, 62), (208, 78), (226, 42)], WHITE)
    if not look.long_hair:
        paint.polygon([(184, 60), (196, 60), (200, 130), (190, 146), (180, 130)], (128, 38, 46))
    paint.rect(256, 104, 40, 26, (238, 242, 250), radius=3)  # the badge
    paint.rect(256, 104, 40, 8, (44, 92, 168))
    paint.line([(84, 120), (76, 200)], dark, 3)
    paint.line([(296, 140), (304, 200)], dark, 3)
    paint.shadow(190, 30, 40, 26, 0.35)
    paint.shadow(330, 150, 80, 120, 0.25)
    return paint.sprite()


def hand_with_pen(look: Look, *, scale: float) -> Sprite:
    """A sleeve, a hand and a pen coming from the right; 190 x 90 design units."""
    paint = Paint(190, 90, scale=scale)
    paint.polygon([(80, 34), (190, 20), (190, 90), (92, 82)], look.jacket)
    paint.polygon([(72, 36), (90, 33), (100, 82), (84, 84)], WHITE)
    paint.ellipse(58, 60, 32, 19, look.skin, angle=12)
    for finger in range(3):
        paint.ellipse(
            34 + finger * 4, 58 + finger * 8, 17, 5.4, shade(look.skin, 0.95 - finger * 0.03), angle=22
        )
    paint.line([(14, 72), (44, 14)], (34, 40, 96), 4)
    paint.line([(13, 74), (16, 69)], (210, 210, 214), 3)
    return paint.sprite()


def seated_from_behind(seed: int, *, scale: float, leaning: int, hand_up: bool) -> Sprite:
    """Somebody in a row of seats, from behind; 120 x 150 design units. ``leaning`` -1, 0 or 1."""
    look = Look.of(seed)
    paint = Paint(120, 150, scale=scale)
    lean = leaning * 5
    if hand_up:
        paint.line([(92, 96), (102, 60), (96, 22)], look.jacket, 17)
        paint.ellipse(95, 14, 9, 12, look.skin)
    paint.ellipse(60 + lean * 0.5, 118, 50, 52, look.jacket)
    paint.rect(10 + lean * 0.4, 112, 100, 40, look.jacket, radius=10)
    paint.rect(50 + lean, 58, 20, 24, shade(look.skin, 0.85), radius=5)
    paint.polygon([(42 + lean, 76), (78 + lean, 76), (70 + lean, 86), (50 + lean, 86)], (226, 230, 236))
    paint.ellipse(60 + lean, 40, 25, 31, look.hair)
    for ear in (-1, 1):
        paint.ellipse(60 + lean + ear * 25, 44, 4, 7, shade(look.skin, 0.9))
    if look.long_hair:
        paint.rect(36 + lean, 40, 48, 50, look.hair, radius=14)
    paint.ellipse(53 + lean, 26, 10, 7, shade(look.hair, 1.6), angle=-30)
    paint.line([(60 + lean * 0.5, 88), (60, 150)], shade(look.jacket, 0.8), 1.6)
    paint.shadow(98, 120, 36, 60, 0.3)
    return paint.sprite()


def standing_host(seed: int, *, scale: float, gesture: int) -> Sprite:
    """Somebody standing who faces the room; 130 x 230 design units. ``gesture`` 0 rests, 2 points."""
    look = Look.of(seed)
    paint = Paint(130, 230, scale=scale)
    jacket = look.jacket
    hand = ((30, 150), (16, 112), (6, 70))[gesture]
    elbow = ((26, 112), (20, 122), (22, 112))[gesture]
    paint.polygon([(38, 66), (92, 66), (104, 90), (100, 230), (30, 230), (26, 90)], jacket)
    paint.line([(36, 78), elbow, hand], jacket, 16)
    paint.ellipse(hand[0], hand[1], 8, 9, look.skin)
    paint.line([(96, 80), (104, 118), (82, 142)], jacket, 16)
    paint.ellipse(80, 144, 9, 8, look.skin)
    paint.rect(56, 48, 18, 24, shade(look.skin, 0.88), radius=4)
    paint.polygon([(52, 64), (78, 64), (68, 112), (62, 112)], WHITE)
    paint.polygon([(62, 68), (68, 68), (70, 102), (65, 110), (60, 102)], (150, 40, 48))
    paint.ellipse(65, 32, 23, 28, look.hair)
    paint.ellipse(65, 38, 19, 24, look.skin)
    paint.ellipse(65, 20, 20, 12, look.hair, arc=(180, 360))
    for eye in (-1, 1):
        paint.ellipse(65 + eye * 7, 38, 2.4, 2, (30, 26, 26))
    paint.ellipse(65, 50, 5, 1.6 + gesture % 2 * 1.4, (150, 80, 78))
    return paint.sprite()
