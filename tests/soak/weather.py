"""What goes wrong between the agent and its vendors: single requests, whole hours, outages of hours and days."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from sandbox.faults import Fault
from tests.faults.kinds import BROKEN, BUSY_ROW, EXPIRED, LIMITED
from tests.soak.site import Site

HOUR = timedelta(hours=1)
SOURCES = ("zendesk", "mixpanel")
REACH = 30
"""A run makes about so many requests; faults strike at one of these numbers."""

Kinds = dict[str, dict[str, Any]]

ONCE: Kinds = {
    "429": {"kind": "status", "status": 429, "headers": {"Retry-After": "2"}},
    "503 before": {"kind": "status", "status": 503},
    "503 after": {"kind": "status", "status": 503, "effect": True},
    "reset": {"kind": "reset"},
    "reset after": {"kind": "reset", "effect": True},
    "half a body": {"kind": "cut"},
    "no answer": {"kind": "timeout_before"},
    "no answer after": {"kind": "timeout_after"},
    "late": {"kind": "late", "effect_after_seconds": 600.0},
    "page of a proxy": {"kind": "html"},
}
BY_VENDOR = {"limit": LIMITED, "expired": EXPIRED, "error": BROKEN, "locked": BUSY_ROW}
OUTAGES: Kinds = {
    "down": {"kind": "status", "status": 503, "every": 1},
    "empty": {"kind": "empty"},
    "stale": {"kind": "stale"},
    "first page": {"kind": "first_page"},
}


@dataclass
class Weather:
    """Draws each hour's trouble from a seed.

    Attributes:
        seen: How often each thing happened.
        outages: Vendor -> what is wrong with it, and until when.
        rough: Whether anything is wrong this hour.
    """

    site: Site
    chance: Random
    seen: Counter[str] = field(default_factory=Counter)
    outages: dict[str, tuple[Fault, datetime]] = field(default_factory=dict)
    poor_until: datetime | None = None
    rough: bool = False

    def clear(self) -> None:
        """Everything works."""
        self.outages.clear()
        self.hour_over()

    def hour_over(self) -> None:
        """Nothing of this hour's trouble strikes between two runs, nor at whoever looks."""
        self.site.box.faults.clear()
        self.site.line.begin()
        self.site.clock.offset = timedelta(0)
        if self.site.crm == "salesforce":
            self.site.box.mutate("salesforce", "clear_obstacles")

    def new_hour(self, now: datetime) -> None:
        """Decide what goes wrong in the run that is about to start."""
        self.rough = False
        self._outages(now)
        happens = {
            self._single: 0.25,
            self._storm: 0.03,
            self._crash: 0.03,
            self._clock: 0.02,
            self._session: 0.02,
            self._rows: 0.02,
            self._quota: 0.003,
        }
        for act, likely in happens.items():
            if self.chance.random() < likely:
                act()
        self.rough = self.rough or (self.poor_until is not None and now < self.poor_until)

    def _note(self, name: str) -> None:
        self.seen[name] += 1
        self.rough = True

    def _outages(self, now: datetime) -> None:
        self.outages = {name: one for name, one in self.outages.items() if one[1] > now}
        for vendor in SOURCES:
            if vendor not in self.outages and self.chance.random() < 1 / 90:
                kind = self.chance.choice(list(OUTAGES))
                rule = dict(OUTAGES[kind])
                if kind == "stale":
                    rule["as_of"] = now.isoformat()
                span = self.chance.choice((2, 5, 12, 30, 50, 80))
                self.outages[vendor] = (Fault(vendor=vendor, **rule), now + span * HOUR)
                self._note(f"{vendor} {kind}")
        crm = self.site.crm
        if crm not in self.outages and self.chance.random() < 1 / 150:
            self.outages[crm] = (Fault(vendor=crm, **OUTAGES["down"]), now + self.chance.randint(1, 6) * HOUR)
            self._note("CRM down")
        self.rough = self.rough or crm in self.outages
        self.site.box.faults.add(*(fault for fault, _ in self.outages.values()))

    def _single(self) -> None:
        """A few requests to the CRM, or to anybody, go wrong."""
        for _ in range(self.chance.randint(1, 4)):
            vendor = self.site.crm if self.chance.random() < 0.7 else "*"
            place = self.chance.randint(1, REACH)
            name = self.chance.choice([*ONCE, *BY_VENDOR])
            if name in BY_VENDOR:
                status, body = BY_VENDOR[name][self.site.crm]
                fault = Fault("status", vendor=self.site.crm, status=status, body=body, nth=place)
            else:
                fault = Fault(vendor=vendor, nth=place, **ONCE[name])
            self.site.box.faults.add(fault)
            self._note(name)

    def _storm(self) -> None:
        """A part of all requests goes wrong in one way."""
        name = self.chance.choice(list(ONCE))
        seed = self.chance.randrange(10**6)
        self.site.box.faults.add(Fault(vendor="*", probability=0.3, seed=seed, **ONCE[name]))
        self._note(f"storm of {name}")

    def _crash(self) -> None:
        """The machine goes down before or after a request."""
        when = self.site.line.before if self.chance.random() < 0.5 else self.site.line.after
        when[self.chance.randint(1, REACH)] = self.site.crash
        self._note("crash")

    def _clock(self) -> None:
        """The machine's clock jumps in the middle of the run."""
        step = self.chance.choice((-HOUR, HOUR))

        def jump() -> None:
            self.site.clock.offset = step

        self._at(jump)
        self._note("clock")

    def _session(self) -> None:
        """Every session ends."""
        self._at(lambda: self.site.box.mutate(self.site.crm, "expire_tokens"))
        self._note("session over")

    def _rows(self) -> None:
        """Somebody's long transaction holds a few accounts."""
        if self.site.crm != "salesforce":
            return
        accounts = sorted(self.site.inside.records("account"))
        for one in self.chance.sample(accounts, 3):
            self.site.box.mutate("salesforce", "lock", id=one, tries=self.chance.randint(1, 6))
        self._note("locked rows")

    def _quota(self) -> None:
        """Other programs have used nearly all calls of the day."""
        now = self.site.box.clock.now()
        if self.site.crm == "salesforce":
            self.site.box.mutate("salesforce", "use_calls", calls=114_960)
        else:
            self.site.box.mutate("hubspot", "use_quota", calls=624_960)
        self.poor_until = now + timedelta(hours=26)
        self._note("quota day")

    def _at(self, act: Callable[[], Any]) -> None:
        self.site.line.before.setdefault(self.chance.randint(1, REACH), act)
