"""Salesforce as a CRM, for the conformance suite."""

from collections.abc import Sequence
from datetime import date
from typing import Any, ClassVar

from connectors.base import Crm, FieldSpec, ObjectName, Row, TaskStrategy
from tests.conformance.rigs.base import ALWAYS, Exceptions, NotApplicable
from tests.conformance.rigs.crm import CrmRig, Task
from tests.conformance.rigs.salesforce import SalesforceSource

PRIORITIES = {"Low": "low", "Normal": "medium", "High": "high"}


class SalesforceCrm(SalesforceSource, CrmRig):
    """An org that is written to."""

    objects: ClassVar = {"account": "accounts", "contact": "contacts"}
    updates = r"/composite/sobjects/?\?"
    creates = updates
    removes = ("DELETE", r"/composite/sobjects/?\?")
    receipts = True
    exceptions: ClassVar[Exceptions] = {
        "none_clears[boolean]": NotApplicable("a checkbox is ticked or not, never empty"),
    }

    def row(self, obj: ObjectName, record_id: str) -> Row:
        return {"Id": record_id}

    def other_account(self) -> CrmRig:
        return type(self)(self.box.world, self.spool, is_sandbox=True)

    def without_rights(self) -> tuple[Crm, Sequence[str]]:
        for kind in ("Opportunity", "Case"):
            self.act("revoke", object=kind, rights=["Read"])
        return self.connect(own_fields=self.specs()), ("Opportunity", "Case")

    def without_setup_rights(self) -> Crm:
        self.act("forbid", rights=["CustomizeApplication"])
        crm: Crm = self.connect(own_fields=self.specs())
        return crm

    def read_only(self) -> Crm:
        self.act("revoke", object="Account", rights=["Edit", "Delete", "ModifyAllRecords"])
        crm: Crm = self.connect(own_fields=self.specs())
        return crm

    def refuse(self, record_id: str) -> None:
        self.act("rule", object="Account", id=record_id, message="Legal has closed this account.")

    def lock(self, record_id: str, *, lasting: bool) -> None:
        self.act("lock", id=record_id, tries=ALWAYS if lasting else 1)

    def used_up(self) -> dict[str, Any]:
        body = [{"message": "TotalRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}]
        return {"kind": "status", "status": 403, "body": body}

    def revoked(self) -> dict[str, Any]:
        body = [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]
        return {"kind": "status", "status": 401, "body": body}

    def owner(self) -> str:
        return self._people(active=True)[0]

    def refused_owner(self) -> str:
        chosen = self._people(active=True)[1]
        self.act("deactivate_user", id=chosen)
        return chosen

    def _people(self, *, active: bool) -> list[str]:
        table, now = self.org.tables["User"], self.org.now
        found = [table.place(key) for key in sorted(self.truth("users"))]
        return [table.id_at(place) for place in found if table.value(place, "IsActive", now) is active]

    def task(self, task_id: str) -> Task:
        table, now = self.org.tables["Task"], self.org.now
        place = table.place(task_id)
        told = {name: table.value(place, name, now) for name in table.object.fields}
        return Task(
            subject=told["Subject"],
            body=(told["Description"] or "").partition("\n\n[holdfast:")[0],
            due=date.fromisoformat(told["ActivityDate"]),
            priority=PRIORITIES[told["Priority"]],
            owner=told["OwnerId"],
            account=told["WhatId"],
            contact=told["WhoId"],
        )

    def keeping(self, strategy: TaskStrategy) -> CrmRig:
        other = type(self)(self.box.world, self.spool, activity_external_ids=strategy == "unique_key")
        other.receipts = strategy == "receipt"
        other.source = other.connect()
        return other

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "task_receipts": self.receipts}

    def tasks_of(self, account_id: str) -> list[str]:
        table, now = self.org.tables["Task"], self.org.now
        return [table.id_at(one) for one in table.places(now) if table.value(one, "WhatId", now) == account_id]

    def touch_task(self, task_id: str, how: str) -> None:
        if how == "edit":
            self.act("edit_task", id=task_id, values={"Subject": "Changed by hand"})
        elif how == "close":
            self.act("close_task", id=task_id)
        else:
            self.act("reassign_task", id=task_id, owner=self._people(active=True)[2])

    def add_task(self, account_id: str, body: str) -> str:
        values = {"Subject": "By hand", "Description": body, "WhatId": account_id}
        return str(self.act("create", object="Task", values=values))

    def conflicting(self) -> FieldSpec:
        spec = self.specs()[0]
        assert spec.type == "number"
        self.act("create_field", object="Account", name=spec.name, type="string", length=100, visible=True)
        return spec
