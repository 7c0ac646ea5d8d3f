"""Anything may happen to an agent and its CRM, in any order; after every step certain things must hold.

The rules below are drawn by Hypothesis. In the end of each life everything that stood in the way is taken away, and the
agent must come to rest: nothing open, nothing left to do, every field ours as wished or left to whoever changed it.
"""

import shutil
from datetime import timedelta
from functools import cache
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from connectors.base import Value
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
from tests.life.model import ACCOUNTS, Life, World, copy_of

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
PLACES = st.integers(0, ACCOUNTS - 1)
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
KINDS = ("hubspot-marker", "hubspot-unique_key", "salesforce-marker", "salesforce-receipt", "salesforce-unique_key")


@cache
def world(kind: str) -> World:
    """Made once in a process."""
    return World(kind)


class Agent(RuleBasedStateMachine):
    """See the module."""

    life: Life | None = None

    @initialize(kind=st.sampled_from(KINDS))
    def begin(self, kind: str) -> None:
        self.life = Life(world(kind))
        self.crm = kind.partition("-")[0]
        self.lost_field = self.lost_choice = False

    def teardown(self) -> None:
        if self.life is None:
            return
        try:
            self.come_to_rest()
        finally:
            self.life.close()

    @property
    def it(self) -> Life:
        assert self.life is not None
        return self.life

    @property
    def known(self) -> bool:
        """Whether there is a state."""
        return self.life is not None and (self.it.folder / "state.db").exists()

    def name(self, logical: str) -> str:
        return next(owned.spec.name for owned in self.it.desk.fields if owned.logical == f"account.{logical}")

    def account(self, place: int) -> str | None:
        living = sorted(self.it.desk.inside.records("account"))
        return living[place % len(living)] if living else None

    def task(self, place: int) -> str | None:
        tasks = sorted(self.it.tasks)
        return tasks[place % len(tasks)] if tasks else None

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

    # -- what people do -----------------------------------------------------------------------------------------------

    @precondition(lambda self: self.known)
    @rule(place=PLACES, field=st.sampled_from(["health_score", "health_reason"]), empty=st.booleans())
    def edit(self, place: int, field: str, empty: bool) -> None:  # noqa: FBT001 - drawn
        """Somebody edits a field of ours that we have written, or empties it."""
        it, account = self.it, self.account(place)
        if account is None or (self.lost_field and field == "health_score"):
            return
        at = ("account", account, self.name(field))
        it.counter += 1
        value: Value = ("" if self.crm == "hubspot" else None) if empty else it.counter
        if field == "health_reason" and not empty:
            value = f"Somebody's words {it.counter}"
        written = self.written(at)
        it.desk.inside.edit(*at, value)
        it.note_others()
        it.human.pop(at, None)
        if written and not empty:
            it.human[at] = value

    def written(self, at: tuple[str, str, str]) -> bool:
        """Whether we have written a field, as far as the ledger knows."""
        store = self.it.store()
        try:
            return at[2] in Ledger(store).written().get((at[0], at[1]), {})
        finally:
            store.close()

    @rule(place=PLACES)
    def delete(self, place: int) -> None:
        """Somebody deletes an account."""
        if len(self.it.desk.inside.records("account")) < 3:
            return
        account = self.account(place)
        if self.crm == "hubspot":
            self.it.do("archive", object="companies", id=account)
        else:
            self.it.do("delete", id=account)

    @rule(place=PLACES)
    def undelete(self, place: int) -> None:
        """Somebody takes an account out of the recycle bin."""
        it = self.it
        living = it.desk.inside.records("account")
        gone = sorted(one for level, one in it.wishes if level == "account" and one not in living)
        if not gone:
            return
        one = gone[place % len(gone)]
        try:
            if self.crm == "hubspot":
                it.do("restore", object="companies", id=one)
            else:
                it.do("undelete", id=one)
        except ValueError:
            return  # it was merged away

    @rule(place=PLACES, other=PLACES)
    def merge(self, place: int, other: int) -> None:
        """Somebody merges two accounts."""
        winner, loser = self.account(place), self.account(other)
        if winner == loser or len(self.it.desk.inside.records("account")) < 3:
            return
        more = {"object": "companies"} if self.crm == "hubspot" else {}
        self.it.do("merge", winner=winner, loser=loser, **more)

    @rule(place=st.integers(0, 20), how=st.sampled_from(["close", "comment", "delete", "subject"]))
    def task_by_hand(self, place: int, how: str) -> None:
        """Somebody does, discusses, rewords or deletes a task of ours."""
        task = self.task(place)
        if task is None:
            return
        if how == "close":
            self.it.do("close_task", id=task)
        elif how == "comment":
            self.it.do("comment_task", id=task, text="Called them.")
        elif how == "subject" and self.crm == "hubspot":
            self.it.do("edit_task", id=task, properties={"hs_task_subject": "Somebody's words"})
        elif how == "subject":
            self.it.do("edit_task", id=task, values={"Subject": "Somebody's words"})
        elif self.crm == "hubspot":
            self.it.do("archive", object="tasks", id=task)
        else:
            self.it.do("delete", id=task)

    # -- what admins do -----------------------------------------------------------------------------------------------

    @precondition(lambda self: not self.lost_field)
    @rule()
    def field_goes(self) -> None:
        """An admin deletes our score field."""
        self.lost_field = True
        if self.crm == "hubspot":
            self.it.do("delete_property", object="companies", name=self.name("health_score"))
        else:
            self.it.do("drop_field", object="Account", field=self.name("health_score"))
        self.it.human = {at: one for at, one in self.it.human.items() if at[2] != self.name("health_score")}

    @precondition(lambda self: not self.lost_choice)
    @rule()
    def choice_goes(self) -> None:
        """An admin takes a choice off our band field."""
        self.lost_choice = True
        if self.crm == "hubspot":
            self.it.do("drop_option", object="companies", name=self.name("health_band"), value="red")
        else:
            self.it.do("drop_value", object="Account", field=self.name("health_band"), value="red")

    @precondition(lambda self: self.lost_field or self.lost_choice)
    @rule()
    def set_up_again(self) -> None:
        """Somebody brings fields and choices back."""
        it = self.it
        if self.lost_field and self.crm == "hubspot":
            it.do("restore_property", object="companies", name=self.name("health_score"))
        if self.lost_choice and self.crm == "salesforce":
            spec = next(owned.spec for owned in it.desk.fields if owned.spec.name == self.name("health_band"))
            changes = {"values": list(spec.options), "restricted": False}
            it.do("change_field", object="Account", field=spec.name, changes=changes)
        it.pass_time(timedelta(hours=26))  # somebody else may have used up the calls of today
        it.desk.connect().setup([owned.spec for owned in it.desk.fields], dry_run=False)
        it.note_others()
        self.lost_field = self.lost_choice = False

    @precondition(lambda self: not self.lost_field and not self.it.flows)
    @rule()
    def flow_on(self) -> None:
        """An admin makes a flow that answers our reasons with a score of its own."""
        it, score = self.it, self.name("health_score")
        kind = "companies" if self.crm == "hubspot" else "Account"
        it.do("flow", object=kind, when=self.name("health_reason"), set=score, value=77)
        it.flows = {at: 77 for at in it.last if at[0] == "account" and at[2] == score}

    @precondition(lambda self: self.life is not None and bool(self.life.flows))
    @rule()
    def flow_off(self) -> None:
        """And switches it off."""
        self.it.do("clear_flows")
        self.it.flows = {}

    @rule()
    def quota_out(self) -> None:
        """Others use up all of today's calls."""
        if self.crm == "hubspot":
            self.it.do("use_quota", calls=625_000)
        else:
            self.it.do("use_calls", calls=115_000)

    @rule(by=st.sampled_from([-DAY, -HOUR, HOUR, DAY]))
    def clock_jumps(self, by: timedelta) -> None:
        """The clock of the agent's machine jumps."""
        self.it.desk.clock.offset += by

    @rule(span=st.sampled_from([timedelta(minutes=10), HOUR, timedelta(hours=26)]))
    def time_passes(self, span: timedelta) -> None:
        """Nobody does anything."""
        self.it.pass_time(span)

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
