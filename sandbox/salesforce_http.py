"""What a request to the simulated Salesforce is, once routed: the words that its modules share.

A module of operations exports `ROUTES`, a list of `Route`. Templates are relative to the version
("sobjects/{object}/{id}"), a trailing slash is welcome on every path, and where several templates fit, the one with
fewer parameters wins. An operation takes the org and the call and gives a `Reply`, or raises `SfError`.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.salesforce_errors import json_error

if TYPE_CHECKING:
    from sandbox.salesforce_org import Org

Reply = tuple[int, Any, Mapping[str, str]]
"""HTTP status; body; extra headers. A body of lists and dicts goes out as JSON, text and bytes as they are (name their
Content-Type among the headers), an iterator of bytes piece by piece, None as no body."""


@dataclass(slots=True)
class Call:
    """One authenticated, routed request.

    Attributes:
        user: The calling user's 18-character id.
        version: "64.0".
        method: "GET", ...
        params: From the path, decoded; a "{rest*}" at a template's end takes everything that follows.
        query: Query parameters, the first value of each.
        headers: Request headers; look them up in any case.
        body: As sent.
        root: URL up to and including the vendor's prefix, without a trailing slash.
    """

    user: str
    version: str = "64.0"
    method: str = "GET"
    params: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    root: str = ""

    def json(self) -> Any:
        """The JSON body; {} when there is none. Raises 400 `JSON_PARSER_ERROR`."""
        if not self.body.strip():
            return {}
        try:
            return json.loads(self.body)
        except ValueError:
            raise json_error() from None

    def path(self, rest: str) -> str:
        """A path as Salesforce writes it into answers: absolute from the host, in the caller's version."""
        return f"/services/data/v{self.version}/{rest}"

    def header(self, name: str) -> str:
        """A request header in any case; empty when absent."""
        return next((value for key, value in self.headers.items() if key.lower() == name.lower()), "")


Operation = Callable[["Org", Call], Reply]


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path.

    Attributes:
        method: HTTP method.
        template: Path below the version.
        operation: What it does.
        reads: Whether it changes nothing that the CRM's owner would call data (a POST that only reads, a query job).
            GET and HEAD always count as reading.
        cost: API calls it counts as.
    """

    method: str
    template: str
    operation: Operation
    reads: bool = False
    cost: int = 1


@dataclass(frozen=True, slots=True)
class Match:
    """What a path means.

    Attributes:
        routes: HTTP method -> route.
        values: The path's parameters, in the template's order.
    """

    routes: Mapping[str, Route]
    values: tuple[str, ...]

    def params(self, route: Route) -> dict[str, str]:
        """The parameters under the names that a route's own template gives them."""
        return dict(zip(re.findall(r"\{(\w+)\*?\}", route.template), self.values, strict=True))


class Router:
    """Finds the routes of a path.

    Args:
        routes: All of them, in any order. Raises `ValueError` for two of the same method and path.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        grouped: dict[str, dict[str, Route]] = {}
        for route in routes:
            shape = re.sub(r"\{\w+(\*?)\}", r"{\1}", route.template.strip("/"))
            methods = grouped.setdefault(shape, {})
            if route.method in methods:
                raise ValueError(f"two routes for {route.method} {route.template}")
            methods[route.method] = route
        ordered = sorted(grouped.items(), key=lambda row: (row[0].count("{*}"), row[0].count("{"), row[0]))
        self._table = [(_regex(shape), methods) for shape, methods in ordered]

    def match(self, rest: str) -> Match | None:
        """What is served at a path below the version; None when nothing is."""
        for regex, methods in self._table:
            found = regex.fullmatch(rest)
            if found:
                return Match(methods, found.groups())
        return None


def _regex(shape: str) -> re.Pattern[str]:
    return re.compile(f"{shape.replace('{*}', '(.+?)').replace('{}', '([^/]+)')}/?")
