"""Destroying by decision: the order first, then object by object, then the certificate.

Every step can be repeated: an interrupted run is taken up where it stood by the next. What is held stays,
whenever the hold came, and so does what the bucket has locked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from catalog.certificate import certificate_page, certificate_statement, checked, order_statement, signed
from catalog.disposal import HELD, Disposals
from catalog.life_records import disposal_key, put_once
from catalog.objects import ObjectStore
from catalog.projects import Projects
from kernel.clock import Clock
from kernel.errors import DisposalRefused, FixityError, ObjectLocked, ObjectMissing, StorageError
from kernel.log import logger
from kernel.model.life import Disposal, DisposalState, DisposedObject
from kernel.model.preservation import MAIN
from kernel.model.timeline import Project
from kernel.signing_key import SigningKey

ORDER_NAME, CERTIFICATE_NAME, PAGE_NAME = "order.json", "certificate.json", "certificate.html"
_MANIFESTS = ("manifest-sm3.txt", "tagmanifest-sm3.txt")
_NAMED = 3  # locked objects in a message

_log = logger("catalog")


class Destruction:
    """Executes what two people signed."""

    def __init__(
        self,
        disposals: Disposals,
        projects: Projects,
        stores: Mapping[str, ObjectStore],
        key: SigningKey,
        clock: Clock,
    ) -> None:
        """
        Args:
            stores: by name, ``MAIN`` among them: all that hold copies.
            key: signs orders and certificates.
        """
        self._disposals = disposals
        self._projects = projects
        self._stores = stores
        self._main = stores[MAIN]
        self._key = key
        self._clock = clock

    def run_once(self, disposal_id: str, principal: str) -> Disposal:
        """Destroy what was decided, all of it or as far as it may go.

        Raises:
            DisposalRefused: it may not be; why is recorded, and what is left is left.
            StorageError: a store does not do its duty; run it again.
        """
        made = self._disposals.find(disposal_id)
        if made.state is DisposalState.DONE:
            return made
        if made.state is not DisposalState.ORDERED:
            made = self._order(made, principal)
        order = self._write_order(made)
        for item in self._disposals.to_destroy(made.id):
            if item.gone_us is None:
                self._destroy(made, item, principal)
        return self._certify(made, order, principal)

    def _order(self, made: Disposal, principal: str) -> Disposal:
        listed = self._disposals.to_destroy(made.id)
        if made.state is DisposalState.SIGNED and (locked := self._locked(listed)):
            more = "" if len(locked) <= _NAMED else f" and {len(locked) - _NAMED} more"
            self._refuse(made, f"存储锁定。The bucket locks {', '.join(locked[:_NAMED])}{more}.", principal)
        sm3 = self._sm3_of(listed) if made.state is DisposalState.SIGNED else {}
        return self._disposals.order(
            made.id, tuple(self._stores), sm3, principal=principal, at_us=self._clock.now_us()
        )

    def _locked(self, listed: list[DisposedObject]) -> list[str]:
        """Keys that a store will not delete now."""
        now_us = self._clock.now_us()
        locked = []
        for item in listed:
            for store in self._stores.values():
                with suppress(ObjectMissing):
                    if store.protection_of(item.key).locked_at(now_us):
                        locked.append(item.key)
        return list(dict.fromkeys(locked))

    def _sm3_of(self, listed: list[DisposedObject]) -> dict[str, str]:
        """What packages tell of their objects' SM3 (RFC 8493, section 2.1.3), by key."""
        found: dict[str, str] = {}
        for item in listed:
            folder, _, name = item.key.rpartition("/")
            if name not in _MANIFESTS:
                continue
            with suppress(ObjectMissing), self._main.open(item.key) as manifest:
                for line in manifest.read().decode("utf-8", "replace").splitlines():
                    digest, _, path = line.partition("  ")
                    found[f"{folder}/{path.strip()}"] = digest
        return found

    def _write_order(self, made: Disposal) -> bytes:
        """The order rests in the store before anything goes (invariant 12)."""
        listed = [_as_ordered(one) for one in self._disposals.to_destroy(made.id)]
        statement = order_statement(made, self._project(made), listed, tuple(self._stores))
        return self._keep(disposal_key(made.id, ORDER_NAME), statement)

    def _keep(self, key: str, statement: Mapping[str, Any]) -> bytes:
        """What is stored under the key: of a run that broke off, or this.

        The key that signs and a project's name may have changed since; what is destroyed may not.

        Raises:
            FixityError: another record is there, or one that was changed.
        """
        with suppress(ObjectMissing), self._main.open(key) as reader:
            content = reader.read()
            there = checked(content)
            if any(there.get(name) != statement[name] for name in ("format", "disposal", "objects")):
                raise FixityError(f"{key} holds another record than the catalogue.", hint="Compare both.")
            return content
        content = signed(statement, self._key)
        put_once(self._main, key, content)
        return content

    def _destroy(self, made: Disposal, item: DisposedObject, principal: str) -> None:
        if not self._disposals.let_go(made.id, item.key, self._clock.now_us()):
            self._refuse(made, HELD, principal)
        for store in self._stores.values():
            try:
                store.destroy_forever(item.key)
            except ObjectMissing:
                continue  # of a run that broke off, or it was never copied there
            except ObjectLocked as error:
                self._disposals.let_stay(item.key)
                self._refuse(made, f"存储锁定。{error}", principal)
            self._check_gone(store, item.key)
        self._disposals.mark_gone(item.key, self._clock.now_us())

    def _check_gone(self, store: ObjectStore, key: str) -> None:
        with suppress(ObjectMissing):
            store.size(key)
            raise StorageError(
                f"{key} is still there, though the store deleted it.", hint="Look at the store."
            )

    def _certify(self, made: Disposal, order: bytes, principal: str) -> Disposal:
        listed = self._disposals.to_destroy(made.id)
        digest = hashlib.sha256(order).hexdigest()
        statement = certificate_statement(made, self._project(made), listed, tuple(self._stores), digest)
        content = self._keep(disposal_key(made.id, CERTIFICATE_NAME), statement)
        put_once(self._main, disposal_key(made.id, PAGE_NAME), certificate_page(content))
        done = self._disposals.finish(
            made.id, hashlib.sha256(content).hexdigest(), principal=principal, at_us=self._clock.now_us()
        )
        said = {"disposal": made.id, "project": made.project_id, "objects": len(listed)}
        _log.info(f"the file of {made.project_id} was destroyed by decision", action="disposal.done", **said)
        return done

    def _refuse(self, made: Disposal, why: str, principal: str) -> None:
        self._disposals.stop(made.id, why, principal=principal, at_us=self._clock.now_us())
        raise DisposalRefused(why)

    def _project(self, made: Disposal) -> Project:
        found = self._projects.project(made.project_id)
        if found is None:
            raise DisposalRefused(f"没有这个项目。There is no project {made.project_id}.")
        return found


def _as_ordered(one: DisposedObject) -> DisposedObject:
    """As it stood when the order was given: the order is the same however far its execution is."""
    return DisposedObject(
        key=one.key, archive_id=one.archive_id, size_bytes=one.size_bytes, sha256=one.sha256, sm3=one.sm3
    )
