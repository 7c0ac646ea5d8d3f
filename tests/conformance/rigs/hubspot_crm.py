"""HubSpot as a CRM, for the conformance suite."""

import html
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

from connectors.base import Crm, FieldSpec, ObjectName, Row, TaskStrategy
from sandbox.hubspot_access import ALL_SCOPES
from tests.conformance.rigs.base import ALWAYS, Exceptions, NotApplicable
from tests.conformance.rigs.crm import STRATEGY_CASES, CrmRig, Task
from tests.conformance.rigs.hubspot import HubSpotSource

NO_RECEIPTS = NotApplicable("HubSpot makes records of one kind in one request, so that no receipt can come with a task")
NO_BULK = NotApplicable("HubSpot has no bulk jobs for updates")


class HubSpotCrm(HubSpotSource, CrmRig):
    """A portal that is written to."""

    objects: ClassVar = {"account": "companies", "contact": "contacts"}
    updates = "batch/update"
    creates = "tasks/batch/create"
    removes = ("POST", "tasks/batch/archive")
    exceptions: ClassVar[Exceptions] = {
        "a_bulk_send_gives_an_outcome_for_each": NO_BULK,
        "a_bulk_job_that_fails_is_not_taken_for_done": NO_BULK,
        **{f"{case}[receipt]": NO_RECEIPTS for case in STRATEGY_CASES},
    }

    def row(self, obj: ObjectName, record_id: str) -> Row:
        return {"id": record_id}

    def other_account(self) -> CrmRig:
        other = type(self)(self.box.world, self.spool)
        other.act("options", account_type="SANDBOX", portal_id=7)
        return other

    def _with(self, *scopes: str) -> Any:
        self.act("token", token="pat-few", scopes=list(scopes))
        return self.connect(token="pat-few", own_fields=self.specs())

    def without_rights(self) -> tuple[Crm, Sequence[str]]:
        lost = {"crm.objects.contacts.read", "crm.objects.deals.read"}
        return self._with(*ALL_SCOPES - lost), sorted(lost)

    def without_setup_rights(self) -> Crm:
        crm: Crm = self._with("crm.objects.companies.read", "crm.schemas.companies.read")
        return crm

    def read_only(self) -> Crm:
        return self.without_setup_rights()

    def refuse(self, record_id: str) -> None:
        """An admin takes an option away after we looked; that refuses the whole batch."""
        option = {"label": "green", "value": "green", "displayOrder": 0, "hidden": False}
        self.act("change_property", object="companies", name=self.own("of_select"), changes={"options": [option]})

    def lock(self, record_id: str, *, lasting: bool) -> None:
        body = {"category": "LOCKED", "message": "Locked"}
        self.fault("status", self.updates, status=423, body=body, times=ALWAYS if lasting else 1)

    def used_up(self) -> dict[str, Any]:
        body = {"policyName": "DAILY", "errorType": "RATE_LIMIT", "message": "You have reached your daily limit."}
        return {"kind": "status", "status": 429, "body": body}

    def revoked(self) -> dict[str, Any]:
        return {"kind": "status", "status": 401, "body": {"category": "INVALID_AUTHENTICATION", "message": "no"}}

    def owner(self) -> str:
        return str(next(key for key, gone in self.portal.inactive.items() if not gone))

    def refused_owner(self) -> str:
        return "999"

    def task(self, task_id: str) -> Task:
        names = {
            "subject": "hs_task_subject",
            "body": "hs_task_body",
            "due": "hs_timestamp",
            "priority": "hs_task_priority",
            "owner": "hubspot_owner_id",
        }
        table = self.portal.tables["tasks"]
        place = table.position(int(task_id))
        told = {key: table.value(place, name, self.portal.now) for key, name in names.items()}
        account, contact = (next(iter(self._linked(task_id, to)), None) for to in ("companies", "contacts"))
        body, _, _ = told["body"].partition("</p>")
        return Task(
            subject=told["subject"],
            body=_shown(body),
            due=datetime.fromisoformat(told["due"]).date(),
            priority=told["priority"].lower(),
            owner=told["owner"],
            account=account,
            contact=contact,
        )

    def _linked(self, task_id: str, to: str) -> list[str]:
        auth = {"Authorization": f"Bearer {self.secrets[0]}"}
        path = f"/crm/v4/objects/tasks/{task_id}/associations/{to}"
        return [str(one["toObjectId"]) for one in self.ask("GET", path, headers=auth).get_json()["results"]]

    def keeping(self, strategy: TaskStrategy) -> CrmRig:
        keys = {"task_unique_properties": "allowed"} if strategy == "unique_key" else {}
        return type(self)(self.box.world, self.spool, **keys)

    def tasks_of(self, account_id: str) -> list[str]:
        table, now = self.portal.tables["tasks"], self.portal.now
        there = [str(table.ids[place]) for place in table.living(0, now)]
        return [one for one in there if self._account_of(one) == account_id]

    def _account_of(self, task_id: str) -> str | None:
        return next(iter(self._linked(task_id, "companies")), None)

    def touch_task(self, task_id: str, how: str) -> None:
        if how == "edit":
            self.act("edit_task", id=task_id, properties={"hs_task_subject": "Changed by hand"})
        elif how == "close":
            self.act("close_task", id=task_id)
        else:
            self.act("reassign_task", id=task_id, owner=self.owner())

    def add_task(self, account_id: str, body: str) -> str:
        properties = {"hs_timestamp": "2026-11-22T00:00:00Z", "hs_task_body": body}
        link = {"object": "companies", "id": account_id, "types": [192]}
        return str(self.act("create", object="tasks", properties=properties, associations=[link]))

    def conflicting(self) -> FieldSpec:
        spec = self.specs()[0]
        assert spec.type == "number"
        made = {
            "name": spec.name,
            "label": "By hand",
            "type": "string",
            "fieldType": "text",
            "groupName": "companyinformation",
        }
        self.act("create_property", object="companies", definition=made)
        return spec


def _shown(body: str) -> str:
    """HTML as a browser shows it."""
    return html.unescape(re.sub(r"<[^>]*>", "", body.replace("<br>", "\n")))
