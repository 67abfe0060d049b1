"""The driver of a search: it proposes candidates, has them trained, and notes what came of it.

One thread, one loop: take what has ended, commit it, write its files; propose what may be proposed,
commit it, start it. Whatever is not in the database has not happened, and what is there is enough
to go on after the driver was killed at any moment.
"""

from __future__ import annotations

import functools
import queue
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Container, Sequence
from concurrent.futures import Future

import attrs

from anetdsl.diagnostics import CannotRun
from anetdsl.evolve import inbox, jobs
from anetdsl.evolve.asked import Asked
from anetdsl.evolve.executors import Workers
from anetdsl.evolve.fates import Fate, fate_of
from anetdsl.evolve.pulse import beating
from anetdsl.evolve.rundir import RunDir
from anetdsl.evolve.store import Candidate, Store
from anetdsl.evolve.trials import COMMAND, Job, Outcome
from anetdsl.evolve.values import Member, Proposal, Record, SearchSettings
from anetdsl.evolve.visible import Result, Select, Visible

Propose = Callable[[SearchSettings, int, Sequence[Member], Container[str]], Proposal]
Identify = Callable[[str], str]

_AT_ONCE = 32
"""Candidates proposed in one commit: the first of many shall not wait for the last."""
_LOOK_SECONDS = 1.0
_MOST_FAILURES = 5


@attrs.frozen
class Method:
    """How a search thinks: pure functions."""

    propose: Propose
    select: Select
    identify: Identify
    """What is the same for texts of equal networks."""


@attrs.frozen
class Trials:
    """How trials are run: the command of one, and the workers."""

    workers: Workers
    command: tuple[str, ...] = COMMAND


@attrs.define
class Driver:
    """A search at work."""

    directory: RunDir
    asked: Asked
    store: Store
    method: Method
    trials: Trials
    stopping: threading.Event = attrs.field(factory=threading.Event)
    """Set it, and the driver stops: running trials are ended, and start again on resume."""
    watch: Callable[[], None] = lambda: None
    """Called after each change, and every second."""
    visible: Visible = attrs.field(init=False)
    _taken: set[str] = attrs.field(factory=set)
    _next: int = 0
    _waiting: deque[Candidate] = attrs.field(factory=deque)
    _running: dict[int, Candidate] = attrs.field(factory=dict)
    _ended: queue.SimpleQueue[tuple[int, Outcome] | None] = attrs.field(factory=queue.SimpleQueue)
    _kept: set[str] = attrs.field(factory=set)
    _best: list[tuple[float, int, str]] = attrs.field(factory=list)
    _done: int = 0
    _failed: int = 0
    _looked: float = 0.0
    _name: str = attrs.field(factory=lambda: secrets.token_hex(8))

    def __attrs_post_init__(self) -> None:
        self.visible = Visible(self.asked.search, self.method.select)

    @property
    def finished(self) -> int:
        """Candidates whose fate is known."""
        return self._done + self._failed

    # The loop

    def drive(self) -> bool:
        """Search until all candidates are finished (True) or `stopping` is set (False).

        Raises CannotRun where nothing more can be done; the run can be resumed.
        """
        self._recall()
        workers = self.trials.workers
        with beating(self.directory.pulse, self._name, active=workers.remote):
            while not self.stopping.is_set():
                self._start_more()
                self.watch()
                if not self._running:
                    if self._next >= self.asked.search.rounds and not self._waiting:
                        return True
                    if workers.capacity() and not self.stopping.is_set():
                        raise AssertionError("nothing runs, and nothing can be started")
                self._take(self._wait())
            self._stop()
            return False

    def wake(self) -> None:
        """Have the loop look at `stopping` at once."""
        self._ended.put(None)

    def _wait(self) -> list[tuple[int, Outcome]]:
        """What has ended, waiting for it for a second."""
        found: list[tuple[int, Outcome]] = []
        try:
            item = self._ended.get(timeout=_LOOK_SECONDS)
            while True:
                if item is not None:
                    found.append(item)
                item = self._ended.get_nowait()
        except queue.Empty:
            return found

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
            jobs.drop_start(self.directory, candidate.name, candidate.record.attempts)
        for candidate in self.store.candidates(order="finished" if in_arrival else "number"):
            self._taken.add(candidate.identity)
            self._next = max(self._next, candidate.index + 1)
            if candidate.is_finished:
                self._remember(candidate)
                # Also keeps what waits from growing with the run.
                self.visible.is_ready(candidate.index)
            else:
                self._waiting.append(candidate)
        self._waiting = deque(sorted(self._waiting, key=lambda candidate: candidate.index))

    def _remember(self, candidate: Candidate) -> None:
        record = candidate.record
        member = None
        if record.status == "done" and record.fitness is not None:
            member = Member(record.index, record.name, record.text, record.fitness)
            self._done += 1
            self._kept.add(record.name)
            self._best = sorted([*self._best, (-record.fitness, record.index, record.name)])[:3]
        else:
            self._failed += 1
        self.visible.add(Result(record.index, member, candidate.short))

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
        search = self.asked.search
        if self._next >= search.rounds or not self.visible.is_ready(self._next):
            return None
        proposal = self.method.propose(search, self._next, self.visible.alive, self._taken)
        return self._admit(proposal, None)

    def _admit(self, proposal: Proposal, source: str | None) -> Candidate:
        """The candidate that a proposal is, known from now on."""
        record = Record(
            index=proposal.index,
            name=proposal.name,
            status="proposed",
            text=proposal.text,
            parent=proposal.parent,
            ops=proposal.ops,
            source=source,
            proposed=time.time(),
        )
        halving = self.asked.running.halving
        candidate = Candidate(
            record,
            proposal.text,
            proposal.identity or self.method.identify(proposal.text),
            bar=self.visible.bar(halving) if halving > 1 else None,
        )
        self._taken.add(candidate.identity)
        self._next += 1
        return candidate

    def _commit_proposed(self, new: Sequence[Candidate]) -> None:
        if new:
            with self.store.commit():
                for candidate in new:
                    source = candidate.record.source
                    self.store.event("joined" if source else "proposed", candidate.index)
                    self.store.put(candidate)
            for candidate in new:
                jobs.write_text(self.directory, candidate)

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
            job = jobs.job_of(self.directory, self.asked, candidate, parent)
            folder = jobs.write_job(self.directory, candidate, job)
            jobs.write_record(self.directory, candidate)
            self._running[candidate.index] = candidate
            self._submit(candidate, folder)

    def _parent(self, candidate: Candidate) -> Candidate | None:
        """Whose weights a candidate starts from."""
        if not self.asked.running.inherit or candidate.record.parent is None:
            return None
        for parent in self.store.candidates("name = ?", candidate.record.parent):
            return parent if parent.record.status == "done" else None
        return None

    def _submit(self, candidate: Candidate, folder: str) -> None:
        timeout = self.asked.running.timeout
        workers = self.trials.workers
        job = Job(
            candidate.name,
            folder,
            self.trials.command,
            # The trial's own limit, which it can say more about, comes first.
            None if timeout is None else 1.1 * timeout + 1.0,
            str(self.directory.pulse.absolute()) if workers.remote else None,
            self._name,
        )
        try:
            future = workers.executor.submit(workers.run, job)
        except RuntimeError as error:
            raise CannotRun(f"no trial can be started: {error}") from None
        future.add_done_callback(functools.partial(self._note_end, candidate.index))

    def _note_end(self, index: int, future: Future[Outcome]) -> None:
        """Called in a thread of the executor's."""
        if future.cancelled():
            outcome = Outcome(failure="killed", message="its executor gave it up")
        elif error := future.exception():
            outcome = Outcome(failure="killed", message=f"its worker was lost: {error}")
        else:
            outcome = future.result()
        self._ended.put((index, outcome))

    # What has ended

    def _take(self, ended: Sequence[tuple[int, Outcome]]) -> None:
        """Commit what came of trials, then write it into their files."""
        if not ended or self.stopping.is_set():
            return
        if not self.trials.workers.is_there():
            raise CannotRun("the cluster cannot be reached any more; start it and resume the run")
        fates: list[Fate] = []
        with self.store.commit():
            for index, outcome in ended:
                fate = fate_of(self._running.pop(index), outcome, self.asked, self.method.identify)
                fates.append(fate)
                self.store.event(fate.kind, index, **fate.about)
                self.store.put(fate.candidate)
        for fate in fates:
            if fate.candidate.is_finished:
                jobs.write_text(self.directory, fate.candidate)
                self._remember(fate.candidate)
            else:
                self._waiting.append(fate.candidate)
            # After the text: a record that says `done` speaks of a text with learned weights.
            jobs.write_record(self.directory, fate.candidate)
        self._drop_weights()
        self._give_up_if_hopeless(fates[-1].candidate.record)

    def _give_up_if_hopeless(self, last: Record) -> None:
        enough = min(_MOST_FAILURES, self.asked.search.rounds, self.asked.search.population)
        if not self._done and self._failed >= enough:
            raise CannotRun(
                f"all of the first {self._failed} trials failed; the last, {last.name}: "
                f"{last.failure}: {last.message}\nMend that, remove {self.directory.path}, "
                "and start anew."
            )

    def _drop_weights(self) -> None:
        """Remove the weights of those that have left, unless they are among the best or needed."""
        if self.asked.running.keep_all_weights:
            return
        needed = {member.name for member in self.visible.alive}
        needed |= {name for _, _, name in self._best}
        needed |= {result.member.name for result in self.visible.waiting if result.member}
        for candidate in (*self._running.values(), *self._waiting):
            if candidate.record.parent is not None:
                needed.add(candidate.record.parent)
        for name in self._kept - needed:
            jobs.drop_weights(self.directory, name)
        self._kept &= needed

    # What people add

    def _look_into_inbox(self) -> None:
        """Let networks join that lie in the inbox, from the next index on."""
        if time.monotonic() - self._looked < _LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        for path in inbox.arrivals(self.directory):
            if self._next >= self.asked.search.rounds:
                return
            found = inbox.examine(
                path, self.asked.search, self._next, self._known, self.method.identify
            )
            if isinstance(found, str):
                inbox.refuse(path, found)
                continue
            if isinstance(found, Record):
                inbox.move_away(self.directory, path, found.name)
                continue
            candidate = self._admit(found, path.name)
            self._commit_proposed([candidate])
            self._waiting.append(candidate)
            inbox.move_away(self.directory, path, candidate.name)

    def _known(self, identity: str) -> Record | None:
        """The candidate that is the same network."""
        if identity not in self._taken:
            return None
        return next((c.record for c in self.store.candidates("identity = ?", identity)), None)


def _again(candidate: Candidate) -> Candidate:
    """The candidate, to be started once more."""
    return attrs.evolve(candidate, record=attrs.evolve(candidate.record, status="proposed"))
