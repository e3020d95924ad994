"""An expert's evaluation computer: the bid document beside the scoring form. Design size 1280 x 720."""

from __future__ import annotations

from random import Random

from simulator.picture import Picture, Sprite
from simulator.scenes.motion import wander
from simulator.scenes.paint import WHITE, Colour, Paint, shade

_WALLPAPERS: tuple[tuple[Colour, Colour], ...] = (
    ((22, 84, 132), (96, 170, 196)),
    ((34, 66, 96), (120, 140, 176)),
    ((20, 92, 86), (130, 180, 150)),
)
_ROUND_SECONDS = 64.0
_READ_UNTIL, _SCROLL_UNTIL, _STILL_UNTIL, _SCORE_UNTIL = 12.0, 18.0, 30.0, 54.0
_PAGE = (16, 138, 640, 520)  # where the document is seen: x, y, width, height
_PAGE_LENGTH = 2400  # of the whole document
_SCROLLED = 220  # per round
_FORM_ROWS = 8
_FORM = (690, 240, 574, 44)  # first row: x, y, width, height
_TITLES = ("滨江新区污水处理厂二期工程施工", "城东快速路三标段施工", "市第二实验学校信息化设备采购")
_CRITERIA = (
    ("施工组织设计", 15), ("质量保证措施", 10), ("安全文明施工", 10), ("进度计划与工期", 10),
    ("项目经理业绩", 10), ("资源配备计划", 8), ("投标报价", 30), ("企业信用", 7),
)  # fmt: skip
_CLAUSES = (
    "投标人应具备市政公用工程施工总承包壹级及以上资质，并在人员、设备、资金等方面具有相应的施工能力。",
    "投标报价应包括完成招标文件规定的全部工作内容所需的人工、材料、机械、管理费、利润和税金。",
    "本工程计划工期为四百五十个日历天，投标人承诺的工期不得超过招标文件规定的工期。",
    "评标委员会对满足招标文件实质性要求的投标文件，按照评分标准进行打分，并按得分由高到低推荐中标候选人。",
    "施工组织设计应包括主要施工方法、施工总进度计划、施工总平面布置以及劳动力和主要材料供应计划。",
    "投标人应对关键工序提出质量保证措施，明确检验批划分、见证取样和隐蔽工程验收的程序。",
    "基坑支护、高支模等危险性较大的分部分项工程应编制专项施工方案并组织专家论证。",
    "投标保证金应从投标人的基本账户转出，并在投标截止时间前到达指定账户。",
)


class DesktopScene:
    """Reading, scrolling, standing still for long, then filling in scores; a pointer follows the work."""

    noise = 0

    def __init__(self, width: int, height: int, seed: int) -> None:
        self._seed = seed
        self._scale = min(width / 1280, height / 720)
        self.background = _windows(width, height, seed)
        self._page = _document(seed, self._scale)
        self._cells = [_score_cells(place, seed, self._scale) for place in range(_FORM_ROWS)]
        self._pointer = _pointer(self._scale)

    def draw(self, picture: Picture, seconds: float) -> None:
        number, place = divmod(seconds + self._seed * 17.0, _ROUND_SECONDS)
        self._draw_page(picture, number, place)
        typed = self._draw_scores(picture, place)
        x, y = self._pointer_at(place, typed)
        self._pointer.blend(picture, self._pixels(x), self._pixels(y))

    def _draw_page(self, picture: Picture, number: float, place: float) -> None:
        scrolled = min(1.0, max(0.0, (place - _READ_UNTIL) / (_SCROLL_UNTIL - _READ_UNTIL)))
        steps = round(scrolled * 12) / 12  # a mouse wheel's steps
        offset = (number + steps) * _SCROLLED % (_PAGE_LENGTH - _PAGE[3])
        height = self._pixels(_PAGE[3])
        top = min(self._pixels(offset), self._page.height - height)
        picture.paste(self._page, self._pixels(_PAGE[0]), self._pixels(_PAGE[1]), top=top, height=height)

    def _draw_scores(self, picture: Picture, place: float) -> int:
        """Scores typed so far this round; returns how many rows are done."""
        share = min(1.0, max(0.0, (place - _STILL_UNTIL) / (_SCORE_UNTIL - _STILL_UNTIL)))
        rows, typing = divmod(share * _FORM_ROWS, 1)
        for row in range(int(rows)):
            self._paste_cell(picture, self._cells[row][2], row)
        if share < 1 and typing > 0:
            self._paste_cell(picture, self._cells[int(rows)][min(2, int(typing * 4))], int(rows))
        return int(rows)

    def _paste_cell(self, picture: Picture, cell: Picture, row: int) -> None:
        x, y = _FORM[0] + 424, _FORM[1] + row * _FORM[3] + 6
        picture.paste(cell, self._pixels(x), self._pixels(y))

    def _pointer_at(self, place: float, typed: int) -> tuple[float, float]:
        sway = wander(self._seed, place, period=9) if place < _READ_UNTIL else 0.0
        if place < _SCROLL_UNTIL:
            return 420 + sway * 120, 360 + sway * 60
        if place < _STILL_UNTIL:
            return 420, 360
        if place < _SCORE_UNTIL:
            return _FORM[0] + 470, _FORM[1] + min(typed, _FORM_ROWS - 1) * _FORM[3] + 24
        return 1130, 634

    def _pixels(self, units: float) -> int:
        return round(units * self._scale) // 2 * 2


def _windows(width: int, height: int, seed: int) -> Picture:
    """Wallpaper, both windows and the task bar."""
    paint = Paint(1280, height * 1280 / width, scale=width / 1280)
    upper, lower = _WALLPAPERS[seed % len(_WALLPAPERS)]
    paint.fade(0, 0, 1280, 720, upper, lower)
    _window(paint, 8, 88, 656, 578, "招标文件.pdf - 文档阅读器", (196, 62, 52))
    paint.rect(12, 118, 648, 20, (240, 241, 243))
    paint.text("文件　编辑　视图　　第 17 页 / 共 86 页　　100%", 22, 133, 13, (80, 86, 96))
    _window(paint, 676, 88, 596, 578, "评标系统 - 评分表", (32, 110, 200))
    _form(paint, seed)
    _task_bar(paint)
    return paint.picture()


def _window(paint: Paint, x: float, y: float, width: float, height: float, title: str, icon: Colour) -> None:
    paint.rect(x - 2, y - 2, width + 6, height + 8, (30, 44, 60), radius=6)
    paint.rect(x, y, width, height, (248, 249, 251), radius=4)
    paint.rect(x, y, width, 28, (226, 231, 238), radius=4)
    paint.rect(x + 8, y + 6, 16, 16, icon, radius=3)
    paint.text(title, x + 32, y + 21, 16, (34, 40, 50), weight=500)
    right = x + width
    paint.line([(right - 86, y + 15), (right - 74, y + 15)], (70, 76, 86), 1.6)
    paint.frame(right - 54, y + 9, 11, 11, (70, 76, 86), line=1.6)
    paint.line([(right - 24, y + 9), (right - 13, y + 20)], (70, 76, 86), 1.8)
    paint.line([(right - 24, y + 20), (right - 13, y + 9)], (70, 76, 86), 1.8)


def _form(paint: Paint, seed: int) -> None:
    """The scoring form without its scores."""
    x, y, width, height = _FORM
    paint.rect(676, 116, 596, 46, (24, 96, 178))
    paint.text("综合评分表（技术标、商务标）", 974, 148, 24, WHITE, weight=700, centred=True)
    paint.text(f"项目：{_TITLES[seed % len(_TITLES)]}", 694, 188, 17, (40, 48, 60), weight=600)
    paint.text(f"投标人：投标单位 {'ABC'[seed % 3]}　评委席位：{seed:02d}", 694, 214, 16, (90, 98, 110))
    paint.rect(x, y - 18, width, 20, (220, 230, 242))
    for words, at in (("评分项", 20), ("满分", 300), ("得分", 450)):
        paint.text(words, x + at, y - 3, 15, (50, 60, 76), weight=600)
    for row, (criterion, most) in enumerate(_CRITERIA):
        top = y + row * height
        paint.rect(x, top + 2, width, height - 3, WHITE if row % 2 else (242, 246, 251))
        paint.text(f"{row + 1}. {criterion}", x + 18, top + 29, 18, (34, 40, 52))
        paint.text(str(most), x + 308, top + 29, 18, (90, 98, 110))
        paint.rect(x + 424, top + 6, 104, 32, WHITE)
        paint.frame(x + 424, top + 6, 104, 32, (150, 160, 176))
    paint.rect(1100, 614, 150, 40, (34, 120, 210), radius=6)
    paint.text("提交评分", 1175, 641, 20, WHITE, weight=700, centred=True)
    paint.rect(960, 614, 124, 40, (226, 230, 236), radius=6)
    paint.text("暂 存", 1022, 641, 20, (60, 66, 76), centred=True)
    paint.text("合计按满分 100 分计", 694, 640, 16, (130, 138, 150))


def _task_bar(paint: Paint) -> None:
    paint.rect(0, 676, 1280, 44, (24, 30, 40))
    paint.rect(12, 684, 28, 28, (60, 150, 230), radius=5)
    paint.rect(19, 691, 6, 6, WHITE)
    paint.rect(27, 691, 6, 6, WHITE)
    paint.rect(19, 699, 6, 6, WHITE)
    paint.rect(27, 699, 6, 6, WHITE)
    for at, (name, colour) in enumerate((("招标文件.pdf", (196, 62, 52)), ("评标系统", (32, 110, 200)))):
        paint.rect(60 + at * 180, 680, 170, 36, (54, 62, 76), radius=4)
        paint.rect(70 + at * 180, 690, 16, 16, colour, radius=3)
        paint.text(name, 96 + at * 180, 704, 17, (230, 234, 240))
    paint.text("评标内网　　中", 1130, 704, 16, (210, 216, 226))


def _document(seed: int, scale: float) -> Picture:
    """The whole bid document, taller than its window."""
    paint = Paint(_PAGE[2], _PAGE_LENGTH, scale=scale, ground=(206, 210, 216))
    rng = Random(seed)
    y = 20.0
    for chapter, title in enumerate(
        ("第三章 评标办法", "第五章 工程量清单", "第七章 技术标准和要求"), start=1
    ):
        paint.rect(24, y, 592, 770, WHITE)
        paint.text(title, 320, y + 60, 30, (24, 28, 36), weight=700, centred=True)
        paint.text(_TITLES[seed % len(_TITLES)], 320, y + 96, 18, (90, 96, 106), centred=True)
        _clauses(paint, y + 136, chapter, rng)
        y += 790
    return paint.picture()


def _clauses(paint: Paint, top: float, chapter: int, rng: Random) -> None:
    line = top
    for number, clause in enumerate(rng.sample(_CLAUSES, len(_CLAUSES)), start=1):
        words = f"{chapter}.{number}　{clause}"
        for part in _wrapped(words, 28):
            paint.text(part, 56, line, 18, (36, 40, 48))
            line += 27
        line += 10
        if number == 3:
            line = _price_table(paint, line, rng)


def _wrapped(words: str, width: int) -> list[str]:
    """Lines of so many characters; none begins with a punctuation mark."""
    lines = []
    while words:
        end = width - 1 if words[width : width + 1] in tuple("，。、；") else width
        lines.append(words[:end])
        words = words[end:]
    return lines


def _price_table(paint: Paint, top: float, rng: Random) -> float:
    """A small table of prices; returns where the text goes on."""
    grid = shade((150, 156, 166), 1.0)
    for row in range(4):
        y = top - 10 + row * 28
        if row == 0:
            paint.rect(56, y, 528, 28, (226, 234, 244))
        paint.frame(56, y, 528, 28, grid)
        work = ("土建工程", "管网工程", "设备安装")[row - 1]
        cells = (f"清单 {row}", work, f"{rng.randrange(2_000_000, 19_000_000):,}")
        if row == 0:
            cells = ("投标报价", "分部工程", "金额（元）")
        for column, words in enumerate(cells):
            paint.text(words, 70 + column * 178, y + 20, 16, (40, 46, 56))
    return top + 4 * 28 + 24


def _score_cells(place: int, seed: int, scale: float) -> list[Picture]:
    """A score being typed: empty with caret, first digit, whole."""
    most = _CRITERIA[place][1]
    score = f"{Random(seed * 31 + place).uniform(most * 0.7, most):.1f}"
    pictures = []
    for typed in ("", score[:-2], score):
        paint = Paint(104, 32, scale=scale, ground=WHITE)
        whole = typed == score
        paint.frame(0, 0, 103, 31, (150, 160, 176) if whole else (34, 120, 210), line=1.5)
        paint.text(typed, 14, 23, 19, (20, 60, 160), weight=600)
        if not whole:
            paint.rect(16 + len(typed) * 11, 6, 1.6, 20, (20, 24, 32))
        pictures.append(paint.picture())
    return pictures


def _pointer(scale: float) -> Sprite:
    paint = Paint(22, 30, scale=scale)
    outline = [(1, 1), (1, 24), (7, 19), (11, 28), (15, 26), (11, 17), (19, 17)]
    paint.polygon(outline, WHITE)
    paint.line([*outline, outline[0]], (16, 18, 22), 1.6)
    return paint.sprite()
