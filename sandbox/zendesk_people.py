"""What people do in Zendesk's own pages, so that tests can play them."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from sandbox.model import SupportTicket
from sandbox.zendesk_desk import Csat, Desk, Staff, org_id, ticket_id, user_id
from sandbox.zendesk_render import iso

Args = Mapping[str, Any]


class People:
    """The actions by name; every one returns JSON.

    | action | arguments |
    |---|---|
    | `edit_ticket`, `edit_user`, `edit_organization` | `id`, `fields`: rendered field -> value |
    | `touch` | `ids` or `count`, of `kind` (default tickets); `system` moves only the export stamp |
    | `create_ticket` | `user_id`; optional `priority`, `channel` |
    | `delete_ticket` | `id` |
    | `merge_users`, `merge_organizations` | `loser`, `winner`; optional `lag_seconds` until tickets follow |
    | `answer_survey` | `ticket_id`, `rating` 1-5; optional `comment` |

    Args:
        desk: The records.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._later: list[tuple[int, Callable[[], None]]] = []
        self.actions: dict[str, Callable[[Args], Any]] = {
            "edit_ticket": lambda args: self._edit("tickets", args),
            "edit_user": lambda args: self._edit("users", args),
            "edit_organization": lambda args: self._edit("organizations", args),
            "touch": self._touch,
            "create_ticket": self._create_ticket,
            "delete_ticket": lambda args: self._edit("tickets", {"id": args["id"], "fields": {"status": "deleted"}}),
            "merge_users": self._merge_users,
            "merge_organizations": self._merge_organizations,
            "answer_survey": self._answer_survey,
        }

    def advance(self, now: int) -> None:
        """Do what was put off until now."""
        due = [action for when, action in self._later if when <= now]
        self._later = [(when, action) for when, action in self._later if when > now]
        for action in due:
            action()

    def _index(self, kind: str, vendor_id: Any) -> int:
        index = self.desk.find(kind, int(vendor_id))
        if index is None:
            raise ValueError(f"zendesk has no {kind[:-1]} {vendor_id}")
        return index

    def _log_touch(self, kind: str, indexes: Iterable[int]) -> None:
        desk = self.desk
        log = {"tickets": desk.ticket_log, "users": desk.user_log, "organizations": desk.org_log}[kind]
        for index in indexes:
            log.touch(index, desk.now)

    def _edits(self, kind: str) -> dict[int, dict[str, Any]]:
        edits = self.desk.edits
        return {"tickets": edits.tickets, "users": edits.users, "organizations": edits.orgs}[kind]

    def _change(self, kind: str, index: int, **fields: Any) -> None:
        stamp = {"updated_at": iso(self.desk.now)} if kind == "tickets" else {}
        self._edits(kind).setdefault(index, {}).update(fields | stamp)
        self._log_touch(kind, [index])

    def _edit(self, kind: str, args: Args) -> dict[str, Any]:
        index = self._index(kind, args["id"])
        self._change(kind, index, **args["fields"])
        return {"id": int(args["id"]), "generated_timestamp": self.desk.now}

    def _touch(self, args: Args) -> dict[str, Any]:
        kind = args.get("kind", "tickets")
        if "ids" in args:
            indexes = [self._index(kind, i) for i in args["ids"]]
        else:
            log = {"tickets": self.desk.ticket_log, "users": self.desk.user_log, "organizations": self.desk.org_log}
            indexes = np.nonzero(log[kind].visible())[0][: int(args["count"])].tolist()
        if args.get("system", False):
            self._log_touch(kind, indexes)
        else:
            for index in indexes:
                self._change(kind, index)
        return {"touched": len(indexes), "generated_timestamp": self.desk.now}

    def _create_ticket(self, args: Args) -> dict[str, Any]:
        desk = self.desk
        user = self._index("users", args["user_id"])
        person = desk.users[user]
        if isinstance(person, Staff):
            raise ValueError(f"user {args['user_id']} is staff and opens no tickets")  # noqa: TRY004 - a wrong id
        index = len(desk.tickets)
        desk.tickets.append(_opened(person.id, person.company_id, index, desk.now, args))
        desk.columns.append(created=desk.now, user=user)
        desk.ticket_log.append(desk.now)
        self._log_touch("users", [user])
        return {"id": ticket_id(index)}

    def _merge_users(self, args: Args) -> dict[str, Any]:
        """The loser is inactive at once; its tickets follow, in the vendor's own time."""
        desk = self.desk
        loser, winner = self._index("users", args["loser"]), self._index("users", args["winner"])
        if loser == winner:
            raise ValueError("a user cannot be merged into itself")
        self._change("users", loser, active=False, email=None, external_id=None)
        self._log_touch("users", [winner])

        def follow() -> None:
            mine = [i for i in range(len(desk.tickets)) if desk.ticket_log.stamp(i) and desk.requester(i) == loser]
            desk.edits.merged_users[loser] = winner
            for index in mine:
                self._change("tickets", index)

        self._when(args, follow)
        return {"id": user_id(winner)}

    def _merge_organizations(self, args: Args) -> dict[str, Any]:
        """The loser vanishes without a trace; its users and tickets are re-pointed."""
        desk = self.desk
        loser, winner = self._index("organizations", args["loser"]), self._index("organizations", args["winner"])
        if loser == winner:
            raise ValueError("an organization cannot be merged into itself")
        homes = [None if isinstance(u, Staff) else desk.organization(u.company_id) for u in desk.users]
        users = [i for i, home in enumerate(homes) if home == loser and desk.user_log.stamp(i)]
        tickets = [
            i
            for i, t in enumerate(desk.tickets)
            if desk.ticket_log.stamp(i) and desk.organization(t.company_id) == loser
        ]
        desk.org_log.remove(loser)
        desk.edits.merged_orgs[loser] = winner
        self._log_touch("organizations", [winner])

        def follow() -> None:
            self._log_touch("users", users)
            self._log_touch("tickets", tickets)

        self._when(args, follow)
        return {"id": org_id(winner)}

    def _when(self, args: Args, action: Callable[[], None]) -> None:
        lag = int(args.get("lag_seconds", 0))
        if lag:
            self._later.append((self.desk.now + lag, action))
        else:
            action()

    def _answer_survey(self, args: Args) -> dict[str, Any]:
        """Answer, or answer again: creation stays, the ticket moves."""
        desk, index, rating = self.desk, self._index("tickets", args["ticket_id"]), int(args["rating"])
        if not 1 <= rating <= 5:
            raise ValueError(f"rating must be 1 to 5, got {rating}")
        known = desk.csat(index)
        offered = known.offered_at if known else desk.now
        desk.edits.csat[index] = Csat(offered, desk.now, rating, args.get("comment"))
        columns = desk.columns
        columns.offered[index], columns.answered[index], columns.rating[index] = offered, desk.now, rating
        if known is None:
            desk.survey_order = desk.sort_surveys()
        self._change("tickets", index)
        return {"ticket_id": ticket_id(index), "offered_at": iso(offered)}


def _opened(person_id: int, company_id: int, index: int, now: int, args: Args) -> SupportTicket:
    return SupportTicket(
        id=-index,
        company_id=company_id,
        person_id=person_id,
        agent_id=0,
        channel=args.get("channel", "web"),
        priority=args.get("priority"),
        created_at=datetime.fromtimestamp(now, UTC),
        first_reply_at=None,
        solved_at=None,
        reopened_at=None,
        deleted_at=None,
        csat=None,
        csat_rating=None,
        csat_at=None,
    )
