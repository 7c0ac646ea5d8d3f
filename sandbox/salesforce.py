"""Salesforce, simulated: routing and wiring.

Served below the prefix: `/services/oauth2/token`, `/services/data/` (versions), `/services/data/vNN.0/...`,
`/services/Soap/u/NN.0` (login only), `/services/Soap/m/NN.0` (metadata), the identity URL. Inside answers,
`nextRecordsUrl` and `attributes.url` are as in real life: absolute from the host, without the sandbox's prefix;
`instance_url` includes it.

A request below a version passes, in this order: length of URI and headers, version, session, switches and the day's
calls, path, method; then its operation. Every answer carries `Sforce-Limit-Info`. Operations come from modules that
export `ROUTES` (see `sandbox.salesforce_http`); their common ground is `sandbox.salesforce_org.Org`.

Options are those of `sandbox.salesforce_options.Options`; `mutate` actions those of `sandbox.salesforce_people`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from werkzeug.wrappers import Request, Response

from sandbox import (
    salesforce_bulk_query,
    salesforce_composite,
    salesforce_describe,
    salesforce_ingest,
    salesforce_limits,
    salesforce_mdapi,
    salesforce_query,
    salesforce_records,
    salesforce_subrequests,
    salesforce_tooling,
    salesforce_tooling_query,
)
from sandbox.core import SandboxClock, Vendor
from sandbox.hubspot_render import to_ms
from sandbox.model import World
from sandbox.salesforce_access import Access
from sandbox.salesforce_errors import (
    RawError,
    SfError,
    bad_oauth_token,
    headers_too_large,
    method_not_allowed,
    not_found,
    unsupported_version,
    uri_too_long,
)
from sandbox.salesforce_http import Call, Reply, Route, Router
from sandbox.salesforce_identity import Identity
from sandbox.salesforce_options import Options
from sandbox.salesforce_org import Org
from sandbox.salesforce_people import People

MAX_URI = 16_384
"""Bytes of the URI (414), and of URI and headers together (431)."""

_VERSIONED = re.compile(r"/services/data/v([^/]+)(?:/(.*))?")
_SOAP = re.compile(r"/services/Soap/u/([^/]+)(?:/.*)?")
_METADATA = re.compile(rf"{salesforce_mdapi.PATH}([^/]+)(?:/.*)?")
_IDENTITY = re.compile(r"/id/([^/]+)/([^/]+)/?")
_LOGINS = ("/services/oauth2/", "/services/Soap/u/", "/id/")
_JSON = "application/json;charset=UTF-8"


def routes() -> list[Route]:
    """Every route below a version."""
    return [
        *salesforce_describe.ROUTES,
        *salesforce_limits.ROUTES,
        *salesforce_query.ROUTES,
        *salesforce_bulk_query.ROUTES,
        *salesforce_records.ROUTES,
        *salesforce_composite.ROUTES,
        *salesforce_subrequests.ROUTES,
        *salesforce_tooling.ROUTES,
        *salesforce_tooling_query.ROUTES,
        *salesforce_ingest.ROUTES,
    ]


class SalesforceVendor(Vendor):
    """A simulated Salesforce org.

    Args:
        world: What is true.
        clock: Whose time it lives in.
        options: See `sandbox.salesforce_options.Options`.

    Attributes:
        org: The org.
        access: Sessions and calls.
        people: What people do by hand.
    """

    name = "salesforce"

    def __init__(self, world: World, clock: SandboxClock, **options: Any) -> None:
        super().__init__(world, clock)
        self.org = Org(world, to_ms(clock.now()), Options().changed(options))
        self.access = self.org.part(Access)
        self.people = People(self.org, self.access)
        self.router = Router(routes())

    def tick(self, now: datetime) -> None:
        """Move the org's time; what is due by then happens."""
        self.org.tick(to_ms(now))

    def is_write(self, method: str, path: str) -> bool:
        """Whether a request means to change the CRM's data: logins, reads by POST and query jobs do not."""
        if method in {"GET", "HEAD", "OPTIONS"}:
            return False
        versioned = _VERSIONED.fullmatch(path)
        if versioned is None:
            return not path.startswith(_LOGINS)
        found = self.router.match(versioned.group(2) or "")
        route = None if found is None else found.routes.get(method)
        return route is None or not route.reads

    def means_to_write(self, request: Request) -> bool:
        """Several requests in one write when one of them does; a call of the Metadata API may only read."""
        write = self.is_write(request.method, request.path)
        if write and request.path.startswith(salesforce_mdapi.PATH):
            return not salesforce_mdapi.reads(request.get_data())
        return write and not (request.path.rstrip("/").endswith("/composite") and self._only_reads(request))

    def _only_reads(self, request: Request) -> bool:
        body = request.get_json(force=True, silent=True)
        listed = body.get("compositeRequest") if isinstance(body, dict) else None
        parts = [part for part in listed if isinstance(part, dict)] if isinstance(listed, list) else []
        return bool(parts) and not any(
            self.is_write(str(part.get("method")), str(part.get("url")).partition("?")[0]) for part in parts
        )

    def mutate(self, action: str, args: Mapping[str, Any]) -> Any:
        """Do what people do, see `sandbox.salesforce_people`."""
        return self.people.act(action, args)

    def truth(self) -> dict[str, dict[str, int]]:
        """Record id -> world id of what lives now; a duplicate contact is the person it repeats."""
        return {"account": self._living("Account"), "contact": self._living("Contact")}

    def _living(self, kind: str) -> dict[str, int]:
        table = self.org.tables[kind]
        found = ((place, table.items[place]) for place in table.places(self.org.now))
        return {
            table.id_at(place): getattr(item, "duplicate_of", None) or item.id
            for place, item in found
            if item is not None
        }

    def handle(self, request: Request) -> Response:
        """Answer one request, errors included."""
        try:
            status, body, headers = self._answer(request)
        except SfError as refusal:
            kind = refusal.content_type if isinstance(refusal, RawError) else _JSON
            status, body, headers = refusal.status, refusal.body, {"Content-Type": kind}
        response = _response(status, body, headers)
        response.headers["Sforce-Limit-Info"] = self.access.usage()
        return response

    def _answer(self, request: Request) -> Reply:
        self._measure(request)
        root, path = request.url_root.rstrip("/"), request.path
        versioned = _VERSIONED.fullmatch(path)
        if versioned is not None:
            return self._operate(request, versioned.group(1), versioned.group(2) or "", root)
        if path.rstrip("/") == "/services/data":
            return 200, salesforce_limits.versions(self.org.options), {}
        return self._log_in(request, root, path.rstrip("/")) if request.method == "POST" else self._tell(request, root)

    def _log_in(self, request: Request, root: str, path: str) -> Reply:
        """Logins and logouts, and what else is asked outside the versions."""
        metadata = _METADATA.fullmatch(path)
        if metadata is not None:
            text = salesforce_mdapi.answer(self.org, self.access, request.get_data(), metadata.group(1))
            return 200, text, {"Content-Type": "text/xml;charset=UTF-8"}
        soap = _SOAP.fullmatch(path)
        if soap is not None:
            text = self.access.soap_login(request.get_data(), soap.group(1), root)
            return 200, text, {"Content-Type": "text/xml;charset=UTF-8"}
        if path == "/services/oauth2/token":
            return 200, self.access.grant(request, root), {}
        if path == "/services/oauth2/revoke":
            self.access.revoke(request.values.get("token", ""))
            return 200, "", {}
        return self._tell(request, root)

    def _tell(self, request: Request, root: str) -> Reply:
        """Who the caller is. Raises 404 for every other path."""
        identity = _IDENTITY.fullmatch(request.path)
        if identity is not None:
            return 200, self._whoever(request).identity(identity.group(1), identity.group(2), root), {}
        if request.path.rstrip("/") == "/services/oauth2/userinfo":
            return 200, self._whoever(request).userinfo(root), {}
        raise not_found()

    def _whoever(self, request: Request) -> Identity:
        """The calling user. Raises 403 in the identity service's own words."""
        try:
            user = self.access.authenticate(request.headers.get("Authorization", ""))
        except SfError:
            raise bad_oauth_token() from None
        return Identity(self.org, user)

    @staticmethod
    def _measure(request: Request) -> None:
        """Raises 414 for a long URI, 431 for URI and headers together."""
        uri = len(request.environ.get("QUERY_STRING", "")) + len(request.path.encode()) + 1
        if uri > MAX_URI:
            raise uri_too_long()
        if uri + sum(len(name) + len(value) + 4 for name, value in request.headers.items()) > MAX_URI:
            raise headers_too_large()

    def _operate(self, request: Request, version: str, rest: str, root: str) -> Reply:
        options = self.org.options
        known = re.fullmatch(r"(\d+)\.0", version)
        if known is None or not options.first_version <= int(known.group(1)) <= options.last_version:
            raise unsupported_version(version)
        user = self.access.authenticate(request.headers.get("Authorization", ""))
        found = self.router.match(rest)
        route = None if found is None else found.routes.get(request.method)
        self.access.admit(user, 1 if route is None else route.cost)
        if found is None:
            raise not_found()
        if route is None:
            raise method_not_allowed(request.method, sorted(found.routes))
        call = Call(
            user=user,
            version=version,
            method=request.method,
            params=found.params(route),
            query=request.args.to_dict(),
            headers=dict(request.headers.items()),
            body=request.get_data(),
            root=root,
        )
        return route.operation(self.org, call)


def _response(status: int, body: Any, headers: Mapping[str, str]) -> Response:
    if body is None:
        response = Response(status=status)
    elif isinstance(body, str | bytes | Iterator):
        response = Response(body, status=status, content_type=headers.get("Content-Type", "text/plain;charset=UTF-8"))
    else:
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
        response = Response(text, status=status, content_type=_JSON)
    for name, value in headers.items():
        if name.lower() != "content-type":
            response.headers[name] = value
    return response
