"""Tasks in HubSpot's shape, and how ours are found again.

HubSpot has no unique field on tasks of its own. Our key stands at the end of the body, where it is found by reading the
tasks of an account; and in a property of ours where the portal has it. Where that property is unique, HubSpot refuses a
second task with the same key. A batch upsert would take the property as well; but it takes no associations, so that
the task would hang nowhere for a moment, and it would undo what people did to one that is there. So tasks are created.

The agent never changes a task that it has made, so that one whose visible properties have ever had another value was
touched by somebody: property history tells.
"""

import html
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from connectors.base import Change, FieldSpec, Row, TaskState
from connectors.hubspot_api import Api, results
from connectors.hubspot_fold import Fold
from connectors.hubspot_values import instant, to_text
from connectors.task_keys import KeyedTasks

TASK_TO = {"account_id": 192, "contact_id": 204}
"""Association types from a task to a company and to a contact; the reverse ones have other numbers."""
PRIORITIES = {"low": "LOW", "medium": "MEDIUM", "high": "HIGH"}
KEY = "holdfast_task_key"
KEY_FIELD = FieldSpec(
    "task",
    KEY,
    "Holdfast task key",
    "text",
    description="Tells which of the agent's tasks this is, so that none is made twice.",
    max_length=64,
    optional=True,
)
"""A property of the connector's own. Without it tasks are found by their text, and nothing keeps them unique."""
SHOWN = (
    "hs_task_subject",
    "hs_task_body",
    "hs_task_status",
    "hs_task_priority",
    "hs_timestamp",
    "hubspot_owner_id",
)
"""What people see of a task and change."""
SETTLING = timedelta(minutes=1)
"""How long after a task's making HubSpot itself may still fill properties in."""
HISTORY_BATCH = 50
"""Records in one batch read with history."""

_MARK = re.compile(r"\[holdfast:([^\[\]]+)\]")
_MARK_AT_END = re.compile(r"<p><span[^>]*>\s*\[holdfast:[^\[\]]+\]\s*</span></p>\s*$")


class Tasks(KeyedTasks):
    """Reads tasks of one account.

    Args:
        api: The account.
        fold: Reads associations and records by id.
    """

    def __init__(self, api: Api, fold: Fold) -> None:
        super().__init__()
        self.api = api
        self.fold = fold

    def _find(self, account_ids: Sequence[str]) -> dict[str, list[str]]:
        """Our key -> the tasks that carry it, oldest first: ids grow. A search would lag behind."""
        links = self.fold.associated("companies", "tasks", account_ids, purpose="tasks") if account_ids else {}
        ids = [link["id"] for found in links.values() for link in found]
        found: dict[str, set[str]] = {}
        for row in self.fold.batch_read("tasks", ids, ("hs_task_body", KEY), purpose="tasks"):
            key = key_of(row)
            if key is not None and not row.get("archived"):
                found.setdefault(key, set()).add(str(row.get("id")))
        return {key: sorted(tasks, key=_age) for key, tasks in found.items()}

    def made_before(self, keys: Sequence[str]) -> dict[str, str]:
        """Tasks that have one of these keys in the unique property: key -> task id; at a call a hundred."""
        found: dict[str, str] = {}
        for start in range(0, len(keys), 100):
            inputs = [{"id": key} for key in keys[start : start + 100]]
            body = {"inputs": inputs, "properties": [KEY], "idProperty": KEY}
            answer = self.api.json("POST", "/crm/v3/objects/tasks/batch/read", purpose="tasks", body=body)
            for row in results(answer, self.api.http.vendor):
                key = (row.get("properties") or {}).get(KEY)
                if key in keys:
                    found[str(key)] = str(row.get("id"))
        return found

    def there(self, ids: Sequence[str]) -> set[str]:
        """Which of these tasks exist and are not archived."""
        rows = self.fold.batch_read("tasks", ids, ("hs_object_id",), purpose="tasks")
        return {str(row.get("id")) for row in rows if not row.get("archived")}

    def read(self, ids: Sequence[str]) -> dict[str, TaskState]:
        """See `Crm.read_tasks`; a call for 50 tasks, and one more for the accounts of 1,000."""
        asked = [one for one in dict.fromkeys(ids) if re.fullmatch(r"[0-9]{1,20}", one)]
        rows: dict[str, Row] = {}
        for start in range(0, len(asked), HISTORY_BATCH):
            inputs = [{"id": one} for one in asked[start : start + HISTORY_BATCH]]
            names = {"properties": [*SHOWN, KEY], "propertiesWithHistory": list(SHOWN)}
            path = "/crm/v3/objects/tasks/batch/read"
            answer = self.api.json("POST", path, purpose="tasks", body={"inputs": inputs, **names})
            for row in results(answer, self.api.http.vendor):
                if not row.get("archived"):
                    rows[str(row.get("id"))] = row
        there = [one for one in asked if one in rows]
        links = self.fold.associated("tasks", "companies", there, purpose="tasks") if there else {}
        return {one: _state(one, rows[one], [link["id"] for link in links.get(one, ())]) for one in there}


def _state(task_id: str, row: Row, accounts: Sequence[str]) -> TaskState:
    told = row.get("properties") or {}
    closed = told.get("hs_task_status") == "COMPLETED"
    return TaskState(
        task_id=task_id,
        key=key_of(row) or "",
        account_id=accounts[0] if accounts else None,
        subject=str(told.get("hs_task_subject") or ""),
        body=shown_body(str(told.get("hs_task_body") or "")),
        owner_id=told.get("hubspot_owner_id") or None,
        closed=closed,
        due=_instant(told.get("hs_timestamp")),
        created_at=_instant(row.get("createdAt")),
        modified_at=_instant(row.get("updatedAt")),
        touched=closed or _changed(row),
    )


def _changed(row: Row) -> bool:
    """Whether anything that people see has ever had another value; without history, whether it changed at all."""
    history = row.get("propertiesWithHistory")
    if not isinstance(history, Mapping):
        return row.get("updatedAt") != row.get("createdAt")
    made = _instant(row.get("createdAt"))
    for versions in history.values():
        listed = [one for one in versions if isinstance(one, Mapping)] if isinstance(versions, list) else []
        if len({one.get("value") for one in listed}) > 1:
            return True
        first = _instant(listed[-1].get("timestamp")) if listed else None
        if made is not None and first is not None and first - made > SETTLING:
            return True  # it was empty when the task was made
    return False


def task_body(text: str, key: str) -> str:
    """A task's body: HubSpot shows it as HTML, so the text is escaped, and our key follows in small print."""
    escaped = html.escape(text).replace("\n", "<br>")
    return f'<p>{escaped}</p><p><span style="font-size: 8px;">[holdfast:{html.escape(key)}]</span></p>'


def shown_body(body: str) -> str:
    """A body as people read it, without our key: the text that `task_body` was made from, if nobody changed it."""
    bare = _MARK_AT_END.sub("", body)
    lines = re.sub(r"(?i)<br\s*/?>|</p>\s*<p[^>]*>", "\n", bare)
    return html.unescape(re.sub(r"<[^>]*>", "", lines))


def marked(row: Row) -> str | None:
    """Our key in a task's body; None when the task is not ours."""
    properties = row.get("properties")
    body = properties.get("hs_task_body") if isinstance(properties, dict) else None
    found = _MARK.findall(html.unescape(str(body or "")))
    return found[-1] if found else None


def key_of(row: Row) -> str | None:
    """Our key on a task, by its property or else by its body; None when the task is not ours."""
    properties = row.get("properties")
    own = properties.get(KEY) if isinstance(properties, dict) else None
    return str(own) if own else marked(row)


def task_shape(change: Change, *, keyed: bool) -> Row:
    """A new task as HubSpot takes it.

    Args:
        change: What it says.
        keyed: Whether the portal has the property for our key.
    """
    values = change.values
    properties = {
        "hs_timestamp": to_text(values.get("due")),
        "hs_task_subject": to_text(values.get("subject")),
        "hs_task_body": task_body(to_text(values.get("body")), change.key),
        "hs_task_status": "NOT_STARTED",
        "hs_task_priority": PRIORITIES.get(str(values.get("priority")), "NONE"),
        "hs_task_type": "TODO",
    }
    if values.get("owner_id"):
        properties["hubspot_owner_id"] = to_text(values["owner_id"])
    if keyed:
        properties[KEY] = change.key
    associations = [
        {
            "to": {"id": to_text(values[name])},
            "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": number}],
        }
        for name, number in TASK_TO.items()
        if values.get(name)
    ]
    return {"properties": properties, "associations": associations, "objectWriteTraceId": change.key}


def for_somebody_else(change: Change, shape: Row) -> Row | None:
    """A refused task for whoever stands in for its owner, then for nobody; None when it is not the owner's fault.

    HubSpot's code for an owner who cannot have it is the one for any bad value, so that any refusal may be his.
    """
    properties = dict(shape.get("properties") or {})
    owner = properties.pop("hubspot_owner_id", None) if change.object == "task" else None
    if owner is None:
        return None
    fallback = to_text(change.values.get("fallback_owner_id"))
    if fallback and fallback != owner == to_text(change.values.get("owner_id")):
        properties["hubspot_owner_id"] = fallback
    return {**shape, "properties": properties}


def _instant(text: Any) -> datetime | None:
    try:
        return instant(str(text)) if text else None
    except ValueError:
        return None


def _age(task_id: str) -> tuple[int, str]:
    return len(task_id), task_id
