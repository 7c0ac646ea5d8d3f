"""What a record should say against what it says: the changes, and what people changed and keep."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from connectors.base import Value
from scoring.hierarchy import ACCOUNT_REASON, ACCOUNT_SCORE
from scoring.inputs import ScoreRow
from sync.edits import Rules
from sync.owned import OwnedField
from sync.plan import FieldChange, HumanEdit, KeptWhy, RecordChange
from sync.policy import HumanEdits
from sync.undone import Place
from sync.values import same

FROM_ACCOUNT = f"contact.{ACCOUNT_SCORE}"
"""Our name of the field in which people have the score of their account."""

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
        filled_over: Of a record that we never wrote: whether it is filled whatever it says. So it is in the first fill,
            which a person has read and started, and where an agent's mark shows a copy of another record; any other
            time people were there before us.
    """

    name: str
    current: Mapping[str, Value]
    written: Mapping[str, Value]
    account_id: str = ""
    filled_over: bool = True

    def edited(self, name: str) -> bool:
        """Whether somebody put something else into a field of ours. An emptied field is an invitation to fill it again.

        A field of a record of ours that we never wrote was empty and was to be: who fills it means it.
        """
        now = self.current.get(name)
        ours = bool(self.written) or not self.filled_over
        return ours and not same(now, self.written.get(name)) and not same(now, None)


def diff_record(
    row: ScoreRow, known: Known, fields: Sequence[OwnedField], as_of: datetime, rules: Rules
) -> tuple[RecordChange | None, list[HumanEdit]]:
    """Compare what one record should say with what it says.

    Returns:
        The change (None when nothing moves) and the fields left alone, each with why.
    """
    changes: list[FieldChange] = []
    followers: list[FieldChange] = []
    kept: list[HumanEdit] = []
    kept_along: list[HumanEdit] = []
    wanted = {owned.spec.name: owned.value(row, as_of) for owned in fields}
    undone = _undone(row.crm_id, fields, wanted, rules) if rules.undone else frozenset()
    for owned in fields:
        obj, name = owned.spec.object, owned.spec.name
        before, after = known.current.get(name), wanted[name]
        if same(before, after):
            continue
        why = _left_alone((obj, row.crm_id, name), owned.logical, known, rules, undone)
        if why is not None:
            edit = HumanEdit(obj, row.crm_id, known.name, name, known.written.get(name), before, after, why)
            (kept if owned.moves_alone else kept_along).append(edit)
        elif owned.moves_alone:
            changes.append(FieldChange(name, before, after))
        else:
            followers.append(FieldChange(name, before, after))
    if not changes:
        return None, kept
    fields_changed = tuple(changes + followers)
    reason = _reason(row, fields, {change.field for change in fields_changed})
    return RecordChange(fields[0].spec.object, row.crm_id, known.name, fields_changed, reason), kept + kept_along


def _reason(row: ScoreRow, fields: Sequence[OwnedField], changed: Collection[str]) -> str:
    """Why a record changes: by its own score, by that of its account where that is written on people, or by both."""
    logical = {owned.logical for owned in fields if owned.spec.name in changed}
    if FROM_ACCOUNT not in logical:
        return row.reason
    why = str(row.features.get(ACCOUNT_REASON) or "the score of the account is written on this person no longer")
    return why if logical == {FROM_ACCOUNT} else f"{row.reason}; {why}"


def _left_alone(place: Place, logical: str, known: Known, rules: Rules, undone: Collection[str]) -> KeptWhy | None:
    """Why a field stays as it is although something else is wanted; None when it is to be written."""
    name = place[2]
    if rules.is_parked(place):
        return "parked"
    answer = rules.answers.get(place)
    if answer is not None and same(answer.theirs, known.current.get(name)):
        return None if answer.choice == "ours" else "human"
    rule = rules.rule(logical)
    if rule == "ask" and known.written and not same(known.current.get(name), known.written.get(name)):
        return "ask"
    if rule == "keep" and known.edited(name):
        return "human"
    return "undone" if name in undone else None


def _undone(record_id: str, fields: Sequence[OwnedField], wanted: Mapping[str, Value], rules: Rules) -> frozenset[str]:
    """Fields of a record that stay as an undo left them: nothing else is wanted since.

    Text describes the rest of the record and changes with every wording, so it waits for the rest to move.
    """
    taken_back = {
        field.spec.name: rules.undone[place]
        for field in fields
        if field.moves_alone and (place := (field.spec.object, record_id, field.spec.name)) in rules.undone
    }
    texts = {field.spec.name for field in fields if field.spec.type == "text"}
    still = {name for name, value in taken_back.items() if same(value, wanted[name])}
    rest = taken_back.keys() - texts
    return frozenset(taken_back if rest and rest <= still else still)


def build_records(
    rows: Iterable[ScoreRow],
    known: Mapping[tuple[str, str], Known],
    fields: Sequence[OwnedField],
    as_of: datetime,
    rules: Rules | HumanEdits,
) -> tuple[list[RecordChange], list[HumanEdit]]:
    """Diff every scored record that the CRM still has.

    Accounts come first, the worst score first; then contacts, account by account.

    Args:
        rows: What the records should say.
        known: What they say, by object and record id.
        fields: Ours.
        as_of: The instant of scoring.
        rules: What to do about fields that somebody else changed; one word when it is the same for all.
    """
    rules = rules if isinstance(rules, Rules) else Rules(rules)
    by_level = {level: [field for field in fields if field.spec.object == level] for level in ("account", "contact")}
    records: list[tuple[tuple[bool, str, bool, int, str], RecordChange]] = []
    kept: list[HumanEdit] = []
    for row in rows:
        record = known.get((row.level, row.crm_id))
        if record is None or not by_level[row.level]:
            continue
        change, edits = diff_record(row, record, by_level[row.level], as_of, rules)
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
    """A word about each field that was changed or emptied so often since we wrote it that it was hardly people.

    Empty is a value that we wrote too, where others have put something since.
    """
    changed = _by_field((edit.object, edit.field, edit.record_id) for edit in kept if edit.why in {"human", "ask"})
    emptied = _by_field(
        (record.object, change.field, record.record_id)
        for record in records
        for change in record.fields
        if same(change.before, None)
        and not same(written.get((record.object, record.record_id), {}).get(change.field), None)
    )
    for places, what in ((changed, "changed, and are left as they are"), (emptied, "emptied, and are written again")):
        for (obj, name), ids in places.items():
            ours = {record_id for (kind, record_id), values in written.items() if kind == obj and name in values}
            total = len(ours | ids)
            if len(ids) >= MANY and 2 * len(ids) > total:
                yield (
                    f"{name}: {len(ids):,} of the {total:,} values that we wrote have since been {what}. So many at "
                    "once are rather a flow, another integration or a field that was hidden from us than people."
                )


def _by_field(places: Iterable[tuple[str, str, str]]) -> dict[tuple[str, str], set[str]]:
    """Kind of record, field and id -> ids by kind and field."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for obj, name, record_id in places:
        found[obj, name].add(record_id)
    return found
