"""Appraisal and disposal: proposals, signatures, what became of them, and certificates.

An order is executed where the archive's key and all its stores are: by ``jianzheng disposal run``.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Response
from pydantic import BaseModel, StringConstraints

from catalog.catalogue import Catalogue
from catalog.destruction import CERTIFICATE_NAME, PAGE_NAME
from catalog.life_records import disposal_key
from catalog.objects import ObjectStore
from kernel.clock import Clock
from kernel.errors import DisposalRefused, ObjectMissing
from kernel.model.life import Disposal, DisposalState
from player_api.entries import Name, Reason
from player_api.gate import Gate, Subject
from player_api.retention import REFUSED, or_refuse

_NONE = "没有这项鉴定。No such appraisal."


class DisposalPublic(BaseModel):
    """What was decided of a version of a project's file whose term is over, by whom and why."""

    id: str
    project_id: str
    version: int
    state: DisposalState
    class_code: str
    new_class: str  # of what is kept longer
    last_day: date
    grounds: dict[str, Any]  # rules, versions and days by which it was due
    reason: str
    proposed_by: str
    proposed_us: int
    signed_by: str
    signed_us: int | None
    ordered_us: int | None
    stopped: str  # why its execution stands still
    done_us: int | None
    certificate_sha256: str
    withdrawn_by: str
    withdrawn_reason: str
    withdrawn_us: int | None


class DisposedObjectPublic(BaseModel):
    """An object that is to be destroyed, or what is left to know of it."""

    key: str
    size_bytes: int
    sha256: str
    sm3: str
    gone_us: int | None


class ProposalRequest(BaseModel):
    """Whose file is to be destroyed, who says so, and why."""

    project_id: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    reason: Reason
    principal: Name | None = None


class ExtensionRequest(ProposalRequest):
    """Under which class it is kept instead."""

    new_class: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40)]


class SignRequest(BaseModel):
    """Who signs."""

    principal: Name | None = None


class WithdrawRequest(BaseModel):
    """Who takes it back, and why."""

    principal: Name | None = None
    reason: Reason


def disposal_router(catalogue: Catalogue, store: ObjectStore, clock: Clock, gate: Gate) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/api/disposals", tags=["disposal"])
    disposals = catalogue.disposals
    _add_decisions(router, catalogue, clock, gate)

    @router.get("", dependencies=[gate.inside("disposal.see")])
    def all_of(project_id: str | None = None, open_only: bool = False) -> list[DisposalPublic]:
        """Appraisals, the oldest first."""
        found = disposals.all(project_id=project_id, open_only=open_only)
        seen = gate.within("disposal.see", [one.project_id for one in found])
        return [disposal_public(one) for one in found if one.project_id in seen]

    @router.get("/{disposal_id}", dependencies=[gate.needs("disposal.see", Subject.DISPOSAL)])
    def one_of(disposal_id: str) -> DisposalPublic:
        """An appraisal."""
        return disposal_public(_find(catalogue, disposal_id))

    @router.get("/{disposal_id}/objects", dependencies=[gate.needs("disposal.see", Subject.DISPOSAL)])
    def objects(disposal_id: str) -> list[DisposedObjectPublic]:
        """What it is about, and what of it is gone."""
        _find(catalogue, disposal_id)
        found = disposals.to_destroy(disposal_id)
        return [DisposedObjectPublic.model_validate(one, from_attributes=True) for one in found]

    @router.get("/{disposal_id}/certificate", dependencies=[gate.needs("disposal.see", Subject.DISPOSAL)])
    def certificate(disposal_id: str) -> Response:
        """The certificate of destruction as it is stored: signed JSON."""
        return _stored(catalogue, store, disposal_id, CERTIFICATE_NAME, "application/json")

    @router.get(
        "/{disposal_id}/certificate.html", dependencies=[gate.needs("disposal.see", Subject.DISPOSAL)]
    )
    def page(disposal_id: str) -> Response:
        """The same as a page to read and print."""
        return _stored(catalogue, store, disposal_id, PAGE_NAME, "text/html; charset=utf-8")

    return router


def _add_decisions(router: APIRouter, catalogue: Catalogue, clock: Clock, gate: Gate) -> None:
    """Routes by which people decide; none of them destroys anything."""
    disposals = catalogue.disposals

    @router.post("", status_code=201, responses=REFUSED, dependencies=[gate.inside("disposal.propose")])
    def propose(request: ProposalRequest) -> DisposalPublic:
        """Propose to destroy a file whose term is over. Nothing happens before another person signs."""
        gate.check("disposal.propose", gate.things(Subject.PROJECT, request.project_id))
        said: dict[str, Any] = {"reason": request.reason, "principal": gate.by(request.principal)}
        return disposal_public(
            or_refuse(lambda: disposals.propose(request.project_id, at_us=clock.now_us(), **said))
        )

    @router.post(
        "/extensions",
        status_code=201,
        responses=REFUSED,
        dependencies=[gate.inside("disposal.propose")],
    )
    def extend(request: ExtensionRequest) -> DisposalPublic:
        """Keep a file whose term is over for longer, under another class."""
        gate.check("disposal.propose", gate.things(Subject.PROJECT, request.project_id))
        said: dict[str, Any] = {"reason": request.reason, "principal": gate.by(request.principal)}
        made = or_refuse(
            lambda: disposals.extend(request.project_id, request.new_class, at_us=clock.now_us(), **said)
        )
        return disposal_public(made)

    @router.post(
        "/{disposal_id}/sign",
        responses=REFUSED,
        dependencies=[gate.needs("disposal.sign", Subject.DISPOSAL)],
    )
    def sign(disposal_id: str, request: SignRequest) -> DisposalPublic:
        """The second signature, of another person than the one who proposed."""
        _find(catalogue, disposal_id)
        who, now_us = gate.by(request.principal), clock.now_us()
        return disposal_public(or_refuse(lambda: disposals.sign(disposal_id, principal=who, at_us=now_us)))

    @router.post(
        "/{disposal_id}/withdraw",
        responses=REFUSED,
        dependencies=[gate.needs("disposal.withdraw", Subject.DISPOSAL)],
    )
    def withdraw(disposal_id: str, request: WithdrawRequest) -> DisposalPublic:
        """Take a proposal back, as long as its execution has not begun."""
        _find(catalogue, disposal_id)
        said: dict[str, Any] = {"reason": request.reason, "principal": gate.by(request.principal)}
        return disposal_public(
            or_refuse(lambda: disposals.withdraw(disposal_id, at_us=clock.now_us(), **said))
        )


def disposal_public(made: Disposal) -> DisposalPublic:
    return DisposalPublic.model_validate(made, from_attributes=True)


def _find(catalogue: Catalogue, disposal_id: str) -> Disposal:
    try:
        return catalogue.disposals.find(disposal_id)
    except DisposalRefused:
        raise HTTPException(404, _NONE) from None


def _stored(
    catalogue: Catalogue, store: ObjectStore, disposal_id: str, name: str, media_type: str
) -> Response:
    _find(catalogue, disposal_id)
    try:
        with store.open(disposal_key(disposal_id, name)) as reader:
            content = reader.read()
    except ObjectMissing:
        raise HTTPException(404, "尚无销毁证明。There is no certificate yet.") from None
    headers = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
    return Response(content, media_type=media_type, headers=headers)
