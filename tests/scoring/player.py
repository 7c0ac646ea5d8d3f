"""Runs a card's playbooks over rows by hand, and remembers what an agent would."""

import tomllib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from scoring.card import Scorecard
from scoring.inputs import ScoreRow
from scoring.playbooks import BandState, Decisions, DesiredTask, Situation, Withheld, Work, decide, next_states

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
"""A Monday."""
DEFAULT = Path(__file__).parents[2] / "scoring" / "default.toml"


def card_with(text: str, without: tuple[str, ...] = ()) -> Scorecard:
    """The default card with more tables, and without some of its own."""
    data = tomllib.loads(DEFAULT.read_text("utf-8"), parse_float=Decimal)
    for name in without:
        data.pop(name, None)
    return Scorecard.from_data(merged(data, tomllib.loads(text, parse_float=Decimal)), "a test")


def merged(base: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """Tables of both; where both have one, key by key."""
    both = dict(base)
    for key, value in part.items():
        both[key] = merged(base[key], value) if isinstance(value, dict) and key in base else value
    return both


class Player:
    """An agent's memory around one card; every wanted task is made at once."""

    def __init__(self, card: Scorecard, situation: Situation | None = None) -> None:
        self.card = card
        self.states: dict[str, BandState] = {}
        self.situation = situation or Situation()

    def run(self, day: float, *rows: ScoreRow) -> list[DesiredTask]:
        """Tasks of this run that were not made before."""
        now = START + timedelta(days=day)
        decisions = self.look(day, *rows)
        self.states = next_states(self.card, rows, self.states, now)
        again = decide(self.card, rows, self.states, now, self.situation)
        assert (again.tasks, again.withheld) == (decisions.tasks, decisions.withheld)
        new = [task for task in decisions.tasks if task.key not in self.situation.work]
        made = {task.key: Work(task.crm_id, task.playbook, task.owner_id, now, task.due) for task in new}
        waiting = frozenset((one.crm_id, one.playbook) for one in decisions.withheld)
        self.situation = replace(self.situation, work={**self.situation.work, **made}, waiting=waiting)
        return new

    def look(self, day: float, *rows: ScoreRow) -> Decisions:
        """What is decided, without remembering it."""
        return decide(self.card, rows, self.states, START + timedelta(days=day), self.situation)

    def withheld(self, day: float, *rows: ScoreRow) -> list[Withheld]:
        """What waits."""
        return list(self.look(day, *rows).withheld)

    def becomes(self, name: str, /, **more: Any) -> None:
        """Something happens to the task of that name in the CRM."""
        work = {key: replace(one, **more) if one.name == name else one for key, one in self.situation.work.items()}
        self.situation = replace(self.situation, work=work)
