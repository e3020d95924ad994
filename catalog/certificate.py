"""Orders to destroy and certificates of destruction: as signed JSON for machines, as a page for people. Pure.

Both are canonical JSON of ``{"signature": ..., "statement": ...}``; the signature is Ed25519 (RFC 8032) over
the canonical JSON of the statement. The page says the same and names the SHA-256 of the JSON.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from kernel.audit_chain import canonical
from kernel.clock import BEIJING, to_datetime
from kernel.errors import FixityError
from kernel.model.life import Disposal, DisposedObject
from kernel.model.timeline import Project
from kernel.signing_key import SigningKey

ORDER, CERTIFICATE = "jianzheng.destruction-order/1", "jianzheng.destruction-certificate/1"


def order_statement(
    made: Disposal, project: Project, listed: Sequence[DisposedObject], stores: Sequence[str]
) -> dict[str, Any]:
    """What is to be destroyed, why, and by whose word; stored before the first object goes."""
    return {"format": ORDER, **_told(made, project, stores), "objects": [_object(one) for one in listed]}


def certificate_statement(
    made: Disposal,
    project: Project,
    listed: Sequence[DisposedObject],
    stores: Sequence[str],
    order_sha256: str,
) -> dict[str, Any]:
    """What was destroyed and when; stored after the last object was gone."""
    return {
        "format": CERTIFICATE,
        **_told(made, project, stores),
        "order_sha256": order_sha256,
        "done_us": max((one.gone_us or 0 for one in listed), default=0),
        "objects": [{**_object(one), "gone_us": one.gone_us} for one in listed],
    }


def signed(statement: Mapping[str, Any], key: SigningKey) -> bytes:
    """A statement with its signature, as it is stored."""
    signature = {
        "algorithm": "Ed25519",
        "key": key.public.id,
        "public_key": key.public.public_key,
        "signature": key.sign(canonical(statement)),
    }
    return canonical({"signature": signature, "statement": statement}).encode("utf-8")


def checked(content: bytes) -> dict[str, Any]:
    """The statement of a stored record whose signature is good; whose key it is, the caller decides.

    Raises:
        FixityError: it is no such record, or was changed.
    """
    try:
        told = json.loads(content)
        by, statement = told["signature"], told["statement"]
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(by["public_key"]))
        key.verify(bytes.fromhex(by["signature"]), canonical(statement).encode("utf-8"))
    except (InvalidSignature, ValueError, KeyError, TypeError):
        raise FixityError(
            "the record is not what was signed.", hint="Restore it from another copy."
        ) from None
    return dict(statement)


def certificate_page(content: bytes) -> bytes:
    """The same as a page for people, Chinese and English; no script, nothing fetched from elsewhere."""
    statement = checked(content)
    by = json.loads(content)["signature"]
    total = sum(one["size_bytes"] for one in statement["objects"])
    project = statement["project"]
    lines = {
        "项目 Project": f"{project['name_zh']} ({project['code']}, {project['id']})",
        "行政区域 Region": project["region"],
        "行业 Industry": project["industry"],
        "档案版本 Version of the file": statement["version"],
        "保管期限 Retention class": statement["class"],
        "期限届满 Term ended": statement["last_day"],
        "依据 Basis": "; ".join(_basis(one) for one in statement["grounds"]["claims"]),
        "理由 Reason": statement["reason"],
        "提出 Proposed by": f"{statement['proposed_by']}, {_at(statement['proposed_us'])}",
        "签字 Signed by": f"{statement['signed_by']}, {_at(statement['signed_us'])}",
        "下令 Ordered": _at(statement["ordered_us"]),
        "完成 Done": _at(statement["done_us"]),
        "存储 Stores": ", ".join(statement["stores"]),
        "对象 Objects": f"{len(statement['objects'])}, {total} B",
        "命令的 SHA-256 of the order": statement["order_sha256"],
        "本证明的 SHA-256 of the signed record": hashlib.sha256(content).hexdigest(),
        "公钥 Public key (Ed25519)": by["public_key"],
        "签名 Signature": by["signature"],
    }
    head = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(str(told))}</td></tr>" for name, told in lines.items()
    )
    rows = "".join(_row(number, one) for number, one in enumerate(statement["objects"], 1))
    return _PAGE.format(id=escape(statement["disposal"]), head=head, rows=rows).encode()


_PAGE = """<!doctype html>
<html lang="zh-CN"><head><meta charset="utf-8"><title>销毁证明 Certificate of destruction {id}</title>
<style>body{{font:14px/1.5 sans-serif;margin:2em}}table{{border-collapse:collapse;margin:1em 0}}
th,td{{border:1px solid #999;padding:2px 6px;text-align:left;vertical-align:top;word-break:break-all}}
th{{white-space:nowrap}}</style></head><body>
<h1>销毁证明 Certificate of destruction</h1><p>{id}</p>
<table>{head}</table>
<h2>已销毁的对象 Objects destroyed</h2>
<table><tr><th>#</th><th>键 Key</th><th>字节 Bytes</th><th>SHA-256</th><th>SM3</th><th>时间 Time</th></tr>
{rows}</table>
</body></html>
"""


def _told(made: Disposal, project: Project, stores: Sequence[str]) -> dict[str, Any]:
    return {
        "disposal": made.id,
        "project": {
            "id": project.id,
            "code": project.project_code,
            "name_zh": project.name_zh,
            "name_en": project.name_en,
            "region": project.region_code,
            "industry": project.industry_code,
        },
        "version": made.version,
        "class": made.class_code,
        "last_day": made.last_day.isoformat(),
        "grounds": dict(made.grounds),
        "reason": made.reason,
        "proposed_by": made.proposed_by,
        "proposed_us": made.proposed_us,
        "signed_by": made.signed_by,
        "signed_us": made.signed_us,
        "ordered_us": made.ordered_us,
        "stores": sorted(stores),
    }


def _object(one: DisposedObject) -> dict[str, Any]:
    return {"key": one.key, "size_bytes": one.size_bytes, "sha256": one.sha256, "sm3": one.sm3}


def _basis(claim: Mapping[str, Any]) -> str:
    told = f"{claim['class']}: {claim['reason_zh']} {claim['reason_en']} ({claim['basis']}; {claim['term']})"
    return f"{told} {claim['start']} → {claim['last_day']}"


def _at(us: int) -> str:
    return to_datetime(us).astimezone(BEIJING).isoformat(timespec="seconds")


def _row(number: int, one: Mapping[str, Any]) -> str:
    cells = (number, one["key"], one["size_bytes"], one["sha256"], one["sm3"], _at(one["gone_us"]))
    return "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in cells) + "</tr>"
