"""What every Zendesk answer shares: who asks, error bodies, rate limits and the three ways of paging."""

import base64
import binascii
import math
import re
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlencode

import numpy as np
from pydantic_core import to_json
from werkzeug.wrappers import Request, Response

from sandbox.zendesk_log import Keys
from sandbox.zendesk_render import Json

Role = Literal["admin", "agent", "anonymous"]

MAX_OFFSET_PAGES = 100
"""Offset paging ends there with a 400 (developer.zendesk.com, "Pagination", since 2023-08)."""


class Refusal(Exception):  # noqa: N818 - an answer with an error status, not a mistake of ours
    """An answer other than 200."""

    def __init__(self, status: int, body: Json, headers: dict[str, str] | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.body = body
        self.headers = headers or {}


def refuse(status: int, error: str, description: str, **more: Any) -> Refusal:
    """The usual envelope: a code and a sentence."""
    return Refusal(status, {"error": error, "description": description, **more})


def not_found() -> Refusal:
    """404 as recorded from the vendor."""
    return refuse(404, "RecordNotFound", "Not found")


def forbidden() -> Refusal:
    """403 for a role or plan that lacks the endpoint."""
    message = (
        "You do not have access to this page. Please contact the account owner of this help desk for further help."
    )
    return Refusal(403, {"error": {"title": "Forbidden", "message": message}})


def unauthenticated() -> Refusal:
    """401 for anything but `users/me`."""
    return Refusal(401, {"error": "Couldn't authenticate you"}, {"WWW-Authenticate": 'Basic realm="Web Password"'})


_GUIDE_TITLES = {
    401: ("Unauthorized", "Unauthorized to access the resource"),
    403: ("Forbidden", "Access to the resource is forbidden"),
}


def as_guide(refusal: Refusal) -> Refusal:
    """The same refusal in the other envelope, the one of `guide/*`."""
    code, title = _GUIDE_TITLES.get(refusal.status, ("BadRequest", str(refusal.body.get("description", ""))))
    body = {"errors": [{"code": code, "status": str(refusal.status), "title": title}]}
    return Refusal(refusal.status, body, refusal.headers)


@dataclass(frozen=True, slots=True)
class Call:
    """One request, understood.

    Attributes:
        request: As it came in.
        base: Absolute address of the API (".../api/v2") as the client reached it.
        path: Below the API, without ".json".
        now: Epoch second.
        role: Whose token it is.
    """

    request: Request
    base: str
    path: str
    now: int
    role: Role

    def text(self, name: str, default: str = "") -> str:
        """A query parameter."""
        return str(self.request.args.get(name, default))

    def number(self, name: str, default: int | None = None) -> int:
        """A whole number from the query; 400 when it is none."""
        text = self.request.args.get(name)
        if text is None and default is not None:
            return default
        try:
            return int(text or "")
        except ValueError:
            raise refuse(400, "InvalidValue", f"{name} must be a whole number") from None

    def ids(self, name: str, most: int = 100) -> list[int]:
        """A comma-separated list of ids; 400 with the vendor's own code when there are too many."""
        parts = [p for p in self.text(name).split(",") if p.strip()]
        if len(parts) > most:
            raise refuse(400, "TooManyValues", f"Exceeded max count for {name}", max_count=most)
        return [int(p) for p in parts if p.strip().isdigit()]

    def include(self) -> set[str]:
        """The sideloads asked for."""
        return {name.strip() for name in self.text("include").split(",") if name.strip()}

    def link(self, path: str, **params: Any) -> str:
        """An absolute link that keeps the client's form of path, with or without ".json"."""
        suffix = ".json" if self.request.path.endswith(".json") else ""
        kept = {k: v for k, v in params.items() if v not in (None, "")}
        return f"{self.base}/{path}{suffix}?{urlencode(kept)}"


Handler = Callable[[Call, Sequence[str]], Json]


def base_address(request: Request) -> str:
    """Where the client thinks the API is: the forwarded address when a proxy says so, else the one it called.

    A test that sends `https://acme.zendesk.com` to loopback sets `X-Forwarded-Host` (and `-Proto`, `-Prefix`), and
    links in the answers then read as the real ones would.
    """
    host = request.headers.get("X-Forwarded-Host")
    if host is None:
        return f"{request.host_url.rstrip('/')}{request.root_path.rstrip('/')}/api/v2"
    scheme = request.headers.get("X-Forwarded-Proto", "https")
    return f"{scheme}://{host}{request.headers.get('X-Forwarded-Prefix', '').rstrip('/')}/api/v2"


def answer(body: Json, status: int = 200) -> Response:
    """JSON as the vendor sends it."""
    return Response(to_json(body), status=status, content_type="application/json; charset=utf-8")


class Window:
    """So many requests in any sixty seconds."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._taken: deque[float] = deque()

    def take(self, now: datetime) -> int | None:
        """Count one request; the seconds to wait when it is one too many."""
        moment = now.timestamp()
        while self._taken and self._taken[0] <= moment - 60:
            self._taken.popleft()
        if len(self._taken) >= self.limit:
            return max(math.ceil(self._taken[0] + 60 - moment), 1)
        self._taken.append(moment)
        return None

    @property
    def remaining(self) -> int:
        """How many are left."""
        return max(self.limit - len(self._taken), 0)

    def reset(self, now: datetime) -> int:
        """Seconds until the window is free again."""
        return 0 if not self._taken else max(math.ceil(self._taken[0] + 60 - now.timestamp()), 0)


def encode_cursor(text: str) -> str:
    """Opaque to clients; base64 on the wire."""
    return base64.b64encode(text.encode()).decode()


def decode_cursor(cursor: str) -> str:
    """The text in a cursor. Raises a 400 for anything we did not hand out."""
    try:
        return base64.b64decode(cursor.encode(), validate=True).decode()
    except (binascii.Error, UnicodeError):
        raise refuse(400, "InvalidValue", "Invalid cursor") from None


def cursor_page(call: Call, keys: Keys, name: str, render: Callable[[int], Json], most: int = 100) -> Json:
    """A page of `page[size]`, `page[after]` paging over ascending integer keys.

    A cursor names a key, not a position, so that records added or gone in the meantime do not shift pages.
    """
    size = call.number("page[size]", most)
    if not 1 <= size <= most:
        message = f"page[size] must be between 1 and {most}"
        raise Refusal(400, {"errors": [{"code": "InvalidPaginationParameter", "title": message}]})
    start = 0
    if call.text("page[after]"):
        start = int(np.searchsorted(keys, _key_in(call.text("page[after]")), side="right"))
    elif call.text("page[before]"):
        start = max(int(np.searchsorted(keys, _key_in(call.text("page[before]")))) - size, 0)
    window = keys[start : start + size].tolist()
    more = start + size < len(keys)
    first, last = (encode_cursor(f"k{window[0]}"), encode_cursor(f"k{window[-1]}")) if window else (None, None)
    return {
        name: [render(key) for key in window],
        "meta": {"has_more": more, "after_cursor": last, "before_cursor": first},
        "links": {
            "prev": page_link(call, size, before=first) if start and first else None,
            "next": page_link(call, size, after=last) if more and last else None,
        },
    }


def _key_in(cursor: str) -> int:
    match = re.fullmatch(r"k(-?\d+)", decode_cursor(cursor))
    if match is None:
        raise refuse(400, "InvalidCursor", "The cursor is malformed")
    return int(match[1])


def page_link(call: Call, size: int, **edge: str) -> str:
    """Link to the neighbouring page; `edge` is `after` or `before`."""
    kept = {k: v for k, v in call.request.args.items() if not k.startswith("page[")}
    paging = {f"page[{k}]": v for k, v in edge.items()}
    return call.link(call.path, **kept, **paging, **{"page[size]": size})


def offset_page(call: Call, keys: Keys, name: str, render: Callable[[int], Json], most: int = 100) -> Json:
    """A page of `page=`, `per_page=` paging, which ends at page 100."""
    page, size = max(call.number("page", 1), 1), min(max(call.number("per_page", 100), 1), most)
    if page > MAX_OFFSET_PAGES:
        raise refuse(
            400,
            "InvalidPaginationDepth",
            "Offset pagination is limited to 100 pages (10,000 records). Use cursor pagination to go on.",
        )
    kept = {k: v for k, v in call.request.args.items() if k != "page"}
    window = keys[(page - 1) * size : page * size].tolist()
    more = page * size < len(keys)
    return {
        name: [render(key) for key in window],
        "next_page": call.link(call.path, **kept, page=page + 1) if more else None,
        "previous_page": call.link(call.path, **kept, page=page - 1) if page > 1 else None,
        "count": len(keys),
    }


def any_page(call: Call, keys: Keys, name: str, render: Callable[[int], Json]) -> Json:
    """Cursor paging when the client asks for it with any `page[...]`, else offset paging."""
    if any(key.startswith("page[") for key in call.request.args):
        return cursor_page(call, keys, name, render)
    return offset_page(call, keys, name, render)
