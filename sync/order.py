"""What goes first when calls are short: the worst change of the most valuable account.

The weight of a change is its severity times its account's value, both from 1 to 100, so that a plan can show both.

Severity of an account's fields: the points that its score falls (one that had none counts as 100: nobody in the CRM
knows yet), plus 40 when its band becomes red, 20 when yellow and 10 when unknown; at most 100, and 1 for good news.
Severity of a contact's fields: a tenth of the points that its engagement falls, counted alike. Severity of a task: the
risk of its account, see `scoring.playbooks.risk`.

Value of an account: its place among all accounts by monthly recurring revenue, or where the CRM has none by what it
bought in the past year; 1 the smallest, 100 the largest, 50 where nothing is known.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from connectors.base import Value
from scoring.playbooks.model import URGENCY
from sync.owned import OwnedField
from sync.plan import FieldChange, RecordChange, TaskChange
from sync.store import Store

MOST = 100
MIDDLE = 50
BAND_STEPS = {"red": 40, "yellow": 20, "unknown": 10}
YEAR = 365

_WORTH = """
SELECT a.source_id, coalesce(a.mrr, (
  SELECT sum(d.amount) / 12 FROM deal d WHERE d.account = a.key AND d.won AND d.valid_to IS NULL AND d.close_date > ?
)) FROM account a JOIN source s ON s.id = a.source WHERE s.name = ? AND a.valid_from IS NOT NULL AND a.valid_to IS NULL
"""


@dataclass(frozen=True, slots=True)
class Names:
    """What the fields that say how an account or a contact does are called in the CRM; empty when switched off."""

    score: str
    band: str
    engagement: str

    @classmethod
    def of(cls, fields: Iterable[OwnedField]) -> "Names":
        """Look them up."""
        found = {field.logical: field.spec.name for field in fields}
        return cls(*(found.get(f, "") for f in ("account.health_score", "account.health_band", "contact.engagement")))


def account_values(store: Store, crm: str, as_of: datetime) -> dict[str, int]:
    """How much each CRM account is worth beside the others, 1 to 100, by CRM id.

    Amounts in different currencies are compared as numbers.
    """
    today = as_of.toordinal() - datetime(1970, 1, 1).toordinal()  # noqa: DTZ001  # a day, not an instant
    worth: dict[str, int | None] = dict(store.rows(_WORTH, (today - YEAR, crm)))
    known = sorted(amount for amount in worth.values() if amount is not None)
    return {crm_id: _place(amount, known) for crm_id, amount in worth.items()}


def _place(amount: int | None, known: Sequence[int]) -> int:
    if amount is None or len(known) < 2:  # one is neither small nor large
        return MIDDLE
    middle = (bisect_left(known, amount) + bisect_right(known, amount) - 1) / 2
    return 1 + round((MOST - 1) * middle / (len(known) - 1))


def weigh(
    records: Sequence[RecordChange],
    tasks: Sequence[TaskChange],
    names: Names,
    values: Mapping[str, int],
    homes: Mapping[str, str],
) -> tuple[list[RecordChange], list[TaskChange]]:
    """Give every change its weight, and put them in order: accounts, then contacts, then tasks; the heaviest first.

    Contacts of one account stay together, because writing one locks its account.

    Args:
        records: Accounts and contacts, in any order.
        tasks: In any order, with the risk that they answer.
        names: The fields to judge by.
        values: CRM id -> value of the account.
        homes: CRM id of a contact -> that of its account.
    """
    accounts, contacts = [], []
    for record in records:
        if record.object == "account":
            value = values.get(record.record_id, MIDDLE)
            accounts.append(replace(record, severity=_account_severity(record, names), value=value))
        else:
            value = values.get(homes.get(record.record_id, ""), MIDDLE)
            contacts.append(replace(record, severity=_contact_severity(record, names), value=value))
    accounts.sort(key=lambda record: (-record.weight, record.record_id))
    heaviest: dict[str, int] = {}
    for record in contacts:
        home = homes.get(record.record_id, "")
        heaviest[home] = max(record.weight, heaviest.get(home, 0))

    def place(record: RecordChange) -> tuple[int, str, int, str]:
        home = homes.get(record.record_id, "")
        return -heaviest[home], home, -record.weight, record.record_id

    weighed = (replace(task, value=values.get(task.account_id, MIDDLE)) for task in tasks)
    return [*accounts, *sorted(contacts, key=place)], sorted(weighed, key=_task_place)


def _task_place(task: TaskChange) -> tuple[int, int, str]:
    """The heaviest first; of one account's tasks, which weigh alike, the most urgent."""
    urgency = list[str](URGENCY)
    return -task.weight, urgency.index(task.priority) if task.priority in urgency else len(urgency), task.key


def _account_severity(record: RecordChange, names: Names) -> int:
    points = step = 0
    for change in record.fields:
        if change.field == names.score:
            points = _fall(change)
        elif change.field == names.band:
            step = BAND_STEPS.get(str(change.after), 0)
    return min(MOST, max(1, points + step))


def _contact_severity(record: RecordChange, names: Names) -> int:
    return max([1, *(_fall(change) // 10 for change in record.fields if change.field == names.engagement)])


def _fall(change: FieldChange) -> int:
    """Points lost; a value that was not there counts as 100, one that is not there any more as nothing lost."""
    after = _number(change.after)
    if after is None:
        return 0
    before = _number(change.before)
    return max(0, round((MOST if before is None else before) - after))


def _number(value: Value) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
