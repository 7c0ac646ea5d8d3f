"""A plan by account, for people: whose each change is, the worst first, and only what somebody asked to see.

What is shown is narrowed here; a plan that is saved or written is always the whole one.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from mapping.normalise import crm_key
from sync.plan import AnyChange, HumanEdit, Plan, RecordChange, Skipped, TaskChange, TaskRemoval
from sync.store import Store

Item = TypeVar("Item")
_Key = tuple[str, str]

_ACCOUNTS = """
SELECT t.source_id, coalesce(t.name, t.source_id), coalesce(u.name, u.email, ''), coalesce(s.band, ''),
  coalesce(s.segments, '[]')
FROM account t JOIN source ON source.id = t.source AND source.name = ?
LEFT JOIN user u ON u.source = t.source AND u.source_id = t.owner_id
LEFT JOIN score s ON s.level = 'account' AND s.key = t.key
WHERE t.valid_from IS NOT NULL
"""
_HOMES = """
SELECT t.source_id, a.source_id FROM contact t JOIN source ON source.id = t.source AND source.name = ?
JOIN account a ON a.key = t.account WHERE t.valid_from IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Place:
    """What is known of an account that changes belong to, as of the last scoring.

    Attributes:
        account_id: The CRM's id; a contact's own where its account is not known.
        name: For people.
        owner: The owner's name; empty when there is none or it is not known.
        band: Empty when it was never scored.
        segments: Names, sorted.
    """

    account_id: str
    name: str
    owner: str = ""
    band: str = ""
    segments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Places:
    """Whose everything in the CRM is.

    Attributes:
        accounts: CRM id of an account -> what is known of it.
        homes: CRM id of a contact -> that of its account.
    """

    accounts: Mapping[str, Place] = field(default_factory=dict)
    homes: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, store: Store, crm: str) -> "Places":
        """Out of the state file; two queries, however long the plan."""
        accounts = {
            crm_id: Place(crm_id, name, owner, band, tuple(json.loads(segments)))
            for crm_id, name, owner, band, segments in store.rows(_ACCOUNTS, (crm,))
        }
        return cls(accounts, dict(store.rows(_HOMES, (crm,))))


@dataclass(frozen=True, slots=True)
class Choice:
    """What somebody wants to see of a plan. Within one attribute any word will do; attributes all have to match.

    Attributes:
        account: CRM ids, or parts of names.
        field: Parts of names of fields.
        segment: Names of segments.
        owner: Parts of owners' names.
        band: Names of bands.
    """

    account: tuple[str, ...] = ()
    field: tuple[str, ...] = ()
    segment: tuple[str, ...] = ()
    owner: tuple[str, ...] = ()
    band: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything is left out."""
        return any((self.account, self.field, self.segment, self.owner, self.band))

    @property
    def text(self) -> str:
        """As it was typed."""
        words = ((name, getattr(self, name)) for name in self.__slots__)
        return " ".join(f"--{name} {word}" for name, given in words for word in given)


@dataclass(frozen=True, slots=True)
class Group:
    """Everything of a plan that belongs to one account."""

    place: Place
    records: tuple[RecordChange, ...] = ()
    tasks: tuple[TaskChange, ...] = ()
    removals: tuple[TaskRemoval, ...] = ()
    kept: tuple[HumanEdit, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    @property
    def own(self) -> RecordChange | None:
        """The change of the account itself."""
        return next((record for record in self.records if record.object == "account"), None)

    @property
    def contacts(self) -> tuple[RecordChange, ...]:
        """The changes of its contacts."""
        return tuple(record for record in self.records if record.object != "account")

    @property
    def weight(self) -> int:
        """That of the worst change; nothing that is only left alone weighs."""
        changes: tuple[AnyChange, ...] = (*self.records, *self.tasks, *self.removals)
        return max((change.weight for change in changes), default=0)


def groups(plan: Plan, places: Places) -> list[Group]:
    """A plan by account, the account with the worst change first; what changes nothing comes last."""

    # The same number may be an account's and a contact's.
    def home(item: RecordChange | HumanEdit | Skipped) -> _Key:
        if item.object != "contact":
            return "account", item.record_id
        account_id = places.homes.get(item.record_id)
        return ("contact", item.record_id) if account_id is None else ("account", account_id)

    def account(item: TaskChange | TaskRemoval) -> _Key:
        return "account", item.account_id

    records, kept, skipped = _by(plan.records, home), _by(plan.kept, home), _by(plan.skipped, home)
    tasks, removals = _by(plan.tasks, account), _by(plan.removals, account)
    names = {key: items[0].name for part in (skipped, kept, records) for key, items in part.items()}
    names |= {key: items[0].account_name for part in (removals, tasks) for key, items in part.items()}
    made = [
        Group(
            (places.accounts.get(key[1]) if key[0] == "account" else None) or Place(key[1], names[key]),
            tuple(records.get(key, ())),
            tuple(tasks.get(key, ())),
            tuple(removals.get(key, ())),
            tuple(kept.get(key, ())),
            tuple(skipped.get(key, ())),
        )
        for key in dict.fromkeys([*records, *removals, *tasks, *kept, *skipped])
    ]
    return sorted(made, key=lambda group: -group.weight)


def _by(items: Iterable[Item], key: Callable[[Item], _Key]) -> dict[_Key, list[Item]]:
    found: dict[_Key, list[Item]] = {}
    for item in items:
        found.setdefault(key(item), []).append(item)
    return found


def chosen(all_groups: Sequence[Group], choice: Choice) -> list[Group]:
    """The groups that somebody asked for; with a choice of fields, only these fields and what has any of them."""
    kept = [group for group in all_groups if _fits(group, choice)]
    if choice.field:
        kept = [cut for group in kept if (cut := _only_fields(group, choice.field)) is not None]
    return kept


def values_of(all_groups: Iterable[Group], attribute: str) -> list[str]:
    """What there is in a plan to choose from by one attribute of `Choice`, sorted."""
    ways: dict[str, Callable[[Group], Iterable[str]]] = {
        "account": lambda group: (group.place.name,),
        "field": lambda group: (change.field for record in group.records for change in record.fields),
        "segment": lambda group: group.place.segments,
        "owner": _owners,
        "band": lambda group: (group.place.band,),
    }
    return sorted({value for group in all_groups for value in ways[attribute](group) if value})


def _fits(group: Group, choice: Choice) -> bool:
    place = group.place
    return all(
        (
            not choice.account or any(_is_account(place, word) for word in choice.account),
            not choice.segment or _same(choice.segment, place.segments),
            not choice.owner or any(_part(word, owner) for word in choice.owner for owner in _owners(group)),
            not choice.band or _same(choice.band, [place.band]),
        )
    )


def _owners(group: Group) -> set[str]:
    """Who has the account; of a plan made where nothing is stored of it, who gets its tasks."""
    return {group.place.owner} if group.place.owner else {task.owner_name for task in group.tasks}


def _is_account(place: Place, word: str) -> bool:
    return crm_key(word) == crm_key(place.account_id) or _part(word, place.name)


def _part(word: str, name: str) -> bool:
    return word.strip().casefold() in name.casefold()


def _same(words: Iterable[str], names: Iterable[str]) -> bool:
    return not {word.strip().casefold() for word in words}.isdisjoint(name.casefold() for name in names)


def _only_fields(group: Group, words: Sequence[str]) -> Group | None:
    def wanted(name: str) -> bool:
        return any(_part(word, name) for word in words)

    records = (
        replace(record, fields=tuple(change for change in record.fields if wanted(change.field)))
        for record in group.records
    )
    cut = Group(
        group.place,
        tuple(record for record in records if record.fields),
        kept=tuple(edit for edit in group.kept if wanted(edit.field)),
        skipped=tuple(one for one in group.skipped if wanted(one.what)),
    )
    return cut if cut.records or cut.kept or cut.skipped else None
