"""HubSpot, simulated: routing and wiring.

Both path families (v3/v4 and dated) lead to the same operations. A request passes, in this order: length of the URI,
path, account being moved (477), token, method, scopes, rate limits, body; then its operation. Options are those of
`sandbox.hubspot_portal.Options`; `mutate` actions those of `sandbox.hubspot_people`.

Associations in a list come one row a type, so that a contact's primary company shows twice: as `contact_to_company`
(the primary label) and as `contact_to_company_unlabeled`; any other company shows only as the latter.
"""

import json
import random
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from werkzeug.wrappers import Request, Response

from sandbox import hubspot_account, hubspot_associations, hubspot_batch, hubspot_objects, hubspot_properties
from sandbox.core import SandboxClock, Vendor
from sandbox.hubspot_access import Access, Limits, Token
from sandbox.hubspot_errors import (
    ApiError,
    auth_missing,
    method_not_allowed,
    migrating,
    not_found,
    uri_too_long,
    validation,
)
from sandbox.hubspot_paths import READING_POSTS, Match, match
from sandbox.hubspot_people import People
from sandbox.hubspot_portal import Call, Options, Portal, Reply
from sandbox.hubspot_render import to_ms
from sandbox.hubspot_search import Search
from sandbox.model import World

_OPTIONAL_KEYS = ("createdAt", "updatedAt", "archived")
"""Keys of a record that a tolerant reader does without."""

_OPERATIONS: Mapping[str, Callable[[Portal, Call], Reply]] = {
    **hubspot_objects.OPERATIONS,
    **hubspot_batch.OPERATIONS,
    **hubspot_associations.OPERATIONS,
    **hubspot_properties.OPERATIONS,
    **hubspot_account.OPERATIONS,
}


class HubSpotVendor(Vendor):
    """One simulated HubSpot account.

    Args:
        world: What is true.
        clock: The sandbox's time.
        tokens: Static tokens and their scopes; by default the sandbox's one token with every scope.
        options: See `sandbox.hubspot_portal.Options`.
    """

    name = "hubspot"

    def __init__(
        self,
        world: World,
        clock: SandboxClock,
        *,
        tokens: Mapping[str, Iterable[str]] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(world, clock)
        self.portal = Portal(world, to_ms(clock.now()), Options().changed(options))
        self.access = Access(tokens)
        self.limits = Limits()
        self.search = Search(self.portal)
        self.people = People(self)
        self._correlation = random.Random(world.seed)
        self._chance = random.Random(self.portal.options.leave_out_seed)

    def tick(self, now: datetime) -> None:
        """Move the account's time; workflows that are due run."""
        self.portal.now = to_ms(now)
        self.portal.run_flows()

    def is_write(self, method: str, path: str) -> bool:
        """Whether a request means to change something; reads by POST (search, batch read) do not."""
        if method in {"GET", "HEAD", "OPTIONS"}:
            return False
        found = match(path)
        return found is None or found.operations.get(method) not in READING_POSTS

    def mutate(self, action: str, args: Mapping[str, Any]) -> Any:
        """Do what people do, see `sandbox.hubspot_people`."""
        return self.people.act(action, args)

    def handle(self, request: Request) -> Response:
        """Answer one request, errors included."""
        headers: dict[str, str] = {}
        try:
            status, body = self._answer(request, headers)
        except ApiError as refusal:
            return self._refuse(refusal, headers)
        if status == 204:
            response = Response(status=204)
        else:
            text = json.dumps(self._thinned(body), ensure_ascii=False, separators=(",", ":"))
            response = Response(text, status=status, content_type="application/json;charset=utf-8")
        response.headers.extend(headers)
        return response

    def _refuse(self, refusal: ApiError, headers: Mapping[str, str]) -> Response:
        if isinstance(refusal.body, str):
            kind = "text/html" if refusal.body.startswith("<") else "text/plain"
            response = Response(refusal.body, status=refusal.status, content_type=f"{kind}; charset=utf-8")
        else:
            number = uuid.UUID(int=self._correlation.getrandbits(128), version=4)
            body = {**refusal.body, "correlationId": str(number)}
            text = json.dumps(body, ensure_ascii=False)
            response = Response(text, status=refusal.status, content_type="application/json;charset=utf-8")
        response.headers.extend({**headers, **refusal.headers})
        return response

    def _answer(self, request: Request, headers: dict[str, str]) -> Reply:
        portal = self.portal
        if len(request.full_path) > portal.options.uri_limit:
            raise uri_too_long()
        found = match(request.path)
        if found is None or (found.legacy and not portal.options.legacy_paths):
            raise not_found()
        if portal.options.migrating is not None:
            raise migrating(portal.options.migrating)
        operation = found.operations.get(request.method)
        if operation is not None and operation.startswith("oauth."):
            return self._oauth(operation, request, found)
        token = self.access.authenticate(request.headers.get("Authorization", ""), portal.now, portal.options)
        if operation is None:
            raise method_not_allowed()
        self.access.authorize(token, operation, found.params)
        headers.update(self._count(token, operation))
        return self._operate(operation, _call(request, found))

    def _count(self, token: Token, operation: str) -> dict[str, str]:
        return self.limits.count(token, self.portal.now, self.portal.options, search=operation == "objects.search")

    def _operate(self, operation: str, call: Call) -> Reply:
        if operation == "objects.search":
            return self.search.answer(call)
        if operation == "account.usage":
            return hubspot_account.usage(self.portal, self.limits)
        return _OPERATIONS[operation](self.portal, call)

    def _oauth(self, operation: str, request: Request, found: Match) -> Reply:
        form, now, portal_id = request.form, self.portal.now, self.portal.options.portal_id
        text = found.params.get("token") or form.get("token", "")
        if operation == "oauth.token":
            return 200, self.access.grant(form, now, dated=not found.legacy)
        if operation == "oauth.private_app":
            return 200, self.access.private_app(request.get_json(silent=True), portal_id)
        if operation in {"oauth.delete_refresh_token", "oauth.revoke"}:
            if text not in self.access.refresh_tokens and text not in self.access.tokens:
                raise auth_missing()
            self.access.refresh_tokens.pop(text, None)
            self.access.tokens.pop(text, None)
            return (204, None) if found.legacy else (200, {})
        return 200, self.access.describe(text, now, portal_id)

    def _thinned(self, body: Any) -> Any:
        """Leave optional keys out of some records, when the account is set to do so."""
        share = self.portal.options.leave_out
        if share <= 0 or not isinstance(body, dict):
            return body
        records = body["results"] if isinstance(body.get("results"), list) else [body]
        for record in records:
            if "properties" not in record:
                continue
            for key in _OPTIONAL_KEYS:
                if self._chance.random() < share:
                    record.pop(key, None)
            properties = record["properties"]
            for name in [n for n, value in properties.items() if value is None]:
                if self._chance.random() < share:
                    del properties[name]
        return body

    def truth(self) -> dict[str, dict[str, int]]:
        """Record id -> world id of what lives now; a duplicate contact is the person it repeats."""
        return {"account": self._living_truth("companies"), "contact": self._living_truth("contacts")}

    def _living_truth(self, kind: str) -> dict[str, int]:
        table = self.portal.tables[kind]
        places = table.living(0, self.portal.now)
        found = ((table.ids[place], table.origin(place)) for place in places)
        return {
            str(record_id): getattr(item, "duplicate_of", None) or item.id
            for record_id, item in found
            if item is not None
        }


def _call(request: Request, found: Match) -> Call:
    """The routed request. Raises 400 for a body that is not JSON."""
    raw = request.get_data()
    try:
        body = json.loads(raw) if raw else {}
    except ValueError:
        raise validation("Invalid input JSON on line 1, column 1: Unable to parse value") from None
    if not isinstance(body, dict | list):
        raise validation("Invalid input JSON on line 1, column 1: expected an object")
    if isinstance(body, list) and found.operations.get(request.method) != "links.put":
        raise validation("Invalid input JSON on line 1, column 1: expected an object, got a list")
    return Call(
        params=found.params,
        query=dict(request.args.lists()),
        body=body,
        version=found.version,
        root=request.url_root.rstrip("/"),
        path=request.path,
    )
