"""Zendesk's records as JSON objects, made only when a page is asked for."""

from collections.abc import Iterable, Mapping
from datetime import date
from functools import lru_cache
from typing import Any

from sandbox.core import hubspot_company_id
from sandbox.model import Company, Person
from sandbox.salesforce_ids import account_id
from sandbox.zendesk_desk import DAY, Csat, Desk, Life, Staff, epoch, org_id, ticket_id, user_id

Json = dict[str, Any]

GROUPS = ((3600001, "Support"), (3600002, "Billing"), (3600003, "Technical"))
BRAND = 360_000_101
FORM = 360_000_202
PRODUCT_AREA = 360_000_303
STATUS_IDS = {"new": 1901, "open": 1902, "pending": 1903, "hold": 1904, "solved": 1905, "closed": 1905, "deleted": 1905}
SUBJECTS = (
    "Cannot sign in since this morning",
    "Question about our invoice",
    "Export stops at 10,000 rows",
    "How do I add a colleague?",
    "Rapport mensuel : erreur d\N{RIGHT SINGLE QUOTATION MARK}arrondi",
    "Integration returns 500",
    "Please delete a workspace \N{WASTEBASKET}",
    "W\u00fcnsche f\u00fcr das n\u00e4chste Release",
    "Copied from chat\N{LINE SEPARATOR}second line",
)
AREAS = ("login", "billing", "reports", "integrations", None)
TYPES = ("question", "problem", "incident", "task", None)
VIA = {"email": "email", "web": "web", "chat": "native_messaging", "api": "api"}


@lru_cache(maxsize=4096)
def _day(number: int) -> str:
    return date.fromordinal(number + 719_163).isoformat()


def iso(second: int) -> str:
    """An epoch second as Zendesk writes instants: UTC, whole seconds, "Z"."""
    day, rest = divmod(second, DAY)
    return f"{_day(day)}T{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}Z"


def iso_or_none(second: int, now: int) -> str | None:
    """The same, None for what has not happened."""
    return iso(second) if 0 < second <= now else None


def group_of(index: int) -> int:
    """Group id of a ticket index."""
    return GROUPS[index % len(GROUPS)][0]


class Renderer:
    """Turns indexes into objects as of the desk's now.

    Args:
        desk: The records.
        base: Absolute address of the API as the client reached it, without a trailing slash.
    """

    def __init__(self, desk: Desk, base: str) -> None:
        self.desk = desk
        self.base = base

    def ticket(self, index: int) -> Json:
        """A ticket, without its export stamp."""
        desk, life, world = self.desk, self.desk.columns.life(index), self.desk.tickets[index]
        requester, status = user_id(desk.requester(index)), self.status(index)
        org = desk.organization(world.company_id)
        area = [{"id": PRODUCT_AREA, "value": AREAS[index % 5]}]
        csat = desk.csat(index)
        subject = SUBJECTS[index % len(SUBJECTS)]
        value: Json = {
            "url": f"{self.base}/tickets/{ticket_id(index)}.json",
            "id": ticket_id(index),
            "external_id": None,
            "via": {"channel": VIA[world.channel], "source": {"from": {}, "to": {}, "rel": None}},
            "created_at": iso(life.created),
            "updated_at": iso(self._updated(life)),
            "type": TYPES[index % 5],
            "subject": subject,
            "raw_subject": subject,
            "description": f"{subject}. Could you have a look?",
            "priority": world.priority,
            "status": status,
            "recipient": "support@holdfast.example" if world.channel == "email" else None,
            "requester_id": requester,
            "submitter_id": requester,
            "assignee_id": self._assignee(index, life),
            "organization_id": None if org is None else org_id(org),
            "group_id": group_of(index),
            "collaborator_ids": [],
            "follower_ids": [],
            "email_cc_ids": [],
            "forum_topic_id": None,
            "problem_id": None,
            "has_incidents": False,
            "is_public": True,
            "due_at": None,
            "tags": [AREAS[index % 5]] if AREAS[index % 5] else [],
            "custom_fields": area,
            "satisfaction_rating": _rating_on_ticket(csat, index),
            "sharing_agreement_ids": [],
            "custom_status_id": STATUS_IDS[status],
            "encoded_id": f"HF{index:X}-{index % 9973:04d}",
            "fields": area,
            "followup_ids": [],
            "ticket_form_id": FORM,
            "brand_id": BRAND,
            "allow_channelback": False,
            "allow_attachments": True,
            "from_messaging_channel": world.channel == "chat",
        }
        return _edited(value, desk.edits.tickets.get(index))

    def exported_ticket(self, index: int) -> Json:
        """A ticket as the incremental export sends it."""
        value = self.ticket(index)
        value["generated_timestamp"] = self.desk.ticket_log.stamp(index)
        return value

    def status(self, index: int) -> str:
        """A ticket's status as of now."""
        edit = self.desk.edits.tickets.get(index)
        if edit and "status" in edit:
            return str(edit["status"])
        life, now = self.desk.columns.life(index), self.desk.now
        stages = (
            (life.deleted, "deleted"),
            (life.closed, "closed"),
            (life.solved, "solved"),
            (life.reopened, "open"),
            (life.first_solved, "solved"),
            (life.replied, ("pending", "open", "pending", "hold")[index % 4]),
        )
        for when, name in stages:
            if 0 < when <= now:
                return name
        return "new" if self._assignee(index, life) is None else "open"

    def _assignee(self, index: int, life: Life) -> int | None:
        if not 0 < life.replied <= self.desk.now and index % 2:
            return None
        agent = self.desk.agent_of.get(self.desk.tickets[index].agent_id)
        return None if agent is None else user_id(agent)

    def _updated(self, life: Life) -> int:
        """Time of the last change by a person or rule; what the system does on its own is not among them."""
        if 0 < life.deleted <= self.desk.now:
            return life.deleted
        return max(when for when in (*life[:5], life.closed, life.offered, life.answered) if when <= self.desk.now)

    def metric_set(self, index: int) -> Json:
        """The times of one ticket; minutes in calendar and business hours, null until they are known."""
        life, now = self.desk.columns.life(index), self.desk.now
        created, replied = iso(life.created), iso_or_none(life.replied, now)
        updated = iso(self._updated(life))
        reopened = 0 < life.reopened <= now
        waited = _minutes(life.created, life.solved, now)
        return {
            "url": f"{self.base}/ticket_metrics/{700_000 + index}.json",
            "id": 700_000 + index,
            "ticket_id": ticket_id(index),
            "created_at": created,
            "updated_at": updated,
            "group_stations": 1,
            "assignee_stations": 1 if replied else 0,
            "reopens": 1 if reopened else 0,
            "replies": (2 if reopened else 1) if replied else 0,
            "assignee_updated_at": replied,
            "requester_updated_at": created,
            "status_updated_at": updated,
            "custom_status_updated_at": updated,
            "initially_assigned_at": replied,
            "assigned_at": replied,
            "solved_at": iso_or_none(life.solved, now),
            "latest_comment_added_at": replied or created,
            "reply_time_in_minutes": _minutes(life.created, life.replied, now),
            "first_resolution_time_in_minutes": _minutes(life.created, life.first_solved, now),
            "full_resolution_time_in_minutes": waited,
            "agent_wait_time_in_minutes": waited,
            "requester_wait_time_in_minutes": waited,
            "on_hold_time_in_minutes": {"calendar": 0, "business": 0},
        }

    def user(self, index: int) -> Json:
        """A user, active or not."""
        who = self.desk.users[index]
        value = self._user_defaults(index)
        if isinstance(who, Staff):
            value |= {"name": who.name, "email": who.email, "role": who.role, "active": who.active, "verified": True}
        else:
            value |= self._person(who, index)
        return _edited(value, self.desk.edits.users.get(index))

    def _person(self, person: Person, index: int) -> Json:
        # Some came by chat and are known by their product id alone.
        by_chat = person.zendesk_has_product_id and index % 101 == 41
        org = self.desk.organization(person.company_id)
        return {
            "name": person.name,
            "email": None if by_chat else person.zendesk_email or person.email,
            "role": "agent" if person.kind == "staff" else "end-user",
            "external_id": person.product_user_id if person.zendesk_has_product_id else None,
            "organization_id": None if org is None else org_id(org),
            "verified": index % 4 != 0,
            "user_fields": {"job_title": person.title},
        }

    def _user_defaults(self, index: int) -> Json:
        stamp = iso(self.desk.user_log.stamp(index))
        return {
            "id": user_id(index),
            "url": f"{self.base}/users/{user_id(index)}.json",
            "name": "",
            "email": None,
            "created_at": iso(int(self.desk.user_created[index])),
            "updated_at": stamp,
            "time_zone": "UTC",
            "iana_time_zone": "Etc/UTC",
            "phone": None,
            "shared_phone_number": None,
            "photo": None,
            "locale_id": 1,
            "locale": "en-US",
            "organization_id": None,
            "role": "end-user",
            "verified": True,
            "external_id": None,
            "tags": [],
            "alias": "",
            "active": True,
            "shared": False,
            "shared_agent": False,
            "last_login_at": stamp if index % 3 == 0 else None,
            "two_factor_auth_enabled": None,
            "signature": None,
            "details": "",
            "notes": "",
            "role_type": None,
            "custom_role_id": None,
            "moderator": False,
            "ticket_restriction": "requested",
            "only_private_comments": False,
            "restricted_agent": True,
            "suspended": False,
            "default_group_id": None,
            "report_csv": False,
            "user_fields": {},
        }

    def organization(self, index: int) -> Json:
        """An organization; its external id is whatever somebody once decided to put there."""
        company = self.desk.companies[index]
        value = {
            "url": f"{self.base}/organizations/{org_id(index)}.json",
            "id": org_id(index),
            "name": self.desk.names[index],
            "shared_tickets": False,
            "shared_comments": False,
            "external_id": _external_id(company, self.desk.crm),
            "created_at": iso(epoch(company.created_at)),
            "updated_at": iso(self.desk.org_log.stamp(index)),
            "domain_names": list(company.domains),
            "details": "",
            "notes": "",
            "group_id": None,
            "tags": [company.plan],
            "organization_fields": {"plan": company.plan},
        }
        return _edited(value, self.desk.edits.orgs.get(index))

    def group(self, number: int) -> Json:
        """One of the support groups, by its id."""
        return {
            "url": f"{self.base}/groups/{number}.json",
            "id": number,
            "is_public": True,
            "name": dict(GROUPS)[number],
            "description": "",
            "default": number == GROUPS[0][0],
            "deleted": False,
            "created_at": iso(epoch(self.desk.world.start)),
            "updated_at": iso(epoch(self.desk.world.start)),
        }

    def sideloads(self, tickets: Iterable[Json], indexes: Iterable[int], include: set[str]) -> Json:
        """The arrays that travel beside tickets: one entry for every distinct id on the page."""
        rows = list(tickets)
        side: Json = {}
        if "users" in include:
            ids = {row[key] for row in rows for key in ("requester_id", "submitter_id", "assignee_id")} - {None}
            side["users"] = [self.user(i) for i in self._found("users", ids)]
        if "organizations" in include:
            orgs = {row["organization_id"] for row in rows} - {None}
            side["organizations"] = [self.organization(i) for i in self._found("organizations", orgs)]
        if "groups" in include:
            side["groups"] = [self.group(i) for i in sorted({row["group_id"] for row in rows})]
        if "metric_sets" in include:
            side["metric_sets"] = [self.metric_set(i) for i in indexes]
        return side

    def _found(self, kind: str, ids: set[int]) -> list[int]:
        found = (self.desk.find(kind, i) for i in sorted(ids))
        return [index for index in found if index is not None]


def _edited(value: Json, edit: Mapping[str, Any] | None) -> Json:
    if edit:
        value |= edit
        if "status" in edit and "custom_status_id" in value:
            value["custom_status_id"] = STATUS_IDS.get(edit["status"], STATUS_IDS["open"])
    return value


def _external_id(company: Company, crm: str) -> str | None:
    if company.zendesk_key == "crm":
        return account_id(company.id) if crm == "salesforce" else str(hubspot_company_id(company.id))
    return company.product_id if company.zendesk_key == "product" else None


def _rating_on_ticket(csat: Csat | None, index: int) -> Json | None:
    if csat is None:
        return {"score": "unoffered"} if index % 2 else None
    if csat.rating is None:
        return {"score": "offered"}
    return {"id": 36_000_000 + index, "score": csat.score, "comment": csat.comment, "reason": "No reason provided"}


def _minutes(start: int, end: int, now: int) -> dict[str, int | None]:
    if not 0 < end <= now:
        return {"calendar": None, "business": None}
    calendar = max(end - start, 0) // 60
    return {"calendar": calendar, "business": calendar // 3}
