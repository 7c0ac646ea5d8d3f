"""The world: customers, people, tickets, answers, sales and usage, made from a seed.

    world = make_world(seed=1, accounts=300)
    world.companies[0].churn_date            # the truth, including the next 90 days
    world.event_arrays(date(2026, 11, 2))    # a day's usage, as columns

The same arguments give the same bytes (`World.digest`), also across processes and days, once `now` is given.
Ids of companies, people and owners start at 1 and have no gaps: `world.people[id - 1]`. People, tickets, answers and
deals reach up to the horizon; a simulator shows what its clock has passed. Money is in hundredths of the currency's
unit for every currency.
"""

import gc
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property

from sandbox.model import Company, NpsAnswer, Owner, Person, ProductEvent, SalesDeal, SupportTicket, Touch
from sandbox.model_answers import SurveyAnswer
from sandbox.model_billing import Billing
from sandbox.model_conversations import Conversation
from sandbox.world_answers import make_answers
from sandbox.world_billing import make_billing
from sandbox.world_companies import make_customers, make_owners
from sandbox.world_conversations import make_conversations
from sandbox.world_events import EventArrays, Events
from sandbox.world_frame import Frame, months_before
from sandbox.world_health import REGIMES
from sandbox.world_mobile import MobileEvents
from sandbox.world_names import EVENT_NAMES, OWN_DOMAIN
from sandbox.world_people import make_population
from sandbox.world_support import make_deals, make_nps, make_tickets, mark_requesters
from sandbox.world_touches import make_touches

__all__ = ["EVENT_NAMES", "OWN_DOMAIN", "EventArrays", "SeededWorld", "make_world"]


class SeededWorld:
    """What `make_world` makes; see `sandbox.model.World` for the attributes."""

    def __init__(self, frame: Frame) -> None:
        self.seed = frame.seed
        self.start = _midnight(frame.start)
        self.now = _midnight(frame.now)
        self.horizon = _midnight(frame.horizon)
        self.owners: list[Owner] = make_owners(frame)
        customers = make_customers(frame, self.owners)
        population = make_population(frame, customers)
        self.companies: list[Company] = customers.companies
        self.tickets: list[SupportTicket] = make_tickets(frame, customers, population, self.owners)
        mark_requesters(population, self.tickets)
        self.people: list[Person] = population.people
        self.nps: list[NpsAnswer] = make_nps(frame, customers, population)
        self.deals: list[SalesDeal] = make_deals(frame, customers)
        self._frame = frame
        self._health = customers.health
        self._events = Events(frame, customers, population)

    @cached_property
    def touches(self) -> list[Touch]:
        """E-mails, calls and meetings with customers, by time; made when first asked for, from draws of their own."""
        return make_touches(self._frame, self.companies, self.people, self._health.daily)

    @cached_property
    def billing(self) -> Billing:
        """Who pays what, and when; made when first asked for, from draws of its own."""
        return make_billing(self._frame, self.companies, self.people, self._health.daily)

    @cached_property
    def mobile(self) -> MobileEvents:
        """What people do in the mobile app, a second product; made when first asked for, from draws of its own."""
        return MobileEvents(self._frame, self._events)

    @cached_property
    def answers(self) -> list[SurveyAnswer]:
        """What customers answer to surveys, by time; made when first asked for, from draws of its own."""
        return make_answers(self._frame, self.companies, self.people, self._health.daily)

    @cached_property
    def conversations(self) -> list[Conversation]:
        """What customers ask in the messenger, by time; made when first asked for, from draws of its own."""
        return make_conversations(self._frame, self.companies, self.people, self.owners, self._health.daily)

    def events(self, day: date) -> Iterator[ProductEvent]:
        """Every event that *happened* on that UTC day, by time; lazily made, the same on every call."""
        return self._events.each(day)

    def event_arrays(self, day: date) -> EventArrays:
        """The same events as columns, much quicker."""
        return self._events.arrays(day)

    def health(self, company_id: int, day: date) -> float:
        """The hidden health of a company that day, 0 (gone, or not yet there) to 1 (thriving)."""
        index = (day - self._frame.start).days
        if not 0 <= index < self._frame.days:
            raise ValueError(f"{day} is outside the world ({self._frame.start} to {self._frame.horizon})")
        return float(self._health.daily[company_id - 1, index])

    def regime(self, company_id: int) -> str:
        """What kind of story the company lives: "thriving", "steady", "decline", "shock" or "onboarding"."""
        return REGIMES[self._health.regime[company_id - 1]]

    def digest(self) -> str:
        """SHA-256 over everything but the events, and over the events of the first, the last and now's day."""
        hasher = hashlib.sha256()
        for part in (self.owners, self.companies, self.people, self.tickets, self.nps, self.deals):
            for value in part:
                hasher.update(repr(value).encode())
        hasher.update(self._health.daily.tobytes())
        for moment in (self.start, self.now, self.horizon):
            arrays = self.event_arrays(moment.date())
            for column in EventArrays.__slots__:
                hasher.update(getattr(arrays, column).tobytes())
        return hasher.hexdigest()


def make_world(
    seed: int = 1,
    accounts: int = 300,
    people_per_account: int = 20,
    months: int = 18,
    now: datetime | None = None,
    horizon_days: int = 90,
) -> SeededWorld:
    """Make a world.

    Args:
        seed: From 0; another seed gives another world.
        accounts: Companies, those that left included.
        people_per_account: On average; staff, test users and duplicates in the CRM come on top.
        months: How much of the past has usage, tickets and answers.
        now: Where the sandbox's clock starts, cut to its UTC day. Left out: today, which is the only thing here that
            depends on the machine.
        horizon_days: How much of the future is known.

    Raises:
        ValueError: For a count below 1, a negative seed or horizon, or a `now` without time zone.
    """
    if min(accounts, people_per_account, months) < 1 or min(seed, horizon_days) < 0:
        raise ValueError("accounts, people_per_account and months must be at least 1, seed and horizon_days at least 0")
    if now is not None and now.tzinfo is None:
        raise ValueError(f"now needs a time zone, got {now.isoformat()}")
    today = (now or datetime.now(UTC)).astimezone(UTC).date()
    with _no_collection():
        return SeededWorld(
            Frame(
                seed=seed,
                accounts=accounts,
                people=accounts * people_per_account,
                start=months_before(today, months),
                now=today,
                horizon=today + timedelta(days=horizon_days),
            )
        )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Hundreds of thousands of values that all stay: looking for garbage among them costs half the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
