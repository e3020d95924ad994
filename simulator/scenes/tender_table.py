"""The hall's screen: 开标一览表. Design size 1280 x 720."""

from __future__ import annotations

from random import Random

from simulator.picture import Picture
from simulator.scenes.paint import WHITE, Colour, Paint

_BIDDERS = (
    "江城建设集团有限公司",
    "远大市政工程有限公司",
    "华通建筑工程有限公司",
    "中岳路桥工程有限公司",
    "安泰建设工程有限公司",
    "东湖园林市政有限公司",
    "宏业水利水电有限公司",
    "启明城市建设有限公司",
)
_COLUMNS = (
    ("序号", 40, 90), ("投标人名称", 130, 380), ("投标报价（元）", 510, 220), ("工期（日历天）", 730, 160),
    ("质量目标", 890, 120), ("保证金", 1010, 100), ("解密状态", 1110, 130),
)  # fmt: skip
_ROW_TOP, _ROW_HEIGHT = 256, 44
_REVEAL_SECONDS = 6.0
_PAUSE_ROWS = 4  # how long the whole table stands, in reveals


class TenderTableScene:
    """Bidders are revealed one after the other; the newest is marked; then the table stands a while."""

    noise = 0

    def __init__(self, width: int, height: int, seed: int) -> None:
        self._scale = width / 1280
        self._top = round(_ROW_TOP * height / 720) // 2 * 2
        self.background = _table(width, height)
        bids = _bids(seed)
        self._rows = [
            {newest: _row(place, bid, self._scale, newest=newest) for newest in (False, True)}
            for place, bid in enumerate(bids)
        ]
        self._status = [_status(count, len(bids), self._scale) for count in range(len(bids) + 1)]

    def draw(self, picture: Picture, seconds: float) -> None:
        cycle = len(self._rows) + _PAUSE_ROWS
        revealed = min(len(self._rows), int(seconds / _REVEAL_SECONDS % cycle))
        top = self._top
        for place in range(revealed):
            row = self._rows[place][place == revealed - 1]
            picture.paste(row, 0, top + place * (row.height + 2))
        status = self._status[revealed]
        picture.paste(status, 0, picture.height - status.height)


def _bids(seed: int) -> list[tuple[str, str, str]]:
    """Name, price and days of each bidder."""
    rng = Random(seed)
    return [
        (
            name,
            f"{rng.randrange(46_000_000, 49_500_000):,}.{rng.randrange(100):02d}",
            str(rng.randrange(420, 480)),
        )
        for name in rng.sample(_BIDDERS, len(_BIDDERS))
    ]


def _table(width: int, height: int) -> Picture:
    paint = Paint(1280, height * 1280 / width, scale=width / 1280, ground=(236, 242, 250))
    paint.fade(0, 0, 1280, 160, (10, 52, 120), (28, 96, 180))
    paint.text("开 标 一 览 表", 640, 146, 52, WHITE, weight=800, centred=True)
    paint.text("项目名称：滨江新区污水处理厂二期工程施工", 40, 194, 24, (34, 44, 60), weight=600)
    paint.text("项目编号：2026-GC-0301　标段：一标段", 720, 194, 24, (34, 44, 60))
    paint.rect(30, 210, 1220, 44, (54, 112, 190))
    for title, x, wide in _COLUMNS:
        paint.text(title, x + wide / 2, 240, 22, WHITE, weight=700, centred=True)
    for place in range(len(_BIDDERS)):
        paint.rect(30, _ROW_TOP + place * 46, 1220, 44, (246, 250, 254))
        paint.text(str(place + 1), 85, _ROW_TOP + 31 + place * 46, 21, (150, 160, 176), centred=True)
        paint.text("待唱标", 1175, _ROW_TOP + 31 + place * 46, 19, (150, 160, 176), centred=True)
    return paint.picture()


def _row(place: int, bid: tuple[str, str, str], scale: float, *, newest: bool) -> Picture:
    ground: Colour = (255, 240, 190) if newest else ((226, 237, 250) if place % 2 else WHITE)
    paint = Paint(1280, _ROW_HEIGHT, scale=scale, ground=(236, 242, 250))
    paint.rect(30, 0, 1220, _ROW_HEIGHT, ground)
    name, price, days = bid
    cells = (str(place + 1), name, price, days, "合格", "已递交", "解密成功")
    for words, (_, x, wide) in zip(cells, _COLUMNS, strict=True):
        colour: Colour = {price: (190, 30, 36), "解密成功": (20, 130, 70)}.get(words, (30, 38, 52))
        paint.text(words, x + wide / 2, 31, 22, colour, weight=600 if newest else 400, centred=True)
    return paint.picture()


def _status(count: int, total: int, scale: float) -> Picture:
    paint = Paint(1280, 60, scale=scale, ground=(14, 58, 128))
    words = f"唱标进行中　{count} / {total}" if count < total else f"唱标结束　共 {total} 家投标人"
    paint.text(words, 40, 40, 27, (255, 226, 140), weight=700)
    paint.text("招标控制价：49,860,000.00 元　　主持人：招标代理机构　　监督：现场监督员", 440, 38, 20, WHITE)
    return paint.picture()
