"""Supervision of supervisors: what each of them did in the projects of a time (tasks I5, V16)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from catalog.catalogue import Catalogue
from catalog.watch_log import WatchedTotal, seen_at_once_us
from kernel.model.account import Role
from kernel.model.directive import Directive, DirectiveState
from kernel.model.presence import Presence
from kernel.model.timeline import ProjectKind, proceedings
from kernel.timerange import TimeRange, merge
from player_api.watch_log_public import Publisher
from player_api.watch_log_schemas import PresentPublic, SupervisionPublic


@dataclass(kw_only=True, slots=True)
class _Work:
    """What comes together of an account in a project."""

    assigned: bool = False
    watched: WatchedTotal | None = None
    present: list[Presence] = field(default_factory=list)  # while a session went on
    during: list[TimeRange] = field(default_factory=list)  # the time of that
    directives: list[Directive] = field(default_factory=list)

    @property
    def absent(self) -> bool:
        """Whoever only replayed it afterwards was not there."""
        watched_live = self.watched is not None and bool(self.watched.live)
        return self.assigned and not watched_live and not self.present


class SupervisionReport:
    """Of projects with a session that began in a time; what was done for them later counts, too."""

    def __init__(self, catalogue: Catalogue, now_us: int, within: TimeRange) -> None:
        self._catalogue = catalogue
        self._public = Publisher(catalogue)
        self._now_us = now_us
        self._within = within

    def rows(
        self, *, account_id: str | None = None, project_ids: Collection[str] | None = None
    ) -> list[SupervisionPublic]:
        """One row for each supervisor and project, absent ones first, then by account and time."""
        first_us = self._catalogue.watch_log.held(self._within, project_ids)
        work = self._work(first_us.keys())
        asked = {
            (who, project_id): one
            for (who, project_id), one in work.items()
            if account_id in (None, who) and self._is_supervisor(who, one)
        }
        watched: dict[str, list[WatchedTotal]] = defaultdict(list)
        for (who, _), one in asked.items():
            watched[who] += [one.watched] if one.watched else []
        seen = {who: seen_at_once_us(own) for who, own in watched.items()}
        told = [
            self._row(who, project_id, one, first_us[project_id], seen[who])
            for (who, project_id), one in asked.items()
        ]
        return sorted(
            told, key=lambda one: (not one.absent, one.account_id, one.first_session_us, one.project.id)
        )

    def _is_supervisor(self, account_id: str, work: _Work) -> bool:
        account = self._public.accounts.get(account_id)
        return work.assigned or (account is not None and account.role is Role.SUPERVISOR)

    def _work(self, project_ids: Iterable[str]) -> dict[tuple[str, str], _Work]:
        found: dict[tuple[str, str], _Work] = defaultdict(_Work)
        ids = list(project_ids)
        start_us = self._within.start_us  # may be still to come
        since = TimeRange(start_us=start_us, end_us=max(start_us, self._now_us + 1))
        for total in self._catalogue.watch_log.totals(since, project_ids=ids):
            found[total.account_id, total.project_id].watched = total
        for project_id in ids:
            project = self._catalogue.projects.project(project_id)
            if project is not None and project.kind is ProjectKind.TENDER and project.supervising_account:
                found[project.supervising_account, project_id].assigned = True
            held = proceedings(self._catalogue.sessions.of_project(project_id), self._now_us)
            for one in self._catalogue.presences.of_project(project_id):
                if during := one.during(held, self._now_us):
                    found[one.account_id, project_id].present.append(one)
                    found[one.account_id, project_id].during.extend(during)
            for order in self._catalogue.directives.all(project_id=project_id):
                found[order.issued_by, project_id].directives.append(order)
        return found

    def _row(
        self, account_id: str, project_id: str, work: _Work, first_us: int, in_all_us: tuple[int, int]
    ) -> SupervisionPublic:
        account = self._public.accounts.get(account_id)
        label_zh, label_en = self._public.labels(account_id)
        seats = work.watched.seats if work.watched else ()
        return SupervisionPublic(
            account_id=account_id,
            account_label_zh=label_zh,
            account_label_en=label_en,
            department=account.department if account else "",
            project=self._public.project(project_id),
            first_session_us=first_us,
            assigned=work.assigned,
            absent=work.absent,
            present=[
                PresentPublic(mode=one.mode, since_us=one.since_us, end_us=one.end_us(self._now_us))
                for one in work.present
            ],
            present_us=sum(one.duration_us for one in merge(work.during)),
            live_us=work.watched.live_us if work.watched else 0,
            replay_us=work.watched.replay_us if work.watched else 0,
            live_in_all_us=in_all_us[0],
            replay_in_all_us=in_all_us[1],
            seats=sorted({self._public.seats[one].ordinal for one in seats}),
            directives=len(work.directives),
            answered=sum(one.answered_us is not None for one in work.directives),
            overdue=sum(one.state(self._now_us) is DirectiveState.OVERDUE for one in work.directives),
            mean_answer_us=_mean_answer_us(work.directives),
        )


def _mean_answer_us(directives: Sequence[Directive]) -> int | None:
    took = [one.answered_us - one.issued_us for one in directives if one.answered_us is not None]
    return sum(took) // len(took) if took else None
