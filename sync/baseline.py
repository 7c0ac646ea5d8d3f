"""The baseline: the first fill of a CRM that the agent has not written to yet.

Its plan touches every record, so the guard's shares say nothing about it, and a person starts it. It is under way until
one run came to its end; what a crash, a deadline or a short budget left over is part of it still.
"""

from dataclasses import dataclass, replace
from typing import Literal

from sync.guard import Verdict
from sync.ledger import Ledger
from sync.plan import Plan
from sync.store import Store
from sync.values import count

Way = Literal["fields", "tasks"]
"""Whether tasks are created too for accounts that are in trouble already."""

DONE = "done"
META = "baseline"
_NOTED = "SELECT value FROM meta WHERE key = ?"


@dataclass(frozen=True, slots=True)
class Stand:
    """Where the first fill stands.

    Attributes:
        due: Nothing was ever written, and nobody has started it.
        way: How it was started; None when it was not, or has come to its end.
    """

    due: bool = False
    way: Way | None = None

    @property
    def open(self) -> bool:
        """Whether the next plan is part of it."""
        return self.due or self.way is not None


def stand(store: Store) -> Stand:
    """Where the first fill of this state's CRM stands."""
    said = store.rows(_NOTED, (META,))
    if said:
        return Stand(way=None if said[0][0] == DONE else said[0][0])
    ((written, tasks),) = store.rows(
        "SELECT EXISTS (SELECT 1 FROM owned), EXISTS (SELECT 1 FROM op WHERE object = 'task' AND state = 'confirmed')"
    )
    return Stand(due=not (written or tasks))


def verdict(plan: Plan) -> Verdict:
    """Why a first fill waits until a person starts it."""
    accounts = sum(record.object == "account" for record in plan.records)
    tasks = f", and {count(len(plan.tasks), 'new task')}" if plan.tasks else ""
    text = (
        f"This is the first fill of this CRM: {count(plan.field_count, 'field')} on {count(accounts, 'account')} and "
        f"{count(len(plan.records) - accounts, 'contact')}{tasks}."
    )
    return Verdict("baseline", len(plan.changes), 0, held=True, text=text)


def start(store: Store, ledger: Ledger, way: Way) -> None:
    """Note that the first fill begins, before anything is sent; nothing when it is under way or over already.

    Without tasks, no account that is in trouble already counts as having got there just now: only what happens from
    here on starts a playbook.
    """
    with store.transaction():
        if store.rows(_NOTED, (META,)):
            return
        if way == "fields":
            states = ledger.band_states().items()
            ledger.save_band_states({crm_id: replace(state, episodes={}) for crm_id, state in states})
        _note(store, way)


def finish(store: Store) -> None:
    """Note that one run has written all there was to write; nothing when none has begun to."""
    if stand(store).way is not None:
        _note(store, DONE)


def _note(store: Store, value: str) -> None:
    with store.transaction() as conn:
        conn.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (META, value))
