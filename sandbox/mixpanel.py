"""Mixpanel, simulated: raw export and query API of one project, all under one prefix.

    GET  /api/2.0/export                            JSON lines, streamed
    GET|POST /api/2.0/engage, /api/query/engage     profiles of people, and of groups with `data_group_id`
    GET|POST /api/2.0/cohorts/list, /api/query/cohorts/list
    GET  /api/app/me, /api/app/projects/PROJECT/service-accounts     see `sandbox.mixpanel_app`

The vendor's residency hosts differ in name only, so the sandbox has one. Credentials and project id are in
`sandbox.core`; the id of the group key `company_id` is `sandbox.mixpanel_profiles.DATA_GROUP_ID`.
"""

import json
import re
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from typing import Any
from zoneinfo import ZoneInfo

from pydantic_core import to_json
from werkzeug.wrappers import Request, Response

from sandbox.core import MIXPANEL_PROJECT, MIXPANEL_SECRET, MIXPANEL_USER, SandboxClock, Vendor
from sandbox.mixpanel_app import Membership
from sandbox.mixpanel_events import EventBook, Extra, Selection, parse_device
from sandbox.mixpanel_profiles import Profiles, QueryError
from sandbox.mixpanel_where import WhereError, parse, split
from sandbox.model import World
from sandbox.world_names import EVENT_NAMES

GZIP_FROM = 1400
MAX_LIMIT = 100_000


@dataclass(frozen=True, slots=True)
class MixpanelOptions:
    """What differs between Mixpanel projects.

    Attributes:
        timezone: IANA name of the project's time zone.
        legacy_time: True for a project made before 2023: whole days are those of the project's zone, and `time` is
            local time written as if it were an epoch stamp.
        query_api: False when the plan does not include the query API: 402.
        export_per_hour: Limit of raw exports.
        export_per_second: The same within a second.
        query_per_hour: Limit of the query API, shared by every page of `engage`.
    """

    timezone: str = "UTC"
    legacy_time: bool = False
    query_api: bool = True
    export_per_hour: int = 60
    export_per_second: int = 3
    query_per_hour: int = 60


class Failure(Exception):  # noqa: N818 - an answer with an error status, not a mistake of ours
    """An answer other than 200."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status = status
        self.error = error


class Quota:
    """So many queries in any hour, and optionally in any second; over it, the vendor says so and names no wait."""

    def __init__(self, per_hour: int, per_second: int | None, project: int) -> None:
        self.per_hour = per_hour
        self.per_second = per_second
        self.project = project
        self._taken: deque[float] = deque()

    def take(self, now: datetime) -> None:
        """Count a query. Raises a 429 when it is one too many."""
        moment = now.timestamp()
        while self._taken and self._taken[0] <= moment - 3600:
            self._taken.popleft()
        recent = sum(1 for t in self._taken if t > moment - 1)
        if len(self._taken) >= self.per_hour or (self.per_second is not None and recent >= self.per_second):
            raise Failure(
                429,
                f"Query rate limit exceeded for project_id: {self.project}. 1/5 queries running concurrently and "
                f"{len(self._taken) + 1}/{self.per_hour} queries running in the last hour. To fix this, please space "
                "out your queries or reduce their number, see "
                "https://help.mixpanel.com/hc/en-us/articles/115004602563-Rate-Limits-for-API-Endpoints",
            )
        self._taken.append(moment)


class MixpanelVendor(Vendor):
    """One Mixpanel project.

    Args:
        world: What is true.
        clock: The sandbox's time.
        options: See `MixpanelOptions`.

    Actions of `mutate`: `late_event` (`user_id`, `time`; optional `name`, `company_id`, `insert_id`, `arrived`),
    `merge_device` (`device_id`), `terminate_export` (optional `after` lines, `times`), `edit_profile` (`user_id`,
    `properties`), `edit_group` (`group`, `properties`), `delete_profile` (`user_id`), `delete_group` (`group`),
    `query_api` (`enabled`), `member` (what of `sandbox.mixpanel_app.Membership` changes).
    """

    name = "mixpanel"

    def __init__(self, world: World, clock: SandboxClock, **options: Any) -> None:
        super().__init__(world, clock)
        self.options = MixpanelOptions(**options)
        self.zone = ZoneInfo(self.options.timezone) if self.options.timezone != "UTC" else UTC
        self.names = list(EVENT_NAMES)
        self.book = EventBook(world, self.names, self.zone, legacy_time=self.options.legacy_time)
        self.profiles = Profiles(world, self.book, self.zone)
        self.exports = Quota(self.options.export_per_hour, self.options.export_per_second, MIXPANEL_PROJECT)
        self.queries = Quota(self.options.query_per_hour, None, MIXPANEL_PROJECT)
        self.member = Membership()
        self._extras: list[Extra] = []
        self._merged: set[tuple[int, int]] = set()
        self._terminate: list[int] = []
        self._companies = {c.product_id: c.id for c in world.companies}

    def is_write(self, method: str, path: str) -> bool:  # noqa: ARG002 - the sandbox's Mixpanel takes no writes
        """Nothing here writes: queries are POSTs."""
        return method not in ("GET", "HEAD", "OPTIONS", "POST")

    def truth(self) -> dict[str, dict[str, int]]:
        """Product user ids of customers' people, and group keys -> world ids."""
        people = {
            p.product_user_id: p.duplicate_of or p.id
            for p in self.world.people
            if p.product_user_id is not None and p.kind in ("person", "shared_inbox")
        }
        return {"account": dict(self._companies), "contact": people}

    def handle(self, request: Request) -> Response:
        """Answer one request."""
        try:
            return self._dispatch(request)
        except Failure as failure:
            body = {"request": request.full_path.rstrip("?"), "error": failure.error}
            if failure.status in (401, 402) or request.path.startswith("/api/app/"):
                body["status"] = "error"
            return Response(to_json(body), status=failure.status, content_type="application/json")

    def _dispatch(self, request: Request) -> Response:
        if request.path.startswith("/api/app/"):
            return self._app(request)
        match = re.fullmatch(r"/api/(2\.0|query)/(.+)", request.path)
        if match is None:
            raise Failure(404, "not found")
        params = {**request.form.to_dict(), **request.args.to_dict()}
        self._check(request, params)
        if match[2] == "export" and match[1] == "2.0":
            return self._export(request, params)
        if match[2] not in ("engage", "cohorts/list"):
            raise Failure(404, "not found")
        if not self.options.query_api:
            raise Failure(402, "Your plan does not allow API calls. Upgrade at mixpanel.com/pricing")
        self.queries.take(self.clock.now())
        try:
            body: Any = self._query(match[2], params)
        except QueryError as error:
            raise Failure(400, str(error)) from error
        return Response(to_json(body), content_type="application/json")

    def _query(self, path: str, params: Mapping[str, str]) -> Any:
        if path == "engage":
            return self.profiles.engage(params, self.clock.now())
        return self.profiles.cohorts(MIXPANEL_PROJECT, self.clock.now())

    def _app(self, request: Request) -> Response:
        _signed_in(request)
        path = request.path.removeprefix("/api/app/").rstrip("/")
        if path == "me" and self.member.known:
            body: Any = self.member.me()
        elif path == f"projects/{MIXPANEL_PROJECT}/service-accounts" and self.member.listed:
            body = self.member.accounts()
        elif re.fullmatch(r"me|projects/[0-9]+/service-accounts", path):
            raise Failure(403, "Permission denied")
        else:
            raise Failure(404, "not found")
        return Response(to_json({"status": "ok", "results": body}), content_type="application/json")

    @staticmethod
    def _check(request: Request, params: Mapping[str, str]) -> None:
        _signed_in(request)
        project = params.get("project_id")
        if project is None:
            raise Failure(400, "project_id is a required parameter when a service account is used")
        if project != str(MIXPANEL_PROJECT):
            raise Failure(403, f"Service account does not have access to project {project}")

    def _export(self, request: Request, params: Mapping[str, str]) -> Response:
        self.exports.take(self.clock.now())
        now = self.clock.now()
        first, last = _day(params, "from_date"), _day(params, "to_date")
        if last > now.astimezone(self.zone).date():
            raise Failure(400, "to_date cannot be later than today")
        if first > last:
            raise Failure(400, "from_date must be before to_date")
        limit = _limit(params)
        chunks = self._chunks(first, last, self._selection(params, now), limit)
        head = next(chunks, b"")
        response = Response(content_type="text/plain; charset=utf-8")
        if len(head) > GZIP_FROM and "gzip" in request.headers.get("Accept-Encoding", ""):
            response.headers["Content-Encoding"] = "gzip"
            response.response = _gzip(chain([head], chunks))
        else:
            response.response = chain([head], chunks)
        return response

    def _selection(self, params: Mapping[str, str], now: datetime) -> Selection:
        """Everything the stream needs, taken now: it is read after the lock is gone."""
        try:
            bounds, rest = split(parse(params["where"]) if params.get("where") else None)
            names = json.loads(params["event"]) if params.get("event") else None
        except WhereError as error:
            raise Failure(400, str(error)) from error
        except ValueError as error:
            raise Failure(400, "event must be a JSON array of names") from error
        if names is not None and not isinstance(names, list):
            raise Failure(400, "event must be a JSON array of names")
        return Selection(
            now_ms=int(now.timestamp() * 1000),
            names=None if names is None else frozenset(map(str, names)),
            bounds=bounds,
            rest=rest,
            millis=params.get("time_in_ms", "").lower() == "true",
            extras=tuple(self._extras),
            merged=frozenset(self._merged),
        )

    def _chunks(self, first: date, last: date, selection: Selection, limit: int | None) -> Iterator[bytes]:
        stop = self._terminate.pop(0) if self._terminate else None
        left = min((n for n in (limit, stop) if n is not None), default=None)
        days = (first + timedelta(days=n) for n in range((last - first).days + 1))
        return _encoded(self.book, days, selection, left, broken=stop is not None and left == stop)

    def mutate(self, action: str, args: Mapping[str, Any]) -> Any:
        """Do what a phone, a person or a failing server would do; see the class."""
        actions: dict[str, Callable[[Mapping[str, Any]], Any]] = {
            "late_event": self._late_event,
            "merge_device": self._merge_device,
            "terminate_export": self._terminate_export,
            "edit_profile": self._edit_profile,
            "edit_group": self._edit_group,
            "delete_profile": self._delete_profile,
            "delete_group": self._delete_group,
            "query_api": self._switch_query_api,
            "member": self._membership,
        }
        if action not in actions:
            raise ValueError(f"mixpanel has no action {action!r}; known: {', '.join(sorted(actions))}")
        return actions[action](args)

    def _person(self, user_id: str) -> int:
        index = self.profiles.person(str(user_id))
        if index is None:
            raise ValueError(f"mixpanel has no user {user_id!r}")
        return index

    def _group(self, group_key: str) -> int:
        index = self.profiles.group(str(group_key))
        if index is None:
            raise ValueError(f"mixpanel has no group {group_key!r}")
        return index

    def _late_event(self, args: Mapping[str, Any]) -> Any:
        """An event that happened at `time` and arrives now, or at `arrived`."""
        index = self._person(args["user_id"])
        now = self.clock.now()
        moment = _instant(args["time"])
        arrived = _instant(args["arrived"]) if "arrived" in args else now
        name = str(args.get("name", "Signed in"))
        if name not in self.names:
            self.names.append(name)
        home = self.world.people[index].company_id
        insert = int(str(args["insert_id"]), 16) if "insert_id" in args else 0xFFFF_0000_0000_0000 + len(self._extras)
        extra = Extra(
            time_ms=int(moment.timestamp() * 1000),
            arrived_ms=int(arrived.timestamp() * 1000),
            person=index + 1,
            company=self._companies[args["company_id"]] if "company_id" in args else home,
            name=self.names.index(name),
            insert=insert,
        )
        self._extras.append(extra)
        if extra.arrived_ms <= now.timestamp() * 1000:
            self.profiles.noted[index] = max(extra.time_ms, self.profiles.noted.get(index, 0))
        return {"$insert_id": f"{insert:016x}", "mp_processing_time_ms": extra.arrived_ms}

    def _merge_device(self, args: Mapping[str, Any]) -> Any:
        person, day = parse_device(str(args["device_id"]))
        self._merged.add((person, day))
        return {"user_id": self.world.people[person - 1].product_user_id}

    def _terminate_export(self, args: Mapping[str, Any]) -> Any:
        """Let the next exports end in the middle, with the vendor's line of text and status 200."""
        self._terminate += [int(args.get("after", 100))] * int(args.get("times", 1))
        return {"exports": len(self._terminate)}

    def _edit_profile(self, args: Mapping[str, Any]) -> Any:
        index = self._person(args["user_id"])
        self.profiles.edits.setdefault(index, {}).update(args["properties"])
        return {"$distinct_id": args["user_id"]}

    def _edit_group(self, args: Mapping[str, Any]) -> Any:
        self.profiles.group_edits.setdefault(self._group(args["group"]), {}).update(args["properties"])
        return {"$distinct_id": args["group"]}

    def _delete_profile(self, args: Mapping[str, Any]) -> Any:
        """A profile goes for good, as the engage endpoint's `$delete` makes it; events stay."""
        self.profiles.deleted.add(("person", self._person(args["user_id"])))
        return {"$distinct_id": args["user_id"]}

    def _delete_group(self, args: Mapping[str, Any]) -> Any:
        self.profiles.deleted.add(("group", self._group(args["group"])))
        return {"$distinct_id": args["group"]}

    def _membership(self, args: Mapping[str, Any]) -> Any:
        self.member = replace(self.member, **args)
        return {"role": self.member.role}

    def _switch_query_api(self, args: Mapping[str, Any]) -> Any:
        self.options = replace(self.options, query_api=bool(args["enabled"]))
        return {"query_api": self.options.query_api}


def _signed_in(request: Request) -> None:
    """Raises 401 for whoever is not the service account."""
    auth = request.authorization
    if auth is None or auth.type != "basic" or (auth.username, auth.password) != (MIXPANEL_USER, MIXPANEL_SECRET):
        raise Failure(401, "Unable to authenticate request")


def _encoded(
    book: EventBook, days: Iterator[date], selection: Selection, left: int | None, *, broken: bool
) -> Iterator[bytes]:
    """Lines as bytes, at most `left` of them; a broken export ends with the vendor's own words."""
    for day in days:
        for lines in book.lines(day, selection):
            part = lines if left is None else lines[:left]
            left = None if left is None else left - len(part)
            if part:
                yield "".join(part).encode()
            if left == 0:
                break
        if left == 0:
            break
    if broken:
        yield b"terminated early\n"


def _gzip(chunks: Iterator[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    for chunk in chunks:
        packed = packer.compress(chunk)
        if packed:
            yield packed
    yield packer.flush()


def _day(params: Mapping[str, str], name: str) -> date:
    text = params.get(name, "")
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        raise Failure(400, f"{name} must be a date in yyyy-mm-dd format")
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Failure(400, f"{name} must be a date in yyyy-mm-dd format") from error


def _limit(params: Mapping[str, str]) -> int | None:
    text = params.get("limit", "")
    if not text:
        return None
    if not text.isdigit() or not 1 <= int(text) <= MAX_LIMIT:
        raise Failure(400, f"limit must be between 1 and {MAX_LIMIT}")
    return int(text)


def _instant(text: Any) -> datetime:
    moment = datetime.fromisoformat(str(text))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
