"""The figures of the report: out of `Facts`, nothing but counting. Definitions are in docs/report.md."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from itertools import pairwise
from math import ceil
from statistics import median

from report.reading import BANDS, LEFT, OUTSIDE, WEEK, Account, Facts, Task, along, standing

CLASSES = tuple(f"{start} to {start + 9 if start < 90 else 100}" for start in range(0, 100, 10))
"""Of scores: tens, the last with 100."""
_RANK = {"green": 3, "yellow": 2, "red": 1, LEFT: 0}
HORIZONS = (30, 90, 180, 365)
"""Days over which retention by segment is told."""
BACK = timedelta(days=180)
"""How far back recoveries are looked for."""

Money = dict[str, int]


@dataclass(slots=True)
class Group:
    """Some accounts together: a band, a segment, a stage.

    Attributes:
        value: Currency -> monthly recurring revenue in minor units.
        red_value: That of its red accounts.
    """

    name: str
    accounts: int = 0
    scores: list[int] = field(default_factory=list)
    bands: Counter[str] = field(default_factory=Counter)
    value: Money = field(default_factory=dict)
    red_value: Money = field(default_factory=dict)

    def add(self, one: Account) -> None:
        """Count one account in."""
        self.accounts += 1
        self.bands[one.band] += 1
        if one.score is not None:
            self.scores.append(one.score)
        _pay(self.value, one)
        if one.band == "red":
            _pay(self.red_value, one)

    @property
    def median(self) -> int | None:
        """The middle score, rounded down between two; None when nobody has one."""
        return int(median(self.scores)) if self.scores else None


@dataclass(frozen=True, slots=True)
class Move:
    """An account in another band than a week ago.

    Attributes:
        way: `worse`, `better`, or `other`: to and from unknown, and new ones.
        at: When it came to where it is.
    """

    crm_id: str
    name: str
    before: str
    after: str
    way: str
    at: datetime | None
    account: Account | None


@dataclass(slots=True)
class Outcomes:
    """What became of the tasks of one playbook.

    Attributes:
        ended: Those done, by what became of the band: better, same, worse, left.
        hours: From the event to the task.
    """

    playbook: str
    made: int = 0
    states: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    hours: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Driver:
    """One signal over all accounts.

    Attributes:
        down: Accounts whose score it pulls below the neutral 50.
        lost: Tenths of a point that it takes from them together.
        first: Accounts that it pulls down more than any other signal does.
        unknown: Accounts for which it is not known.
    """

    signal: str
    down: int = 0
    up: int = 0
    lost: int = 0
    first: int = 0
    unknown: int = 0
    value: Money = field(default_factory=dict)


def _pay(money: Money, one: Account) -> None:
    if one.mrr is not None:
        money[one.currency] = money.get(one.currency, 0) + one.mrr


def main_currency(accounts: Iterable[Account]) -> str:
    """The currency of most accounts, or of none."""
    found = Counter(one.currency for one in accounts if one.mrr is not None)
    return found.most_common(1)[0][0] if found else ""


def grouped(accounts: Iterable[Account], names: Mapping[str, Sequence[str]] | None = None) -> dict[str, Group]:
    """Accounts by band; or by the names that a mapping of ids gives them."""
    found: dict[str, Group] = {}
    for one in accounts:
        for name in (one.band,) if names is None else names[one.crm_id]:
            found.setdefault(name, Group(name)).add(one)
    return found


def bands_over(facts: Facts, instants: Sequence[datetime]) -> dict[str, list[int]]:
    """Band -> accounts at each instant."""
    found = {band: [0] * len(instants) for band in BANDS}
    for versions in (*(one.versions for one in facts.accounts), *facts.gone.values()):
        for place, version in enumerate(along(versions, instants)):
            if version is not None and version.band in found:
                found[version.band][place] += 1
    return found


def distribution(accounts: Iterable[Account]) -> dict[str, list[int]]:
    """Band -> accounts by class of score; those without a score are left out."""
    found = {band: [0] * len(CLASSES) for band in BANDS}
    for one in accounts:
        if one.score is not None:
            found[one.band][min(9, one.score // 10)] += 1
    return found


def moves(facts: Facts) -> list[Move]:
    """Who is in another band than a week ago: worse first, then the lowest scores."""
    then = facts.now - WEEK
    found = [_move(one.crm_id, one.name, one.at(then), one.band, one) for one in facts.accounts]
    for crm_id, versions in facts.gone.items():
        found.append(_move(crm_id, facts.names[crm_id], standing(versions, then), LEFT, None))
    listed = [move for move in found if move.before != move.after and (move.before, move.after) != (OUTSIDE, LEFT)]
    order = ("worse", "better", "other")
    return sorted(listed, key=lambda move: (order.index(move.way), _score(move.account), move.name, move.crm_id))


def _move(crm_id: str, name: str, then: object, after: str, account: Account | None) -> Move:
    before = getattr(then, "band", OUTSIDE)
    way = "other"
    if before in _RANK and after in _RANK:
        way = "worse" if _RANK[after] < _RANK[before] else "better"
    return Move(crm_id, name, before, after, way, account.since if account else None, account)


def _score(one: Account | None) -> int:
    return one.score if one and one.score is not None else -1


def known_a_week_ago(facts: Facts) -> bool:
    """Whether anybody was scored a week ago: without that nothing can have moved."""
    then = facts.now - WEEK
    every = (*(one.versions for one in facts.accounts), *facts.gone.values())
    return any(standing(versions, then) is not None for versions in every)


def stays(facts: Facts) -> list[tuple[str, str]]:
    """(Band a week ago, band now) of every account that was scored at either instant."""
    then = facts.now - WEEK
    found = [(version.band if (version := one.at(then)) else OUTSIDE, one.band) for one in facts.accounts]
    for versions in facts.gone.values():
        version = standing(versions, then)
        if version is not None:
            found.append((version.band, LEFT))
    return [(old, new) for old, new in found if (old, new) != (LEFT, LEFT)]


@dataclass(frozen=True, slots=True)
class Call:
    """An account with the open tasks that make somebody call it.

    Attributes:
        due: The earliest of them; None when none says.
        late: Whole days since then; 0 when it is not over.
    """

    account: Account
    tasks: tuple[Task, ...]
    due: datetime | None
    late: int


def to_do(facts: Facts) -> tuple[list[Call], list[Call]]:
    """Accounts with open tasks that are due today or overdue, and those with others due within a week after.

    Red ones first, then by how long the task has waited. The UTC day counts.
    """
    tomorrow = facts.now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    alive = [one for one in facts.tasks if one.outcome == "open" and one.account_id in facts.by_id]
    today = _calls(facts, [one for one in alive if one.due is not None and one.due < tomorrow])
    called = {call.account.crm_id for call in today}
    later = [one for one in alive if one.due is None or tomorrow <= one.due < tomorrow + WEEK]
    return today, _calls(facts, [one for one in later if one.account_id not in called])


def _calls(facts: Facts, tasks: Iterable[Task]) -> list[Call]:
    found: dict[str, list[Task]] = {}
    for task in tasks:
        found.setdefault(task.account_id, []).append(task)
    calls = []
    for crm_id, some in found.items():
        due = min((task.due for task in some if task.due is not None), default=None)
        late = max(0, (facts.now - due).days) if due is not None else 0
        calls.append(Call(facts.by_id[crm_id], tuple(some), due, late))
    return sorted(calls, key=lambda one: (BANDS.index(one.account.band), -one.late, one.account.name))


def untended(facts: Facts) -> list[Account]:
    """Red accounts without an open task, the lowest score first."""
    tended = {task.account_id for task in facts.tasks if task.outcome == "open"}
    found = [one for one in facts.accounts if one.band == "red" and one.crm_id not in tended]
    return sorted(found, key=lambda one: (_score(one), one.name, one.crm_id))


def outcomes(facts: Facts) -> list[Outcomes]:
    """By playbook what became of its tasks."""
    found: dict[str, Outcomes] = {}
    for task in facts.tasks:
        one = found.setdefault(task.playbook, Outcomes(task.playbook))
        one.made += 1
        late = task.outcome == "open" and task.due is not None and task.due < facts.now
        one.states["overdue" if late else task.outcome] += 1
        if task.outcome in {"in_time", "late"}:
            one.ended[_became(task, facts)] += 1
        if task.event is not None and task.made is not None:
            one.hours.append(max(0.0, (task.made - task.event).total_seconds() / 3600))
    return sorted(found.values(), key=lambda one: (-one.made, one.playbook))


def _became(task: Task, facts: Facts) -> str:
    account = facts.by_id.get(task.account_id)
    if account is None:
        return LEFT
    before, after = _RANK.get(task.band_then), _RANK.get(account.band)
    if before is None or after is None:
        return "unknown"
    return "better" if after > before else "worse" if after < before else "same"


def quantile(numbers: Sequence[float], share: float) -> float | None:
    """The smallest number that so large a share does not exceed; None of nothing."""
    ordered = sorted(numbers)
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else None


def drivers(facts: Facts) -> list[Driver]:
    """Every signal, by how much it takes from all scores together."""
    found: dict[str, Driver] = {}
    for account in facts.accounts:
        share = account.shares
        for signal in account.row.signals:
            if signal.weight <= 0:
                continue
            one = found.setdefault(signal.name, Driver(signal.name))
            tenths = share.get(signal.name)
            one.unknown += tenths is None
            if tenths is not None and tenths < 0:
                one.down += 1
                one.lost -= tenths
                _pay(one.value, account)
            one.up += tenths is not None and tenths > 0
        worst = min(share.items(), key=lambda item: item[1], default=("", 0))
        if worst[1] < 0:
            found[worst[0]].first += 1
    return sorted(found.values(), key=lambda one: (-one.lost, one.signal))


@cache
def names_of(segments: str) -> tuple[str, ...]:
    """The segments that a version's JSON names."""
    return tuple(json.loads(segments))


def retention(facts: Facts) -> dict[str, list[tuple[int, int]]]:
    """Segment -> for each of `HORIZONS` how many were in it then, and how many of these are customers now."""
    found: dict[str, list[tuple[int, int]]] = {}
    every = [(one.versions, True) for one in facts.accounts] + [(versions, False) for versions in facts.gone.values()]
    for place, days in enumerate(HORIZONS):
        then = facts.now - timedelta(days=days)
        for versions, here in every:
            version = standing(versions, then)
            if version is None or version.band == LEFT:
                continue
            for name in names_of(version.segments):
                row = found.setdefault(name, [(0, 0)] * len(HORIZONS))
                was, kept = row[place]
                row[place] = (was + 1, kept + here)
    return found


def recoveries(facts: Facts) -> dict[str, tuple[int, int]]:
    """Segment -> accounts that became red within `BACK`, and how many of these are in a better band now.

    The segments are those that the account was in when it became red; an account counts once, with the last time.
    """
    found: dict[str, tuple[int, int]] = {}
    begin = facts.now - BACK
    every = [(one.versions, one.band) for one in facts.accounts] + [(old, LEFT) for old in facts.gone.values()]
    for versions, band in every:
        turned = None
        for before, after in pairwise(versions):
            if after.band == "red" and before.band != "red" and after.since >= begin:
                turned = after
        for name in names_of(turned.segments) if turned else ():
            was, back = found.get(name, (0, 0))
            found[name] = (was + 1, back + (band in {"yellow", "green"}))
    return found
