"""Salesforce's tasks as they are now, and whether anybody but the agent had a hand in them.

The agent never changes a task that it has made, so that one last modified by another user, or not made by us, was
touched. Files hang on a task without changing it; they are asked for, where the user may see them.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, time
from typing import Any

from connectors.base import Row, TaskState
from connectors.errors import ConnectorError, CredentialsError, MissingPermissionError, QuotaError, RequestError
from connectors.salesforce_api import Api, is_not_there
from connectors.salesforce_kinds import TASK_KEY
from connectors.salesforce_soql import one_of, select
from connectors.salesforce_tasks import IDS_A_QUERY, Tasks, key_of, unmarked
from connectors.salesforce_values import instant, short_id

WANTED = (
    "Subject", "Description", "AccountId", "WhatId", "OwnerId", "IsClosed", "ActivityDate",
    "CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById",
)  # fmt: skip


class TaskReader:
    """Reads tasks by id.

    Args:
        api: The org.
        tasks: Knows their fields.
    """

    def __init__(self, api: Api, tasks: Tasks) -> None:
        self.api = api
        self.tasks = tasks

    def read(self, ids: Sequence[str]) -> dict[str, TaskState]:
        """See `Crm.read_tasks`; a call for 400 tasks, and one more for what hangs on them."""
        asked = [one for one in dict.fromkeys(ids) if short_id(one, "Task")]
        by_short = {one[:15]: one for one in asked}
        found: dict[str, TaskState] = {}
        for start in range(0, len(asked), IDS_A_QUERY):
            rows = {
                by_short.get(str(row.get("Id"))[:15]): row for row in self._rows(asked[start : start + IDS_A_QUERY])
            }
            there = {one: row for one, row in rows.items() if one is not None}
            laden = self._with_files(list(there)) if there else set()
            for one, row in there.items():
                found[one] = self._state(one, row, laden=one[:15] in laden)
        return found

    def _rows(self, ids: Sequence[str]) -> list[Row]:
        try:
            return list(self._asked(ids, fresh=False))
        except ConnectorError as error:
            if not is_not_there(error):
                raise
            return list(self._asked(ids, fresh=True))

    def _asked(self, ids: Sequence[str], *, fresh: bool) -> Iterator[Row]:
        fields = self.tasks.known(fresh=fresh).fields
        names = [name for name in WANTED if not fields or name.lower() in fields]
        key = fields.get(TASK_KEY.lower())
        names += [str(key["name"])] if key is not None else []
        soql = select("Task", ["Id", *names], [one_of("Id", ids), "IsDeleted = false"])
        for page in self.api.query(soql, purpose="tasks", all_rows=True):
            yield from (row for row in page["records"] if isinstance(row, dict))

    def _with_files(self, ids: Sequence[str]) -> set[str]:
        """Tasks that files hang on, by the first 15 characters of their ids."""
        soql = f"SELECT LinkedEntityId FROM ContentDocumentLink WHERE {one_of('LinkedEntityId', ids)}"
        try:
            rows = [row for page in self.api.query(soql, purpose="tasks") for row in page["records"]]
        except (CredentialsError, QuotaError):
            raise
        except (MissingPermissionError, RequestError):
            return set()
        return {str(row.get("LinkedEntityId"))[:15] for row in rows if isinstance(row, dict)}

    def _state(self, task_id: str, row: Row, *, laden: bool) -> TaskState:
        due = _instant(row.get("ActivityDate"))
        return TaskState(
            task_id=task_id,
            key=key_of(row) or "",
            account_id=_text(row.get("AccountId")) or _text(row.get("WhatId")),
            subject=str(row.get("Subject") or ""),
            body=unmarked(str(row.get("Description") or "")),
            owner_id=_text(row.get("OwnerId")),
            closed=bool(row.get("IsClosed")),
            due=due,
            created_at=_instant(row.get("CreatedDate")),
            modified_at=_instant(row.get("LastModifiedDate")),
            touched=laden or self._changed(row),
        )

    def _changed(self, row: Mapping[str, Any]) -> bool:
        """Whether anybody but us made it or last changed it; where users are hidden, whether it changed at all."""
        ours, maker, last = self.api.login.user_id, row.get("CreatedById"), row.get("LastModifiedById")
        if bool(row.get("IsClosed")):
            return True
        if not maker or not last:
            return row.get("LastModifiedDate") != row.get("CreatedDate")
        return str(last)[:15] != str(maker)[:15] or (ours is not None and str(maker)[:15] != ours[:15])


def _instant(value: Any) -> datetime | None:
    if not isinstance(value, str) or not value:
        return None
    try:
        if len(value) == 10:
            return datetime.combine(datetime.fromisoformat(value).date(), time(), UTC)
        return instant(value)
    except ValueError:
        return None


def _text(value: Any) -> str | None:
    return str(value) if value else None
