"""Mixpanel's profiles of people and groups, its cohorts, and the paged query over them (`engage`)."""

import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

import numpy as np

from sandbox.core import MIXPANEL_USER
from sandbox.mixpanel_events import CITIES, Column, EventBook
from sandbox.mixpanel_where import WhereError, evaluate, parse
from sandbox.model import Person, World

PAGE_SIZE = 1000
SESSIONS_KEPT = 16
DATA_GROUP_ID = "-3851984027463518231"
"""The sandbox's id of the group key `company_id`; an admin would copy it from Mixpanel's project settings."""
COHORTS = ((1000, "Power users", 1, 5), (2000, "Beta testers", 0, 23))
SERVICE_ACCOUNT = -1
LATE_DAYS = 6
EXACT_DAYS = 60

Json = dict[str, Any]


class QueryError(ValueError):
    """A 400 of the query API."""


@dataclass(frozen=True, slots=True)
class Session:
    """What the first page of a query found; later pages show the same records."""

    kind: str
    keys: list[int]


class Profiles:
    """The project's profiles.

    Args:
        world: Who there is.
        book: The events; they tell when somebody was last seen.
        zone: The project's time zone, in which stamps without a zone are meant.

    `edits` holds properties changed by hand per person and `group_edits` per group, `deleted` the (kind, key) of
    deleted profiles, `noted` the time in milliseconds of events put in by hand, per person.
    """

    def __init__(self, world: World, book: EventBook, zone: tzinfo) -> None:
        self.world = world
        self.book = book
        self.zone = zone
        self.edits: dict[int, Json] = {}
        self.group_edits: dict[int, Json] = {}
        self.deleted: set[tuple[str, int]] = set()
        self.noted: dict[int, int] = {}
        self._people = [i for i, p in enumerate(world.people) if p.product_user_id is not None]
        self._last_seen: Column = np.zeros(len(world.people) + 1, dtype=np.int64)
        self._seen_at = 0
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._made = 0

    def person(self, user_id: str) -> int | None:
        """Index of the person with that product user id."""
        return next((i for i in self._people if self.world.people[i].product_user_id == user_id), None)

    def group(self, group_key: str) -> int | None:
        """Index of the company with that group key."""
        return next((i for i, c in enumerate(self.world.companies) if c.product_id == group_key), None)

    def engage(self, params: Mapping[str, str], now: datetime) -> Json:
        """One page. Raises `QueryError` for what the vendor answers with 400."""
        page = _whole(params.get("page", "0"), "page")
        session_id = params.get("session_id", "")
        if page == 0 and not session_id:
            session_id, session = self._open(params, now)
        elif not session_id:
            raise QueryError("session_id is required when page is greater than 0")
        elif session_id not in self._sessions:
            raise QueryError("request for page in uncached query for params")
        else:
            session = self._sessions[session_id]
        keys = session.keys[page * PAGE_SIZE : (page + 1) * PAGE_SIZE]
        wanted = _names(params.get("output_properties"))
        return {
            "page": page,
            "page_size": PAGE_SIZE,
            "session_id": session_id,
            "status": "ok",
            "total": len(session.keys),
            "computed_at": now.strftime("%Y-%m-%dT%H:%M:%S+00:00"),
            "results": [_reduced(self.profile(session.kind, key), wanted) for key in keys],
        }

    def _open(self, params: Mapping[str, str], now: datetime) -> tuple[str, Session]:
        if params.get("data_group_id"):
            kind = "group"
            keys = list(self._groups(now)) if params["data_group_id"] == DATA_GROUP_ID else []
        else:
            self._refresh(now)
            kind = "person"
            keys = list(self._users(now))
        keys = [key for key in keys if (kind, key) not in self.deleted]
        keys = self._filtered(kind, keys, params)
        self._made += 1
        name = f"{int(now.timestamp())}-{self._made * 7919 % 0xFFFFFF:06X}"
        session = self._sessions[name] = Session(kind, keys)
        while len(self._sessions) > SESSIONS_KEPT:
            self._sessions.popitem(last=False)
        return name, session

    def _filtered(self, kind: str, keys: list[int], params: Mapping[str, str]) -> list[int]:
        if params.get("filter_by_cohort"):
            keys = self._in_cohort(keys, params)
        ids = set(_names(params.get("distinct_ids")) or [])
        if params.get("distinct_id"):
            ids.add(params["distinct_id"])
        if ids:
            keys = [key for key in keys if str(self.profile(kind, key)["$distinct_id"]) in ids]
        if params.get("where"):
            try:
                node = parse(params["where"])
            except WhereError as error:
                raise QueryError(str(error)) from error
            keys = [key for key in keys if evaluate(node, self.profile(kind, key)["$properties"])]
        return keys

    def _in_cohort(self, keys: list[int], params: Mapping[str, str]) -> list[int]:
        try:
            wanted = int(json.loads(params["filter_by_cohort"])["id"])
        except (ValueError, KeyError, TypeError) as error:
            raise QueryError("filter_by_cohort must be a JSON object with an id") from error
        shares = {number: share for number, _, _, share in COHORTS}
        if wanted not in shares:
            raise QueryError(f"cohort {wanted} does not exist")
        found = [key for key in keys if key >= 0 and key % shares[wanted] == 0]
        # Members without a profile come along unless they are refused: their ids are all there is.
        ghosts = [-2, -3] if params.get("include_all_users", "true") != "false" else []
        return found + ghosts

    def cohorts(self, project_id: int, now: datetime) -> list[Json]:
        """The saved cohorts."""
        count = sum(1 for _ in self._users(now))
        return [
            {
                "id": number,
                "name": name,
                "description": "",
                "count": count // share,
                "is_visible": visible,
                "created": "2026-03-19 23:49:51",
                "project_id": project_id,
            }
            for number, name, visible, share in COHORTS
        ]

    def _users(self, now: datetime) -> Iterator[int]:
        """Whoever exists by now, and the service account, which shows up as a profile too."""
        for index in self._people:
            if self.world.people[index].created_at <= now:
                yield index
        yield SERVICE_ACCOUNT

    def _groups(self, now: datetime) -> Iterator[int]:
        for index, company in enumerate(self.world.companies):
            if company.customer_since <= now.date():
                yield index

    def profile(self, kind: str, key: int) -> Json:
        """One profile as `engage` sends it."""
        if kind == "group":
            return self._group(key)
        if key < 0:
            name = MIXPANEL_USER if key == SERVICE_ACCOUNT else f"$device:ghost-{-key}"
            return {"$distinct_id": name, "$properties": {"$name": name} if key == SERVICE_ACCOUNT else {}}
        person = self.world.people[key]
        return {"$distinct_id": _json_id(str(person.product_user_id)), "$properties": self._properties(key, person)}

    def _properties(self, key: int, person: Person) -> Json:
        seen = max(int(self._last_seen[key + 1]), self.noted.get(key, 0))
        company = self.world.companies[person.company_id - 1]
        city, country = CITIES[person.id % len(CITIES)]
        first, _, last = person.name.partition(" ")
        value: Json = {
            "$email": person.email or person.zendesk_email,
            "$name": person.name,
            "$first_name": first,
            "$last_name": last,
            "$created": self._stamp(person.created_at),
            "$last_seen": self._stamp(datetime.fromtimestamp(seen / 1000, UTC)) if seen else None,
            "$city": city,
            "$country_code": country,
            "company_id": company.product_id,
            "plan": company.plan,
        }
        value = {name: v for name, v in value.items() if v is not None}
        return value | self.edits.get(key, {})

    def _stamp(self, instant: datetime) -> str:
        """Local time of the project, without saying so."""
        return instant.astimezone(self.zone).strftime("%Y-%m-%dT%H:%M:%S")

    def _group(self, index: int) -> Json:
        company = self.world.companies[index]
        properties = {
            "company name": company.name,
            "plan": company.plan,
            "seats": 5 + index % 50,
            "$created": company.customer_since.isoformat() + "T00:00:00",
        }
        return {
            "$distinct_id": _json_id(company.product_id),
            "$properties": properties | self.group_edits.get(index, {}),
        }

    def _refresh(self, now: datetime) -> None:
        """Bring "last seen" up to now: later only for the days that may have changed.

        At first every day of the last two months is looked at, before that only every sixth: for somebody that
        long away the stamp may be some days too early, which spares a large world most of the work.
        """
        second, today = int(now.timestamp()), now.date()
        if self._seen_at == 0:
            old = list(_days(self.world.start.date(), today - timedelta(days=EXACT_DAYS)))[::-6][::-1]
            days = [*old, *_days(max(self.world.start.date(), today - timedelta(days=EXACT_DAYS - 1)), today)]
        elif self._seen_at == second:
            return
        else:
            then = datetime.fromtimestamp(self._seen_at, UTC).date()
            days = list(_days(max(self.world.start.date(), then - timedelta(days=LATE_DAYS)), today))
        seen = self._last_seen.copy()
        for day in days:
            self._see(day, second * 1000, seen)
        self._last_seen, self._seen_at = seen, second

    def _see(self, day: date, now_ms: int, seen: Column) -> None:
        """Columns of a day are by time, so the last assignment to a person is the latest."""
        rows = self.book.world.event_arrays(day)
        shown = rows.arrived_ms <= now_ms
        newest = np.zeros_like(seen)
        newest[rows.person[shown]] = rows.time_ms[shown]
        np.maximum(seen, newest, out=seen)


def _days(first: date, last: date) -> Iterator[date]:
    for number in range((last - first).days + 1):
        yield first + timedelta(days=number)


def _json_id(text: str) -> str | int:
    """Ids made of digits come back as JSON numbers."""
    return int(text) if text.isdigit() and not text.startswith("0") else text


def _names(text: str | None) -> list[str] | None:
    if not text:
        return None
    try:
        names = json.loads(text)
    except ValueError as error:
        raise QueryError("expected a JSON array") from error
    if not isinstance(names, list):
        raise QueryError("expected a JSON array")
    return [str(name) for name in names]


def _whole(text: str, name: str) -> int:
    if not text.isdigit():
        raise QueryError(f"{name} must be a whole number")
    return int(text)


def _reduced(profile: Json, names: list[str] | None) -> Json:
    if names is None:
        return profile
    kept = {name: value for name, value in profile["$properties"].items() if name in names}
    return {"$distinct_id": profile["$distinct_id"], "$properties": kept}
