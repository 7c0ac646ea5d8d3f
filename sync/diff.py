"""What a record should say against what it says: the changes, and what people changed and keep."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from connectors.base import Value
from scoring.inputs import ScoreRow
from sync.owned import OwnedField
from sync.plan import FieldChange, HumanEdit, RecordChange
from sync.policy import HumanEdits
from sync.values import same

MANY = 5
"""Fields of one name changed since we wrote them from which on their number is worth a word."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one CRM record when a plan is made.

    Attributes:
        name: For people.
        current: What the CRM says now, by field name; a field that is absent is empty.
        written: What the agent last wrote, by field name; a field that is absent was never written.
        account_id: A contact's account: writing a contact locks its account, so those of one account go together.
    """

    name: str
    current: Mapping[str, Value]
    written: Mapping[str, Value]
    account_id: str = ""


def diff_record(
    row: ScoreRow, known: Known, fields: Sequence[OwnedField], as_of: datetime, human_edits: HumanEdits
) -> tuple[RecordChange | None, list[HumanEdit]]:
    """Compare what one record should say with what it says.

    Returns:
        The change (None when nothing moves) and the fields left alone because a person changed them.
    """
    changes: list[FieldChange] = []
    followers: list[FieldChange] = []
    kept: list[HumanEdit] = []
    for owned in fields:
        name = owned.spec.name
        before, after = known.current.get(name), owned.value(row, as_of)
        if same(before, after):
            continue
        if not owned.moves_alone:
            followers.append(FieldChange(name, before, after))
        elif human_edits == "keep" and edited_by_human(before, known.written, name):
            kept.append(HumanEdit(owned.spec.object, row.crm_id, known.name, name, known.written[name], before, after))
        else:
            changes.append(FieldChange(name, before, after))
    if not changes:
        return None, kept
    fields_changed = tuple(changes + followers)
    return RecordChange(fields[0].spec.object, row.crm_id, known.name, fields_changed, row.reason), kept


def edited_by_human(now: Value, written: Mapping[str, Value], name: str) -> bool:
    """Whether somebody replaced what we wrote. An emptied field is an invitation to fill it again."""
    return name in written and not same(now, written[name]) and not same(now, None)


def build_records(
    rows: Iterable[ScoreRow],
    known: Mapping[tuple[str, str], Known],
    fields: Sequence[OwnedField],
    as_of: datetime,
    human_edits: HumanEdits,
) -> tuple[list[RecordChange], list[HumanEdit]]:
    """Diff every scored record that the CRM still has.

    Accounts come first, the worst score first; then contacts, account by account.
    """
    by_level = {level: [field for field in fields if field.spec.object == level] for level in ("account", "contact")}
    records: list[tuple[tuple[bool, str, bool, int, str], RecordChange]] = []
    kept: list[HumanEdit] = []
    for row in rows:
        record = known.get((row.level, row.crm_id))
        if record is None or not by_level[row.level]:
            continue
        change, edits = diff_record(row, record, by_level[row.level], as_of, human_edits)
        kept.extend(edits)
        if change is not None:
            rank = (row.level == "contact", record.account_id, row.score is None, row.score or 0, row.crm_id)
            records.append((rank, change))
    records.sort(key=lambda item: item[0])
    return [change for _, change in records], kept


def sweeps(
    records: Sequence[RecordChange],
    kept: Sequence[HumanEdit],
    written: Mapping[tuple[str, str], Mapping[str, Value]],
) -> Iterator[str]:
    """A word about each field that was changed or emptied so often since we wrote it that it was hardly people."""
    changed = Counter((edit.object, edit.field) for edit in kept)
    emptied = Counter(
        (record.object, change.field)
        for record in records
        for change in record.fields
        if same(change.before, None)
        and not same(written.get((record.object, record.record_id), {}).get(change.field), None)
    )
    for counts, what in ((changed, "changed, and are left as they are"), (emptied, "emptied, and are written again")):
        for (obj, name), count in counts.items():
            total = sum(name in values for (kind, _), values in written.items() if kind == obj)
            if count >= MANY and 2 * count > total:
                yield (
                    f"{name}: {count:,} of the {total:,} values that we wrote have since been {what}. So many at once "
                    "are rather a flow or another integration than people."
                )
