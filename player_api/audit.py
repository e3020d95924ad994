"""Who did what, from the audit chain (invariant 14), and where those who act by the page act from.

Whether the chain is as it was written takes as long as it is: ``jianzheng audit check`` says it.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel
from starlette.types import ASGIApp, Receive, Scope, Send

from catalog.audit import AuditFilter
from catalog.catalogue import Catalogue
from kernel.acting import acting_from
from kernel.clock import Clock
from kernel.model.audit import AuditRecord
from kernel.values import fields_of
from player_api.entries import Moment
from player_api.gate import Gate


class ActingFrom:
    """What is done for a request comes from its client, in routes of the thread pool, too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        if client is None:
            await self._app(scope, receive, send)
            return
        with acting_from(client[0]):
            await self._app(scope, receive, send)


class AuditRecordPublic(BaseModel):
    """An act as a link of the chain."""

    number: int
    at_us: int
    principal: str
    action: str
    subject: str
    origin: str
    result: str
    details: dict[str, Any]
    hash: str


class AuditPage(BaseModel):
    """Records, the newest first."""

    records: list[AuditRecordPublic]
    before: int | None  # what to ask for next; None: there are no more


class AuditHeadPublic(BaseModel):
    """The newest link of the chain."""

    number: int
    hash: str
    at_us: int


def record_public(record: AuditRecord) -> AuditRecordPublic:
    fields = fields_of(record)
    del fields["previous"]
    return AuditRecordPublic(**fields | {"details": dict(record.details)})


def audit_router(catalogue: Catalogue, clock: Clock, gate: Gate) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/api/audit", tags=["audit"])

    @router.get("", dependencies=[gate.needs("audit.see")])
    def records(
        principal: str | None = None,
        subject: str | None = None,
        action: str | None = None,
        since_us: Moment | None = None,
        until_us: Moment | None = None,
        before: Annotated[int | None, Query(ge=1, lt=1 << 63)] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> AuditPage:
        """Who did what, when, on what and from where; of an action all that begin so (``hold.``)."""
        by = AuditFilter(
            principal=principal, subject=subject, action=action, since_us=since_us, until_us=until_us
        )
        found = catalogue.audit.records(by, before=before, limit=limit + 1)
        more = len(found) > limit
        return AuditPage(
            records=[record_public(one) for one in found[:limit]],
            before=found[limit - 1].number if more else None,
        )

    @router.get("/head", dependencies=[gate.needs("audit.see")])
    def head() -> AuditHeadPublic:
        """The newest link: kept elsewhere, it shows that nothing before it was changed since."""
        found = catalogue.audit.head(clock.now_us())
        if found is None:
            raise HTTPException(404, "审计链尚无记录。The audit chain has no record yet.")
        return AuditHeadPublic(**fields_of(found))

    return router
