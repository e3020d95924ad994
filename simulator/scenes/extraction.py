"""The extraction room: somebody at the terminal, a witness beside. Design size 960 x 540."""

from __future__ import annotations

from random import Random

from simulator.picture import Picture, Sprite
from simulator.scenes.figure import Look, seated_from_behind, standing_host
from simulator.scenes.motion import busy, wander
from simulator.scenes.paint import WHITE, Paint, shade

_WALL = (204, 212, 220)
_MONITOR = (296, 152, 350, 208)  # x, y, width, height of the glass
_EXPERTS = 5
_ROUND_SECONDS = 40.0  # one extraction: drawing, then the result stands
_SPECIALITIES = ("房屋建筑工程", "市政公用工程", "工程造价", "机电安装", "经济")


class ExtractionScene:
    """A monitor on which expert numbers roll and stop, one after the other; never a name."""

    noise = 4

    def __init__(self, width: int, height: int, seed: int) -> None:
        self._seed = seed
        self._size = (width, height)
        scale = min(width / 960, height / 540)
        self.background = _room(width, height)
        self._screens = {
            drawn: [_screen(drawn, roll, seed, scale) for roll in range(1 if drawn == _EXPERTS else 4)]
            for drawn in range(_EXPERTS + 1)
        }
        self._operator = [
            seated_from_behind(seed + 1, scale=scale * 1.75, leaning=side, hand_up=False)
            for side in (-1, 0, 1)
        ]
        self._witness = [standing_host(seed + 4, scale=scale * 1.55, gesture=gesture) for gesture in (0, 1)]
        self._arm = _mouse_arm(Look.of(seed + 1), scale)

    def draw(self, picture: Picture, seconds: float) -> None:
        drawn = min(_EXPERTS, int(seconds % _ROUND_SECONDS / 5))
        rolling = self._screens[drawn]
        self._put(picture, rolling[int(seconds * 7) % len(rolling)], _MONITOR[0], _MONITOR[1])
        witness = self._witness[busy(self._seed, seconds, period=12, share=0.3)]
        self._put(picture, witness, 716 + wander(self._seed, seconds, period=9) * 6, 196)
        click = busy(self._seed + 2, seconds, period=5, share=0.3)
        reach = wander(self._seed + 2, seconds, period=0.8 if click else 6) * (3 if click else 8)
        self._put(picture, self._arm, 512 + reach, 420)
        sway = wander(self._seed + 1, seconds, period=10)
        operator = self._operator[1 + (sway > 0.4) - (sway < -0.4)]
        breath = wander(self._seed, seconds, period=3.5)
        self._put(picture, operator, 352 + sway * 8, 318 + breath * 2)

    def _put(self, picture: Picture, sprite: Sprite, x: float, y: float) -> None:
        sprite.blend(picture, round(x * self._size[0] / 960), round(y * self._size[1] / 540))


def _room(width: int, height: int) -> Picture:
    paint = Paint(960, height * 960 / width, scale=width / 960, ground=_WALL)
    paint.fade(0, 0, 960, 380, shade(_WALL, 1.05), shade(_WALL, 0.92))
    paint.polygon([(0, 60), (70, 90), (70, 384), (0, 440)], shade(_WALL, 0.82))
    paint.rect(0, 380, 960, 170, (150, 142, 134))
    paint.rect(70, 372, 890, 10, shade(_WALL, 0.6))
    paint.rect(110, 84, 180, 46, (24, 74, 148), radius=5)
    paint.text("专家抽取室", 200, 117, 29, WHITE, weight=700, centred=True)
    _wall_things(paint)
    paint.rect(110, 428, 640, 120, (176, 142, 104))  # the desk
    paint.polygon([(130, 402), (730, 402), (752, 430), (108, 430)], (204, 172, 132))
    _printer(paint)
    left, top, wide, high = _MONITOR
    paint.rect(left - 12, top - 12, wide + 24, high + 24, (34, 36, 42), radius=8)
    paint.rect(left + wide / 2 - 22, top + high + 10, 44, 34, (44, 46, 52))
    paint.ellipse(left + wide / 2, top + high + 48, 74, 10, (40, 42, 48))
    paint.rect(360, 412, 190, 14, (58, 60, 66), radius=4)
    paint.soften(0.6)
    paint.shadow(470, 250, 420, 260, -0.06)
    paint.shadow(480, 560, 700, 140, 0.3)
    return paint.picture()


def _wall_things(paint: Paint) -> None:
    """Rules on the wall, a clock and the window of the corridor."""
    paint.rect(122, 150, 130, 176, (250, 250, 246))
    paint.frame(122, 150, 130, 176, (150, 120, 80), line=4)
    paint.text("抽取工作纪律", 187, 178, 17, (170, 36, 36), weight=700, centred=True)
    for row, words in enumerate(
        ("随机抽取 全程留痕", "严禁泄露专家信息", "监督人员现场见证", "通讯工具统一存放")
    ):
        paint.text(words, 187, 208 + row * 28, 13.5, (60, 66, 76), centred=True)
    paint.ellipse(690, 116, 28, 28, (60, 66, 76))
    paint.ellipse(690, 116, 24, 24, WHITE)
    paint.line([(690, 116), (690, 98)], (40, 44, 50), 3)
    paint.line([(690, 116), (703, 122)], (40, 44, 50), 3)
    paint.rect(870, 110, 90, 262, (138, 104, 72))
    paint.rect(884, 130, 60, 90, (206, 226, 236))
    paint.ellipse(880, 250, 5, 5, (220, 206, 140))


def _printer(paint: Paint) -> None:
    paint.rect(140, 352, 120, 56, (222, 224, 226), radius=6)
    paint.rect(152, 366, 96, 8, (60, 62, 68))
    paint.polygon([(160, 340), (238, 340), (244, 356), (154, 356)], WHITE)
    paint.rect(156, 396, 90, 10, WHITE)
    paint.ellipse(250, 360, 3, 3, (60, 190, 90))


def _screen(drawn: int, roll: int, seed: int, scale: float) -> Sprite:
    """The extraction system with ``drawn`` experts fixed and the next number rolling."""
    width, height = _MONITOR[2:]
    paint = Paint(width, height, scale=scale, ground=(238, 244, 250))
    paint.rect(0, 0, width, 34, (22, 86, 164))
    paint.text("评标专家随机抽取系统", width / 2, 25, 20, WHITE, weight=700, centred=True)
    rng = Random(seed)
    numbers = [rng.randrange(10_000, 99_999) for _ in range(_EXPERTS)]
    for place in range(_EXPERTS):
        y = 42 + place * 25
        fixed = place < drawn
        paint.rect(10, y, 330, 22, (222, 242, 226) if fixed else (250, 252, 254))
        number = f"专家 {numbers[place]}" if fixed else "专家 — — —"
        if place == drawn:
            number = f"专家 {Random(roll * 31 + place).randrange(10_000, 99_999)}"
            paint.rect(10, y, 330, 22, (255, 240, 196))
        paint.text(f"{place + 1}   {_SPECIALITIES[place]}", 18, y + 17, 15, (40, 52, 70))
        paint.text(number, 180, y + 17, 15, (40, 52, 70), weight=600)
        state = "已确认" if fixed else "抽取中" if place == drawn else "待抽取"
        paint.text(state, 284, y + 17, 14, (24, 130, 70) if fixed else (180, 110, 20))
    done = drawn == _EXPERTS
    paint.rect(120, 172, 110, 28, (40, 150, 90) if done else (206, 62, 48), radius=5)
    paint.text("抽取完成" if done else "正在抽取", 175, 192, 17, WHITE, weight=700, centred=True)
    return paint.sprite()


def _mouse_arm(look: Look, scale: float) -> Sprite:
    paint = Paint(100, 100, scale=scale)
    paint.line([(4, 88), (30, 50), (56, 26)], look.jacket, 30)
    paint.ellipse(66, 18, 18, 11, look.skin, angle=-20)
    paint.ellipse(76, 14, 11, 8, (44, 46, 52))
    return paint.sprite()
