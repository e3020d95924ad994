"""A catalogue card as a page that can be printed: Chinese first, English beside it, no script, no network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

_HEAD = (
    ("archive_number", "档号 Archive number"),
    ("title_zh", "题名 Title"),
    ("title_en", "英文题名 Title in English"),
    ("project_code", "项目编号 Project code"),
    ("tender_project_code", "招标项目编号 Tender project code"),
    ("region_code", "行政区域 Region"),
    ("trade_place_code", "交易发生地 Trade place"),
    ("industry_code", "行业 Industry"),
    ("agency", "代理机构 Agency"),
    ("file_version", "案卷版本 Version of the file"),
    ("retention_class", "保管期限 Retention class"),
    ("permanent", "永久保管 Kept for ever"),
    ("due", "到期日 Due"),
    ("held", "冻结 Held"),
    ("secrecy", "保密状态 Secrecy"),
    ("published", "结果公布 Result published"),
)
_NAMES = {"region_code": "region", "trade_place_code": "trade_place", "industry_code": "industry"}
_SESSION = (
    ("phase", "环节 Phase"),
    ("venue", "场所 Venue"),
    ("room", "房间 Room"),
    ("start", "开始(北京时间)Start"),
    ("end", "结束(北京时间)End"),
    ("archive_version", "归档版本 Archive version"),
    ("package", "档案包 Package"),
    ("account", "责任账户 Account"),
    ("intake", "接收时间 Taken in"),
)
_CLIP = (
    ("file", "文件 File"),
    ("content_kind", "内容 Content"),
    ("device", "设备 Device"),
    ("seat", "席位 Seat"),
    ("member", "成员 Member"),
    ("start", "开始 Start"),
    ("end", "结束 End"),
    ("clock_offset_us", "时钟偏差(微秒)Clock offset (µs)"),
    ("duration_us", "时长(微秒)Duration (µs)"),
    ("container", "封装 Container"),
    ("codec", "视频编码 Codec"),
    ("width", "宽 Width"),
    ("height", "高 Height"),
    ("fps", "帧率 Frames a second"),
    ("bit_rate_kbps", "码率 kbit/s"),
    ("audio_codec", "音频编码 Audio codec"),
    ("sample_rate_hz", "采样率 Sample rate (Hz)"),
    ("channels", "声道 Channels"),
    ("size_bytes", "大小(字节)Size (bytes)"),
    ("sha256", "SHA-256"),
    ("sm3", "SM3"),
    ("encoder", "编码器 Encoder"),
    ("encoder_parameters", "编码参数 Parameters"),
    ("gaps", "缺口 Gaps"),
    ("holds", "冻结 Holds"),
    ("parents_sha256", "原始分段 Original segments, SHA-256"),
)
_DOCUMENT = (
    ("name", "名称 Name"),
    ("kind", "类别 Kind"),
    ("file_type", "格式 Format"),
    ("version", "版本 Version"),
    ("size_bytes", "大小(字节)Size (bytes)"),
    ("sha256", "SHA-256"),
    ("sm3", "SM3"),
    ("principal", "经手 By"),
    ("at", "接收时间 Taken in"),
)
_STYLE = """
body{font:13px/1.5 "Noto Sans CJK SC","Microsoft YaHei",sans-serif;margin:2em auto;max-width:60em;color:#111}
h1{font-size:20px}h2{font-size:16px;margin-top:1.6em}h3{font-size:14px;margin:1em 0 .3em}
table{border-collapse:collapse;width:100%;page-break-inside:avoid}
th,td{border:1px solid #999;padding:2px 6px;text-align:left;vertical-align:top}
th{width:16em;font-weight:600;background:#f4f4f4}td{word-break:break-all}
@media print{body{margin:0;max-width:none}}
"""


def card_page(card: Mapping[str, Any]) -> str:
    """A card (``catalog.cards``) as a whole HTML document."""
    title = f"著录卡 Catalogue card {card['archive_number'] or card['project_code']}"
    parts = [_table(_HEAD, card)]
    if card["sections"]:
        parts.append("<h2>标段 Sections</h2>" + _list(_section(one) for one in card["sections"]))
    for session in card["sessions"]:
        parts.append(f"<h2>场次 Session {_text(session['session'])}</h2>" + _table(_SESSION, session))
        parts += [f"<h3>{_text(one['file'])}</h3>" + _table(_CLIP, one) for one in session["clips"]]
    if card["documents"]:
        parts.append("<h2>文件 Documents</h2>")
        parts += [f"<h3>{_text(one['name'])}</h3>" + _table(_DOCUMENT, one) for one in card["documents"]]
    return (
        '<!doctype html>\n<html lang="zh-CN"><head><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\">"
        f"<title>{_text(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body><h1>{_text(title)}</h1>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def _section(one: Mapping[str, Any]) -> str:
    said = f"{one['number']} {one['name_zh']} · {one['section_code']} · {one['unified_deal_code']}"
    return _text(said)


def _list(items: Iterable[str]) -> str:
    return "<ol>" + "".join(f"<li>{one}</li>" for one in items) + "</ol>"


def _table(fields: Iterable[tuple[str, str]], values: Mapping[str, Any]) -> str:
    rows = []
    for key, label in fields:
        value = _said(values.get(key))
        name = values.get(_NAMES.get(key, ""))
        shown = f"{name} {value}" if name else value
        rows.append(f"<tr><th>{_text(label)}</th><td>{_text(shown)}</td></tr>")
    return "<table>" + "".join(rows) + "</table>"


def _said(value: Any) -> str:
    if value is None or value in ("", [], {}):
        return "—"
    if isinstance(value, bool):
        return "是 yes" if value else "否 no"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={one}" for key, one in value.items())
    if isinstance(value, list):
        return "; ".join(_one(each) for each in value)
    return str(value)


def _one(value: Any) -> str:
    if isinstance(value, Mapping) and "cause" in value:
        return f"{value['start']} – {value['end']} ({value['seconds']} s, {value['cause']})"
    return str(value)


def _text(value: object) -> str:
    return escape(str(value))
