"""What people do in the CRM from hour to hour, and what they do with the agent."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from connectors.base import Value
from sync import backup
from sync.values import same
from tests.crash.desk import own_fields
from tests.soak.site import ACCOUNTS, Site

Key = tuple[str, str, str]
"""(level, record id, field)."""

FEWEST, MOST = 10, 20
"""Customers that the company has at any time."""


@dataclass
class People:
    """Draws what people do from a seed, and remembers it.

    Attributes:
        edited: What they wrote into fields of ours and left there.
        unsure: Fields of which the agent cannot know that somebody else wrote them.
        flows: Field -> what a flow writes into it, or did.
        deleted: Keys of tasks that somebody deleted; `deleted_ids`: their ids.
        seen: How often each thing happened.
        waiting: A plan that the guard holds, for somebody to read.
        lost_state: The state was lost or is an old copy, and no run has made up for it yet.
    """

    site: Site
    chance: Random
    edited: dict[Key, Value] = field(default_factory=dict)
    unsure: set[Key] = field(default_factory=set)
    flows: dict[tuple[str, str], Value] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    deleted_ids: set[str] = field(default_factory=set)
    seen: Counter[str] = field(default_factory=Counter)
    waiting: str = ""
    lost_state: bool = False
    _flow_until: datetime | None = None
    _away: tuple[str, datetime] | None = None
    _count: int = 0

    @property
    def hubspot(self) -> bool:
        """Which CRM it is."""
        return self.site.crm == "hubspot"

    def name(self, logical: str) -> str:
        """The CRM's name of a field of ours."""
        return next(one.spec.name for one in own_fields(self.site.crm) if one.logical == logical)

    def do(self, action: str, **args: Any) -> Any:
        """Do something in the CRM."""
        return self.site.box.mutate(self.site.crm, action, **args)

    def act(self, now: datetime) -> None:
        """An hour of work."""
        self._flow_ends(now)
        self._colleague_returns(now)
        happens: dict[Callable[[datetime], None], float] = {
            self._edit: 1 / 25,
            self._empty: 1 / 60,
            self._task: 1 / 12,
            self._merge: 1 / 250,
            self._delete: 1 / 250,
            self._customer: 1 / 90,
            self._owner: 1 / 200,
            self._flow: 1 / 200,
        }
        for what, likely in happens.items():
            if self.chance.random() < likely:
                what(now)

    # -- fields -------------------------------------------------------------------------------------------------

    def _edit(self, _: datetime) -> None:
        one = self.chance.choice(sorted(self.site.inside.ours("account")))
        self._count += 1
        score = self.chance.random() < 0.5
        name = self.name("account.health_score" if score else "account.health_reason")
        self._write(one, name, float(200 + self._count % 700) if score else f"By hand, {self._count}")
        self.seen["edit"] += 1

    def _empty(self, _: datetime) -> None:
        """Somebody hands a field back."""
        if not self.edited:
            return
        level, one, name = self.chance.choice(sorted(self.edited))
        if one in self.site.inside.ours(level):
            self.site.inside.edit(level, one, name, "" if self.hubspot else None)
        self.edited.pop((level, one, name))
        self.unsure.add((level, one, name))
        self.seen["handed back"] += 1

    def _write(self, one: str, name: str, value: Value) -> None:
        self.site.inside.edit("account", one, name, value)
        self.unsure.discard(("account", one, name))
        self.edited["account", one, name] = self.site.inside.ours("account")[one][name]

    def _flow(self, now: datetime) -> None:
        """For a day a flow answers what we write in one field with something of its own in another."""
        if self._flow_until is not None:
            return
        when, name = self.name("account.health_band"), self.name("account.health_score")
        self.flows["account", name] = 199.0
        self.do("flow", object="companies" if self.hubspot else "Account", when=when, set=name, value=199)
        self._flow_until = now + timedelta(days=1)
        self.seen["flow"] += 1

    def _flow_ends(self, now: datetime) -> None:
        if self._flow_until is not None and now >= self._flow_until:
            self.do("clear_flows")
            self._flow_until = None

    # -- tasks and records --------------------------------------------------------------------------------------

    def _task(self, _: datetime) -> None:
        keys = self.site.inside.task_keys()
        if not keys:
            return
        one = self.chance.choice(sorted(keys))
        way = self.chance.choice(("close", "close", "comment", "delete"))
        if way == "close":
            self.do("close_task", id=one)
        elif way == "comment":
            self.do("comment_task", id=one, text="Called them")
        else:
            self.do(**({"action": "archive", "object": "tasks"} if self.hubspot else {"action": "delete"}), id=one)
            self.deleted.add(keys[one])
            self.deleted_ids.add(one)
        self.seen[f"{way} task"] += 1

    def _merge(self, _: datetime) -> None:
        before = self.site.inside.ours("account")
        if len(before) <= FEWEST:
            return
        winner, loser = self.chance.sample(sorted(before), 2)
        more = {"object": "companies"} if self.hubspot else {}
        left = str(self.do("merge", winner=winner, loser=loser, **more) or winner)
        # What the merger leaves in our fields is whosever it was; nobody can tell.
        self.unsure |= {("account", left, one.spec.name) for one in own_fields(self.site.crm)}
        self.edited = {key: value for key, value in self.edited.items() if key[1] not in {winner, loser}}
        self.seen["merge"] += 1

    def _delete(self, _: datetime) -> None:
        before = sorted(self.site.inside.ours("account"))
        if len(before) <= FEWEST:
            return
        one = self.chance.choice(before)
        self.do(**({"action": "archive", "object": "companies"} if self.hubspot else {"action": "delete"}), id=one)
        self.seen["delete"] += 1

    def _customer(self, _: datetime) -> None:
        if len(self.site.inside.ours("account")) >= MOST:
            return
        self._count += 1
        name, domain = f"Newcomer {self._count}", f"newcomer{self._count}.example"
        if self.hubspot:
            values = {"name": name, "domain": domain, "lifecyclestage": "customer"}
            self.do("create", object="companies", properties=values)
        else:
            self.do("create", object="Account", values={"Name": name, "Website": f"https://{domain}"})
        self.seen["new customer"] += 1

    def _owner(self, now: datetime) -> None:
        """A colleague leaves, and comes back after some days."""
        if self._away is not None:
            return
        name = "hubspot_owner_id" if self.hubspot else "OwnerId"
        owners = sorted({str(row[name]) for row in self.site.inside.records("account").values() if row.get(name)})
        one = self.chance.choice(owners)
        self.do("deactivate_owner" if self.hubspot else "deactivate_user", id=one)
        self._away = (one, now + timedelta(hours=60))
        self.seen["owner leaves"] += 1

    def _colleague_returns(self, now: datetime) -> None:
        if self._away is None or now < self._away[1]:
            return
        one, self._away = self._away[0], None
        self.do(**({"action": "set_owner", "active": True} if self.hubspot else {"action": "activate_user"}), id=one)

    # -- the agent's own people ---------------------------------------------------------------------------------

    def read_plan(self) -> Any:
        """Somebody reads the plan that the guard holds, allows it, and has it written; gives what was said."""
        file, self.waiting = self.waiting, ""
        self.seen["approval"] += 1
        allowed = self.site.command("approve", file, "--by", "Dana")
        return self.site.command("apply", file, "--json") if allowed.code == 0 else allowed

    def restore(self) -> Any:
        """Somebody puts the copy of yesterday in the place of the state, or the only one there is."""
        copies = backup.copies_of(self.site.state)[:2]
        if not copies:
            return None
        self.seen["old copy"] += 1
        self._state_is_gone()
        return self.site.command("state", "restore", str(copies[-1].path))

    def state_lost(self) -> None:
        """The database is lost, with what lies beside it."""
        self.seen["lost database"] += 1
        self._state_is_gone()

    def _state_is_gone(self) -> None:
        self.lost_state = True
        self.waiting = ""
        self.disown()

    def disown(self) -> None:
        """The agent may take everything that stands in its fields for its own."""
        self.unsure |= set(self.edited)
        self.edited.clear()

    def theirs(self, key: Key, says: Value) -> bool:
        """Whether what a field says is somebody else's, as far as we know."""
        level, _, name = key
        if key in self.unsure:
            return True
        if key in self.edited:
            return same(says, self.edited[key])
        return (level, name) in self.flows and same(says, self.flows[level, name])


assert FEWEST < ACCOUNTS < MOST
