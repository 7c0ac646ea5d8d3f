"""The sandbox's world as the common tables, as of any instant: what a CRM, a helpdesk and analytics show by then.

Who is who is taken as solved, so that nothing but scoring is measured. Everything else is as the vendors would show it:
tickets with the state they have by then, deals open or closed, the term that runs, and only events that had arrived.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from sandbox.model import Company, SupportTicket
from sandbox.world import EVENT_NAMES, SeededWorld
from scoring.inputs import Inputs

KINDS = ("account", "contact", "deal", "survey_response", "ticket", "usage")
LATE_DAYS = 6
"""Within so many days every event has arrived."""
HISTORY_DAYS = 92
"""No instant lies nearer to the world's first day: windows would be short."""
SATISFIED = {"good": 1, "bad": 0}

_TABLES = {
    "company": "account, crm_id, name, owner_id, parent, plan, mrr, currency, since, term, churn, created_at",
    "person": "contact, account, title, created_at",
    "ticket_life": "account, contact, priority, channel, created, replied, first_solved, reopened, solved, deleted",
    "answer": "account, contact, survey, score, scale_min, scale_max, satisfied, responded_at",
    "sale": "account, renewal, won, closed, amount, currency, close_date, created_at",
    "usage_person": "person, contact, account",
    "usage_group": "grp, account",
}
_AS_OF = {
    "account": """
SELECT account, crm_id, name, owner_id, parent, plan, mrr, currency, since AS customer_since,
  since + term * max(1, ({day} - since + term - 1) / term) AS renewal_date, created_at,
  CASE WHEN churn <= {day} THEN 'other' ELSE 'customer' END AS lifecycle FROM company WHERE created_at <= {at}""",
    "contact": """
SELECT contact, 'C' || contact AS crm_id, account, title, NULL AS last_login_at, created_at, NULL AS email_opt_out,
  NULL AS do_not_call FROM person
WHERE created_at <= {at}""",
    "ticket": """
SELECT account, contact, CASE WHEN solved <= {at} - 345600 THEN 'closed' WHEN solved <= {at} THEN 'solved'
  WHEN reopened <= {at} THEN 'open' WHEN first_solved <= {at} THEN 'solved' WHEN replied <= {at} THEN 'pending'
  ELSE 'new' END AS status, priority, created AS created_at,
  CASE WHEN solved <= {at} THEN solved WHEN reopened <= {at} THEN NULL WHEN first_solved <= {at} THEN first_solved END
  AS solved_at, CASE WHEN replied <= {at} THEN (replied - created) / 60 END AS first_reply_minutes,
  coalesce(reopened <= {at}, 0) AS reopens, coalesce(replied <= {at}, 0) + coalesce(reopened <= {at}, 0) AS replies,
  channel FROM ticket_life WHERE created <= {at} AND coalesce(deleted > {at}, 1)""",
    "survey": "SELECT * FROM answer WHERE responded_at <= {at}",
    "deal": """
SELECT account, coalesce(closed <= {at}, 0) AS closed, CASE WHEN closed <= {at} THEN won END AS won, NULL AS stage,
  renewal, amount, currency, close_date, created_at FROM sale WHERE created_at <= {at}""",
    "usage_person": "SELECT * FROM usage_person",
    "usage_group": "SELECT * FROM usage_group",
    "feed": " UNION ALL ".join(
        f"SELECT '{kind}' AS record, 'made' AS source, {{at}} AS as_of, NULL AS held, 0 AS since" for kind in KINDS
    ),
}


@dataclass(frozen=True)
class History:
    """A world on disk.

    Attributes:
        world: What it is made from.
        folder: State file, usage files, and those of events that came late.
        instants: From the earliest on; the last is the world's now. Each is two hours after midnight.
    """

    world: SeededWorld
    folder: Path
    instants: tuple[datetime, ...]

    def inputs(self, as_of: datetime) -> Inputs:
        """What the engine reads to score as of one of the instants."""
        words = {"at": int(as_of.timestamp()), "day": int(as_of.timestamp()) // 86400}
        tables = {name: select.format_map(words) for name, select in _AS_OF.items()}
        late = sorted((self.folder / "late" / as_of.date().isoformat()).glob("*.parquet"))
        return Inputs(
            self.folder / "state.db", tables, sorted(self.folder.glob("usage/*.parquet")), as_of, later=tuple(late)
        )

    def customers(self, as_of: datetime) -> list[Company]:
        """Who is a customer at an instant."""
        day = as_of.date()
        companies = (c for c in self.world.companies if c.customer_since <= day)
        return [c for c in companies if c.churn_date is None or c.churn_date > day]


def write(world: SeededWorld, folder: Path, every_days: int = 30) -> History:
    """Write a world's past for scoring at regular instants."""
    count = (world.now - world.start).days - HISTORY_DAYS
    agos = range(count - count % every_days, -1, -every_days)
    instants = tuple(world.now + timedelta(hours=2) - timedelta(days=ago) for ago in agos)
    folder.mkdir(parents=True)
    _state(world, folder / "state.db")
    _usage(world, folder, instants)
    return History(world, folder, instants)


def _state(world: SeededWorld, path: Path) -> None:
    db = sqlite3.connect(path)
    for name, columns in _TABLES.items():
        db.execute(f"CREATE TABLE {name} ({columns})")
    shown = {person.id for person in world.people if person.in_crm and person.duplicate_of is None}
    for name, row in _rows(world, shown):
        db.execute(f"INSERT INTO {name} VALUES ({', '.join('?' * len(row))})", row)
    db.commit()
    db.close()


def _rows(world: SeededWorld, shown: set[int]) -> Iterator[tuple[str, tuple[Any, ...]]]:
    for c in world.companies:
        since = _day(c.customer_since)
        yield (
            "company",
            (
                c.id, f"A{c.id}", c.name, f"O{c.owner_id}", c.parent_id, c.plan, c.mrr, c.currency, since, _term(c),
                None if c.churn_date is None else _day(c.churn_date), _second(c.created_at),
            ),
        )  # fmt: skip
        yield "usage_group", (c.id, c.id)
    for p in world.people:
        if p.id in shown:
            yield "person", (p.id, p.company_id, p.title, _second(p.created_at))
        if p.product_user_id is not None and p.kind == "person":
            yield "usage_person", (p.id, p.id if p.id in shown else None, p.company_id)
    for t in world.tickets:
        who = t.person_id if t.person_id in shown else None
        yield "ticket_life", (t.company_id, who, t.priority, t.channel, *_life(t))
        if t.csat_at is not None and t.csat is not None:
            answered = _second(t.csat_at)
            yield "answer", (t.company_id, who, "csat", t.csat_rating, 1, 5, SATISFIED.get(t.csat), answered)
    for a in world.nps:
        who = a.person_id if a.person_id in shown else None
        satisfied = 1 if a.score >= 9 else 0 if a.score <= 6 else None
        yield "answer", (a.company_id, who, "nps", a.score, 0, 10, satisfied, _second(a.at))
    for d in world.deals:
        closed = _second(d.closed_at)
        money = (d.amount, d.currency, _day(d.close_date), _second(d.created_at))
        yield "sale", (d.company_id, int(d.renewal), int(d.won), closed, *money)


def _life(ticket: SupportTicket) -> tuple[int | None, ...]:
    """Created, replied, first solved (half way to the reopening, as the helpdesk has it), reopened, solved, deleted."""
    moments = (ticket.created_at, ticket.first_reply_at, ticket.reopened_at, ticket.solved_at, ticket.deleted_at)
    created, replied, reopened, solved, deleted = map(_second, moments)
    first = solved if reopened is None else ((replied or created or 0) + reopened) // 2
    return created, replied, first, reopened, solved, deleted


def _term(company: Company) -> int:
    """Days that a term runs. The world's own renewal date knows who will leave: it stops with them."""
    return 365 if (company.renewal_date - company.customer_since).days % 365 == 0 else 30


def _usage(world: SeededWorld, folder: Path, instants: tuple[datetime, ...]) -> None:
    import duckdb

    (folder / "usage").mkdir()
    ours = np.zeros(len(world.people) + 1, dtype=bool)
    ours[[p.id for p in world.people if p.kind == "person"]] = True
    with duckdb.connect(config={"threads": 1}) as con:
        for ago in range((world.now - world.start).days, -1, -1):
            day = world.now.date() - timedelta(days=ago)
            events = world.event_arrays(day)
            known = ours[events.person] & ~events.anonymous  # staff is left out, devices are nobody in particular
            keys = (
                (events.person.astype(np.int64) << 32)
                + (events.company.astype(np.int64) << 8)
                + events.name.astype(np.int64)
            )
            _file(con, day, keys[known], folder / "usage")
            for at in instants:
                if timedelta() <= at.date() - day <= timedelta(days=LATE_DAYS):
                    late = known & (events.arrived_ms > int(at.timestamp()) * 1000)
                    _file(con, day, keys[late], folder / "late" / at.date().isoformat())


def _file(con: Any, day: date, keys: "np.ndarray[Any, np.dtype[np.int64]]", folder: Path) -> None:
    """One day's counts by person, account and event name."""
    if not len(keys):
        return
    folder.mkdir(parents=True, exist_ok=True)
    distinct, counts = np.unique(keys, return_counts=True)
    counted = {"person": distinct >> 32, "grp": distinct >> 8 & 0xFFFFFF, "event": distinct & 0xFF, "count": counts}
    con.register("counted", counted)
    names = ", ".join(f"'{name}'" for name in EVENT_NAMES)
    con.execute(
        f"COPY (SELECT DATE '{day}' AS day, person, grp, list_value({names})[1 + event] AS event, count FROM counted "
        f"ORDER BY person, grp, event) TO '{folder / f'{day}.1.parquet'}' (FORMAT parquet)"
    )


def _second(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())


def _day(day: date) -> int:
    return int(datetime.combine(day, time(), UTC).timestamp()) // 86400
