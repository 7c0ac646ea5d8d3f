"""Zendesk's plain lists and lookups: users, organizations, memberships, identities, tickets, search.

They are here because clients use them and fall into them: archived tickets are absent, offset paging ends at page
100, search results are capped, an export cursor of search dies after an hour.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

import numpy as np
import numpy.typing as npt

from sandbox.model import Person
from sandbox.zendesk_desk import ARCHIVE_AFTER, Desk, Staff, epoch, org_id, user_id
from sandbox.zendesk_http import (
    Call,
    Handler,
    any_page,
    cursor_page,
    decode_cursor,
    encode_cursor,
    not_found,
    offset_page,
    page_link,
    refuse,
)
from sandbox.zendesk_log import Keys
from sandbox.zendesk_render import GROUPS, Json, Renderer, iso

SEARCH_CAP = 1000
EXPORT_LIFE = 3600
MEMBERSHIPS_PER_USER = 16
MEMBERSHIP_BASE = 52_000_000
WORD = re.compile(r'([a-z_]+)(:|>=|<=|>|<)("[^"]*"|\S+)')
SINGULAR = {"tickets": "ticket", "users": "user", "organizations": "organization", "groups": "group"}


class Lists:
    """The endpoints that agents may use too.

    Args:
        desk: The records.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._memberships: Keys = np.zeros(0, dtype=np.int64)
        self._memberships_of: tuple[int, int, int] | None = None

    def routes(self) -> dict[str, Handler]:
        """Path pattern -> handler."""
        return {
            r"(tickets|users|organizations)": self.listing,
            r"(tickets|users|organizations)/(\d+)": self.show,
            r"(tickets|users|organizations)/show_many": self.show_many,
            r"(tickets|users|organizations)/count": self.count,
            r"tickets/(\d+)/metrics": self.metrics,
            r"ticket_metrics": self.all_metrics,
            r"groups": self.groups,
            r"organization_memberships": self.memberships,
            r"(users|organizations)/(\d+)/organization_memberships": self.memberships_of,
            r"users/(\d+)/identities": self.identities,
            r"search": self.search,
            r"search/count": self.search_count,
            r"search/export": self.search_export,
        }

    def _render(self, kind: str, base: str) -> Callable[[int], Json]:
        renderer = Renderer(self.desk, base)
        return {"tickets": renderer.ticket, "users": renderer.user, "organizations": renderer.organization}[kind]

    def _visible(self, kind: str) -> Keys:
        """Indexes a plain list shows: no deleted and no archived tickets, no inactive users."""
        desk = self.desk
        if kind == "tickets":
            return np.nonzero(desk.ticket_log.visible() & ~self._hidden_tickets())[0].astype(np.int64)
        log = desk.user_log if kind == "users" else desk.org_log
        found = np.nonzero(log.visible())[0].astype(np.int64)
        if kind == "users":
            gone = [i for i, edit in desk.edits.users.items() if edit.get("active") is False]
            found = found[~np.isin(found, gone)]
        return found

    def _hidden_tickets(self) -> npt.NDArray[np.bool_]:
        columns, now = self.desk.columns, self.desk.now
        hidden: npt.NDArray[np.bool_] = (columns.deleted > 0) & (columns.deleted <= now)
        hidden |= (columns.closed > 0) & (columns.closed + ARCHIVE_AFTER <= now)
        hidden[[i for i, edit in self.desk.edits.tickets.items() if edit.get("status") == "deleted"]] = True
        return hidden

    def listing(self, call: Call, parts: Sequence[str]) -> Json:
        """All records of a kind, by id."""
        return any_page(call, self._visible(parts[0]), parts[0], self._render(parts[0], call.base))

    def count(self, call: Call, parts: Sequence[str]) -> Json:
        """How many a plain list would show."""
        return {"count": {"value": len(self._visible(parts[0])), "refreshed_at": iso(call.now)}}

    def show(self, call: Call, parts: Sequence[str]) -> Json:
        """One record; archived tickets can be shown, deleted ones cannot."""
        kind, index = parts[0], self._index(parts[0], parts[1])
        return {SINGULAR[kind]: self._render(kind, call.base)(index)}

    def _index(self, kind: str, text: str) -> int:
        index = self.desk.find(kind, int(text))
        if index is None or (kind == "tickets" and self._deleted(index)):
            raise not_found()
        return index

    def _deleted(self, index: int) -> bool:
        return Renderer(self.desk, "").status(index) == "deleted"

    def show_many(self, call: Call, parts: Sequence[str]) -> Json:
        """Up to 100 records by `ids` or `external_ids`; unknown ones are left out."""
        kind = parts[0]
        render = self._render(kind, call.base)
        if "external_ids" in call.request.args:
            wanted = set(call.text("external_ids").split(","))
            rows = [row for row in map(render, self._visible(kind).tolist()) if row["external_id"] in wanted]
        else:
            found = (self.desk.find(kind, i) for i in call.ids("ids"))
            rows = [render(i) for i in found if i is not None and not (kind == "tickets" and self._deleted(i))]
        return {kind: rows, "next_page": None, "previous_page": None, "count": len(rows)}

    def metrics(self, call: Call, parts: Sequence[str]) -> Json:
        """The times of one ticket."""
        return {"ticket_metric": Renderer(self.desk, call.base).metric_set(self._index("tickets", parts[0]))}

    def all_metrics(self, call: Call, _parts: Sequence[str]) -> Json:
        """The times of all tickets that are not archived."""
        render = Renderer(self.desk, call.base).metric_set
        return any_page(call, self._visible("tickets"), "ticket_metrics", render)

    def groups(self, call: Call, _parts: Sequence[str]) -> Json:
        """The support groups."""
        renderer = Renderer(self.desk, call.base)
        return any_page(call, np.array([number for number, _ in GROUPS]), "groups", renderer.group)

    def memberships(self, call: Call, _parts: Sequence[str]) -> Json:
        """Which user belongs to which organizations, the default one included."""
        return any_page(call, self._membership_keys(), "organization_memberships", self._membership(call.base))

    def memberships_of(self, call: Call, parts: Sequence[str]) -> Json:
        """Those of one user or of one organization."""
        kind, index = parts[0], self._index(parts[0], parts[1])
        keys = self._membership_keys()
        if kind == "users":
            keys = keys[keys // MEMBERSHIPS_PER_USER == index]
        else:
            keys = keys[[self._member_org(int(key)) == index for key in keys]]
        return any_page(call, keys, "organization_memberships", self._membership(call.base))

    def _membership_keys(self) -> Keys:
        """Key = user index * 16 + place in the user's list of organizations; kept until users or merges change."""
        visible, edits = self._visible("users"), self.desk.edits
        state = (len(visible), len(edits.users), len(edits.merged_orgs))
        if state != self._memberships_of:
            self._memberships_of = state
            self._memberships = np.fromiter(self._all_memberships(visible.tolist()), dtype=np.int64)
        return self._memberships

    def _all_memberships(self, users: list[int]) -> Iterator[int]:
        for index in users:
            user = self.desk.users[index]
            if isinstance(user, Person):
                for place in range(len(self._orgs_of(user))):
                    yield index * MEMBERSHIPS_PER_USER + place

    def _orgs_of(self, person: Person) -> list[int]:
        companies = (person.company_id, *person.other_company_ids[: MEMBERSHIPS_PER_USER - 1])
        found = (self.desk.organization(company) for company in companies)
        return list(dict.fromkeys(org for org in found if org is not None))

    def _member_org(self, key: int) -> int:
        index, place = divmod(key, MEMBERSHIPS_PER_USER)
        user = self.desk.users[index]
        return -1 if isinstance(user, Staff) else self._orgs_of(user)[place]

    def _membership(self, base: str) -> Callable[[int], Json]:
        def render(key: int) -> Json:
            index, place = divmod(key, MEMBERSHIPS_PER_USER)
            org = self._member_org(key)
            stamp = iso(int(self.desk.user_created[index]))
            return {
                "url": f"{base}/organization_memberships/{MEMBERSHIP_BASE + key}.json",
                "id": MEMBERSHIP_BASE + key,
                "user_id": user_id(index),
                "organization_id": org_id(org),
                "organization_name": self.desk.names[org],
                "default": place == 0,
                "created_at": stamp,
                "updated_at": stamp,
                "view_tickets": True,
            }

        return render

    def identities(self, call: Call, parts: Sequence[str]) -> Json:
        """Every address of a user, the primary one first."""
        index = self._index("users", parts[0])
        user = Renderer(self.desk, call.base).user(index)
        known = self.desk.users[index]
        others = [known.email, *known.other_emails] if isinstance(known, Person) and user["active"] else []
        emails = [e for e in dict.fromkeys([user["email"], *others]) if e]
        rows = [
            {
                "url": f"{call.base}/users/{user['id']}/identities/{index * 8 + n}.json",
                "id": index * 8 + n,
                "user_id": user["id"],
                "type": "email",
                "value": email,
                "verified": n == 0,
                "primary": n == 0,
                "created_at": user["created_at"],
                "updated_at": user["updated_at"],
                "undeliverable_count": 0,
                "deliverable_state": "deliverable",
            }
            for n, email in enumerate(emails)
        ]
        return {"identities": rows, "next_page": None, "previous_page": None, "count": len(rows)}

    def search(self, call: Call, _parts: Sequence[str]) -> Json:
        """At most 1,000 results, 100 a page; one page further is a 422."""
        kind, keys = self._query(call, call.text("query"))
        page, size = max(call.number("page", 1), 1), min(max(call.number("per_page", 100), 1), 100)
        if (page - 1) * size >= SEARCH_CAP:
            raise refuse(422, "invalid", "Requested response size was greater than Search Response Limits")
        total = len(keys)
        return {**offset_page(call, keys[:SEARCH_CAP], "results", self._result(kind, call.base)), "count": total}

    def search_count(self, call: Call, _parts: Sequence[str]) -> Json:
        """How many a search would find."""
        return {"count": len(self._query(call, call.text("query"))[1])}

    def search_export(self, call: Call, _parts: Sequence[str]) -> Json:
        """All results by cursor, 1,000 a page; `filter[type]` is required and a cursor lives for an hour."""
        kind = call.text("filter[type]")
        if kind not in SINGULAR.values():
            raise refuse(400, "InvalidValue", "filter[type] is required: ticket, user, organization or group")
        _, keys = self._query(call, f"{call.text('query')} type:{kind}")
        args = call.request.args
        if "page[after]" in args:
            inner = self._still_alive(call, call.text("page[after]"))
            call = _with_after(call, inner)
        page = cursor_page(call, keys, "results", self._result(f"{kind}s", call.base), most=1000)
        if page["meta"]["after_cursor"] is not None:
            cursor = encode_cursor(f"{call.now}~{page['meta']['after_cursor']}")
            page["meta"]["after_cursor"] = cursor
            if page["links"]["next"]:
                page["links"]["next"] = page_link(call, len(page["results"]), after=cursor)
        return page

    @staticmethod
    def _still_alive(call: Call, cursor: str) -> str:
        issued, _, inner = decode_cursor(cursor).partition("~")
        if not issued.isdigit() or int(issued) + EXPORT_LIFE < call.now:
            raise refuse(400, "InvalidCursor", "The cursor has expired")
        return inner

    def _result(self, kind: str, base: str) -> Callable[[int], Json]:
        render = Renderer(self.desk, base).group if kind == "groups" else self._render(kind, base)
        return lambda index: {**render(index), "result_type": SINGULAR[kind]}

    def _query(self, call: Call, text: str) -> tuple[str, Keys]:
        """The little of the search language that is understood: `field:value`, and stamps with `>` and `<`."""
        words = WORD.findall(text)
        kinds = [value for name, _, value in words if name == "type"]
        kind = f"{kinds[-1]}s" if kinds and kinds[-1] in SINGULAR.values() else "tickets"
        if kind == "groups":
            return kind, np.array([number for number, _ in GROUPS])
        keys, render = self._visible(kind), self._render(kind, call.base)
        for name, sign, value in words:
            if name in ("created", "updated"):
                keys = keys[_compare(self._stamps(kind, name, keys), sign, _instant(value.strip('"')))]
            elif name != "type":
                wanted = value.strip('"')
                keys = keys[[str(render(int(i)).get(name)).casefold() == wanted.casefold() for i in keys]]
        return kind, keys

    def _stamps(self, kind: str, name: str, keys: Keys) -> npt.NDArray[np.int64]:
        render = self._render(kind, "")
        return np.array([_instant(render(int(key))[f"{name}_at"]) for key in keys], dtype=np.int64)


def _compare(stamps: npt.NDArray[np.int64], sign: str, wanted: int) -> npt.NDArray[np.bool_]:
    signs = {">": np.greater, "<": np.less, ">=": np.greater_equal, "<=": np.less_equal}
    return np.asarray(signs.get(sign, np.equal)(stamps, wanted), dtype=np.bool_)


def _instant(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text if "T" in text else f"{text}T00:00:00Z")
    except ValueError:
        raise refuse(422, "invalid", f"Invalid search: invalid date {text}") from None
    return epoch(moment)


def _with_after(call: Call, cursor: str) -> Call:
    """The same call with another `page[after]`."""
    changed = call.request.args.copy()
    changed["page[after]"] = cursor
    call.request.args = changed
    return call
