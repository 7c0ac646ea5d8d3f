"""What people and admins do in the CRM, and what time and others' calls do, as rules of a state machine."""

from datetime import timedelta
from functools import cache

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from connectors.base import Value
from sync.ledger import Ledger
from tests.life.model import ACCOUNTS, Life, World

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
PLACES = st.integers(0, ACCOUNTS - 1)
KINDS = ("hubspot-marker", "hubspot-unique_key", "salesforce-marker", "salesforce-receipt", "salesforce-unique_key")


@cache
def world(kind: str) -> World:
    """Made once in a process."""
    return World(kind)


class People(RuleBasedStateMachine):
    """A life without an agent at work."""

    life: Life | None = None

    @initialize(kind=st.sampled_from(KINDS))
    def begin(self, kind: str) -> None:
        self.life = Life(world(kind))
        self.crm = kind.partition("-")[0]
        self.lost_field = self.lost_choice = False

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
        it.flows = {("account", score): 77}

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
