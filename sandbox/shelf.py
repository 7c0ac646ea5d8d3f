"""What the company keeps outside any vendor: a file of answers, a database of calls, and bookings that a tap reads.

Everything lies in one folder, as of one instant, and comes from the same world as the vendors' records.
"""

import csv
import json
import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from sandbox.model import Company, Person, Touch, World

ANSWERS = "drop/answers.csv"
WAREHOUSE = "warehouse.db"
BOOKINGS = "bookings.json"
ASKED = 0.3
"""Share of the customers at whose site somebody answered on paper within the last months."""


def stock(world: World, now: datetime, folder: Path) -> None:
    """Write the file of answers, the database and the bookings, as they are at `now`, into a folder."""
    (folder / ANSWERS).parent.mkdir(parents=True, exist_ok=True)
    _write_answers(world, now, folder / ANSWERS)
    an_hour_ago = now.timestamp() - 3600
    os.utime(folder / ANSWERS, (an_hour_ago, an_hour_ago))
    _write_warehouse(world, now, folder / WAREHOUSE)
    _write_bookings(world, now, folder / BOOKINGS)


def truth(world: World) -> dict[str, dict[str, dict[str, int]]]:
    """Ids in the database and in the bookings -> world ids, by kind of record, as vendors' `truth` tells theirs."""
    guests = {f"g{person.id}": person.duplicate_of or person.id for person in world.people}
    return {
        WAREHOUSE: {"account": {_customer_id(one.id): one.id for one in world.companies}},
        BOOKINGS: {"contact": guests},
    }


def _write_answers(world: World, now: datetime, path: Path) -> None:
    """How satisfied people were with a visit, 1 to 5, by their e-mail address."""
    draws = Random(f"{world.seed} answers on paper")
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(("response_id", "email", "score", "answered_at"))
        for company in world.companies:
            asked, shift, days = draws.random() < ASKED, draws.random() - 0.5, draws.uniform(1, 120)
            at = now - timedelta(days=days)
            person = next((p for p in _people(world, company) if p.created_at <= at), None)
            if not asked or person is None or not _customer(company, at):
                continue
            score = min(5, max(1, round(1 + 4 * world.health(company.id, at.date()) + shift)))
            lines.writerow((f"visit-{company.id}", person.email, score, at.strftime("%Y-%m-%dT%H:%M:%SZ")))


def _write_warehouse(world: World, now: datetime, path: Path) -> None:
    """Calls as the telephone system logged them, and which customer has which id in the product."""
    path.unlink(missing_ok=True)
    calls = [touch for touch in _until(world, now) if touch.kind == "call" and touch.done]
    with closing(sqlite3.connect(path)) as base, base:
        base.execute(
            "CREATE TABLE customers (id TEXT PRIMARY KEY, name TEXT, product_id TEXT, website TEXT, changed_at TEXT)"
        )
        base.execute("CREATE TABLE calls (id INTEGER PRIMARY KEY, customer_id TEXT, inbound INTEGER, called_at TEXT)")
        base.executemany(
            "INSERT INTO customers VALUES (?, ?, ?, ?, ?)",
            [
                (_customer_id(one.id), one.name, one.product_id, next(iter(one.domains), None), _text(one.created_at))
                for one in world.companies
            ],
        )
        base.executemany(
            "INSERT INTO calls VALUES (?, ?, ?, ?)",
            [(call.id, _customer_id(call.company_id), call.inbound, _text(call.at)) for call in calls],
        )


def _write_bookings(world: World, now: datetime, path: Path) -> None:
    """Meetings that took place, and who came: what `sandbox.tap` reads."""
    meetings = [touch for touch in _until(world, now) if touch.kind == "meeting" and touch.done]
    guests = {touch.person_id for touch in meetings}
    found = {
        "guests": [
            {"id": f"g{person.id}", "email": person.email, "updated_at": _text(person.created_at)}
            for person in world.people
            if person.id in guests
        ],
        "meetings": [
            {"id": f"m{touch.id}", "guest_id": f"g{touch.person_id}", "held_at": _text(touch.at)} for touch in meetings
        ],
    }
    path.write_text(json.dumps(found), encoding="utf-8")


def _people(world: World, company: Company) -> list[Person]:
    """Those at a customer whom a visitor would ask."""
    home = [person for person in world.people if person.company_id == company.id and person.duplicate_of is None]
    return [person for person in home if person.kind == "person" and person.email and person.left_at is None]


def _customer(company: Company, at: datetime) -> bool:
    return company.customer_since <= at.date() and (company.churn_date is None or at.date() < company.churn_date)


def _until(world: World, now: datetime) -> list[Touch]:
    return [touch for touch in world.touches if max(touch.at, touch.made_at) <= now]


def _customer_id(world_id: int) -> str:
    return f"C{world_id:05d}"


def _text(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
