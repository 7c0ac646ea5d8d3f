"""Who moved between segments, stages and bands, and when: read out of the history of the scores.

The history says how an account stood from one instant to the next. An account that is frozen or not scored any more
has left: as far as the card tells it is no customer now, which is what `LEFT` stands for.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby, pairwise
from operator import attrgetter
from typing import Literal

from scoring.inputs import FROZEN
from sync.store import Store
from sync.tables import epoch, instant

What = Literal["segments", "stage", "rfm", "band"]
LAYERS: tuple[What, ...] = ("segments", "stage", "rfm", "band")
LEFT = "churned"
"""Where an account went that is not scored any more."""
OUTSIDE = "not scored"
"""Where an account came from that was not scored before."""
UNKNOWN = "unknown"
"""Standing for an account of which a layer is not known."""

_VERSIONS = """
SELECT key, crm_id, name, valid_from, NULL, band, stage, rfm, segments, held FROM score WHERE level = 'account'
UNION ALL
SELECT key, crm_id, name, valid_from, valid_to, band, stage, rfm, segments, held FROM score_history
WHERE level = 'account' AND valid_to > ?
ORDER BY 1, 4
"""


@dataclass(frozen=True, slots=True)
class Version:
    """How one account stood for a while.

    Attributes:
        key: Its key in the state file.
        crm_id: The CRM's id.
        name: Its name.
        since: The first instant.
        until: The instant from which it stood otherwise; None while it stands so.
        states: Layer -> the words that held, sorted; none for an account that has left.
        left: It was frozen: no customer any more.
    """

    key: int
    crm_id: str
    name: str
    since: datetime
    until: datetime | None
    states: Mapping[What, tuple[str, ...]]
    left: bool


@dataclass(frozen=True, slots=True)
class Move:
    """One account's way from one standing to another.

    Attributes:
        at: When the agent saw it.
        crm_id: The account.
        name: Its name.
        what: Which layer.
        before: Where it was; `not scored` before the agent scored it.
        after: Where it is; `churned` when it is not scored any more.
    """

    at: datetime
    crm_id: str
    name: str
    what: What
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Flow:
    """One segment: how many are in it, and how many came and went."""

    name: str
    accounts: int
    entered: int
    left: int


@dataclass(frozen=True, slots=True)
class Drop:
    """What became of the accounts of one stage.

    Attributes:
        stage: Where they were.
        accounts: How many.
        kept: Still there.
        moved: At another stage that is not `at_risk`.
        at_risk: Now at risk.
        churned: Not scored any more.
    """

    stage: str
    accounts: int
    kept: int
    moved: int
    at_risk: int
    churned: int


def versions(store: Store, since: datetime | None = None) -> list[Version]:
    """Every standing of every account that reaches beyond an instant, by account and time."""
    return [_version(row) for row in store.rows(_VERSIONS, (-1 if since is None else epoch(since),))]


def _version(row: Sequence[object]) -> Version:
    key, crm_id, name, begin, end, band, stage, rfm, segments, held = row
    left = str(held).startswith(FROZEN)
    states: dict[What, tuple[str, ...]] = {
        "segments": tuple(sorted(json.loads(str(segments)))),
        "stage": (str(stage),) if stage is not None else (UNKNOWN,),
        "rfm": (str(rfm),) if rfm is not None else (UNKNOWN,),
        "band": (str(band),),
    }
    until = None if end is None else instant(_int(end))
    who = (_int(key), str(crm_id), str(crm_id if name is None else name))
    return Version(*who, instant(_int(begin)), until, {} if left else states, left)


def _int(value: object) -> int:
    return value if isinstance(value, int) else int(str(value))


def moves(history: Iterable[Version], since: datetime, what: Sequence[What] = LAYERS) -> list[Move]:
    """Every change of a layer after an instant, oldest first.

    Args:
        history: As of `versions`.
        since: The instant; what changed at it or before is left out.
        what: Which layers.
    """
    found = [move for _, one in groupby(history, attrgetter("key")) for move in _moves(list(one), since, what)]
    return sorted(found, key=lambda move: (move.at, move.crm_id, LAYERS.index(move.what)))


def _moves(one: list[Version], since: datetime, what: Sequence[What]) -> Iterator[Move]:
    first = one[0]
    if first.since > since and not first.left:
        yield from (
            Move(first.since, first.crm_id, first.name, layer, (OUTSIDE,), first.states[layer]) for layer in what
        )
    for old, new in pairwise(one):
        if old.until is not None and old.until < new.since:  # not scored in between
            yield from _step(old, None, old.until, since, what)
            yield from (Move(new.since, new.crm_id, new.name, layer, (OUTSIDE,), _at(new, layer)) for layer in what)
        else:
            yield from _step(old, new, new.since, since, what)
    if one[-1].until is not None:
        yield from _step(one[-1], None, one[-1].until, since, what)


def _step(old: Version, new: Version | None, at: datetime, since: datetime, what: Sequence[What]) -> Iterator[Move]:
    if at <= since:
        return
    for layer in what:
        before, after = _at(old, layer), _at(new, layer)
        if before != after:
            yield Move(at, old.crm_id, old.name, layer, before, after)


def _at(version: Version | None, layer: What) -> tuple[str, ...]:
    return (LEFT,) if version is None or version.left else version.states[layer]


def standing(history: Iterable[Version], at: datetime) -> dict[int, Version]:
    """How each account stood at an instant; nothing for those that were not scored then."""
    return {one.key: one for one in history if one.since <= at and (one.until is None or at < one.until)}


def flows(history: Sequence[Version], names: Iterable[str], since: datetime, now: datetime) -> list[Flow]:
    """Size of every segment, and how many came and went since an instant."""
    entered: Counter[str] = Counter()
    left: Counter[str] = Counter()
    for move in moves(history, since, ("segments",)):
        entered.update(set(move.after) - set(move.before))
        left.update(set(move.before) - set(move.after))
    held = sizes(history, "segments", now)
    known = {*names, *held, *entered, *left} - {LEFT, OUTSIDE}
    return [Flow(name, held[name], entered[name], left[name]) for name in sorted(known)]


def sizes(history: Iterable[Version], what: What, at: datetime) -> Counter[str]:
    """How many accounts were where at an instant."""
    here = standing(history, at).values()
    return Counter(name for one in here if not one.left for name in one.states[what])


def matrix(
    history: Sequence[Version], what: Literal["stage", "rfm", "band"], begin: datetime, end: datetime
) -> Counter[tuple[str, str]]:
    """(Where at the beginning, where at the end) -> accounts.

    `not scored` are those that came in between, `churned` those that left; who came and left in between is not told.
    """
    before, after = standing(history, begin), standing(history, end)
    found: Counter[tuple[str, str]] = Counter()
    for key in before.keys() | after.keys():
        old, new = before.get(key), after.get(key)
        if old is None or old.left:
            if new is not None and not new.left:
                found[OUTSIDE, new.states[what][0]] += 1
        else:
            found[old.states[what][0], _at(new, what)[0]] += 1
    return found


def drops(between: Mapping[tuple[str, str], int]) -> list[Drop]:
    """By stage what became of its accounts, out of the matrix of stages: where customers are lost."""
    found = []
    for stage in sorted({old for old, _ in between} - {OUTSIDE}):
        to = {new: number for (old, new), number in between.items() if old == stage}
        total, kept, churned = sum(to.values()), to.get(stage, 0), to.get(LEFT, 0)
        risk = to.get("at_risk", 0) if stage != "at_risk" else 0
        found.append(Drop(stage, total, kept, total - kept - risk - churned, risk, churned))
    return found


def month_before(now: datetime) -> datetime:
    """From when moves are told if nobody says."""
    return now - timedelta(days=30)
