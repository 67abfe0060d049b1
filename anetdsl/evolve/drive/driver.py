"""The driver of a search: it proposes candidates, has them trained, and notes what came of it.

One thread, one loop: take what has ended, commit it, write its files; propose what may be proposed,
commit it, start it. Whatever is not in the database has not happened, and what is there is enough
to go on after the driver was killed at any moment.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Container, Sequence

import attrs

from anetdsl.errors import CannotRun
from anetdsl.evolve.candidates import Member, Proposal, Record
from anetdsl.evolve.contract import TrialFolder
from anetdsl.evolve.drive import candidate_files, inbox
from anetdsl.evolve.drive.heartbeat import beating
from anetdsl.evolve.drive.history import SearchHistory
from anetdsl.evolve.drive.outcomes import Decision, decide
from anetdsl.evolve.drive.population import Select, VisiblePopulation
from anetdsl.evolve.drive.run_dir import RunDir
from anetdsl.evolve.drive.store import Candidate, Store
from anetdsl.evolve.settings.run_settings import RunSettings
from anetdsl.evolve.settings.search_settings import SearchSettings
from anetdsl.evolve.workers.dispatch import Dispatcher
from anetdsl.evolve.workers.trial_process import Outcome

Propose = Callable[[SearchSettings, int, Sequence[Member], Container[str]], Proposal]

_AT_ONCE = 32
"""Candidates proposed in one commit: the first of many shall not wait for the last."""
_LOOK_SECONDS = 1.0
_MOST_FAILURES = 5


@attrs.frozen
class Rules:
    """How a search thinks: pure functions."""

    propose: Propose
    select: Select


@attrs.define
class Driver:
    """A search at work."""

    directory: RunDir
    asked: RunSettings
    store: Store
    rules: Rules
    trials: Dispatcher
    stopping: threading.Event = attrs.field(factory=threading.Event)
    """Set it, and the driver stops: running trials are ended, and start again on resume."""
    watch: Callable[[], None] = lambda: None
    """Called after each change, and every second."""
    known: SearchHistory = attrs.field(init=False)
    _waiting: deque[Candidate] = attrs.field(factory=deque)
    """Candidates to be started."""
    _running: dict[int, Candidate] = attrs.field(factory=dict)
    _stuck: CannotRun | None = None
    """Why there is no next candidate."""
    _looked: float = 0.0

    def __attrs_post_init__(self) -> None:
        self.known = SearchHistory(VisiblePopulation(self.asked.search, self.rules.select))

    @property
    def finished(self) -> int:
        """Candidates whose fate is known."""
        return self.known.done + self.known.failed

    # The loop

    def drive(self) -> bool:
        """Search until all candidates are finished (True) or `stopping` is set (False).

        Raises CannotRun where nothing more can be done; the run can be resumed.
        """
        self._recall()
        workers = self.trials.workers
        with beating(self.directory.pulse, self.trials.driver, active=workers.remote):
            while not self.stopping.is_set():
                self._start_more()
                self.watch()
                if not self._running and not self._waiting:
                    if self.known.next >= self.asked.search.rounds:
                        return True
                    if self._stuck is not None:
                        raise self._stuck
                self._take(self.trials.wait(_LOOK_SECONDS))
            self._stop()
            return False

    def wake(self) -> None:
        """Have the loop look at `stopping` at once."""
        self.trials.wake()

    def _stop(self) -> None:
        self.trials.workers.stop()
        with self.store.commit():
            self.store.event("stopped")
            for candidate in self._running.values():
                self.store.put(_again(candidate))

    # What was there before

    def _recall(self) -> None:
        """Take up what the database knows: results in their order, and what has no result yet."""
        in_arrival = self.asked.search.order == "arrival"
        with self.store.commit():
            self.store.event("driver")
            lost = list(self.store.candidates("status = 'running'"))
            for candidate in lost:
                self.store.event("lost", candidate.index, start=candidate.record.attempts)
                self.store.put(_again(candidate))
        for candidate in lost:
            candidate_files.drop_start(self.directory, candidate.name, candidate.record.attempts)
        for candidate in self.store.candidates(order="finished" if in_arrival else "number"):
            self.known.admit(candidate)
            if candidate.is_finished:
                self.known.finish(candidate)
                # Takes in what it may: otherwise all results would be kept in mind at once.
                self.known.visible.is_ready(candidate.index)
            else:
                self._waiting.append(candidate)
        self._waiting = deque(sorted(self._waiting, key=lambda candidate: candidate.index))

    # Proposing and starting

    def _start_more(self) -> None:
        """Start what waits, and what may be proposed, as far as workers are free."""
        self._look_into_inbox()
        free = self.trials.workers.capacity() - len(self._running)
        while free > 0 and not self.stopping.is_set():
            starting: list[Candidate] = []
            while self._waiting and len(starting) < min(free, _AT_ONCE):
                starting.append(self._waiting.popleft())
            new: list[Candidate] = []
            while len(starting) + len(new) < min(free, _AT_ONCE):
                candidate = self._propose()
                if candidate is None:
                    break
                new.append(candidate)
            if not starting and not new:
                return
            self._commit_proposed(new)
            self._start([*starting, *new])
            free -= len(starting) + len(new)

    def _propose(self) -> Candidate | None:
        """The next candidate, where there is one now."""
        search, known = self.asked.search, self.known
        if known.next >= search.rounds or self._stuck or not known.visible.is_ready(known.next):
            return None
        try:
            proposal = self.rules.propose(search, known.next, known.visible.alive, known.taken)
        except CannotRun as error:
            # Those that run shall end before the search does.
            self._stuck = error
            return None
        return self._admit(proposal, None)

    def _admit(self, proposal: Proposal, source: str | None) -> Candidate:
        """The candidate that a proposal is, known from now on."""
        record = Record(
            index=proposal.index,
            name=proposal.name,
            status="proposed",
            text=proposal.text,
            parent=proposal.parent,
            operations=proposal.operations,
            source=source,
            proposed=time.time(),
        )
        halving = self.asked.running.halving
        candidate = Candidate(
            record,
            proposal.text,
            proposal.canonical_form,
            bar=self.known.visible.bar(halving) if halving > 1 else None,
        )
        self.known.admit(candidate)
        return candidate

    def _commit_proposed(self, new: Sequence[Candidate]) -> None:
        if new:
            with self.store.commit():
                for candidate in new:
                    source = candidate.record.source
                    self.store.event("joined" if source else "proposed", candidate.index)
                    self.store.put(candidate)
            for candidate in new:
                candidate_files.write_record(self.directory, candidate)
                candidate_files.write_text(self.directory, candidate)

    def _start(self, candidates: Sequence[Candidate]) -> None:
        now = time.time()
        started = [
            attrs.evolve(
                candidate,
                record=attrs.evolve(
                    candidate.record,
                    status="running",
                    attempts=candidate.record.attempts + 1,
                    started=now,
                ),
            )
            for candidate in candidates
        ]
        with self.store.commit():
            for candidate in started:
                self.store.event("started", candidate.index, start=candidate.record.attempts)
                self.store.put(candidate)
        for candidate in started:
            parent = self._parent(candidate)
            job = candidate_files.job_of(self.directory, self.asked, candidate, parent)
            folder = candidate_files.write_job(self.directory, candidate, job)
            candidate_files.write_record(self.directory, candidate)
            self._running[candidate.index] = candidate
            limit = self.asked.running.timeout
            pulse = self.directory.pulse
            self.trials.submit(candidate.index, candidate.name, TrialFolder(folder), pulse, limit)

    def _parent(self, candidate: Candidate) -> Candidate | None:
        """Whose weights a candidate starts from: none where they have been removed meanwhile."""
        if not self.asked.running.inherit or candidate.record.parent is None:
            return None
        for parent in self.store.candidates("name = ?", candidate.record.parent):
            there = candidate_files.weights_of(self.directory, parent).exists()
            return parent if parent.record.status == "done" and there else None
        return None

    # What has ended

    def _take(self, ended: Sequence[tuple[int, Outcome]]) -> None:
        """Commit what came of trials, then write it into their files."""
        if not ended or self.stopping.is_set():
            return
        if not self.trials.workers.is_connected():
            raise CannotRun("the cluster cannot be reached any more; start it and resume the run")
        fates: list[Decision] = []
        with self.store.commit():
            for index, outcome in ended:
                fate = decide(self._running.pop(index), outcome, self.asked)
                fates.append(fate)
                self.store.event(fate.kind, index, **fate.about)
                self.store.put(fate.candidate)
        for fate in fates:
            if fate.candidate.is_finished:
                candidate_files.write_text(self.directory, fate.candidate)
                self.known.finish(fate.candidate)
            else:
                self._waiting.append(fate.candidate)
            # After the text: a record that says `done` speaks of a text with learned weights.
            candidate_files.write_record(self.directory, fate.candidate)
        self._stuck = None
        for fate in fates:
            if fate.kind == "full":
                raise CannotRun(
                    f"{self.directory.path}: the disk is full: {fate.about['message']}\nMake room; "
                    f"`anetc evolve --resume {self.directory.path}` goes on."
                )
        if not self.asked.running.keep_all_weights:
            for name in self.known.take_leavers([*self._running.values(), *self._waiting]):
                candidate_files.drop_weights(self.directory, name)
        self._give_up_if_hopeless(fates[-1].candidate.record)

    def _give_up_if_hopeless(self, last: Record) -> None:
        enough = min(_MOST_FAILURES, self.asked.search.rounds, self.asked.search.population)
        if not self.known.done and self.known.failed >= enough:
            raise CannotRun(
                f"all of the first {self.known.failed} trials failed; the last, {last.name}: "
                f"{last.failure}: {last.message}\nMend that; then "
                f"`anetc evolve --resume {self.directory.path}` goes on with the others, or remove "
                "that folder and start anew."
            )

    # What people add

    def _look_into_inbox(self) -> None:
        """Let networks join that lie in the inbox, from the next index on."""
        if time.monotonic() - self._looked < _LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        for path in inbox.arrivals(self.directory):
            if self.known.next >= self.asked.search.rounds:
                return
            found = inbox.examine(path, self.asked.search, self.known.next, self._find, self._named)
            if isinstance(found, str):
                inbox.refuse(path, found)
                continue
            if isinstance(found, Record):
                inbox.move_away(self.directory, path, found.name)
                continue
            candidate = self._admit(found, inbox.shown(path))
            self._commit_proposed([candidate])
            self._waiting.append(candidate)
            inbox.move_away(self.directory, path, candidate.name)

    def _find(self, identity: str) -> Record | None:
        """The candidate that is the same network."""
        if identity not in self.known.taken:
            return None
        return next((c.record for c in self.store.candidates("identity = ?", identity)), None)

    def _named(self, name: str) -> Record | None:
        """The candidate of a name."""
        return next((c.record for c in self.store.candidates("name = ?", name)), None)


def _again(candidate: Candidate) -> Candidate:
    """The candidate, to be started once more."""
    return attrs.evolve(candidate, record=attrs.evolve(candidate.record, status="proposed"))
