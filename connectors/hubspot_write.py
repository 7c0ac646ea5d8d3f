"""Writing to HubSpot: updates and tasks in batches of a hundred, one outcome for every change.

What HubSpot does to batches, from its documents and public issues, and what is done about it here:

- one bad value (400) or one conflict (409) refuses all hundred: values are checked against the property definitions
  first, and what is refused all the same is halved until the culprit stands alone;
- unknown ids come back as errors that name trace ids or record ids, with 207 or under newer versions with 200;
- a merged-away id is left out of the results without a word: what was asked for and is not answered is gone;
- `idProperty` must be left out for record ids, and an id of the wrong form can be reported as a success;
- records locked by another burst give 423 for two seconds, which the HTTP layer waits out;
- a task whose owner HubSpot does not take goes to the fallback owner, and else to nobody;
- tasks have no unique field: our key stands at the end of the body and is found by reading the account's tasks.
"""

import html
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from connectors.base import Change, ObjectName, Outcome, Row
from connectors.errors import (
    ConnectorError,
    CredentialsError,
    NotFoundError,
    QuotaError,
    RequestError,
    UnclearError,
)
from connectors.hubspot_api import Api, results
from connectors.hubspot_fold import Fold
from connectors.hubspot_values import objection, to_text

OBJECTS: Mapping[ObjectName, str] = {"account": "companies", "contact": "contacts", "task": "tasks"}
BATCH = 100
TASK_TO = {"account_id": 192, "contact_id": 204}
"""Association types from a task to a company and to a contact; the reverse ones have other numbers."""
PRIORITIES = {"low": "LOW", "medium": "MEDIUM", "high": "HIGH"}
DEFINITIONS_LAST = 3_600.0
"""Seconds for which property definitions are remembered."""

_MARK = re.compile(r"\[holdfast:([^\[\]]+)\]")
_GONE = frozenset({"OBJECT_NOT_FOUND", "NOT_FOUND"})


class Writer:
    """Writes to one account.

    Args:
        api: The account.
        fold: Reads associations and records by id.
    """

    def __init__(self, api: Api, fold: Fold) -> None:
        self.api = api
        self.fold = fold
        self._definitions: dict[str, tuple[float, dict[str, Row]]] = {}
        self._lock = threading.Lock()

    def send(self, changes: Sequence[Change]) -> list[Outcome]:
        """See `Crm.send`."""
        if not changes:
            return []
        kind = OBJECTS[changes[0].object]
        found: dict[str, Outcome] = {}
        todo: list[tuple[Change, Row]] = []
        definitions = self._checked_definitions(kind)
        for change in changes:
            shape = _task if change.object == "task" else _update
            refusal = _refusal(change, definitions)
            if refusal is None:
                todo.append((change, shape(change)))
            else:
                found[change.key] = refusal
        first = True
        while todo:
            for batch in _rounds(todo):
                found |= {outcome.key: outcome for outcome in self._settled(kind, batch, first=first)}
                first = False
            refused = [(change, shape) for change, shape in todo if found[change.key].result == "rejected"]
            todo = [(change, other) for change, shape in refused if (other := _for_somebody_else(change, shape))]
        return [found[change.key] for change in changes]

    def find_tasks(self, account_ids: Sequence[str]) -> dict[str, str]:
        """See `Crm.find_tasks`. Associations and batch reads are consistent, a search would lag behind."""
        links = self.fold.associated("companies", "tasks", account_ids, purpose="tasks") if account_ids else {}
        ids = [link["id"] for found in links.values() for link in found]
        found: dict[str, str] = {}
        for row in self.fold.batch_read("tasks", ids, ("hs_task_body",), purpose="tasks"):
            key = marked(row)
            if key is not None:
                found.setdefault(key, str(row.get("id")))
        return found

    def definitions(self, kind: str, *, fresh: bool = False) -> dict[str, Row]:
        """Property name -> its definition, remembered for an hour."""
        with self._lock:
            read_at, known = self._definitions.get(kind, (0.0, {}))
            now = self.api.clock.monotonic()
            if fresh or not known or now - read_at > DEFINITIONS_LAST:
                properties = self.api.client.crm.properties.core_api
                answer = self.api.call(properties.get_all, kind, purpose="properties")
                known = {str(row.get("name")): row for row in results(answer, self.api.http.vendor)}
                self._definitions[kind] = (now, known)
            return known

    def _checked_definitions(self, kind: str) -> dict[str, Row] | None:
        """Definitions to check values against; None when they cannot be had and HubSpot must judge alone."""
        if kind == "tasks":
            return None
        try:
            return self.definitions(kind)
        except (CredentialsError, QuotaError):
            raise
        except ConnectorError:
            return None

    def _settled(self, kind: str, batch: Sequence[tuple[Change, Row]], *, first: bool) -> Iterator[Outcome]:
        """Send a batch, halving it while HubSpot refuses it as a whole.

        Raises:
            CredentialsError, QuotaError: Only when nothing at all was sent before.
        """
        todo = [list(batch)]
        while todo:
            part = todo.pop()
            try:
                answer = self._post(kind, [shape for _, shape in part])
            except (CredentialsError, QuotaError) as error:
                if first:
                    raise
                yield from _all(part, "retry", error)
            except RequestError as error:
                if len(part) > 1:
                    middle = len(part) // 2
                    todo += [part[middle:], part[:middle]]
                else:
                    yield from _all(part, "gone" if isinstance(error, NotFoundError) else "rejected", error)
            except UnclearError as error:
                yield from _all(part, "in_doubt", error)
            except ConnectorError as error:
                yield from _all(part, "retry", error)
            else:
                yield from _judged(kind, [change for change, _ in part], answer)
            first = False

    def _post(self, kind: str, inputs: Sequence[Row]) -> Any:
        api = self.api.client.crm.objects.batch_api
        method: Callable[..., Any] = api.create if kind == "tasks" else api.update
        purpose = "write tasks" if kind == "tasks" else "write"
        return self.api.call(method, kind, {"inputs": list(inputs)}, purpose=purpose, repeatable=False)


def task_body(text: str, key: str) -> str:
    """A task's body: HubSpot shows it as HTML, so the text is escaped, and our key follows in small print."""
    escaped = html.escape(text).replace("\n", "<br>")
    return f'<p>{escaped}</p><p><span style="font-size: 8px;">[holdfast:{html.escape(key)}]</span></p>'


def marked(row: Row) -> str | None:
    """Our key in a task's body; None when the task is not ours."""
    properties = row.get("properties")
    body = properties.get("hs_task_body") if isinstance(properties, dict) else None
    found = _MARK.findall(html.unescape(str(body or "")))
    return found[-1] if found else None


def is_id(text: str | None) -> bool:
    """Whether a record id has the form HubSpot gives; others it may report as written without writing."""
    return re.fullmatch(r"[0-9]{1,20}", text or "") is not None


def _update(change: Change) -> Row:
    properties = {name: to_text(value) for name, value in change.values.items()}
    return {"id": change.record_id, "properties": properties, "objectWriteTraceId": change.key}


def _task(change: Change) -> Row:
    values = change.values
    due = values.get("due")
    properties = {
        "hs_timestamp": to_text(due),
        "hs_task_subject": to_text(values.get("subject")),
        "hs_task_body": task_body(to_text(values.get("body")), change.key),
        "hs_task_status": "NOT_STARTED",
        "hs_task_priority": PRIORITIES.get(str(values.get("priority")), "NONE"),
        "hs_task_type": "TODO",
    }
    if values.get("owner_id"):
        properties["hubspot_owner_id"] = to_text(values["owner_id"])
    associations = [
        {
            "to": {"id": to_text(values[name])},
            "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": number}],
        }
        for name, number in TASK_TO.items()
        if values.get(name)
    ]
    return {"properties": properties, "associations": associations, "objectWriteTraceId": change.key}


def _for_somebody_else(change: Change, shape: Row) -> Row | None:
    """A refused task for whoever stands in for its owner, then for nobody; None when it is not the owner's fault.

    HubSpot's code for an owner who cannot have it is the one for any bad value, so that any refusal may be his.
    """
    properties = dict(shape["properties"])
    owner = properties.pop("hubspot_owner_id", None) if change.object == "task" else None
    if owner is None:
        return None
    fallback = to_text(change.values.get("fallback_owner_id"))
    if fallback and fallback != owner == to_text(change.values.get("owner_id")):
        properties["hubspot_owner_id"] = fallback
    return {**shape, "properties": properties}


def _refusal(change: Change, definitions: Mapping[str, Row] | None) -> Outcome | None:
    """Why a change is not worth sending; None when it is."""
    if change.object == "task":
        if not isinstance(change.values.get("due"), datetime):
            return Outcome(change.key, "rejected", error_code="INVALID_DATE", message="a task needs a due date")
        return None
    if not is_id(change.record_id):
        return Outcome(change.key, "rejected", error_code="INVALID_ID", message="a record id is a number")
    for name, value in change.values.items() if definitions is not None else ():
        reason = objection((definitions or {}).get(name), value)
        if reason is not None:
            return Outcome(change.key, "rejected", change.record_id, reason[0], f"{name}: {reason[1]}.")
    return None


def _rounds(todo: Sequence[tuple[Change, Row]]) -> Iterator[list[tuple[Change, Row]]]:
    """Batches that HubSpot takes: at most a hundred, each record once."""
    left = list(todo)
    while left:
        batch: list[tuple[Change, Row]] = []
        later: list[tuple[Change, Row]] = []
        ids: set[str] = set()
        for change, shape in left:
            taken = len(batch) == BATCH or change.record_id in ids
            (later if taken else batch).append((change, shape))
            ids.add(change.record_id or change.key)
        yield batch
        left = later


def _judged(kind: str, changes: Sequence[Change], answer: Any) -> Iterator[Outcome]:
    """One outcome for every change, from an answer that says 200, 201 or 207."""
    answer = answer if isinstance(answer, dict) else {}
    rows = [row for row in answer.get("results") or () if isinstance(row, dict)]
    told = {row.get("objectWriteTraceId") or marked(row) or str(row.get("id")): str(row.get("id")) for row in rows}
    by_id = {str(row.get("id")) for row in rows}
    errors = _errors_by_name(answer)
    for change in changes:
        error = errors.get(change.key) or errors.get(str(change.record_id))
        if change.record_id in by_id:
            yield Outcome(change.key, "confirmed", change.record_id)
        elif kind == "tasks" and change.key in told:
            yield Outcome(change.key, "confirmed", told[change.key])
        elif error is not None:
            code = str(error.get("category") or "")
            result = "gone" if code in _GONE else "rejected"
            yield Outcome(change.key, result, change.record_id, code, str(error.get("message") or "")[:500])  # type: ignore[arg-type]  # one of two literals
        elif kind == "tasks" or not isinstance(answer.get("results"), list):
            yield Outcome(change.key, "in_doubt", message="HubSpot's answer does not mention it.")
        else:
            message = "HubSpot left it out of its answer: it was merged into another record or deleted."
            yield Outcome(change.key, "gone", change.record_id, message=message)


def _errors_by_name(answer: Row) -> dict[str, Row]:
    """Errors of a partly successful batch, by the trace ids and record ids that they name."""
    named: dict[str, Row] = {}
    for error in answer.get("errors") or ():
        context = error.get("context") if isinstance(error, dict) else None
        if isinstance(context, dict):
            for name in [*(context.get("objectWriteTraceId") or ()), *(context.get("ids") or ())]:
                named[str(name)] = error
    return named


def _all(part: Sequence[tuple[Change, Row]], result: Any, error: ConnectorError) -> Iterator[Outcome]:
    for change, _ in part:
        yield Outcome(change.key, result, change.record_id, error.code, error.message)
