"""Zendesk's memory: which users, organizations and tickets there are, when each changed, and what people edited."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sandbox.core import ZENDESK_EMAIL
from sandbox.model import Company, Person, SupportTicket, World
from sandbox.zendesk_log import MASK, SHIFT, ChangeLog, make_keys

Seconds = npt.NDArray[np.int64]

DAY = 86_400
AGENT_EMAIL = "agent@holdfast.example"
CLOSE_AFTER = 4 * DAY
ARCHIVE_AFTER = 120 * DAY


@dataclass(frozen=True, slots=True)
class Staff:
    """Somebody who works in this Zendesk account: the admin and agent of the credentials, and the world's agents."""

    name: str
    email: str
    role: str
    active: bool = True


class Csat(NamedTuple):
    """What is known about a ticket's satisfaction survey; instants are epoch seconds."""

    offered_at: int
    answered_at: int | None = None
    rating: int | None = None
    comment: str | None = None

    @property
    def category(self) -> str | None:
        """Three-way reading of the five-point scale; None while unanswered."""
        return None if self.rating is None else ("bad", "bad", "neutral", "good", "good")[self.rating - 1]

    @property
    def score(self) -> str:
        """The older two-way reading, in which 1 to 3 count as bad."""
        return "offered" if self.rating is None else "good" if self.rating >= 4 else "bad"


def epoch(instant: datetime | None) -> int:
    """Epoch second; 0 for never."""
    return 0 if instant is None else int(instant.timestamp())


def column(values: Iterable[int], count: int) -> Seconds:
    """Integers as an array, without a list in between."""
    return np.fromiter(values, dtype=np.int64, count=count)


class Life(NamedTuple):
    """Everything that ever happens to one ticket: epoch seconds, 0 for never; the rating is 0 for none."""

    created: int
    replied: int
    first_solved: int
    reopened: int
    solved: int
    deleted: int
    offered: int
    answered: int
    rating: int
    user: int

    @property
    def closed(self) -> int:
        """When the automation closes it for good."""
        return self.solved + CLOSE_AFTER if self.solved else 0


@dataclass(slots=True)
class Tickets:
    """The lives of all tickets as columns."""

    created: Seconds
    replied: Seconds
    first_solved: Seconds
    reopened: Seconds
    solved: Seconds
    deleted: Seconds
    offered: Seconds
    answered: Seconds
    rating: Seconds
    user: Seconds
    _views: list[memoryview] = field(default_factory=list)

    def life(self, index: int) -> Life:
        """One ticket's row; through views, which cost a third of what numpy's own scalars do."""
        if not self._views:
            self._views = [memoryview(getattr(self, name)) for name in Life._fields]
        return Life._make([view[index] for view in self._views])

    @classmethod
    def of(cls, tickets: Sequence[SupportTicket], user_of: dict[int, int]) -> "Tickets":
        """Take the columns out of the world's tickets."""
        n = len(tickets)
        created = column((epoch(t.created_at) for t in tickets), n)
        replied = column((epoch(t.first_reply_at) for t in tickets), n)
        reopened = column((epoch(t.reopened_at) for t in tickets), n)
        solved = column((epoch(t.solved_at) for t in tickets), n)
        answered = column((epoch(t.csat_at) for t in tickets), n)
        before_reopening = (np.where(replied > 0, replied, created) + reopened) // 2
        spread = np.arange(n, dtype=np.int64) * 7919
        waited = np.maximum(answered - spread % (2 * DAY), np.where(solved > 0, np.minimum(solved, answered), created))
        unanswered = np.where((solved > 0) & (spread % 5 < 3), solved + DAY, 0)
        return cls(
            created=created,
            replied=replied,
            first_solved=np.where(reopened > 0, before_reopening, solved),
            reopened=reopened,
            solved=solved,
            deleted=column((epoch(t.deleted_at) for t in tickets), n),
            offered=np.where(answered > 0, waited, unanswered),
            answered=answered,
            rating=column((t.csat_rating or 0 for t in tickets), n),
            user=column((user_of.get(t.person_id, 0) for t in tickets), n),
        )

    def append(self, **row: int) -> None:
        """Add a ticket; columns not named are "never"."""
        self._views = []
        for name in Life._fields:
            setattr(self, name, np.append(getattr(self, name), row.get(name, 0)))

    @property
    def closed(self) -> Seconds:
        """When the automation closes them for good."""
        return np.where(self.solved > 0, self.solved + CLOSE_AFTER, 0)

    def keys(self) -> Seconds:
        """Change-log keys of everything that happens to tickets; nothing happens after deletion."""
        index = np.arange(len(self.created))
        system = np.where((self.solved > 0) & (index % 29 == 0), self.closed + 30 * DAY + index % DAY, 0)
        changes = (
            self.created, self.replied, self.first_solved, self.reopened, self.solved, self.closed,
            self.offered, self.answered, system,
        )  # fmt: skip
        alive = [np.where((self.deleted == 0) | (when < self.deleted), when, 0) for when in changes]
        return np.concatenate([make_keys(when, index) for when in (*alive, self.deleted)])


@dataclass(slots=True)
class Edits:
    """What people changed by hand, per record index: rendered field -> value."""

    tickets: dict[int, dict[str, Any]] = field(default_factory=dict)
    users: dict[int, dict[str, Any]] = field(default_factory=dict)
    orgs: dict[int, dict[str, Any]] = field(default_factory=dict)
    csat: dict[int, Csat] = field(default_factory=dict)
    merged_users: dict[int, int] = field(default_factory=dict)
    merged_orgs: dict[int, int] = field(default_factory=dict)


class Desk:
    """All records of the account.

    Users are the staff, then the world's people who ever wrote to support, then a few records that were merged into
    another before the sandbox's time: inactive, without address. An organization exists for every company that has a
    user. Indexes into these lists are what change logs and edits speak of; ids are computed from them.

    Args:
        world: Where it all comes from.
        now: Epoch second at which the account is first seen.
        merged_share: One in so many users has such an old, merged twin; 0 for none.
        crm: Whose ids somebody typed into Zendesk.
    """

    def __init__(self, world: World, now: int, merged_share: int = 200, crm: str = "hubspot") -> None:
        self.world = world
        self.crm = crm
        self.now = now
        self.staff = [
            Staff("Holdfast Sandbox Admin", ZENDESK_EMAIL, "admin"),
            Staff("Holdfast Sandbox Agent", AGENT_EMAIL, "agent"),
            *(Staff(o.name, o.email, "agent", o.active) for o in world.owners if o.agent),
        ]
        self.agent_of = {o.id: i for i, o in enumerate((o for o in world.owners if o.agent), start=2)}
        self.users: list[Person | Staff] = [*self.staff, *(p for p in world.people if p.in_zendesk)]
        self.user_of = {u.id: i for i, u in enumerate(self.users) if isinstance(u, Person)}
        self.companies: list[Company] = list(world.companies)
        self.org_of = {c.id: i for i, c in enumerate(self.companies)}
        self.tickets: list[SupportTicket] = list(world.tickets)
        self.edits = Edits()
        self.columns = Tickets.of(self.tickets, self.user_of)
        self.twins = [
            i for i, u in enumerate(self.users) if merged_share and isinstance(u, Person) and i % merged_share == 7
        ]
        self._open_logs()
        self.names = self._unique_names()
        self.survey_order = self.sort_surveys()

    def _open_logs(self) -> None:
        keys = self._user_keys()
        self.user_created = np.full(len(self.users), np.iinfo(np.int64).max, dtype=np.int64)
        np.minimum.at(self.user_created, keys & MASK, keys >> SHIFT)
        self.user_log = ChangeLog(keys, len(self.users), self.now)
        self.org_log = ChangeLog(self._org_keys(), len(self.companies), self.now)
        self.ticket_log = ChangeLog(self.columns.keys(), len(self.tickets), self.now)

    def _user_keys(self) -> Seconds:
        """Staff were always there, people come with their first ticket; then the twins are added."""
        start, columns = epoch(self.world.start), self.columns
        asked = np.zeros(len(self.users), dtype=np.bool_)
        asked[columns.user] = True
        made = [start - DAY if isinstance(u, Staff) else epoch(u.created_at) for u in self.users]
        first = np.where(asked, 0, np.array(made, dtype=np.int64))
        first[: len(self.staff)] = start - DAY
        merged = np.array([start + i * 104_729 % max(self.now - start, 1) for i in self.twins], dtype=np.int64)
        begin = len(self.users)
        self.users += [self.users[i] for i in self.twins]
        for index in range(begin, len(self.users)):
            self.edits.users[index] = {"active": False, "email": None, "external_id": None, "tags": []}
        return np.concatenate(
            [
                make_keys(first, np.arange(begin)),
                make_keys(columns.created, columns.user),
                make_keys(merged, np.arange(begin, len(self.users))),
            ]
        )

    def _org_keys(self) -> Seconds:
        busy = {u.company_id for u in self.users if isinstance(u, Person)}
        start, span = epoch(self.world.start), max(epoch(self.world.horizon) - epoch(self.world.start), 1)
        created = [epoch(c.created_at) if c.id in busy else 0 for c in self.companies]
        index = np.arange(len(created), dtype=np.int64)
        made = np.array(created, dtype=np.int64)
        renamed = np.where(made > 0, np.maximum(made, start + index * 104_729 % span), 0)
        return np.concatenate([make_keys(made, index), make_keys(renamed, index)])

    def _unique_names(self) -> list[str]:
        """Zendesk refuses two organizations of one name, so people number them."""
        seen: dict[str, int] = {}
        names = []
        for company in self.companies:
            times = seen[company.name.casefold()] = seen.get(company.name.casefold(), 0) + 1
            names.append(company.name if times == 1 else f"{company.name} ({times})")
        return names

    def sort_surveys(self) -> Seconds:
        """Indexes of tickets with a survey, by the time it was offered."""
        order = np.argsort(self.columns.offered, kind="stable")
        return order[np.searchsorted(self.columns.offered[order], 1) :]

    def advance(self, now: int) -> None:
        """Let everything up to `now` happen."""
        self.now = max(self.now, now)
        for log in (self.user_log, self.org_log, self.ticket_log):
            log.advance(now)

    def find(self, kind: str, vendor_id: int) -> int | None:
        """Index of a record that exists now."""
        log = {"tickets": self.ticket_log, "users": self.user_log, "organizations": self.org_log}[kind]
        index = IDS[kind].index(vendor_id, len(log))
        return index if index is not None and log.stamp(index) else None

    def requester(self, ticket: int) -> int:
        """User index of a ticket's requester, after merges."""
        return self.winner(self.edits.merged_users, int(self.columns.user[ticket]))

    def organization(self, company_id: int) -> int | None:
        """Organization index of a company, after merges; None when it has none (any more)."""
        index = self.org_of.get(company_id)
        if index is None:
            return None
        index = self.winner(self.edits.merged_orgs, index)
        return index if self.org_log.stamp(index) else None

    @staticmethod
    def winner(merges: dict[int, int], index: int) -> int:
        """Follow merges to the end."""
        while index in merges:
            index = merges[index]
        return index

    def csat(self, ticket: int) -> Csat | None:
        """A ticket's survey as of now; None while none was offered."""
        if ticket in self.edits.csat:
            return self.edits.csat[ticket]
        life = self.columns.life(ticket)
        if not 0 < life.offered <= self.now:
            return None
        if not 0 < life.answered <= self.now:
            return Csat(life.offered)
        comment = COMMENTS[life.rating - 1] if ticket % 3 == 0 else None
        return Csat(life.offered, life.answered, life.rating, comment)


COMMENTS = (
    "I had to ask three times before anybody read my question.",
    "Took far too long.",
    "It works now. \N{THINKING FACE}",
    "Quick and friendly, thank you!",
    "Best support we have ever had.",
)


@dataclass(frozen=True, slots=True)
class Ids:
    """How indexes become vendor ids: an arithmetic sequence."""

    base: int
    step: int

    def of(self, index: int) -> int:
        """Vendor id of an index."""
        return self.base + self.step * index

    def index(self, vendor_id: int, count: int) -> int | None:
        """Index of a vendor id; None when no record carries it."""
        index, rest = divmod(vendor_id - self.base, self.step)
        return index if rest == 0 and 0 <= index < count else None

    def at_or_before(self, vendor_id: int) -> int | None:
        """Index of the last record whose id is not above; None when all are."""
        return None if vendor_id < self.base else (vendor_id - self.base) // self.step


IDS = {"users": Ids(4_398_000_000_003, 11), "organizations": Ids(360_000_000_005, 7), "tickets": Ids(100, 1)}


def user_id(index: int) -> int:
    """Zendesk id of a user index."""
    return IDS["users"].of(index)


def org_id(index: int) -> int:
    """Zendesk id of an organization index."""
    return IDS["organizations"].of(index)


def ticket_id(index: int) -> int:
    """Zendesk id of a ticket index."""
    return IDS["tickets"].of(index)
