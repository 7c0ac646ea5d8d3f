"""Small random worlds for the scoring tests: on disk for the engine, in memory for the oracle."""

import json
import random
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scoring.inputs import TABLES, Inputs

NOW = int(datetime(2026, 11, 22, 9, 30, tzinfo=UTC).timestamp())
TODAY = NOW // 86400
KINDS = ("usage", "ticket", "survey_response", "invoice", "subscription", "deal", "account", "contact", "contact_role",
         "activity")  # fmt: skip
PARTS = ("Economic Buyer", "Executive Sponsor", "END_USER", "Influencer", "Other")
TITLES = ("CTO", "VP, Sales", "Head of (everything)", "Assistant to the CEO", "CFO/Owner", "Analyst", "Poet")
Row = dict[str, Any]
World = dict[str, list[Any]]


def empty() -> World:
    """A world without anybody in it."""
    return {**{name: [] for name in TABLES}, "usage": []}


def account(key: int, **values: Any) -> Row:
    blank = dict.fromkeys(TABLES["account"].types())
    return {**blank, "account": key, "crm_id": f"A{key}", "created_at": NOW - 400 * 86400, **values}


def contact(key: int, account: int | None, **values: Any) -> Row:
    blank = dict.fromkeys(TABLES["contact"].types())
    return {**blank, "contact": key, "crm_id": f"C{key}", "account": account, "created_at": NOW - 400 * 86400, **values}


YEARS_AGO = NOW - 800 * 86400


def feeds(
    *kinds: str, as_of: int | None = NOW - 600, held: int | None = None, since: int | None = YEARS_AGO
) -> list[Row]:
    return [{"record": kind, "source": "made", "as_of": as_of, "held": held, "since": since} for kind in kinds]


def random_world(seed: int, *, accounts: int = 12, people: int = 30, usage: int = 400, fed: bool = False) -> World:
    """Everything at random: gaps, odd times, stale and absent feeds, unlinked people, agencies, several sources.

    With `fed`, every feed is there and fresh and usage reaches far back.
    """
    dice = _Dice(seed)
    dice.accounts, dice.people = accounts, people
    world = empty()
    world["account"] = [dice.account(key) for key in range(1, accounts + 1)]
    world["contact"] = [dice.contact(key) for key in range(1, people + 1)]
    world["usage_person"] = [dice.usage_person(person) for person in range(1, people + 6)]
    world["usage_group"] = [{"grp": g, "account": dice.maybe(g, 0.7)} for g in range(1, accounts + 1)]
    world["usage"] = dice.usage(usage, reach=100 if fed else dice.choice([20, 60, 100]))
    world["ticket"] = [dice.ticket() for _ in range(accounts * 4)]
    world["survey"] = [dice.survey() for _ in range(accounts * 3)]
    world["note"] = [dice.note() for _ in range(accounts)]
    world["invoice"] = [dice.invoice() for _ in range(accounts * 2)]
    world["subscription"] = [dice.subscription() for _ in range(accounts)]
    world["deal"] = [dice.deal() for _ in range(accounts * 2)]
    world["deal_move"] = [dice.deal_move() for _ in range(accounts)]
    world["account_change"] = [dice.account_change() for _ in range(accounts)]
    world["departure"] = [dice.departure() for _ in range(accounts * 3)]
    world["contact_role"] = [
        {"contact": person, "role": dice.choice(PARTS)} for person in range(1, people + 2) if person % 3
    ]
    world["activity"] = [dice.activity() for _ in range(accounts * 16)]
    world["feed"] = feeds(*KINDS) if fed else dice.feed()
    world["release"] = [dice.release() for _ in range(accounts)]
    return world


class _Dice(random.Random):
    accounts = people = 0

    def maybe(self, value: Any, often: float = 0.8) -> Any:
        return value if self.random() < often else None

    def some_account(self) -> int:
        """Often one of the first two, of which there is much to say then."""
        return self.randint(1, 2) if self.random() < 0.3 else self.randint(1, self.accounts)

    def back(self, days: int) -> int:
        return NOW - self.randint(-86400, days * 86400)  # sometimes tomorrow

    def account(self, key: int) -> Row:
        return account(
            key,
            name=self.maybe(self.choice(["Ångström", "O'Neill; Co", "三", "", "x" * 300])),
            owner_id=self.maybe(f"O{key % 3}"),
            plan=self.maybe(self.choice(["team", "free", "", "p" * 300])),
            channel=["Partner", "", None][key % 3],
            lifecycle=self.maybe("customer", 0.5),
            mrr=self.maybe(self.choice([0, self.randint(0, 10**6)])),
            customer_since=self.maybe(TODAY - self.choice([-3, 0, 1, 8, 29, 30, 31, 45, 400]), 0.5),
            renewal_date=self.maybe(TODAY + self.randint(-40, 400)),
            created_at=self.maybe(self.back(900)),
        )

    def contact(self, key: int) -> Row:
        login = NOW - self.choice([-90000, 0, 3600, 29 * 86400, 30 * 86400, 31 * 86400, 200 * 86400])
        values = {"last_login_at": self.maybe(login, 0.5), "created_at": self.maybe(self.back(60))}
        values |= {"email_opt_out": [None, 0, 1][key % 3], "do_not_call": [1, 0][key % 2]}
        return contact(key, self.maybe(self.some_account(), 0.9), title=self.maybe(self.choice(TITLES), 0.5), **values)

    def usage_person(self, person: int) -> Row:
        linked = person <= self.people and self.random() < 0.8
        contact = person if linked else self.maybe(1, 0.2)
        return {"person": person, "contact": contact, "account": self.maybe(self.some_account())}

    def usage(self, rows: int, reach: int) -> list[Any]:
        """Rows of the last `reach` days; a quarter of the people fade out."""
        drawn = {
            (
                TODAY - self.randint(0, reach),
                self.randint(1, self.people + 8),
                self.maybe(self.some_account(), 0.5),
                event,
            )
            for event in self.choices("abcd", weights=[4, 4, 1, 1], k=rows)
        }
        # A third as much from the same weeks a year ago, in half of the worlds.
        some = sorted(drawn, key=str)[:: self.choice([3, rows])]
        drawn |= {(TODAY - 365 - self.randint(0, 70), *row) for _, *row in some}
        fading = {row for row in drawn if row[1] % 4 == 0 and row[0] > TODAY - 29 and self.random() < 0.9}
        return [(*row, self.randint(1, 9)) for row in sorted(drawn - fading, key=str)]

    def ticket(self) -> Row:
        opened = self.back(100)
        return {
            "account": self.some_account(),
            "contact": self.maybe(self.randint(1, self.people)),
            "status": self.choice(["new", "open", "pending", "solved", "closed"]),
            "priority": self.maybe(self.choice(["low", "high", "urgent"])),
            "created_at": opened,
            "solved_at": self.maybe(opened + self.randint(0, 40 * 86400), 0.5),
            "first_reply_minutes": self.maybe(self.randint(0, 9000)),
            "reopens": self.maybe(self.choice([0, 0, 1, 3])),
            "replies": self.maybe(self.randint(0, 8)),
            "channel": self.maybe(self.choice(["email", "web", "chat"])),
        }

    def survey(self) -> Row:
        kind, top = self.choice([("nps", 10), ("csat", 5), ("csat", 1), ("ces", 7)])
        return {
            "account": self.some_account(),
            "contact": self.maybe(self.randint(1, self.people)),
            "survey": kind,
            "score": self.randint(0, top) + (99 if self.random() < 0.05 else 0),
            "scale_min": 0,
            "scale_max": top,
            "satisfied": self.maybe(self.randint(0, 1)),
            "responded_at": self.back(self.choice([1, 95, 200, 400])),
            "themes": self.themes(),
        }

    def themes(self) -> str | None:
        """What a text speaks of, as the state file has it."""
        known = ["bugs", "leaving", "missing", "outages", "own", "praise", "price", "speed", "support", "usability"]
        found = {self.choice(known) for _ in range(self.randint(0, 3))}
        found |= {"complaint"} if found and self.random() < 0.7 else set()
        return json.dumps(sorted(found), separators=(",", ":")) if found else None

    def note(self) -> Row:
        return {"account": self.some_account(), "noted_at": self.back(200), "themes": self.themes()}

    def invoice(self) -> Row:
        return {
            "account": self.some_account(),
            "status": self.choice(["draft", "open", "paid", "void", "uncollectible"]),
            "amount_due": 100,
            "due_date": self.maybe(TODAY - self.randint(-20, self.choice([60, 400]))),
            "paid_at": self.maybe(self.back(200), 0.6),
            "failed_attempts": self.randint(0, 2),
            "created_at": self.back(self.choice([90, 500])),
        }

    def subscription(self) -> Row:
        end = self.maybe(self.back(5) + 86400, 0.3)
        return {"account": self.some_account(), "status": "active", "mrr": 1, "cancel_at": end,
                "card_expires": self.maybe(TODAY + self.randint(-20, 60))}  # fmt: skip

    def deal(self) -> Row:
        closed = self.randint(0, 1)
        return {
            "account": self.some_account(),
            "closed": closed,
            "won": self.randint(0, 1) if closed else None,
            "renewal": int(self.random() < 0.4),
            "stage": self.maybe(self.choice(["Talk", "Offer", "Ünder"])),
            "amount": self.maybe(self.randint(0, 10**6)),
            "currency": None,
            "close_date": self.maybe(TODAY - self.randint(-30, self.choice([120, 900]))),
            "created_at": self.maybe(self.back(200)),
        }

    def deal_move(self) -> Row:
        before = TODAY + self.randint(-60, 60)
        return {
            "account": self.some_account(),
            "renewal": self.randint(0, 1),
            "close_before": before,
            "close_after": before + self.randint(-9, 40),
            "moved_at": self.back(200),
        }

    def account_change(self) -> Row:
        row = {"account": self.some_account(), "changed_at": self.back(500)}
        for when in ("before", "after"):
            row[f"plan_{when}"] = self.maybe(self.choice(["team", "free"]))
            row[f"mrr_{when}"] = self.maybe(self.randint(0, 9))
            row[f"owner_{when}"] = self.maybe(self.choice(["O1", "O2"]))
        return row

    def departure(self) -> Row:
        words = [
            "CTO, Berlin",
            "Head of (everything)",
            "VP Sales",
            "Coordinator",
            "Champion",
            "Executive Sponsor",
            "User",
        ]
        return {
            "account": self.some_account(),
            "contact": self.randint(1, self.people),
            "gone": self.randint(0, 1),
            "role": self.maybe(self.choice(words), 0.5),
            "title": self.maybe(self.choice(words), 0.5),
            "left_at": self.back(200),
        }

    def activity(self) -> Row:
        at = self.back(200)
        return {
            "account": self.some_account(),
            "contact": self.maybe(self.randint(1, self.people)),
            "activity": self.choice(["call", "meeting", "email", "email", "email", "task", "note"]),
            "inbound": self.maybe(self.randint(0, 1)),
            "happened_at": at,
            "closed": self.maybe(self.randint(0, 1), 0.2),
            "tracked": self.maybe(self.randint(0, 1)),
            "opened_at": self.maybe(at + self.randint(0, 9 * 86400), 0.4),
            "clicked_at": self.maybe(at + self.randint(0, 9 * 86400), 0.2),
        }

    def release(self) -> Row:
        first = TODAY - self.choice([-1, 0, 2, 3, 4, 9, 10, 28, 29, 30])
        return {"account": self.some_account(), "first_day": first, "last_day": first + self.choice([3, 28, 40])}

    def feed(self) -> list[Row]:
        """Each kind of record from none, one or two sources, some stale, some never complete."""
        ages = [60, 60, 3600 * 24, 3600 * 60, 3600 * 200, -3600]
        sources = {kind: self.choice([0, 1, 1, 1, 2]) for kind in KINDS}
        return [row for kind in KINDS for _ in range(sources[kind]) for row in self.one_feed(kind, self.choice(ages))]

    def one_feed(self, kind: str, age: int) -> list[Row]:
        since = self.maybe(NOW - age - self.choice([0, 90, 200, 365, 500]) * 86400, 0.9)
        return feeds(kind, as_of=self.maybe(NOW - age, 0.9), held=self.maybe(1, 0.2), since=since)


def store(world: World, folder: Path, *, now: int = NOW, shuffle: random.Random | None = None) -> Inputs:
    """Write a world as state file and usage files."""
    folder.mkdir(parents=True, exist_ok=True)
    state = folder / "state.db"
    db = sqlite3.connect(state)
    for name, table in TABLES.items():
        rows = list(world[name])
        if shuffle:
            shuffle.shuffle(rows)
        db.execute(f"CREATE TABLE {name} ({', '.join(table.types())})")
        places = ", ".join("?" * len(table.columns))
        db.executemany(f"INSERT INTO {name} VALUES ({places})", [[r.get(c) for c in table.types()] for r in rows])
    db.commit()
    db.close()
    tables = {name: f"SELECT * FROM {name}" for name in TABLES}
    return Inputs(state, tables, write_usage(world["usage"], folder), datetime.fromtimestamp(now, UTC))


def write_usage(rows: list[Any], folder: Path) -> list[Path]:
    """One Parquet file a day."""
    import duckdb

    paths = []
    with duckdb.connect() as con:
        con.execute("CREATE TABLE u (day INT, person BIGINT, grp BIGINT, event VARCHAR, count BIGINT)")
        if rows:
            columns = [list(column) for column in zip(*rows, strict=True)]
            con.execute("INSERT INTO u SELECT UNNEST(?), UNNEST(?), UNNEST(?), UNNEST(?), UNNEST(?)", columns)
        days = [row[0] for row in con.execute("SELECT DISTINCT day FROM u").fetchall()]
        for day in days:
            name = datetime.fromtimestamp(day * 86400, UTC).strftime("%Y-%m-%d")
            paths.append(folder / f"{name}.1.parquet")
            shown = "DATE '1970-01-01' + day AS day, person, grp, event, count"
            target = str(paths[-1]).replace("'", "''")
            con.execute(f"COPY (SELECT {shown} FROM u WHERE day = {day} ORDER BY person) TO '{target}'")
    return paths
