"""Intercom's REST API, simulated: searches, the scroll of companies, deletions, merges and windows of ten seconds.

As the vendor describes it: a search compares a stamp's day in the workspace's zone, and `>` means from the next day on;
`>=`, `<=`, `!=` and `IN` are refused for stamps; orders are "ascending" and "descending" alone; a new contact shows
after some minutes; a merged one never again; `pages.next` is missing on the last page. A place in a search is a row
number, so that a row which moves while others page makes them miss one. There is one scroll of companies: it dies
after an idle minute, its pages are served once, and while it lives no other can be opened. `Intercom-Version` decides
on `company`, `priority`, deleted conversations and the history of merges.
"""

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from pydantic_core import to_json
from werkzeug.wrappers import Request, Response

from sandbox.core import INTERCOM_TOKEN, SandboxClock, Vendor
from sandbox.intercom_books import Books, Entry, Json
from sandbox.intercom_render import Renderer
from sandbox.model import World

NARROW_TOKEN = "ic_sandbox_contacts_only"  # noqa: S105 - made up, opens only the sandbox
VERSIONS = ("2.14", "2.15", "2.16")
MOST = 150
SCROLL_PAGE = 100
SCROLL_LIFE = 60.0
WINDOW = 10


@dataclass(frozen=True, slots=True)
class IntercomOptions:
    """What differs between workspaces.

    Attributes:
        zone: The workspace's time zone.
        region: Where its data is kept.
        per_window: Calls in ten seconds.
        version: What an app gets that asks for no version.
        lag_minutes: How long after it was made a contact is missing from the search, at most.
        scroll_page: Companies in a page of the scroll.
        crm: Whose ids stand in custom attributes.
        twin_share: See `Books`.
    """

    zone: str = "America/Los_Angeles"
    region: str = "US"
    per_window: int = 1_666
    version: str = "2.14"
    lag_minutes: int = 5
    scroll_page: int = SCROLL_PAGE
    crm: str = "hubspot"
    twin_share: int = 25


@dataclass(slots=True)
class Scroll:
    """The open scroll."""

    param: str
    keys: list[str]
    used: float


class Refusal(Exception):  # noqa: N818 - an answer with an error status, not a mistake of ours
    """An answer other than 200."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        errors = [{"code": code, "message": message}]
        self.body = {"type": "error.list", "request_id": "b9a42e0a-sandbox", "errors": errors}


class IntercomVendor(Vendor):
    """One workspace.

    Actions of `mutate`: `edit` (`kind`, `id`, `fields`), `delete` and `restore` (`kind`, `id`), `merge` (`lead`,
    `into`), `attach` (`id`, `companies`), `rate` (`id`, `rating`; optional `remark`), `break_scroll`, `options`.
    Kinds are "contacts", "companies" and "conversations".
    """

    name = "intercom"

    def __init__(self, world: World, clock: SandboxClock, **options: Any) -> None:
        super().__init__(world, clock)
        self.options = IntercomOptions(**options)
        self.books = Books(world, self.options.crm, self.options.twin_share)
        self._gone: dict[str, int] = {}
        self._scroll: Scroll | None = None
        self._scrolls = 0
        self._broken = False
        self._window = (0, 0)

    def is_write(self, method: str, path: str) -> bool:
        """Whatever is no GET, searches and the list of companies aside."""
        reads = path.rstrip("/").endswith(("/search", "companies/list"))
        return method not in ("GET", "HEAD", "OPTIONS") and not reads

    def truth(self) -> dict[str, dict[str, int]]:
        """Ids of what exists now -> world ids of companies, people and conversations."""
        found: dict[str, dict[str, int]] = {"account": {}, "contact": {}, "ticket": {}}
        for kind, key, number in self.books.truth(self._now()):
            found[kind][key] = number
        return found

    def handle(self, request: Request) -> Response:
        """Answer one request."""
        try:
            self._count()
            response = _answer(self._dispatch(request))
        except Refusal as refusal:
            response = _answer(refusal.body, refusal.status)
        start, used = self._window
        response.headers["X-RateLimit-Limit"] = str(self.options.per_window)
        response.headers["X-RateLimit-Remaining"] = str(max(0, self.options.per_window - used))
        response.headers["X-RateLimit-Reset"] = str(start + WINDOW)
        return response

    def _now(self) -> int:
        return int(self.clock.now().timestamp())

    def _count(self) -> None:
        start = self._now() // WINDOW * WINDOW
        used = self._window[1] if self._window[0] == start else 0
        self._window = (start, used + 1)
        if used >= self.options.per_window:
            raise Refusal(429, "rate_limit_exceeded", "Exceeded rate limit")

    def _dispatch(self, request: Request) -> Json:
        auth = request.headers.get("Authorization", "")
        if auth not in (f"Bearer {INTERCOM_TOKEN}", f"Bearer {NARROW_TOKEN}"):
            raise Refusal(401, "unauthorized", "Access Token Invalid")
        version = request.headers.get("Intercom-Version", self.options.version)
        if version not in VERSIONS:
            raise Refusal(400, "intercom_version_invalid", f"The requested version {version} is not known")
        render = Renderer(self.books, self._now(), (2, int(version[2:])))
        path = request.path.strip("/")
        if auth == f"Bearer {NARROW_TOKEN}" and not path.startswith(("me", "contacts")):
            raise Refusal(403, "api_plan_restricted", "Active subscription needed.")
        for pattern, answer in ROUTES.items():
            found = re.fullmatch(pattern, f"{request.method} {path}")
            if found is not None:
                return answer(self, request, render, *found.groups())
        raise Refusal(404, "not_found", "The requested resource was not found")

    def me(self, _request: Request, _render: Renderer) -> Json:
        """Who the token belongs to."""
        app = {
            "type": "app",
            "id_code": "hfsandbox",
            "name": "Sandbox workspace",
            "created_at": int(self.world.start.timestamp()),
            "secure": True,
            "identity_verification": True,
            "timezone": self.options.zone,
            "region": self.options.region,
        }
        me = {"type": "admin", "id": "991267459", "email": "admin@holdfast.example", "name": "Admin"}
        return {**me, "email_verified": True, "app": app, "has_inbox_seat": True}

    def contacts(self, request: Request, render: Renderer) -> Json:
        """Search of contacts."""
        history = request.args.get("include_merge_history") == "true" and render.version >= (2, 16)
        rows, pages = self._search(request, self._searchable_contacts())
        return {"type": "list", "data": [render.contact(one, history=history) for one in rows], **pages}

    def conversations(self, request: Request, render: Renderer) -> Json:
        """Search of conversations."""
        rows, pages = self._search(request, list(self.books.talks.values()))
        return {"type": "conversation.list", "conversations": [render.talk(one) for one in rows], **pages}

    def company(self, _request: Request, render: Renderer, key: str) -> Json:
        """One company."""
        return render.company(self._entry("companies", key))

    def homes(self, request: Request, render: Renderer, key: str) -> Json:
        """The companies of a contact."""
        found = self.books.homes(self._entry("contacts", key), self._now())
        return _paged(request, [render.company(one) for one in found], "data", "list", 50)

    def _entry(self, kind: str, key: str) -> Entry:
        entry = self._kind(kind).get(key)
        if entry is None or not entry.there(self._now()):
            raise Refusal(404, "not_found", f"{kind} {key} was not found")
        return entry

    def _kind(self, kind: str) -> dict[str, Entry]:
        books = self.books
        return {"contacts": books.contacts, "companies": books.companies, "conversations": books.talks}[kind]

    def _searchable_contacts(self) -> list[Entry]:
        """Those that the index has by now; older ones are in it, however they change."""
        now, most = self._now(), self.options.lag_minutes * 60
        return [one for one in self.books.contacts.values() if one.created + int(one.key[:2], 16) * most // 255 <= now]

    def _search(self, request: Request, entries: list[Entry]) -> tuple[list[Entry], Json]:
        now = self._now()
        body = request.get_json(silent=True) or {}
        field, after = self._filter(body.get("query"))
        sort = body.get("sort") or {}
        order = sort.get("order", "descending")
        if order not in ("ascending", "descending"):
            text = f"Invalid sort order '{order}'. Must be one of: ascending, descending"
            raise Refusal(400, "invalid_sort_order", text)
        by = sort.get("field", "updated_at")
        stamp: Callable[[Entry, str], int] = lambda one, name: (  # noqa: E731 - two words in two places
            one.created if name == "created_at" else one.updated(now)
        )
        found = [one for one in entries if one.there(now) and stamp(one, field) >= after]
        found.sort(key=lambda one: (stamp(one, by), one.key), reverse=order == "descending")
        paging = body.get("pagination") or {}
        size = paging.get("per_page", 50)
        if not isinstance(size, int) or not 1 <= size <= MOST:
            raise Refusal(400, "parameter_invalid", f"per_page must be between 1 and {MOST}")
        place = _place(paging.get("starting_after"))
        following = place + size
        pages: Json = {"type": "pages", "page": place // size + 1, "per_page": size}
        pages["total_pages"] = -(-len(found) // size)
        if following < len(found):
            pages["next"] = {"per_page": size, "starting_after": _token(following)}
        return found[place:following], {"total_count": len(found), "pages": pages}

    def _filter(self, query: Any) -> tuple[str, int]:
        """The field, and the first second that fits."""
        if not isinstance(query, dict) or query.get("field") not in ("created_at", "updated_at"):
            raise Refusal(400, "parameter_invalid", "The sandbox searches by created_at and updated_at alone")
        if query.get("operator") != ">":
            raise Refusal(400, "parameter_invalid", f"The operator {query.get('operator')} is not allowed for dates")
        value = query.get("value")
        if not str(value).isdigit():
            raise Refusal(400, "parameter_invalid", "The value is not a timestamp")
        zone = ZoneInfo(self.options.zone)
        day = datetime.fromtimestamp(int(str(value)), UTC).astimezone(zone).date() + timedelta(days=1)
        return query["field"], int(datetime.combine(day, time(), zone).timestamp())

    def deleted(self, request: Request, render: Renderer) -> Json:
        """Ids of deleted conversations."""
        if render.version < (2, 16):
            raise Refusal(
                400, "intercom_version_invalid", "Requested resource is not available in current API version."
            )
        order = request.args.get("order", "desc")
        keys = sorted(self._gone, key=lambda key: (self._gone[key], key), reverse=order == "desc")
        rows = [
            {"type": "conversation", "id": key, "metrics_retained": True, "deleted_at": self._gone[key]} for key in keys
        ]
        return _paged(request, rows, "conversations", "conversations.list", 60)

    def _companies(self) -> list[Entry]:
        return [one for one in self.books.companies.values() if one.there(self._now())]

    def listed(self, request: Request, render: Renderer) -> Json:
        """Companies that have users, those that were last here first."""
        with_users = [one for one in self._companies() if self.books.users_of(one.key, self._now())]
        with_users.sort(key=lambda one: -one.updated(self._now()))
        return _paged(request, [render.company(one) for one in with_users[:10_000]], "data", "list", 60)

    def scrolled(self, request: Request, render: Renderer) -> Json:
        """A page of the scroll of companies."""
        now, param = self.clock.now().timestamp(), request.args.get("scroll_param")
        if self._scroll is not None and now - self._scroll.used >= SCROLL_LIFE:
            self._scroll = None
        if param is None:
            if self._scroll is not None:
                raise Refusal(400, "scroll_exists", "scroll already exists for this workspace")
            self._scrolls += 1
            keys = sorted(one.key for one in self._companies())
            self._scroll = Scroll(f"scroll-{self._scrolls}", keys, now)
        if self._scroll is None or param not in (None, self._scroll.param):
            raise Refusal(404, "not_found", "scroll parameter not found")
        scroll = self._scroll
        if self._broken and param is not None:
            self._broken, self._scroll = False, None
            text = "Request failed due to an internal network error. Please restart the scroll operation."
            raise Refusal(500, "server_error", text)
        size = self.options.scroll_page
        keys, scroll.keys, scroll.used = scroll.keys[:size], scroll.keys[size:], now
        if not keys:
            self._scroll = None
        rows = [render.company(self.books.companies[key]) for key in keys]
        return {"type": "list", "data": rows, "pages": None, "total_count": None, "scroll_param": scroll.param}

    def mutate(self, action: str, args: Mapping[str, Any]) -> Any:
        """Do what people do in the workspace; see the class."""
        actions: dict[str, Callable[[Mapping[str, Any]], Any]] = {
            "edit": self._edit,
            "delete": self._delete,
            "restore": self._restore,
            "merge": self._merge,
            "attach": self._attach,
            "rate": self._rate,
            "break_scroll": self._break,
            "options": self._set_options,
        }
        if action not in actions:
            raise ValueError(f"intercom has no action {action!r}; known: {', '.join(sorted(actions))}")
        return actions[action](args)

    def _edit(self, args: Mapping[str, Any]) -> Any:
        entry = self._kind(args["kind"])[args["id"]]
        entry.fields |= args["fields"]
        entry.edited = self._now()
        return {"id": entry.key}

    def _delete(self, args: Mapping[str, Any]) -> Any:
        entry = self._kind(args["kind"])[args["id"]]
        entry.gone = self._now()
        if args["kind"] == "conversations":
            self._gone[entry.key] = entry.gone
        return {"id": entry.key}

    def _restore(self, args: Mapping[str, Any]) -> Any:
        self._kind(args["kind"])[args["id"]].gone = None
        return {"id": args["id"]}

    def _merge(self, args: Mapping[str, Any]) -> Any:
        lead, into = self.books.contacts[args["lead"]], self.books.contacts[args["into"]]
        lead.gone = into.edited = self._now()
        into.merged.append((lead.key, "lead", self._now()))
        return {"id": into.key}

    def _attach(self, args: Mapping[str, Any]) -> Any:
        entry = self.books.contacts[args["id"]]
        entry.companies = list(dict.fromkeys([*entry.companies, *args["companies"]]))
        entry.edited = self._now()
        return {"id": entry.key}

    def _rate(self, args: Mapping[str, Any]) -> Any:
        now = self._now()
        rating = {"rating": args["rating"], "remark": args.get("remark"), "created_at": now - 60, "updated_at": now}
        return self._edit({"kind": "conversations", "id": args["id"], "fields": {"conversation_rating": rating}})

    def _break(self, _args: Mapping[str, Any]) -> Any:
        self._broken = True
        return {}

    def _set_options(self, args: Mapping[str, Any]) -> Any:
        self.options = replace(self.options, **args)
        return {}


ROUTES: Mapping[str, Callable[..., Json]] = {
    r"GET me": IntercomVendor.me,
    r"POST contacts/search": IntercomVendor.contacts,
    r"POST conversations/search": IntercomVendor.conversations,
    r"GET conversations/deleted": IntercomVendor.deleted,
    r"GET companies/scroll": IntercomVendor.scrolled,
    r"POST companies/list": IntercomVendor.listed,
    r"GET companies/(\w+)": IntercomVendor.company,
    r"GET contacts/(\w+)/companies": IntercomVendor.homes,
}


def _paged(request: Request, rows: list[Json], key: str, kind: str, most: int) -> Json:
    """A list that is paged by number."""
    page, size = request.args.get("page", 1, int), min(request.args.get("per_page", 20, int), most)
    total = -(-len(rows) // size)
    shown = rows[(page - 1) * size : page * size]
    more = f"https://api.intercom.io{request.path}?per_page={size}&page={page + 1}" if page < total else None
    pages = {"type": "pages", "next": more, "page": page, "per_page": size, "total_pages": total}
    return {"type": kind, key: shown, "total_count": len(rows), "pages": pages}


def _token(place: int) -> str:
    return base64.b64encode(json.dumps([place]).encode()).decode()


def _place(token: Any) -> int:
    if token is None:
        return 0
    try:
        (place,) = json.loads(base64.b64decode(str(token), validate=True))
        return int(place)
    except ValueError as error:
        raise Refusal(400, "parameter_invalid", "starting_after is not a place") from error


def _answer(body: Any, status: int = 200) -> Response:
    return Response(to_json(body), status=status, content_type="application/json; charset=utf-8")
