"""Addenda: packages of what belongs to a project's file and to no session's package.

A project's file is whole when its last session is archived. Then it gets its archive number, and a package
with its card. Documents that come later, or that belong to no session, come in the next addendum: older
packages are never touched (invariant 9), and no footage is stored again for the sake of a sheet of paper.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from archiver.equipment import Tools
from archiver.file_documents import held_in, lay_out_documents, write_card
from archiver.package import PAYLOAD, PackageFile, PackageStep, make_package, manifest_name, write_json
from archiver.session_archive import os_errors_translated
from archiver.store import VersionTaken, store_package, verify_objects
from catalog.archive_numbers import NumberRule
from catalog.cards import project_card
from kernel.clock import SECOND_US, iso_utc
from kernel.errors import JianzhengError
from kernel.ids import new_id
from kernel.log import logger
from kernel.model.archive import ArchiveObject
from kernel.model.document import Addendum, Document
from kernel.model.timeline import Project
from kernel.values import fields_of

FORMAT = "jianzheng-addendum/1"
ADDENDUM = "addendum.json"
_log = logger("archiver")
_RETRY_US = 30 * SECOND_US
_LONGEST_RETRY_US = 3600 * SECOND_US


class ProjectFiler:
    """Numbers projects' files that are whole, and makes their addenda. All it knows is in the catalogue."""

    def __init__(self, tools: Tools, rule: NumberRule, settle_minutes: float) -> None:
        """
        Args:
            settle_minutes: documents that come after the archive wait so long for others.
        """
        self._tools = tools
        self._rule = rule
        self._settle_us = round(settle_minutes * 60 * SECOND_US)
        self._failures: dict[str, int] = {}  # by project
        self._not_before_us: dict[str, int] = {}

    def run_once(self) -> Addendum | None:
        """Number what is whole, and make one addendum; None where none is due.

        Raises:
            StorageError: the store does not take it, or gives back something else.
            TimeStampUnavailable: all but the time stamp is there; it waits for that.
                Whatever it is, that project is tried again after a pause, and the pauses double.
        """
        catalogue, now_us = self._tools.catalogue, self._tools.clock.now_us()
        for project_id in catalogue.archive_numbers.wanting():
            catalogue.archive_numbers.give(
                project_id, self._rule, principal=self._tools.principal, at_us=now_us
            )
        due = catalogue.documents.projects_to_add_to(now_us - self._settle_us)
        due = [one for one in due if self._not_before_us.get(one, 0) <= now_us]
        if not due:
            return None
        project = catalogue.projects.project(due[0])
        assert project is not None  # a document's row refers to its project
        try:
            with os_errors_translated():
                made = self._make(project)
        except JianzhengError:
            failures = self._failures[project.id] = self._failures.get(project.id, 0) + 1
            self._not_before_us[project.id] = now_us + min(
                _RETRY_US << min(failures - 1, 10), _LONGEST_RETRY_US
            )
            raise
        self._failures.pop(project.id, None)
        return made

    def _make(self, project: Project) -> Addendum:
        catalogue = self._tools.catalogue
        versions = catalogue.archives.file_sets_of(project.id)
        documents = catalogue.documents.unpackaged(project.id)
        number = len(catalogue.documents.addenda_of(project.id)) + 1
        work = self._tools.work / f"addendum-{quote(project.id, safe='')}"
        while True:
            told = self._told(project, number, versions[-1].version if versions else None, documents)
            files = self._package(work, project, number, told, documents)
            prefix = addendum_prefix(project, number)
            try:
                objects = store_package(self._tools.store, prefix, files, self._tools.runner.check)
                break
            except VersionTaken:
                number += 1  # what another attempt left of something else stays
        verify_objects(self._tools.store, objects, self._tools.runner.check)
        addendum = self._record(project, number, told["file_version"], prefix, objects, documents)
        shutil.rmtree(work, ignore_errors=True)
        return addendum

    def _record(
        self,
        project: Project,
        number: int,
        file_version: int | None,
        prefix: str,
        objects: Sequence[ArchiveObject],
        documents: Sequence[Document],
    ) -> Addendum:
        addendum = Addendum(
            id=new_id("addendum"),
            project_id=project.id,
            number=number,
            file_version=file_version,
            key_prefix=prefix,
            size_bytes=sum(one.size_bytes for one in objects),
            verified_us=self._tools.clock.now_us(),
            principal=self._tools.principal,
        )
        self._tools.catalogue.documents.record_addendum(addendum, objects, held_in(documents, prefix))
        said = f"Addendum {number} of project {project.id}: {len(documents)} documents, verified."
        _log.info(said, action="addendum.stored")
        return addendum

    def _told(
        self, project: Project, number: int, file_version: int | None, documents: Sequence[Document]
    ) -> dict[str, Any]:
        given = self._tools.catalogue.archive_numbers.of_project(project.id)
        return {
            "format": FORMAT,
            "project": fields_of(project),
            "number": number,
            "archive_number": fields_of(given) if given else None,
            "file_version": file_version,
            "archives": self._archives(project),
            "documents": [one.told() for one in documents],
        }

    def _archives(self, project: Project) -> list[dict[str, Any]]:
        """The newest package of each session by the hash of its manifest: with that, by all of its files."""
        catalogue, found = self._tools.catalogue, []
        for session in catalogue.sessions.of_project(project.id):
            archive = catalogue.archives.newest(session.id)
            if archive is not None:
                key = f"{archive.key_prefix}/{manifest_name('sha256')}"
                manifest = [item.sha256 for item in archive.objects if item.key == key]
                told = {"session": session.id, "version": archive.version, "package": archive.key_prefix}
                found.append({**told, "manifest_sha256": manifest[0] if manifest else None})
        return found

    def _package(
        self, work: Path, project: Project, number: int, told: dict[str, Any], documents: Sequence[Document]
    ) -> list[PackageFile]:
        directory = work / "package"
        shutil.rmtree(directory, ignore_errors=True)
        payload = directory / PAYLOAD
        payload.mkdir(parents=True)
        lay_out_documents(self._tools.store, documents, payload)
        write_json(payload / ADDENDUM, told)
        card = project_card(self._tools.catalogue, project.id, self._tools.clock.now_us())
        assert card is not None  # the project is there
        write_card(payload, card)
        identifier = f"{project.project_code}/addendum-{number}"
        info = {
            "External-Identifier": identifier,
            "External-Description": f"{project.name_zh} addendum",
            "Bag-Software-Agent": "jianzheng",
            "Bagging-Date": iso_utc(self._as_of_us(project, documents))[:10],
        }
        files = make_package(PackageStep(directory=directory.absolute(), info=info))
        return files + self._tools.signer.sign(directory, identifier, work)

    def _as_of_us(self, project: Project, documents: Sequence[Document]) -> int:
        """When the newest of what it holds became known: an addendum that is made again is the same."""
        sealed = [one.sealed_us for one in self._tools.catalogue.archives.file_sets_of(project.id)]
        return max([*sealed, *(one.at_us for one in documents)], default=0)


def addendum_prefix(project: Project, number: int) -> str:
    """Where an addendum rests: beside its project's documents, for a project spans months."""
    parts = (project.region_code, project.industry_code, project.project_code)
    return f"addenda/{'/'.join(quote(one, safe='') for one in parts)}/{number}"
