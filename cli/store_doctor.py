"""What the doctor finds out about the store: not what it says that it protects, but what it was seen to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from catalog.objects import Proof, Protection
from cli.diagnosis import Diagnosis
from cli.stores import own_store
from kernel.clock import Clock
from kernel.errors import JianzhengError
from kernel.settings import Settings

_REACHED, _PROTECTS = "存储 store", "存储保护 what the store protects"


def diagnose_store(settings: Settings, clock: Clock) -> Iterator[Diagnosis]:
    """Whether it can be used, then what it protects, by trying."""
    try:
        store = own_store(settings, clock)
        said, proof = store.protection(), store.prove()
    except JianzhengError as error:
        yield Diagnosis(subject=_REACHED, well=False, found=error.message, remedy=error.remedy)
        return
    place = settings.store_url or str(settings.store_dir.absolute())
    yield Diagnosis(subject=_REACHED, well=True, found=place)
    yield _protects(said, proof)


def _protects(said: Protection, proof: Proof) -> Diagnosis:
    faults = [*_faults(said, proof)]
    facts: dict[str, Any] = {"says": asdict(said), "seen": asdict(proof)}
    return Diagnosis(
        subject=_PROTECTS,
        well=not faults,
        found=" ".join([*_seen(said, proof), *faults]),
        remedy="Do not archive there before this is put right: docs/guide/object-store.md.",
        facts=facts,
    )


def _seen(said: Protection, proof: Proof) -> Iterator[str]:
    """The truth in sentences, the good and the bad."""
    yield "A key is written once." if proof.written_once else ""
    if said.versioning:
        yield "Versions are kept, and the first is what is read."
    if not said.object_lock:
        yield "It does not protect from deletion: whoever may write there may delete."
        return
    if proof.retention_held:
        yield "An object under retention could not be deleted, and was read back whole."
        yield (
            "Nor by asking to bypass it."
            if proof.bypass_refused
            else "With these credentials the retention can be bypassed: its mode is governance."
        )
    if proof.hold_held is None:
        yield "Locks could not be tried: these credentials may delete nothing, locked or not."
    if proof.hold_held:
        yield "An object under legal hold could not be deleted."
    default = f"each new object for {said.default_days} days ({said.default_mode})"
    yield f"By itself it locks {default if said.default_mode else 'nothing: objects are locked one by one'}."


def _faults(said: Protection, proof: Proof) -> Iterator[str]:
    """Where it does not do what it says, or what nobody may do to an archive."""
    if not proof.written_once:
        yield "A second object under a key was not refused."
    if not proof.read_back:
        yield "What was put was not read back as it was."
    if proof.retention_held is False:
        yield "It takes a retention, and deletes all the same."
    if proof.hold_held is False:
        yield "It takes a legal hold, and deletes all the same."
    if proof.marker_hides_nothing is False:
        yield "A deletion hides what is there."
    if said.removed_by:
        yield f"Rules of the bucket remove objects by themselves: {', '.join(said.removed_by)}."
