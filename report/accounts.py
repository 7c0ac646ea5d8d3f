"""Every account as compact data for the page's table: repeated words once, history as one character a week.

Ten thousand accounts with a year of weeks and their parts are about 5 MB this way, which a browser reads in a blink;
as plain JSON objects they would be 40 MB.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from report.figures import Move
from report.reading import LEFT, Account, Facts, along
from report.words import tidy
from scoring.cards import Cards
from scoring.features import catalogue
from sync.money import major

FIRST = 0x100
"""Code of score 0 in a history; none of the letters from here on needs an escape in JSON."""
UNKNOWN, ABSENT = FIRST + 101, FIRST + 102
"""Scored without a number; not scored."""
LONGEST_STORY = 12
"""Changes of band that are told for each account, the newest."""


class _Words:
    """Texts by number, each once."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._places: dict[str, int] = {}

    def place(self, text: str) -> int:
        """The number of a text."""
        found = self._places.get(text)
        if found is None:
            found = self._places[text] = len(self.texts)
            self.texts.append(tidy(text))
        return found


def packed(facts: Facts, cards: Cards, weeks: Sequence[datetime], moves: Iterable[Move]) -> dict[str, Any]:
    """What report.js reads; the order of the columns is `COLUMNS`."""
    words, units, moved = _Words(), _units(cards), {move.crm_id: move.way for move in moves}
    tasks: dict[str, list[list[Any]]] = {}
    for task in facts.tasks:
        days = map(_day, (task.made, task.due, task.ended))
        told = [words.place(task.subject or task.playbook), task.outcome, *days]
        tasks.setdefault(task.account_id, []).append(told)
    waits: dict[str, list[list[Any]]] = {}
    for wait in facts.waits:
        waits.setdefault(wait.account_id, []).append(
            [words.place(wait.playbook), words.place(wait.why), _day(wait.until)]
        )
    rows = [
        [
            *_who(one, words),
            history(one, weeks),
            _parts(one, units, words),
            one.coverage,
            _day(one.since),
            moved.get(one.crm_id, ""),
            _story(one),
            tasks.get(one.crm_id, []),
            waits.get(one.crm_id, []),
            words.place(one.held),
            _day(one.renewal),
        ]
        for one in facts.accounts
    ]
    labels = {name: segment.label for card in cards.cards for name, segment in card.account.segments.items()}
    return {
        "columns": COLUMNS,
        "words": words.texts,
        "weeks": [f"{at:%Y-%m-%d}" for at in weeks],
        "labels": {name: tidy(label) for name, label in labels.items()},
        "accounts": rows,
    }


COLUMNS = (
    *("id", "name", "band", "score", "trend", "value", "currency", "owner", "segments", "stage", "plan", "reason"),
    *("history", "parts", "coverage", "since", "moved", "story", "tasks", "waits", "held", "renewal"),
)


def _who(one: Account, words: _Words) -> list[Any]:
    return [
        tidy(one.crm_id),
        tidy(one.name),
        one.band,
        one.score,
        one.trend,
        None if one.mrr is None else round(major(one.mrr, one.currency)),
        words.place(one.currency),
        words.place(one.owner),
        [words.place(name) for name in one.segments],
        words.place(one.stage),
        words.place(one.plan),
        tidy(one.reason),
    ]


def history(one: Account, weeks: Sequence[datetime]) -> str:
    """One character for each week: its score, or that there was none; weeks before the first score are left out."""
    found = []
    for version in along(one.versions, weeks):
        if version is None or version.band == LEFT:
            found.append(ABSENT)
        else:
            found.append(UNKNOWN if version.score is None else FIRST + version.score)
    return "".join(map(chr, found)).lstrip(chr(ABSENT))


def _parts(one: Account, units: dict[tuple[str, str], Any], words: _Words) -> list[list[Any]]:
    """Signal, tenths (None when not known), its value in words; what takes most first."""
    share = one.shares
    found = [
        [
            words.place(signal.name),
            share.get(signal.name),
            _value(one.row.card, signal.name, signal.value, units, words),
        ]
        for signal in one.row.signals
        if signal.weight > 0
    ]
    return sorted(found, key=lambda part: (part[1] is None, part[1] or 0))


def _value(card: str, signal: str, value: int | None, units: dict[tuple[str, str], Any], words: _Words) -> int:
    unit = units.get((card, signal))
    return words.place("unknown" if value is None else unit.text(value) if unit else f"{value:,}")


def _units(cards: Cards) -> dict[tuple[str, str], Any]:
    """(Card, signal) -> the unit of what it looks at, for cards that are still in use."""
    known = catalogue("account")
    return {
        (card.name, name): known[signal.feature].unit
        for card in cards.cards
        for name, signal in card.account.signals.items()
        if signal.feature in known
    }


def _story(one: Account) -> list[list[str]]:
    """Changes of band, the newest first: day, from, to."""
    found = [
        [f"{new.since:%Y-%m-%d}", old.band, new.band] for old, new in pairwise(one.versions) if old.band != new.band
    ]
    return found[::-1][:LONGEST_STORY]


def _day(at: Any) -> str:
    return f"{at:%Y-%m-%d}" if at else ""
