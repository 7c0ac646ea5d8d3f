"""Tasks in Salesforce's shape, and how ours are found again.

Facts, from Salesforce's public object reference: `ActivityDate` is a day without a time, not to be shifted between time
zones; `AccountId` follows from `WhatId` and cannot be written; what `Status` and `Priority` may say differs from org to
org, and which status is an open one only the object TaskStatus tells; custom fields of tasks belong to Activity.

Our key stands on the last line of the description, and in a field of its own where the org has one. A field can be
hidden and a text be edited: one of the two is enough for a task to be found again.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from connectors.base import Change, Row, Value
from connectors.errors import ConnectorError, CredentialsError, QuotaError
from connectors.salesforce_api import Api, is_not_there
from connectors.salesforce_kinds import TASK_KEY
from connectors.salesforce_outcomes import ABSENT, Refusal
from connectors.salesforce_soql import one_of, quoted, select
from connectors.salesforce_values import active_values, short_id
from connectors.task_keys import KeyedTasks

STANDARD_STATUS = "Not Started"
"""Salesforce's own first status: open in every org that has kept it."""
PRIORITIES: Mapping[str, Sequence[str]] = {
    "low": ("low",),
    "medium": ("normal", "medium"),
    "high": ("high",),
}
"""Our priority -> the words that an org's own values or labels are searched for."""
MOST_SUBJECT = 255
MOST_DESCRIPTION = 32_000
IDS_A_QUERY = 400
"""Account ids in one query: some 27 characters each in an address that may have 14,000."""
STATUSES = "SELECT ApiName, IsClosed FROM TaskStatus ORDER BY SortOrder"

_MARK = re.compile(r"\[holdfast:([^\[\]\s]+)\]")
_MARK_AT_END = re.compile(r"\s*\[holdfast:[^\[\]\s]+\]\s*$")
_NEEDED = ("Subject", "ActivityDate", "WhatId")
_OWNER_REFUSED = frozenset({"INACTIVE_OWNER_OR_USER"})


@dataclass(frozen=True, slots=True)
class Form:
    """How the org wants its tasks.

    Attributes:
        fields: The description of Task, lower-case name -> field; empty when it cannot be had.
        status: The status of a new task; None leaves it to the org.
    """

    fields: Mapping[str, Row]
    status: str | None = None

    @property
    def key_field(self) -> str | None:
        """The field for our key; None where there is none that we may fill."""
        field = self.fields.get(TASK_KEY.lower())
        return str(field["name"]) if field is not None and field.get("createable") else None

    def unique(self, length: int) -> bool:
        """Whether the org keeps our key unique, and takes keys of so many characters."""
        field = self.fields.get(TASK_KEY.lower()) or {}
        return self.key_field is not None and field.get("unique") is True and self._length(TASK_KEY, 0) >= length

    def refusal(self, change: Change) -> Refusal | None:
        """Why a task is not worth sending; None when it is."""
        values = change.values
        if not isinstance(values.get("due"), datetime):
            return Refusal("REQUIRED_FIELD_MISSING", "a task needs a due date", ("ActivityDate",))
        if short_id(_text(values.get("account_id")), "Account") is None:
            return Refusal("MALFORMED_ID", "a task needs an account's id", ("WhatId",))
        needed = _NEEDED if self._has_room_for(change.key) else (*_NEEDED, "Description")
        hidden = [name for name in needed if self.fields and not self._writable(name)]
        if hidden:
            return Refusal("INVALID_FIELD", f"Task.{hidden[0]} is hidden or may not be written", tuple(hidden))
        return None

    def row(self, change: Change) -> Row:
        """The task as Salesforce takes it. The due day is that of `due` in UTC."""
        values = change.values
        due = values["due"]
        assert isinstance(due, datetime)  # noqa: S101 - `refusal` has looked
        row: Row = {
            "attributes": {"type": "Task"},
            "Subject": cut(" ".join(_text(values.get("subject")).split()), self._length("Subject", MOST_SUBJECT)),
            "ActivityDate": due.astimezone(UTC).date().isoformat(),
            "WhatId": values["account_id"],
            "Status": self.status,
            "Priority": self.priority(_text(values.get("priority"))),
            "OwnerId": next(iter(owners(values)), None),
            "WhoId": values.get("contact_id") if short_id(_text(values.get("contact_id")), "Contact") else None,
        }
        text = _text(values.get("body"))
        most = self._length("Description", MOST_DESCRIPTION)
        if self._has_room_for(change.key):
            row[str(self.key_field)] = change.key
        if not self.fields or self._writable("Description"):
            row["Description"] = marked(text, change.key, most)
        return {name: value for name, value in row.items() if value is not None}

    def priority(self, wanted: str) -> str | None:
        """The org's value that comes closest to one of ours; None leaves it to the org."""
        field = self.fields.get("priority")
        if field is None or not field.get("createable", True):
            return None
        entries = [
            one for one in field.get("picklistValues") or () if isinstance(one, dict) and one.get("active", True)
        ]
        words = PRIORITIES.get(wanted, ())
        for fits in (str.__eq__, str.__contains__):
            for word in words:
                for entry in entries:
                    if any(fits(str(entry.get(part)).casefold(), word) for part in ("value", "label")):
                        return str(entry["value"])
        return None

    def _has_room_for(self, key: str) -> bool:
        return self.key_field is not None and len(key) <= self._length(TASK_KEY, 0)

    def _writable(self, name: str) -> bool:
        field = self.fields.get(name.lower())
        return field is not None and bool(field.get("createable", True))

    def _length(self, name: str, usual: int) -> int:
        length = (self.fields.get(name.lower()) or {}).get("length")
        return length if isinstance(length, int) and length > 0 else usual


class Tasks(KeyedTasks):
    """Knows the org's tasks.

    Args:
        api: The org.
        describe: Gives the fields of Task; None when they cannot be had.
    """

    def __init__(self, api: Api, describe: Callable[..., Mapping[str, Row] | None]) -> None:
        super().__init__()
        self.api = api
        self._describe = describe
        self._closed: dict[str, bool] | None = None
        self._last: Mapping[str, Row] = {}

    def form(self, *, fresh: bool = False) -> Form:
        """How the org wants its tasks, at the cost of a description an hour.

        Raises:
            CredentialsError, QuotaError: As the API does.
        """
        form = self.known(fresh=fresh)
        return replace(form, status=self._status(form.fields.get("status")))

    def known(self, *, fresh: bool = False) -> Form:
        """The fields of a task as last described; what cannot be described now is as it was."""
        fields = self._describe("Task", fresh=fresh) or self._last
        self._last = fields
        return Form({name.lower(): field for name, field in fields.items()})

    def _find(self, account_ids: Sequence[str]) -> dict[str, list[str]]:
        """Our key -> the tasks that carry it, closed and archived ones too, oldest first: ids of one kind grow."""
        ids = [one for one in dict.fromkeys(account_ids) if short_id(one, "Account")]
        found: dict[str, set[str]] = {}
        for start in range(0, len(ids), IDS_A_QUERY):
            for row in self._rows(ids[start : start + IDS_A_QUERY]):
                key = key_of(row)
                if key is not None:
                    found.setdefault(key, set()).add(str(row.get("Id")))
        return {key: sorted(tasks) for key, tasks in found.items()}

    def _rows(self, ids: Sequence[str]) -> Iterator[Row]:
        try:
            pages = list(self._pages(ids, self.known()))
        except ConnectorError as error:
            if not is_not_there(error):
                raise
            # A field came or went since it was described.
            pages = list(self._pages(ids, self.known(fresh=True)))
        for page in pages:
            yield from (row for row in page["records"] if isinstance(row, dict))

    def _pages(self, ids: Sequence[str], form: Form) -> Iterator[Any]:
        key = form.fields.get(TASK_KEY.lower())
        fields = ["Id", str(key["name"])] if key is not None else ["Id"]
        if key is None or "description" in form.fields:
            fields.append("Description")
        wanted = [one_of("AccountId", ids), "IsDeleted = false"]
        ours = self.api.login.user_id
        if key is not None and key.get("filterable") and ours is not None:
            # A busy account has hundreds of logged calls and mails; without the field nothing else tells ours apart.
            wanted.append(f"({key['name']} != null OR CreatedById = {quoted(ours)})")
        soql = select("Task", fields, wanted)
        return self.api.query(soql, purpose="tasks", all_rows=True)

    def _status(self, field: Row | None) -> str | None:
        """An open status: Salesforce's own where the org has kept it, else the org's default or first open one."""
        if field is None or not field.get("createable", True):
            return None
        known = active_values(field)
        if STANDARD_STATUS in known:
            return STANDARD_STATUS
        if self._closed is None:
            self._closed = self._ask_statuses()
        listed = [entry for entry in field.get("picklistValues") or () if isinstance(entry, dict)]
        default = [str(entry.get("value")) for entry in listed if entry.get("defaultValue")]
        open_ones = [name for name, closed in self._closed.items() if not closed and name in known]
        return next((name for name in (*default, *open_ones) if name in open_ones), None)

    def _ask_statuses(self) -> dict[str, bool]:
        try:
            rows = [row for page in self.api.query(STATUSES, purpose="tasks") for row in page["records"]]
        except (CredentialsError, QuotaError):
            raise
        except ConnectorError:
            return {}
        return {str(row.get("ApiName")): row.get("IsClosed") is not False for row in rows if isinstance(row, dict)}


def stepped_down(row: Row, change: Change, refusal: Refusal) -> Row | None:
    """A refused task in a form that may be taken: with another owner or none, or without its contact.

    None when there is no such form. The task's account is never left out: without it nobody would find the task.
    """
    named = {name.lower() for name in refusal.fields}
    if "OwnerId" in row and (refusal.code in _OWNER_REFUSED or "ownerid" in named):
        left = [one for one in owners(change.values) if one != row["OwnerId"]]
        tried = row["OwnerId"] == change.values.get("fallback_owner_id")
        rest = {name: value for name, value in row.items() if name != "OwnerId"}
        return {**rest, "OwnerId": left[0]} if left and not tried else rest
    if "WhoId" in row and ("whoid" in named or (refusal.code in ABSENT and "whatid" not in named)):
        return {name: value for name, value in row.items() if name != "WhoId"}
    return None


def owners(values: Mapping[str, Value]) -> list[str]:
    """Who may get a task, the wanted one first; what is not an id is left out."""
    wanted = (_text(values.get(name)) for name in ("owner_id", "fallback_owner_id"))
    return [one for one in dict.fromkeys(wanted) if short_id(one)]


def marked(text: str, key: str, most: int = MOST_DESCRIPTION) -> str:
    """A description with our key on its last line; the text gives way where both do not fit."""
    mark = f"[holdfast:{key}]"
    room = most - len(mark) - 2
    return f"{cut(text, room)}\n\n{mark}" if text and room > 0 else mark


def unmarked(text: str) -> str:
    """A description without our key."""
    return _MARK_AT_END.sub("", text)


def key_of(row: Row) -> str | None:
    """Our key on a task; None when the task is not ours."""
    own = next((value for name, value in row.items() if name.lower() == TASK_KEY.lower()), None)
    if isinstance(own, str) and own.strip():
        return own.strip()
    found = _MARK.findall(str(row.get("Description") or ""))
    return found[-1] if found else None


def cut(text: str, most: int) -> str:
    """The text in at most so many UTF-16 units, which is how Salesforce counts; what was cut shows as an ellipsis."""
    units = text.encode("utf-16-le", "replace")
    if len(units) <= 2 * most:
        return text
    return units[: 2 * (most - 1)].decode("utf-16-le", "ignore").rstrip() + "\u2026"


def _text(value: Value) -> str:
    return "" if value is None else str(value)
