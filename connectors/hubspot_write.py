"""Writing to HubSpot: updates and tasks in batches of a hundred, one outcome for every change.

What HubSpot does to batches, from its documents and public issues, and what is done about it here:

- one bad value (400) or one conflict (409) refuses all hundred: values are checked against the property definitions
  first, and what is refused all the same is halved until the culprit stands alone;
- unknown ids come back as errors that name trace ids or record ids, with 207 or under newer versions with 200;
- a merged-away id is left out of the results without a word: what was asked for and is not answered is in doubt;
- `idProperty` must be left out for record ids, and an id of the wrong form can be reported as a success;
- records locked by another burst give 423 for two seconds, which the HTTP layer waits out;
- a task whose owner HubSpot does not take goes to the fallback owner, and else to nobody;
- what a unique key refuses was made before: it is confirmed, and the rest is sent again;
- an archive of tasks says 204 whatever was there, so that it is asked first which of them are.
"""

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from connectors.base import Change, ObjectName, Outcome, Row, TaskStrategy
from connectors.errors import (
    ConnectorError,
    CredentialsError,
    MissingPermissionError,
    NotFoundError,
    QuotaError,
    RequestError,
    UnclearError,
)
from connectors.hubspot_api import Api, results
from connectors.hubspot_fold import Fold
from connectors.hubspot_tasks import KEY, Tasks, for_somebody_else, key_of, task_shape
from connectors.hubspot_values import objection, to_text

OBJECTS: Mapping[ObjectName, str] = {"account": "companies", "contact": "contacts", "task": "tasks"}
BATCH = 100
DEFINITIONS_LAST = 3_600.0
"""Seconds for which property definitions are remembered."""

_GONE = frozenset({"OBJECT_NOT_FOUND", "NOT_FOUND"})


class Writer:
    """Writes to one account.

    Args:
        api: The account.
        fold: Reads associations and records by id.

    Attributes:
        tasks: Reads tasks.
        strategy: How tasks are kept from being made twice, as `choose` last saw it.
    """

    def __init__(self, api: Api, fold: Fold) -> None:
        self.api = api
        self.tasks = Tasks(api, fold)
        self.strategy: TaskStrategy = "marker"
        self._keyed = False
        self._definitions: dict[str, tuple[float, dict[str, Row]]] = {}
        self._lock = threading.Lock()

    def send(self, changes: Sequence[Change]) -> list[Outcome]:
        """See `Crm.send`."""
        if not changes:
            return []
        found = {outcome.key: outcome for outcome in self._remove([one for one in changes if is_removal(one)])}
        left = [change for change in changes if change.key not in found]
        if left:
            found |= self._write(OBJECTS[left[0].object], left)
        return [found[change.key] for change in changes]

    def choose(self, *, fresh: bool = False) -> TaskStrategy:
        """Look at whether tasks have a unique key: at the definitions of their properties, once an hour.

        Raises:
            CredentialsError, QuotaError: As the API does.
        """
        definitions = self._known("tasks", fresh=fresh)
        if definitions is not None:
            self._keyed = KEY in definitions
            unique = self._keyed and definitions[KEY].get("hasUniqueValue") is True
            self.strategy = "unique_key" if unique else "marker"
        return self.strategy

    def _write(self, kind: str, changes: Sequence[Change]) -> dict[str, Outcome]:
        """Outcomes of updates, or of new tasks."""
        found: dict[str, Outcome] = {}
        todo: list[tuple[Change, Row]] = []
        if kind == "tasks":
            self.choose()
        definitions = None if kind == "tasks" else self._known(kind)
        for change in changes:
            refusal = _refusal(change, definitions)
            if refusal is not None:
                found[change.key] = refusal
            else:
                shape = task_shape(change, keyed=self._keyed) if kind == "tasks" else _update(change)
                todo.append((change, shape))
        first = True
        while todo:
            for batch in _rounds(todo):
                found |= {outcome.key: outcome for outcome in self._settled(kind, batch, first=first)}
                first = False
            refused = [(change, shape) for change, shape in todo if found[change.key].result == "rejected"]
            found |= {outcome.key: outcome for outcome in self._known_keys(kind, [change for change, _ in refused])}
            left = [(change, shape) for change, shape in refused if found[change.key].result == "rejected"]
            todo = [(change, other) for change, shape in left if (other := for_somebody_else(change, shape))]
        return found

    def _known_keys(self, kind: str, changes: Sequence[Change]) -> Iterator[Outcome]:
        """Those of these tasks that were made before, which a unique key tells; they count as made."""
        if kind != "tasks" or self.strategy != "unique_key" or not changes:
            return
        try:
            made = self.tasks.made_before([change.key for change in changes])
        except ConnectorError:
            return
        for change in changes:
            if change.key in made:
                yield Outcome(change.key, "confirmed", made[change.key], message="It was made before.")

    def _remove(self, changes: Sequence[Change]) -> Iterator[Outcome]:
        """Put tasks into the archive, from which they can be restored for 90 days."""
        rest = [change for change in changes if is_id(change.record_id)]
        try:
            there = self.tasks.there([str(change.record_id) for change in rest]) if rest else set()
        except (CredentialsError, QuotaError):
            raise
        except ConnectorError as error:
            yield from _all([(change, {}) for change in changes], "retry", error)
            return
        todo: list[tuple[Change, Row]] = []
        for change in changes:
            if not is_id(change.record_id):
                yield Outcome(change.key, "rejected", change.record_id, "INVALID_ID", "a task's id is a number")
            elif change.record_id in there:
                todo.append((change, {"id": change.record_id}))
            else:
                yield Outcome(change.key, "gone", change.record_id, message="The task was away already.")
        first = True
        for batch in _rounds(todo):
            yield from self._settled("archive", batch, first=first)
            first = False

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

    def _known(self, kind: str, *, fresh: bool = False) -> dict[str, Row] | None:
        """Definitions of properties; None when they cannot be had and HubSpot must judge alone."""
        try:
            return self.definitions(kind, fresh=fresh)
        except (CredentialsError, QuotaError):
            raise
        except ConnectorError:
            return None

    def _settled(self, kind: str, batch: Sequence[tuple[Change, Row]], *, first: bool) -> Iterator[Outcome]:
        """Send a batch, halving it while HubSpot refuses it as a whole.

        Raises:
            CredentialsError, MissingPermissionError, QuotaError: Only when nothing at all was sent before.
        """
        todo = [list(batch)]
        while todo:
            part = todo.pop()
            try:
                answer = self._post(kind, [shape for _, shape in part])
            except (CredentialsError, MissingPermissionError, QuotaError) as error:
                if first:
                    raise
                yield from _all(part, "retry", error)
            except RequestError as error:
                made = list(self._known_keys(kind, [change for change, _ in part]))
                yield from made
                left = [one for one in part if one[0].key not in {outcome.key for outcome in made}]
                if made:
                    todo += [left] if left else []
                elif len(part) > 1:
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
        methods: dict[str, Callable[..., Any]] = {"tasks": api.create, "archive": api.archive}
        purpose = "write tasks" if kind in methods else "write"
        path = "tasks" if kind in methods else kind
        body = {"inputs": list(inputs)}
        return self.api.call(methods.get(kind, api.update), path, body, purpose=purpose, repeatable=False)


def is_id(text: str | None) -> bool:
    """Whether a record id has the form HubSpot gives; others it may report as written without writing."""
    return re.fullmatch(r"[0-9]{1,20}", text or "") is not None


def is_removal(change: Change) -> bool:
    """Whether a change takes a task away."""
    return change.object == "task" and change.record_id is not None and not change.values


def _update(change: Change) -> Row:
    properties = {name: to_text(value) for name, value in change.values.items()}
    return {"id": change.record_id, "properties": properties, "objectWriteTraceId": change.key}


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
    if kind == "archive" and answer is None:
        yield from (Outcome(change.key, "confirmed", change.record_id) for change in changes)
        return
    answer = answer if isinstance(answer, dict) else {}
    rows = [row for row in answer.get("results") or () if isinstance(row, dict)]
    told = {row.get("objectWriteTraceId") or key_of(row) or str(row.get("id")): str(row.get("id")) for row in rows}
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
        else:
            # Merged away as a rule; but an answer that lost its rows looks the same, and the record can be asked for.
            yield Outcome(change.key, "in_doubt", message="HubSpot's answer does not mention it.")


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
