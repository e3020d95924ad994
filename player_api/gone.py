"""How a stored file is told that is not there: destroyed by decision, or missing."""

from __future__ import annotations

from fastapi import HTTPException

from catalog.catalogue import Catalogue
from kernel.clock import BEIJING, to_datetime
from kernel.model.life import Disposal


def not_there(catalogue: Catalogue, key: str, said: object = "It is missing in the store.") -> HTTPException:
    """410: by which appraisal and certificate the file was destroyed, or that the store lacks it.

    Args:
        said: what the store said of it.
    """
    disposal = catalogue.disposals.of_object(key)
    if disposal is None:
        return HTTPException(410, f"存储中缺少此文件。{said}")
    return HTTPException(410, f"{_destroyed_zh(disposal)}{_destroyed_en(disposal)} ({key})")


def _destroyed_zh(one: Disposal) -> str:
    people = f"{one.proposed_by}、{one.signed_by}"
    proof = f",销毁证明 SHA-256 {one.certificate_sha256}" if one.certificate_sha256 else ",销毁尚在执行"
    return f"已依鉴定 {one.id} 销毁({_day(one)},{people}{proof})。"


def _destroyed_en(one: Disposal) -> str:
    by = f"Destroyed by {one.proposed_by} and {one.signed_by} on {_day(one)}, appraisal {one.id}"
    if one.certificate_sha256:
        return f"{by}, certificate SHA-256 {one.certificate_sha256}."
    return f"{by}; its certificate is written when all of it is gone."


def _day(one: Disposal) -> str:
    """Beijing day on which it was gone, or ordered to go."""
    us = one.done_us or one.ordered_us or one.proposed_us
    return to_datetime(us).astimezone(BEIJING).date().isoformat()
