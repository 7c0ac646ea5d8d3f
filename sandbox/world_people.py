"""People: the addresses, jobs, moves and duplicates that make it hard to say who is who."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

import numpy as np

from sandbox.model import Company, Person
from sandbox.world_companies import Customers
from sandbox.world_frame import DAY, Frame, Rng, at
from sandbox.world_health import NEVER, Ints
from sandbox.world_names import FIRST_NAMES, FREE_MAIL, LAST_NAMES, OWN_DOMAIN, SHARED_INBOXES, TITLES

Role = Literal["user", "team", "economic_buyer", "executive_sponsor"]


@dataclass(slots=True)
class Population:
    """Everybody, and what else of them the rest of the world is made from.

    Attributes:
        people: In the order of their ids, which start at 1 and have no gaps: the companies' people company by
            company, then staff, test users and the CRM's duplicates.
        first: Index in `people` of each company's first person.
        joined: Day number of each person's start, may lie before the world's start.
        left: Day number of leaving the company, `NEVER` for staying.
        visitors: Company index -> indexes of agency people who also work there.
    """

    people: list[Person]
    first: Ints
    joined: Ints
    left: Ints
    visitors: dict[int, list[int]] = field(default_factory=dict)


class Addresses:
    """Hands out addresses and never the same one twice, whatever the case."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, local: str, domain: str) -> str:
        """The address, with a number when somebody has it already."""
        address, number = f"{local}@{domain}", 2
        while address.lower() in self._taken:
            address, number = f"{local}{number}@{domain}", number + 1
        self._taken.add(address.lower())
        return address

    def free(self, address: str) -> bool:
        """Take exactly this address; False when somebody has it."""
        if address.lower() in self._taken:
            return False
        self._taken.add(address.lower())
        return True


def make_population(frame: Frame, customers: Customers) -> Population:
    """Everybody."""
    maker = _Maker(frame, customers)
    for index, company in enumerate(customers.companies):
        for position in range(int(customers.sizes[index])):
            maker.add(company, index, position)
    regular = len(maker.people)
    first = np.concatenate([[0], np.cumsum(customers.sizes)[:-1]])
    population = Population(maker.people, first, maker.joined, maker.left)
    _send_out_agencies(frame.rng("agencies"), customers, population)
    extra = _own_people(frame, maker.addresses, regular)
    extra += _duplicates(frame, maker.addresses, population.people, regular + len(extra))
    population.people += extra
    population.joined = np.concatenate([maker.joined, np.full(len(extra), -1, dtype=np.int64)])
    population.left = np.concatenate([maker.left, np.full(len(extra), NEVER)])
    return population


class _Maker:
    """Makes the companies' people, one after the other, from columns drawn at once."""

    def __init__(self, frame: Frame, customers: Customers) -> None:
        rng = frame.rng("people")
        count = int(customers.sizes.sum())
        self.epoch = frame.epoch
        self.companies = customers.companies
        self.addresses = Addresses()
        self.people: list[Person] = []
        company = np.repeat(np.arange(frame.accounts), customers.sizes)
        self.joined = _joined(rng, frame, customers, company)
        self.left = _left(rng, frame, customers, company, self.joined)
        self.names = [
            (int(a), int(b))
            for a, b in zip(
                rng.integers(len(FIRST_NAMES), size=count), rng.integers(len(LAST_NAMES), size=count), strict=True
            )
        ]
        self.dice: list[list[float]] = rng.random((count, 8)).tolist()
        self.dice2: list[list[float]] = rng.random((count, 6)).tolist()
        self.second = rng.integers(0, DAY, count).tolist()
        self.pick: list[list[int]] = rng.integers(0, 1 << 30, (count, 3)).tolist()
        self.secret = rng.permutation(count).tolist()
        self.join_day: list[int] = self.joined.tolist()
        self.leave_day: list[int] = self.left.tolist()

    def add(self, company: Company, index: int, position: int) -> None:
        """The company's next person."""
        n = len(self.people)
        if company.domains and position % 12 == 5 and self.dice[n][0] < 0.6:
            inbox = self._inbox(n, company)
            if inbox is not None:
                self.people.append(inbox)
                return
        self.people.append(self._person(n, company, index, position))

    def _stamps(self, n: int) -> tuple[datetime, datetime | None]:
        base = self.epoch + self.second[n]
        left = self.leave_day[n]
        return at(base + self.join_day[n] * DAY), None if left == NEVER else at(base + left * DAY)

    def _inbox(self, n: int, company: Company) -> Person | None:
        name, local = SHARED_INBOXES[self.pick[n][0] % len(SHARED_INBOXES)]
        email = f"{local}@{company.domains[0]}"
        if not self.addresses.free(email):
            return None
        self.left[n] = NEVER
        self.leave_day[n] = NEVER
        return Person(
            id=n + 1,
            company_id=company.id,
            other_company_ids=(),
            name=f"{company.name[:40]} {name}",
            email=email,
            other_emails=(),
            zendesk_email=None,
            title="",
            role="user",
            product_user_id=None,
            crm_has_product_id=False,
            zendesk_has_product_id=False,
            in_crm=self.dice[n][1] < 0.2,
            in_zendesk=True,
            kind="shared_inbox",
            duplicate_of=None,
            created_at=self._stamps(n)[0],
            left_at=None,
        )

    def _person(self, n: int, company: Company, index: int, position: int) -> Person:
        dice, pick = self.dice2[n], self.pick[n]
        first, last = FIRST_NAMES[self.names[n][0]], LAST_NAMES[self.names[n][1]]
        role = _role(position, dice[0])
        email, others, zendesk = self._mail(n, company, index, f"{first[1]}.{last[1]}")
        uses = position == 0 or dice[1] < 0.74
        created, left = self._stamps(n)
        titles = TITLES[role]
        return Person(
            id=n + 1,
            company_id=company.id,
            other_company_ids=(),
            name=f"{first[0]} {last[0]}",
            email=email,
            other_emails=others,
            zendesk_email=zendesk,
            title=titles[pick[1] % len(titles)],
            role=role,
            product_user_id=self._user_id(n) if uses else None,
            crm_has_product_id=uses and (dice[2] < 0.62 or (email is None and dice[2] < 0.9)),
            zendesk_has_product_id=uses and dice[3] < 0.66,
            in_crm=position < 2 or dice[4] < 0.93,
            in_zendesk=dice[5] < 0.08,
            kind="person",
            duplicate_of=None,
            created_at=created,
            left_at=left,
        )

    def _user_id(self, n: int) -> str:
        # Some ids are nothing but digits: analytics then hands them out as JSON numbers.
        number = self.secret[n]
        return str(40_000_000 + number) if number % 29 == 0 else f"usr_{number * 7 + 1_000_003:x}"

    def _mail(self, n: int, company: Company, index: int, local: str) -> tuple[str | None, tuple[str, ...], str | None]:
        """CRM address, further addresses, Zendesk address where it differs."""
        dice, pick = self.dice[n], self.pick[n]
        domains = company.domains
        if dice[1] < 0.15:
            local = local[0] + local.partition(".")[2]
        if not domains or dice[2] < 0.025:
            return self.addresses.take(f"{local}.hf{n + 1}", FREE_MAIL[pick[0] % len(FREE_MAIL)]), (), None
        domain = domains[-1] if dice[3] < 0.1 else domains[0]
        email = self.addresses.take(local, domain)
        shown = email.title() if dice[4] < 0.04 else email
        odd = dice[5]
        if odd < 0.006:
            return None, (), email
        if odd < 0.016:
            return shown, (), email.replace("@", "+support@", 1)
        if odd < 0.028:
            free = self.addresses.take(f"{local}.hf{n + 1}", FREE_MAIL[pick[0] % len(FREE_MAIL)])
            return shown, (free,), free if dice[6] < 0.5 else None
        if odd < 0.036 and index > 0:
            return self._moved(n, index, local, shown)
        return shown, (), _ascii_domain(email) if not domain.isascii() else None

    def _moved(self, n: int, index: int, local: str, email: str) -> tuple[str, tuple[str, ...], str | None]:
        """Somebody who came from another customer: helpdesk and CRM may still know the old address."""
        old = self.companies[self.pick[n][2] % index].domains
        if not old:
            return email, (), None
        address = self.addresses.take(local, old[0])
        return email, (address,) if self.dice[n][6] < 0.7 else (), address if self.dice[n][7] < 0.5 else None


def _ascii_domain(email: str) -> str:
    local, _, domain = email.partition("@")
    return f"{local}@{domain.encode('idna').decode()}"


def _role(position: int, dice: float) -> Role:
    if position == 0:
        return "economic_buyer"
    if position == 1 and dice < 0.7:
        return "executive_sponsor"
    return "team" if dice < 0.25 else "user"


def _joined(rng: Rng, frame: Frame, customers: Customers, company: Ints) -> Ints:
    """Half come with the contract, the others over the years; one in fifty is still to come after now."""
    since = customers.since[company]
    end = np.minimum(frame.now_index, customers.churn[company])
    early = since + rng.integers(0, 40, len(company))
    later = since + (rng.random(len(company)) * np.maximum(end - since, 1)).astype(np.int64)
    day = np.where(rng.random(len(company)) < 0.5, early, later)
    future = (rng.random(len(company)) < 0.02) & (customers.churn[company] > frame.days)
    first = np.concatenate([[0], np.cumsum(customers.sizes)[:-1]])
    future[first] = False
    coming = rng.integers(frame.now_index, frame.days, len(company))
    return np.asarray(np.where(future, coming, np.minimum(day, np.maximum(end - 1, since))))


def _left(rng: Rng, frame: Frame, customers: Customers, company: Ints, joined: Ints) -> Ints:
    """One in thirteen leaves their employer every year."""
    day = joined + rng.exponential(12.5 * 365, len(joined)).astype(np.int64) + 30
    gone = (day >= 0) & (day < np.minimum(frame.days, customers.churn[company]))
    gone[np.concatenate([[0], np.cumsum(customers.sizes)[:-1]])] = False
    return np.asarray(np.where(gone, day, NEVER))


def _send_out_agencies(rng: Rng, customers: Customers, population: Population) -> None:
    """Let a third of every agency's users also work in the tenants of one to four customers."""
    hosts = np.flatnonzero(customers.churn == NEVER)
    for index, company in enumerate(customers.companies):
        if not company.agency:
            continue
        start = int(population.first[index])
        for n in range(start, start + int(customers.sizes[index])):
            person = population.people[n]
            if person.product_user_id is None or (rng.random() > 0.4 and n > start):
                continue
            chosen = [int(host) for host in rng.choice(hosts, min(len(hosts), int(rng.integers(1, 5))), replace=False)]
            chosen = [host for host in chosen if host != index]
            population.people[n] = replace(person, other_company_ids=tuple(host + 1 for host in chosen))
            for host in chosen:
                population.visitors.setdefault(host, []).append(n)


def _own_people(frame: Frame, addresses: Addresses, start: int) -> list[Person]:
    """Staff who look around in customers' tenants, and test users."""
    rng = frame.rng("own people")
    staff, tests = max(3, frame.accounts // 100), max(2, frame.accounts // 80)
    own: list[Person] = []
    for number in range(staff + tests):
        is_staff = number < staff
        hosts = [int(host) + 1 for host in rng.integers(0, frame.accounts, 4 if is_staff else 1)]
        first, last = FIRST_NAMES[rng.integers(len(FIRST_NAMES))], LAST_NAMES[rng.integers(len(LAST_NAMES))]
        local = f"{first[1]}.{last[1]}" if is_staff else f"test+{number}"
        own.append(
            Person(
                id=start + number + 1,
                company_id=hosts[0],
                other_company_ids=tuple(sorted(set(hosts[1:]) - {hosts[0]})),
                name=f"{first[0]} {last[0]}" if is_staff else f"Test User {number}",
                email=addresses.take(local, OWN_DOMAIN),
                other_emails=(),
                zendesk_email=None,
                title="Customer Success" if is_staff else "",
                role="user",
                product_user_id=f"{'staff' if is_staff else 'test'}_{number:04d}",
                crm_has_product_id=False,
                zendesk_has_product_id=False,
                in_crm=False,
                in_zendesk=False,
                kind="staff" if is_staff else "test",
                duplicate_of=None,
                created_at=at(frame.epoch - DAY + number),
                left_at=None,
            )
        )
    return own


def _duplicates(frame: Frame, addresses: Addresses, people: list[Person], start: int) -> list[Person]:
    """Second CRM records of the same person, under another address or none."""
    rng = frame.rng("duplicates")
    known = [n for n, person in enumerate(people) if person.in_crm and person.kind == "person" and person.email]
    chosen = sorted(rng.choice(len(known), size=len(known) // 65, replace=False).tolist())
    copies: list[Person] = []
    for index in chosen:
        n = known[index]
        person = people[n]
        local, _, domain = (person.email or "").partition("@")
        dice = rng.random(3)
        local = f"{local.lower()}.hf{n + 1}"
        email = addresses.take(local, domain.lower()) if dice[0] < 0.4 else addresses.take(local, FREE_MAIL[n % 8])
        if dice[1] < 0.3 and person.zendesk_email is None:
            people[n] = replace(person, zendesk_email=email)
        copies.append(
            replace(
                person,
                id=start + len(copies) + 1,
                other_company_ids=(),
                name=person.name.upper() if dice[2] < 0.3 else person.name,
                email=email if dice[0] < 0.85 else None,
                other_emails=(),
                zendesk_email=None,
                product_user_id=None,
                crm_has_product_id=False,
                zendesk_has_product_id=False,
                in_zendesk=False,
                duplicate_of=person.id,
                created_at=person.created_at + timedelta(minutes=int(rng.integers(1, 30_000))),
            )
        )
    return copies
