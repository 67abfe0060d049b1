"""The driver of a search: it proposes candidates, has them trained, and stores their results.

The driver is one loop in one thread (`Driver.drive`): accept networks from the inbox; propose
candidates, commit them and start their trials; wait for trials to end; commit their results and
write the files. Only what is committed to the database counts, and the database is sufficient to
resume the search after the driver was killed at any moment.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Container, Sequence

import attrs

from anetdsl.errors import CannotRun
from anetdsl.evolve.candidates import Member, Proposal, Record
from anetdsl.evolve.drive import candidate_files, inbox, second_looks
from anetdsl.evolve.drive.heartbeat import heartbeat
from anetdsl.evolve.drive.history import SearchHistory
from anetdsl.evolve.drive.outcomes import Decision, decide, to_restart
from anetdsl.evolve.drive.population import Select, VisiblePopulation
from anetdsl.evolve.drive.run_dir import RunDir
from anetdsl.evolve.drive.store import Candidate, Store
from anetdsl.evolve.operations import Operation
from anetdsl.evolve.settings.run_settings import RunSettings
from anetdsl.evolve.settings.search_settings import SearchSettings
from anetdsl.evolve.workers.dispatch import Dispatcher
from anetdsl.evolve.workers.trial_process import Outcome

Propose = Callable[[SearchSettings, int, Sequence[Member], Container[str]], Proposal]
"""Function that proposes the candidate of an index from the population and all canonical forms."""

_BATCH = 32
"""Candidates per commit: the first of many candidates does not wait until all are proposed."""
_WAIT_SECONDS = 1.0
_MOST_FAILURES = 5


@attrs.frozen
class Rules:
    """The algorithm of a search: two pure functions."""

    propose: Propose
    select: Select


@attrs.define
class Driver:
    """The driver of one search."""

    directory: RunDir
    settings: RunSettings
    store: Store
    rules: Rules
    trials: Dispatcher
    stopping: threading.Event = attrs.field(factory=threading.Event)
    """Set it to stop the driver: running trials are killed, and start again on resume."""
    watch: Callable[[], None] = lambda: None
    """Function that the driver calls after each change, and at least every second."""
    history: SearchHistory = attrs.field(init=False)
    """Candidates so far, and the population that the next candidate sees."""
    _waiting: deque[Candidate] = attrs.field(factory=deque)
    """Candidates to be started."""
    _running: dict[int, Candidate] = attrs.field(factory=dict)
    """Candidates whose trials run, by index."""
    _proposal_error: CannotRun | None = None
    """Why no next candidate can be proposed, until another result arrives."""
    _inbox_read: float = 0.0
    """Time of the last look into the inbox."""

    def __attrs_post_init__(self) -> None:
        search, running = self.settings.search, self.settings.running
        self.history = SearchHistory(
            VisiblePopulation(search, self.rules.select),
            keeps_parents=running.inherit and search.confirm > 0,
        )

    def drive(self) -> bool:
        """Search until all candidates are finished (True) or `stopping` is set (False).

        Raise CannotRun if the search cannot continue; the run can be resumed.
        """
        self._restore()
        with self._heartbeat():
            while not self.stopping.is_set():
                self._add_from_inbox()
                self._propose_and_start()
                self.watch()
                if self._is_complete():
                    return True
                self._process(self.trials.wait(_WAIT_SECONDS))
            self._stop()
            return False

    def wake(self) -> None:
        """Have the loop check `stopping` at once. A signal handler may call this."""
        self.trials.wake()

    def _heartbeat(self) -> contextlib.AbstractContextManager[None]:
        if not self.trials.workers.remote:
            return contextlib.nullcontext()
        return heartbeat(self.directory.heartbeat, self.trials.driver)

    def _is_complete(self) -> bool:
        """Return whether all candidates are finished. Raise CannotRun if no next one is found."""
        if self._running or self._waiting:
            return False
        if self.history.next_index >= self.settings.search.candidates:
            return True
        if self._proposal_error is not None:
            raise self._proposal_error
        return False

    def _stop(self) -> None:
        self.trials.workers.stop()
        with self.store.commit():
            self.store.add_event("stopped")
            for candidate in self._running.values():
                self.store.put(to_restart(candidate))

    # Resuming

    def _restore(self) -> None:
        """Restore the history from the database, and queue the candidates without a result."""
        with self.store.commit():
            self.store.add_event("driver")
            lost = list(self.store.candidates("status = 'running'"))
            for candidate in lost:
                self.store.add_event("lost", candidate.index, start=candidate.record.attempts)
                self.store.put(to_restart(candidate))
        for candidate in lost:
            folder = candidate_files.last_trial(self.directory, candidate)
            candidate_files.delete_unfinished(folder)
        by_arrival = self.settings.search.order == "arrival"
        for candidate in self.store.candidates(order="finished" if by_arrival else "number"):
            self.history.add_proposed(candidate)
            if candidate.is_finished:
                self.history.add_finished(candidate)
                # Take in results early, so that not all texts are in memory at the same time.
                self.history.population.advance_to(candidate.index)
            else:
                self._waiting.append(candidate)
        self._waiting = deque(sorted(self._waiting, key=lambda candidate: candidate.index))

    # Proposing and starting

    def _propose_and_start(self) -> None:
        """Start waiting candidates and new ones, as many as there are free workers."""
        free = self.trials.workers.capacity() - len(self._running)
        while free > 0 and not self.stopping.is_set():
            count = min(free, _BATCH)
            starting = [self._waiting.popleft() for _ in range(min(count, len(self._waiting)))]
            proposed: list[Candidate] = []
            while len(starting) + len(proposed) < count:
                candidate = self._propose()
                if candidate is None:
                    break
                proposed.append(candidate)
            starting += proposed
            if not starting:
                return
            self._commit_proposed(proposed)
            self._start(starting)
            free -= len(starting)

    def _propose(self) -> Candidate | None:
        """Return the next candidate, or None if none can be proposed now."""
        settings, history = self.settings.search, self.history
        index = history.next_index
        if index >= settings.candidates or self._proposal_error is not None:
            return None
        if not history.population.advance_to(index):
            return None
        members, confirmed = history.population.members, history.confirmed
        best = second_looks.unconfirmed_best(settings, index, members, confirmed)
        if best is not None:
            return self._add_second_look(best)
        try:
            proposal = self.rules.propose(settings, index, members, history.canonical_forms)
        except CannotRun as error:
            # The search ends with this error once all running trials have ended.
            self._proposal_error = error
            return None
        parent = second_looks.unconfirmed_parent(settings, proposal, history.children, confirmed)
        if parent is not None:
            return self._add_second_look(parent)
        return self._add_proposal(proposal, None)

    def _add_second_look(self, name: str) -> Candidate:
        """Add a second look at a network to the history and return its candidate."""
        original = self.store.find("name = ?", name)
        assert original is not None  # it is a member of the population
        candidate = second_looks.second_look(
            original, self.history.next_index, self.settings.search.seed, time.time()
        )
        self.history.add_proposed(candidate)
        return candidate

    def _add_proposal(self, proposal: Proposal, source: str | None) -> Candidate:
        """Add a proposal to the history and return its candidate."""
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
        threshold = None
        if (halving := self.settings.running.halving) > 1:
            threshold = self.history.population.promotion_threshold(halving)
        candidate = Candidate(
            record, proposal.text, proposal.canonical_form, promotion_threshold=threshold
        )
        self.history.add_proposed(candidate)
        return candidate

    def _commit_proposed(self, proposed: Sequence[Candidate]) -> None:
        if not proposed:
            return
        with self.store.commit():
            for candidate in proposed:
                event = "added" if candidate.record.source else "proposed"
                self.store.add_event(event, candidate.index)
                self.store.put(candidate)
        for candidate in proposed:
            candidate_files.write_record(self.directory, candidate)
            candidate_files.write_text(self.directory, candidate)

    def _start(self, candidates: Sequence[Candidate]) -> None:
        """Commit the starts of candidates, write their jobs and submit their trials."""
        now = time.time()
        parents = [self._parent_with_weights(candidate) for candidate in candidates]
        started = [
            _started(candidate, parent, now) for candidate, (parent, _) in zip(candidates, parents)
        ]
        with self.store.commit():
            for candidate in started:
                self.store.add_event("started", candidate.index, start=candidate.record.attempts)
                self.store.put(candidate)
        for candidate, (parent, operations) in zip(started, parents):
            job = candidate_files.job_of(
                self.directory, self.settings, candidate, parent, operations
            )
            folder = candidate_files.write_trial(self.directory, candidate, job)
            candidate_files.write_record(self.directory, candidate)
            self._running[candidate.index] = candidate
            self.trials.submit(
                candidate.index,
                candidate.name,
                folder,
                self.directory.heartbeat,
                self.settings.running.timeout,
            )

    def _parent_with_weights(
        self, candidate: Candidate
    ) -> tuple[Candidate | None, tuple[Operation, ...]]:
        """Return the parent whose weights a candidate starts from, and the operations between.

        A second look starts as the training that it confirms did. The parent is None if its weights
        are deleted.
        """
        child: Candidate | None = candidate
        if candidate.record.confirms is not None:
            child = self.store.find("name = ?", candidate.record.confirms)
        if not self.settings.running.inherit or child is None or child.record.parent is None:
            return None, ()
        parent = self.store.find("name = ?", child.record.parent)
        if parent is None or parent.record.status != "done":
            return None, ()
        weights = candidate_files.last_trial(self.directory, parent).weights
        return (parent, child.record.operations) if weights.exists() else (None, ())

    # Results

    def _process(self, ended: Sequence[tuple[int, Outcome]]) -> None:
        """Commit the outcomes of trials, then write the files of their candidates."""
        if not ended or self.stopping.is_set():
            return
        if not self.trials.workers.is_connected():
            raise CannotRun("the cluster does not answer any more; start it and resume the run")
        decisions: list[Decision] = []
        with self.store.commit():
            for index, outcome in ended:
                decision = decide(self._running.pop(index), outcome, self.settings)
                decisions.append(decision)
                self.store.add_event(decision.event, index, **decision.details)
                self.store.put(decision.candidate)
        for decision in decisions:
            candidate = decision.candidate
            if candidate.is_finished:
                candidate_files.write_text(self.directory, candidate)
                self.history.add_finished(candidate)
            else:
                self._waiting.append(candidate)
            # After the text: if a record is `done`, its text has learned weights.
            candidate_files.write_record(self.directory, candidate)
        self._proposal_error = None
        self._check_disk(decisions)
        self._delete_weights()
        self._check_failures(decisions[-1].candidate.record)

    def _check_disk(self, decisions: Sequence[Decision]) -> None:
        for decision in decisions:
            if decision.event == "disk_full":
                raise CannotRun(
                    f"{self.directory.path}: the disk is full: {decision.details['message']}\n"
                    f"Free some space; `anetc evolve --resume {self.directory.path}` continues "
                    "the search."
                )

    def _delete_weights(self) -> None:
        if not self.settings.running.keep_all_weights:
            unfinished = [*self._running.values(), *self._waiting]
            for name in self.history.pop_deletable_weights(unfinished):
                candidate_files.delete_weights(self.directory, name)

    def _check_failures(self, last: Record) -> None:
        """Raise CannotRun if all of the first trials failed."""
        search, failed = self.settings.search, self.history.failed
        first = min(_MOST_FAILURES, search.candidates, search.population)
        if not self.history.done and failed >= first:
            raise CannotRun(
                f"all of the first {failed} trials failed; the last one, {last.name}: "
                f"{last.failure}: {last.message}\nRemove the cause; then "
                f"`anetc evolve --resume {self.directory.path}` continues with the other "
                "candidates, or delete that folder and start again."
            )

    # The inbox

    def _add_from_inbox(self) -> None:
        """Add the networks of the inbox as the next candidates."""
        if time.monotonic() - self._inbox_read < _WAIT_SECONDS:
            return
        self._inbox_read = time.monotonic()
        for path in inbox.pending_files(self.directory):
            index = self.history.next_index
            if index >= self.settings.search.candidates:
                return
            try:
                found = inbox.examine(path, self.settings.search, index, self.store)
            except inbox.Rejected as error:
                inbox.reject(path, str(error))
                continue
            if isinstance(found, Proposal):
                candidate = self._add_proposal(found, inbox.display_name(path))
                self._commit_proposed([candidate])
                self._waiting.append(candidate)
            inbox.move_accepted(self.directory, path, found.name)


def _started(candidate: Candidate, parent: Candidate | None, now: float) -> Candidate:
    """Return the candidate with one more start, at this time, from the weights of a parent."""
    record = attrs.evolve(
        candidate.record,
        status="running",
        attempts=candidate.record.attempts + 1,
        started=now,
        inherited_steps=0 if parent is None else _steps_behind(parent.record),
    )
    return attrs.evolve(candidate, record=record)


def _steps_behind(record: Record) -> int | None:
    """Return the number of training steps behind the weights of a candidate, if it is known."""
    if record.iterations is None or record.inherited_steps is None:
        return None
    return record.iterations + record.inherited_steps
