"""Writing to Salesforce: updates and tasks, one outcome for every change.

What Salesforce does to writes, from its public REST guide and public issues, and what is done about it here:

- a collections request takes 200 records and answers for each, in order, with 200 even when all have failed; which
  answer belongs to which record only its place tells, so that an answer of another length is believed only where it
  names our record;
- what can be known beforehand is refused here, by the org's own description of each field;
- a field that was hidden since then refuses the whole call: the fields are described again, and what is left is halved
  until the culprit stands alone;
- writes lock the records above them, and locked ones fail alone: they are sent again by themselves, sorted by id, so
  that two of our requests never wait for each other;
- triggers and validation rules fail single records for reasons of the org's own; these are reported and left alone;
- an owner who has left refuses a task: the fallback gets it, or nobody in particular;
- a task whose key the org keeps unique is inserted, not upserted: an upsert would undo what people did to one that is
  there, while an insert is refused, which proves as well that it exists.
"""

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from connectors.base import Change, FieldSpec, ObjectName, Outcome, Row, TaskStrategy, Value
from connectors.errors import (
    ConnectorError,
    CredentialsError,
    MissingPermissionError,
    NotFoundError,
    QuotaError,
    ShapeError,
)
from connectors.salesforce_api import DESCRIBE_LIFE, Api, is_not_there
from connectors.salesforce_kinds import RECEIPT
from connectors.salesforce_outcomes import Refusal
from connectors.salesforce_receipts import KEY_LENGTH, ReceiptDelivery, usable
from connectors.salesforce_send import BATCH, COLLECTIONS, Delivery, Item, Removal, rounds
from connectors.salesforce_tasks import Tasks
from connectors.salesforce_values import OBJECTS, objection, own_values, short_id, to_json

__all__ = ["BATCH", "BULK_BATCH", "READ_BATCH", "Writer"]

HIDDEN_FIELD = "INVALID_FIELD"
"""What a task is refused with that needs a field which we may not fill."""
READ_BATCH = 2_000
"""Most records in one collections retrieve."""
BULK_BATCH = 10_000
"""Most records in one `send` by a bulk job: what Salesforce works through as one batch inside."""


class Writer:
    """Writes to one org.

    Args:
        api: The org.
        own_fields: The fields that are ours, for their types.
        receipts: Whether tasks may be kept apart by receipts.
        rng: Source of jitter.

    Attributes:
        tasks: How tasks look.
        strategy: How tasks are kept from being made twice, as `choose` last saw it.
    """

    def __init__(
        self,
        api: Api,
        own_fields: Sequence[FieldSpec] = (),
        *,
        receipts: bool = True,
        rng: random.Random | None = None,
    ) -> None:
        self.api = api
        self.tasks = Tasks(api, self._described)
        self.strategy: TaskStrategy = "marker"
        self._receipts = receipts
        self._has_receipts: tuple[float, bool] | None = None
        self._specs = {(spec.object, spec.name): spec for spec in own_fields}
        self._rng = rng or random.Random()

    def send(self, changes: Sequence[Change]) -> list[Outcome]:
        """See `Crm.send`. Updates of more than `BATCH` records go by a bulk job. Raises also as `_require_tasks`."""
        if not changes:
            return []
        # One key is one effect, however often it is asked for.
        unique = list({change.key: change for change in changes}.values())
        removed = {outcome.key: outcome for outcome in self._remove([one for one in unique if is_removal(one)])}
        found, todo = self._prepared([one for one in unique if one.key not in removed])
        if changes[0].object == "task" and not todo and not removed:
            self._require_tasks(list(found.values()))
        found |= removed
        obj = changes[0].object
        delivery = self._delivery(obj)
        bulk = obj != "task" and len(todo) > BATCH
        for batch in rounds(todo, BULK_BATCH if bulk else BATCH):
            deliver = delivery.by_bulk if len(batch) > BATCH else delivery.by_collections
            found |= {outcome.key: outcome for outcome in deliver(batch)}
        return [found[change.key] for change in changes]

    def _require_tasks(self, refused: Sequence[Outcome]) -> None:
        """Refuse to go on where no task at all can be made: the bands that come after would lack theirs for good.

        Raises:
            MissingPermissionError: The description of tasks keeps every one of them from being made.
        """
        if refused and all(outcome.error_code == HIDDEN_FIELD for outcome in refused):
            message = f"tasks cannot be made: {refused[0].message}."
            advice = (
                "Grant Create and Edit on tasks, and these fields, to the run-as user, or set writeback.tasks = false."
            )
            raise MissingPermissionError(message, vendor=self.api.name, code=HIDDEN_FIELD, advice=advice)

    def choose(self, *, fresh: bool = False) -> TaskStrategy:
        """Look at how tasks can be kept from being made twice: at a description or two an hour.

        Raises:
            CredentialsError, QuotaError: As the API does.
        """
        form = self.tasks.known(fresh=fresh)
        if form.unique(KEY_LENGTH):
            self.strategy = "unique_key"
        else:
            self.strategy = "receipt" if self._receipts and self._take_receipts(fresh=fresh) else "marker"
        return self.strategy

    def _take_receipts(self, *, fresh: bool) -> bool:
        """Whether the org takes receipts. An org that does not tell is as it was when it last told."""
        now = self.api.clock.monotonic()
        if fresh or self._has_receipts is None or now - self._has_receipts[0] > DESCRIBE_LIFE:
            before = self._has_receipts is not None and self._has_receipts[1]
            try:
                has = usable(self.api.about(RECEIPT, purpose="describe", fresh=True))
            except (CredentialsError, QuotaError):
                raise
            except MissingPermissionError:
                has = False
            except ConnectorError:
                return before
            self._has_receipts = (now, has)
        return self._has_receipts[1]

    def _forget_receipts(self) -> None:
        self._has_receipts = None

    def _delivery(self, obj: ObjectName) -> Delivery:
        again = partial(self._prepared, fresh=True)
        if obj == "task" and self.strategy == "receipt":
            return ReceiptDelivery(self.api, again, self._rng, self.tasks.find, self._forget_receipts)
        return Delivery(self.api, obj, again, self._rng, self.tasks.find)

    def _remove(self, changes: Sequence[Change]) -> Iterator[Outcome]:
        """Put tasks into the recycle bin."""
        todo: list[Item] = []
        for change in changes:
            if short_id(change.record_id, "Task") is None:
                message = f"{str(change.record_id)[:40]!r} is not the id of a task"
                yield Outcome(change.key, "rejected", change.record_id, "MALFORMED_ID", message)
            else:
                todo.append(Item(change, {"id": change.record_id}))
        for batch in rounds(todo, BATCH):
            yield from Removal(self.api, "task", _as_they_are, self._rng, self.tasks.find).by_collections(batch)

    def read(self, obj: ObjectName, ids: Sequence[str], fields: Sequence[str]) -> dict[str, dict[str, Value]]:
        """See `Crm.read`. Fields that the org does not have, or hides from us, are left out."""
        kind = OBJECTS[obj]
        wanted = list(dict.fromkeys(fields))
        asked = [one for one in dict.fromkeys(ids) if short_id(one, kind)]
        rows: dict[str, Row] = {}
        for start in range(0, len(asked), READ_BATCH):
            chunk = asked[start : start + READ_BATCH]
            try:
                found = self._retrieve(kind, chunk, wanted)
            except ConnectorError as error:
                known = self._described(kind, fresh=True) if is_not_there(error) else None
                left = [name for name in wanted if _field(known, name) is not None] if known else wanted
                if left == wanted:
                    raise
                wanted = left
                found = self._retrieve(kind, chunk, wanted)
            rows |= found
        specs = {name: self._specs.get((obj, name)) or FieldSpec(obj, name, name, "text") for name in wanted}
        return {one: own_values(specs, rows[one[:15]]) for one in asked if one[:15] in rows}

    def find_tasks(self, account_ids: Sequence[str]) -> dict[str, str]:
        """See `Crm.find_tasks`. A query of Salesforce's sees what was committed, unlike its search."""
        return self.tasks.find(account_ids)

    def _retrieve(self, kind: str, ids: Sequence[str], fields: Sequence[str]) -> dict[str, Row]:
        """Rows of records that are there, by the first 15 characters of their ids."""
        names = list(dict.fromkeys(["Id", "IsDeleted", *fields]))
        body = {"ids": list(ids), "fields": names}
        try:
            rows = self.api.json("POST", f"{COLLECTIONS}/{kind}", purpose="read", body=body, repeatable=True)
        except NotFoundError:
            self.api.describe(kind, purpose="describe", fresh=True)  # says so when it is the right that is missing
            raise
        # One entry an id, null for what is not there: what a shorter list leaves out is not gone.
        if not isinstance(rows, list) or len(rows) != len(ids):
            raise ShapeError(f"reading {kind} by ids did not give one entry for each of them.", vendor=self.api.name)
        there = (row for row in rows if isinstance(row, dict) and not row.get("IsDeleted"))
        return {str(row["Id"])[:15]: row for row in there if row.get("Id")}

    def _described(self, kind: str, *, fresh: bool = False) -> Mapping[str, Row] | None:
        """The fields of a kind; None when they cannot be had, and Salesforce must judge alone."""
        try:
            return self.api.describe(kind, purpose="describe", fresh=fresh)
        except (CredentialsError, QuotaError):
            raise
        except ConnectorError:
            return None

    def _prepared(self, changes: Sequence[Change], *, fresh: bool = False) -> tuple[dict[str, Outcome], list[Item]]:
        """Outcomes of changes that are not worth sending, and the others in the order in which they are sent."""
        if not changes:
            return {}, []
        obj = changes[0].object
        if obj == "task":
            form = self.tasks.form(fresh=fresh)
            self.choose()
            refusals = {change.key: form.refusal(change) for change in changes}
            todo = [Item(change, form.row(change)) for change in changes if refusals[change.key] is None]
        else:
            fields = self._described(OBJECTS[obj], fresh=fresh)
            refusals = {change.key: _refusal(change, fields) for change in changes}
            todo = [Item(change, _update(change)) for change in changes if refusals[change.key] is None]
        found = {change.key: told.outcome(change) for change in changes if (told := refusals[change.key]) is not None}
        return found, sorted(todo, key=lambda item: item.place)


def is_removal(change: Change) -> bool:
    """Whether a change takes a task away."""
    return change.object == "task" and change.record_id is not None and not change.values


def _as_they_are(changes: Sequence[Change]) -> tuple[dict[str, Outcome], list[Item]]:
    return {}, [Item(change, {"id": change.record_id}) for change in changes]


def _update(change: Change) -> Row:
    values = {name: to_json(value) for name, value in change.values.items()}
    return {"attributes": {"type": OBJECTS[change.object]}, "id": change.record_id, **values}


def _refusal(change: Change, fields: Mapping[str, Row] | None) -> Refusal | None:
    """Why an update is not worth sending; None when it is."""
    kind = OBJECTS[change.object]
    if short_id(change.record_id, kind) is None:
        return Refusal("MALFORMED_ID", f"{str(change.record_id)[:40]!r} is not the id of a record of {kind}")
    for name, value in change.values.items():
        if isinstance(value, float) and not math.isfinite(value):
            return Refusal("INVALID_TYPE_ON_FIELD_IN_RECORD", f"{name}: {value} is not a number.", (name,))
        reason = objection(_field(fields, name), value) if fields is not None else None
        if reason is not None:
            return Refusal(reason[0], f"{name}: {reason[1]}.", (name,))
    return None


def _field(fields: Mapping[str, Row] | None, name: str) -> Row | None:
    """A field's description; Salesforce takes its name in any case."""
    if fields is None or name in fields:
        return fields[name] if fields is not None else None
    return next((field for known, field in fields.items() if known.lower() == name.lower()), None)
