"""Tickets with their whole life, answers to CSAT and NPS questions, and sales."""

from dataclasses import replace
from datetime import timedelta
from typing import Literal, get_args

import numpy as np

from sandbox.model import NpsAnswer, Owner, SalesDeal, SupportTicket
from sandbox.world_companies import Customers
from sandbox.world_frame import DAY, Frame, Rng, at
from sandbox.world_health import Bools, Floats, Ints
from sandbox.world_people import Population

Channel = Literal["email", "web", "chat", "api"]
Priority = Literal["low", "normal", "high", "urgent"]
Csat = Literal["good", "neutral", "bad"]

_CHANNELS: tuple[Channel, ...] = get_args(Channel)
_PRIORITIES: tuple[Priority | None, ...] = (None, *get_args(Priority))
_CSAT: tuple[Csat, ...] = get_args(Csat)
_A_DAY = 1.9 / 30.4
_STREAK = 21
"""Days of trouble before a sudden shock."""
_WEEKDAY = np.array([1.25, 1.25, 1.2, 1.15, 1.05, 0.3, 0.3], dtype=np.float32)


def make_tickets(
    frame: Frame, customers: Customers, population: Population, owners: list[Owner]
) -> list[SupportTicket]:
    """All tickets up to the horizon, by time of creation."""
    company, day = _when(frame, customers)
    rng = frame.rng("tickets")
    second = rng.integers(6 * 3600, 20 * 3600, len(company))
    order = np.argsort(day * DAY + second, kind="stable")
    company, day, second = company[order], day[order], second[order]
    health = customers.health.daily[company, day]
    ahead = customers.health.shock[company] - day
    streak = (ahead >= 0) & (ahead < _STREAK)
    requester = _requesters(rng, population, customers, company, day)
    agents = [owner.id for owner in owners if owner.agent]
    life = _Life(rng, frame.epoch + day * DAY + second, health, streak)
    columns = (
        (company + 1).tolist(),
        (requester + 1).tolist(),
        np.asarray(agents)[rng.integers(len(agents), size=len(company))].tolist(),
        rng.choice(len(_CHANNELS), size=len(company), p=(0.6, 0.25, 0.12, 0.03)).tolist(),
        np.searchsorted((0.3, 0.42, 0.76, 0.94), np.clip(rng.random(len(company)) + 0.15 * streak, 0, 0.999)).tolist(),
        life.rows(),
    )
    return [_ticket(number, *row) for number, row in enumerate(zip(*columns, strict=True), 1)]


def _ticket(
    number: int, company: int, person: int, agent: int, channel: int, priority: int, life: list[int]
) -> SupportTicket:
    created, reply, solved, reopened, deleted, rating, answered = life
    return SupportTicket(
        id=number,
        company_id=company,
        person_id=person,
        agent_id=agent,
        channel=_CHANNELS[channel],
        priority=_PRIORITIES[priority],
        created_at=at(created),
        first_reply_at=None if reply < 0 else at(reply),
        solved_at=None if solved < 0 else at(solved),
        reopened_at=None if reopened < 0 else at(reopened),
        deleted_at=None if deleted < 0 else at(deleted),
        csat=None if rating == 0 else _CSAT[0 if rating > 3 else 1 if rating == 3 else 2],
        csat_rating=rating or None,
        csat_at=at(answered) if rating else None,
    )


def _when(frame: Frame, customers: Customers) -> tuple[Ints, Ints]:
    """Company index and day number of every ticket, some companies at a time to spare memory."""
    day = np.arange(frame.days)
    weekday = _WEEKDAY[(frame.start.weekday() + day) % 7] * season(frame)
    mean = customers.sizes.mean()
    found = []
    for start in range(0, frame.accounts, 1000):
        part = slice(start, start + 1000)
        health = customers.health.daily[part]
        size = np.sqrt(customers.sizes[part] / mean).astype(np.float32)[:, None]
        rate = _A_DAY * size * weekday * (0.55 + 1.7 * (1 - health))
        ahead = customers.health.shock[part, None] - day
        rate += np.where((ahead >= 0) & (ahead < _STREAK), 0.30, 0.0)
        counts = frame.rng("ticket days", start).poisson(np.where(health > 0, rate, 0.0))
        company, when = np.nonzero(counts)
        found.append(np.repeat(np.stack([company + start, when]), counts[company, when], axis=1))
    both = np.concatenate(found, axis=1)
    return both[0], both[1]


def season(frame: Frame) -> Floats:
    """How busy each day's season is: quiet at year end and in August."""
    factor = np.ones(frame.days, dtype=np.float32)
    for index in range(frame.days):
        day = frame.day(index)
        if (day.month, day.day) >= (12, 22) or (day.month, day.day) <= (1, 3):
            factor[index] = 0.35
        elif day.month == 8:
            factor[index] = 0.75
    return factor


def _requesters(rng: Rng, population: Population, customers: Customers, company: Ints, day: Ints) -> Ints:
    """Index of who asked: anybody there at the time, shared inboxes and visiting agencies more often."""
    first, size = population.first[company], customers.sizes[company]
    chosen = first + (rng.random(len(company)) * size).astype(np.int64)
    gone = (population.left[chosen] <= day) | (population.joined[chosen] > day)
    chosen = np.where(gone, first, chosen)
    inboxes = {p.company_id - 1: p.id - 1 for p in population.people if p.kind == "shared_inbox"}
    inbox = np.full(len(customers.sizes), -1)
    inbox[list(inboxes)] = list(inboxes.values())
    use_inbox = (rng.random(len(company)) < 0.15) & (inbox[company] >= 0)
    chosen = np.where(use_inbox, inbox[company], chosen)
    visits = rng.random(len(company)) < 0.3
    for host, agents in population.visitors.items():
        here = np.flatnonzero((company == host) & visits)
        chosen[here] = np.asarray(agents)[here % len(agents)]
    return np.asarray(chosen)


class _Life:
    """Epoch seconds of everything that happens to the tickets; negative for what does not."""

    def __init__(self, rng: Rng, created: Ints, health: Floats, streak: Bools) -> None:
        count = len(created)
        slow = np.where(streak, 3.0, 1.0)
        self.created = created
        reply = created + (rng.lognormal(9.3, 1.1, count) * slow).astype(np.int64) + 60
        solved = reply + (rng.lognormal(11.1, 1.0, count) * slow).astype(np.int64) + 120
        spam = rng.random(count) < 0.012
        never = spam | (rng.random(count) < 0.03)
        self.reply = np.where(never, -1, reply)
        self.solved = np.where(never | (rng.random(count) < 0.02), -1, solved)
        again = (rng.random(count) < np.where(streak, 0.28, 0.06)) & (self.solved > 0)
        self.reopened = np.where(again, reply + (solved - reply) * 2 // 3, -1)
        self.deleted = np.where(spam, created + rng.integers(600, 2 * DAY, count), -1)
        self.rating = self._ratings(rng, health, streak)
        self.answered = self.solved + (rng.lognormal(10.8, 0.9, count)).astype(np.int64) + 300

    def _ratings(self, rng: Rng, health: Floats, streak: Bools) -> Ints:
        """1-5, 0 for not answered: about one solved ticket in three is rated."""
        count = len(health)
        bad = np.where(streak, 0.75, np.clip(0.04 + 0.95 * (0.66 - health), 0.03, 0.9))
        dice = rng.random(count)
        better, worse = 4 + (rng.random(count) < 0.65), 1 + (rng.random(count) < 0.45)
        rating = np.where(dice < bad, worse, np.where(dice < bad + 0.07, 3, better))
        return np.asarray(np.where((rng.random(count) < 0.33) & (self.solved > 0), rating, 0))

    def rows(self) -> list[list[int]]:
        """created, first reply, solved, reopened, deleted, rating, answered of each ticket."""
        columns = (self.created, self.reply, self.solved, self.reopened, self.deleted, self.rating, self.answered)
        rows: list[list[int]] = np.stack(columns, axis=1).tolist()
        return rows


def mark_requesters(population: Population, tickets: list[SupportTicket]) -> None:
    """Everybody who ever asked for help is known to the helpdesk."""
    for number in {ticket.person_id for ticket in tickets}:
        person = population.people[number - 1]
        if not person.in_zendesk:
            population.people[number - 1] = replace(person, in_zendesk=True)


def make_nps(frame: Frame, customers: Customers, population: Population) -> list[NpsAnswer]:
    """About two answers per company and quarter, by time."""
    rng = frame.rng("nps")
    quarters = np.arange(rng.integers(0, 30), frame.days, 91)
    counts = rng.poisson(0.9 * np.sqrt(customers.sizes / customers.sizes.mean()), (len(quarters), frame.accounts))
    quarter, company = np.nonzero(counts)
    repeats = counts[quarter, company]
    quarter, company = np.repeat(quarter, repeats), np.repeat(company, repeats)
    day = np.minimum(quarters[quarter] + rng.integers(0, 14, len(company)), frame.days - 1)
    health = customers.health.daily[company, day]
    score = np.clip(np.round(1.2 + 10.2 * health + rng.normal(0, 1.7, len(company))), 0, 10).astype(int)
    person = _requesters(rng, population, customers, company, day)
    stamp = frame.epoch + day * DAY + rng.integers(0, DAY, len(company))
    order = np.argsort(stamp, kind="stable")
    answers: list[NpsAnswer] = []
    for n in order[health[order] > 0].tolist():
        who = population.people[person[n]]
        if not who.in_crm or who.kind != "person":
            who = population.people[population.first[company[n]]]
        answers.append(NpsAnswer(len(answers) + 1, int(company[n]) + 1, who.id, int(score[n]), at(int(stamp[n]))))
    return answers


def make_deals(frame: Frame, customers: Customers) -> list[SalesDeal]:
    """Each company's first sale and, under yearly contracts, its renewals, by time of creation."""
    rng = frame.rng("deals")
    deals: list[SalesDeal] = []
    for index, company in enumerate(customers.companies):
        since, churn, term = int(customers.since[index]), int(customers.churn[index]), int(customers.term[index])
        amount = company.mrr * 12
        deals.append(_deal(frame, index, company.name, amount, company.currency, since, rng, won=True, renewal=False))
        if term != 365 or not amount:
            continue
        due = since + term
        while due < frame.days + 60:
            won = churn > due
            end = due if won else min(due, churn)
            deals.append(_deal(frame, index, company.name, amount, company.currency, end, rng, won=won, renewal=True))
            if not won:
                break
            due += term
    deals.sort(key=lambda deal: (deal.created_at, deal.company_id))
    return [replace(deal, id=number) for number, deal in enumerate(deals, 1)]


def _deal(  # noqa: PLR0913 - one row
    frame: Frame, index: int, name: str, amount: int, currency: str, due: int, rng: Rng, *, won: bool, renewal: bool
) -> SalesDeal:
    lead, slip, second = int(rng.integers(20, 95)), int(rng.integers(-14, 4)), int(rng.integers(9 * 3600, 17 * 3600))
    closed = min(due, due + slip) if renewal else due
    return SalesDeal(
        id=0,
        company_id=index + 1,
        name=f"{name} - {'renewal ' + str(frame.day(due).year) if renewal else 'new business'}",
        renewal=renewal,
        amount=amount,
        currency=currency,
        created_at=at(frame.epoch + (due - lead - 15) * DAY) + timedelta(seconds=second),
        close_date=frame.day(due),
        closed_at=at(frame.epoch + closed * DAY + second) if closed < frame.days else None,
        won=won,
    )
