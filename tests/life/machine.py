"""Anything may happen to an agent and its CRM, in any order; after every step certain things must hold.

The rules below are drawn by Hypothesis. In the end of each life everything that stood in the way is taken away, and the
agent must come to rest: nothing open, nothing left to do, every field ours as wished or left to whoever changed it.
"""

import shutil
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from sandbox.faults import Fault
from sync import heartbeat
from sync.edits import Edits
from sync.heartbeat import SecondAgentError
from sync.ledger import Ledger
from sync.lock import LockedError, run_lock
from sync.run import MissingFieldsError
from sync.undo import UndoError
from sync.values import same
from tests.crash.scenarios import go
from tests.faults.kinds import DISTURBANCES, Case
from tests.life.model import copy_of
from tests.life.people import HOUR, PLACES, People

NUMBERS = st.integers(0, 40)
PEOPLE = frozenset(
    {
        "edited", "emptied", "deleted", "merged", "owner_leaves", "rule", "no_tasks", "field_goes", "choice_goes",
        "job_fails",
        "locked", "long_locked", "hour_back", "hour_on", "day_back", "day_on", "crash_before", "crash_after",
    }
)  # fmt: skip
"""Disturbances that are rules of their own here."""
FAULTS = tuple(name for name in DISTURBANCES if name not in PEOPLE)


class Agent(People):
    """See the module."""

    def teardown(self) -> None:
        if self.life is None:
            return
        try:
            self.come_to_rest()
        finally:
            self.life.close()

    # -- runs ---------------------------------------------------------------------------------------------------------

    @rule(place=PLACES, number=NUMBERS, level=st.sampled_from(["account", "contact"]))
    def hourly_run(self, place: int, number: int, level: str) -> None:
        """An hour has passed, and one score is another."""
        it = self.it
        it.pass_time(HOUR)
        chosen = sorted(one for one in it.wishes if one[0] == level)
        it.wishes[chosen[place % len(chosen)]] = number
        report, error = it.run()
        assert report is not None or isinstance(error, MissingFieldsError | SecondAgentError), error

    @rule(by=st.integers(1, 20))
    def everything_moves(self, by: int) -> None:
        """All scores move at once, and many bands: more than the guard lets pass, once something was written."""
        it = self.it
        it.pass_time(HOUR)
        for one in it.wishes:
            it.wishes[one] = (it.wishes[one] + by) % 41
        it.run()

    @rule(step=st.integers(1, 120), number=NUMBERS, place=PLACES)
    def crash(self, step: int, number: int, place: int) -> None:
        """The machine goes down at some step of a run: around a commit, a file, or a request."""
        it = self.it
        it.pass_time(HOUR)
        accounts = sorted(one for one in it.wishes if one[0] == "account")
        it.wishes[accounts[place % len(accounts)]] = number
        it.run(end_at=step)

    @rule(step=st.integers(1, 120))
    def crash_right_after(self, step: int) -> None:
        """The same within the hold-off of the run before."""
        self.it.pass_time(timedelta(minutes=2))
        self.it.run(end_at=step)

    @rule(fault=st.sampled_from(FAULTS), number=st.integers(1, 22), place=PLACES, wish=NUMBERS)
    def outage(self, fault: str, number: int, place: int, wish: int) -> None:
        """Something goes wrong on the way to the CRM, at some request of a run."""
        it = self.it
        it.pass_time(HOUR)
        accounts = sorted(one for one in it.wishes if one[0] == "account")
        it.wishes[accounts[place % len(accounts)]] = wish
        case = Case(it.desk, it.line, it.desk.clock, number)

        def act(agent: Any) -> Any:
            DISTURBANCES[fault](case)
            return go(agent)

        it.work(act)

    @rule(kind=st.sampled_from(["empty", "first_page"]))
    def silence(self, kind: Any) -> None:
        """The CRM answers every list with nothing, or a part: no band moves, no task comes, nothing is taken away."""
        it = self.it
        it.pass_time(HOUR)
        bands = {place: value for place, value in it.last.items() if place[2] == self.name("health_band")}
        wished = {row.crm_id: row.band for row in it.rows()}

        def act(agent: Any) -> Any:
            it.desk.box.faults.add(Fault(kind, vendor=self.crm, path="search|query", rows=1))
            return go(agent)

        it.work(act)
        for place, value in bands.items():
            now = it.last.get(place)
            assert same(now, value) or now == wished.get(place[1]) or place in it.foreign, (place, value, now)

    @precondition(lambda self: self.life is not None and self.life.held is not None)
    @rule()
    def approve(self) -> None:
        """Somebody lets the held plan pass."""
        self.it.pass_time(timedelta(minutes=5))
        self.it.approve()

    @precondition(lambda self: self.known)
    @rule(back=st.integers(0, 3), step=st.integers(1, 80), dies=st.booleans())
    def undo(self, back: int, step: int, dies: bool) -> None:  # noqa: FBT001 - drawn
        """Somebody takes an earlier run back; the machine may go down meanwhile."""
        it = self.it
        store = it.store()
        runs = Ledger(store).runs(limit=-1)
        store.close()
        if not runs:
            return
        it.pass_time(timedelta(minutes=3))
        target = runs[min(back, len(runs) - 1)].run_id
        _, error = it.work(lambda agent: agent.undo(target, dry_run=False), end_at=step if dies else None)
        assert not isinstance(error, UndoError), error

    # -- other agents, and what becomes of the state ------------------------------------------------------------------

    @precondition(lambda self: self.known)
    @rule()
    def second_agent_here(self) -> None:
        """Another process begins to work on the same state: it is turned away."""
        before = self.it.desk.box.journal.writes()
        with run_lock(self.it.folder):
            _, error = self.it.work(go)
        assert isinstance(error, LockedError), error
        assert self.it.desk.box.journal.writes() == before

    @rule()
    def second_agent_elsewhere(self) -> None:
        """An agent with a state of its own writes; ours notices, writes nothing, and then takes over."""
        it = self.it
        it.pass_time(HOUR)
        said, at_name = dict(it.last), self.name("scored_at")
        it.work(go, folder=it.second)
        if not self.known:
            it.forget_people()
            return
        store = it.store()
        wrote = Ledger(store).written()
        store.close()
        name, own = self.name("agent"), self._agent()
        theirs = [
            at for at, value in it.last.items()
            if at[2] == name
            and not same(said.get((*at[:2], at_name)), it.last.get((*at[:2], at_name)))
            and value not in (None, "", own) and wrote.get(at[:2], {}).get(name) == own
        ]  # fmt: skip
        it.pass_time(timedelta(minutes=5))
        before = it.desk.box.journal.writes()
        report, error = it.run()
        if theirs and report is not None and not report.blocked and report.plan is not None:
            raise AssertionError(f"the other agent's work was not noticed: {theirs}")
        if isinstance(error, SecondAgentError):
            assert it.desk.box.journal.writes() == before
        it.pass_time(timedelta(minutes=5))
        self.take_over()

    def _agent(self) -> str:
        store = self.it.store()
        try:
            return heartbeat.agent_id(store)
        finally:
            store.close()

    def take_over(self) -> None:
        """`holdfast edits release account.agent`: what stands there counts as ours."""
        store = self.it.store()
        heartbeat.take_over(store, self.it.desk.clock.now())
        store.close()
        self.it.forget_people()

    @precondition(lambda self: self.known)
    @rule()
    def keep_copy(self) -> None:
        """Somebody copies the state folder."""
        it = self.it
        it.copies.append(copy_of(it.folder, it.home / f"copy{len(it.copies)}"))

    @precondition(lambda self: self.life is not None and bool(self.life.copies))
    @rule(which=st.integers(0, 5))
    def restore_copy(self, which: int) -> None:
        """And puts it back some time."""
        it = self.it
        copy_of(it.copies[which % len(it.copies)], it.folder)
        it.held = None
        it.pass_time(timedelta(minutes=20))
        it.forget_people()

    @precondition(lambda self: self.known)
    @rule()
    def lose_state(self) -> None:
        """The state folder is gone."""
        it = self.it
        shutil.rmtree(it.folder)
        it.held = None
        it.pass_time(timedelta(minutes=20))
        it.forget_people()

    # -- what must hold -----------------------------------------------------------------------------------------------

    @invariant()
    def holds(self) -> None:
        if self.life is not None:
            self.life.check()

    def come_to_rest(self) -> None:
        """Everything is put right; after a few runs there is nothing left to do."""
        it = self.it
        if self.lost_field or self.lost_choice:
            self.set_up_again()
        if it.flows:
            self.flow_off()
        it.desk.clock.offset = timedelta(0)
        it.pass_time(timedelta(hours=74))
        for _ in range(3):
            self._release()
            report, error = it.run()
            if isinstance(error, SecondAgentError):
                self.take_over()
            elif report is not None and it.held is not None:
                it.approve()
            it.check()
            it.pass_time(HOUR)
        assert not it.open_ops(), it.open_ops()
        report, error = it.run()
        assert error is None, error
        assert report is not None
        assert report.plan is not None, report.blocked
        assert report.plan.empty, report.plan
        it.check()
        self._as_wished()

    def _release(self) -> None:
        if not self.known:
            return
        store = self.it.store()
        edits = Edits(store)
        for one in edits.parked():
            edits.release(one.object, one.field, one.record_id or None)
        store.close()

    def _as_wished(self) -> None:
        it = self.it
        store = it.store()
        undone = set(Edits(store).undone())
        store.close()
        for row in it.rows():
            for owned in it.desk.fields:
                at = (row.level, row.crm_id, owned.spec.name)
                if owned.spec.object != row.level or not owned.moves_alone or at in undone:
                    continue
                now, wish = it.last[at], owned.value(row, it.desk.box.clock.now())
                theirs = at in it.foreign and same(now, it.foreign[at])
                assert same(now, wish) or theirs, f"{at}: is to say {wish!r} and says {now!r}"
