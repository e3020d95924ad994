"""Encodes a session while it still runs, so that little is left to do when it ends.

A budget is so many bytes for each second of footage, so what has been recorded by now has a budget of its
own, however long the session will last. Chunks have round wall-clock borders: those that are encoded now are
the same at the end. What was decided is noted (``begun.py``) before it is done, and the archiver takes it
over; what a session that ends longer or shorter than expected leaves over goes to what is encoded then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from archiver.begun import Begun, begun
from archiver.budget import budget_bytes
from archiver.chunk_encoder import NOTHING, ChunkEncoder, EncodedChunk
from archiver.clip_work import Chunk, ClipWork
from archiver.equipment import Tools
from archiver.rules import archive_rules
from archiver.session_works import clip_works, seconds_by_kind, working_directory
from archiver.stretches import CHUNK_US
from kernel.model.cut import Clip
from kernel.model.timeline import Session, SessionState

ClipsSoFar = Callable[[Session], Sequence[Clip]]
"""What is recorded of a session by now; ``segmenter.worker.Segmenter.so_far`` is one."""

_BESIDE = 0.15  # share of the budget for sound, which is encoded at the end, and for what tells of the files
_PROBE_AFTER_SECONDS = 60  # of footage of a clip: its first moments are no measure of it


class LiveEncoder:
    """Encodes what is ready of sessions that run. What it knows lies in their working directories."""

    def __init__(self, tools: Tools, clips_so_far: ClipsSoFar) -> None:
        self._tools = tools
        self._clips_so_far = clips_so_far
        self._looked_us: dict[str, int] = {}
        # What came of chunks, by session: a day has thousands, and their notes are read only once.
        self._known: dict[str, Mapping[Chunk, EncodedChunk]] = {}

    def run_once(self) -> int:
        """Encode a few chunks of the session that was looked at longest ago; returns how many.

        Raises:
            JianzhengError: it cannot be done now; the archiver will do it when the session has ended.
        """
        now_us = self._tools.clock.now_us()
        running = self._tools.catalogue.sessions.in_state(SessionState.RUNNING)
        for ended in self._known.keys() - {one.id for one in running}:
            del self._known[ended]
        waiting = [one for one in running if self._looked_us.get(one.id, 0) + CHUNK_US // 2 <= now_us]
        waiting = [one for one in waiting if not self._tools.catalogue.archive_requests.cancelled(one.id)]
        if not waiting:
            return 0
        session = min(waiting, key=lambda one: self._looked_us.get(one.id, 0))
        self._looked_us[session.id] = now_us  # what cannot be done now is tried again after a while
        encoded = self._encode_some(session)
        if encoded:
            del self._looked_us[session.id]
        return encoded

    def _encode_some(self, session: Session) -> int:
        """A batch of chunks, so many as there are slots: whatever ends meanwhile need not wait for long."""
        directory = working_directory(self._tools, session)
        noted = begun(directory)
        works = self._works(session, noted)
        ready = [chunk for work in works for chunk in finished(work) if noted.setting(chunk) is None]
        batch = sorted(ready, key=lambda chunk: chunk.stretch.wall.start_us)[: self._tools.runner.slots]
        if not batch:
            return 0
        encoder = ChunkEncoder(self._tools.runner, works, noted)
        encoder.probe(lambda count: lambda _result: None)
        known = self._known.get(session.id, NOTHING)
        encoder.take_over([chunk for work in works for chunk in finished(work)], noted, known)
        chosen = encoder.plan(self._room(works, [*encoder.done, *batch]), batch)
        decided = []
        for chunk in batch:
            choice = chosen.choices[chunk.demand_id]
            height = noted.heights().get(chunk.clip_id, choice.height)
            decided.append((chunk, encoder.at_height(chunk, choice, height)))
            noted.choose(chunk, decided[-1][1].crf, height)
        noted.save(directory)
        encoder.encode(decided)
        self._known[session.id] = encoder.done
        return len(batch)

    def _works(self, session: Session, noted: Begun) -> list[ClipWork]:
        """What there is of clips by now; each is tried on its first minutes, once and for all."""
        # Which of two streams is archived is known at the end.
        pairs = self._tools.archive_sources
        either = {*pairs, *pairs.values()}
        clips = [clip for clip in self._clips_so_far(session) if clip.source_id not in either]
        segments = self._tools.catalogue.footage.segments_by_id(
            {used.segment_id for clip in clips for used in clip.slices}
        )
        works = clip_works(self._tools, session, clips, segments, noted)
        known = [
            work for work in works if work.clip.id in noted.probed or work.seconds >= _PROBE_AFTER_SECONDS
        ]
        for work in known:
            noted.probed.setdefault(work.clip.id, [window.wall for window in work.windows()])
        return [replace(work, probed=tuple(noted.probed[work.clip.id])) for work in known]

    def _room(self, works: Sequence[ClipWork], chunks: Sequence[Chunk]) -> int:
        """What the pictures of these chunks may weigh."""
        share = sum(chunk.seconds for chunk in chunks) / max(1.0, sum(work.seconds for work in works))
        rules, settings = archive_rules(self._tools.settings.rules), self._tools.settings
        total = budget_bytes(seconds_by_kind(works), rules, settings.budget_kbps)
        return int(total * share * (1 - _BESIDE))


def finished(work: ClipWork) -> list[Chunk]:
    """Chunks that will not grow any more: those that end at a round border, or at a gap."""
    last = work.pieces[-1].wall.end_us
    return [
        chunk
        for chunk in work.chunks
        if chunk.stretch.wall.end_us < last or chunk.stretch.wall.end_us % CHUNK_US == 0
    ]
