"""From score rows to actions: who does what by when, once per account, playbook and episode.

An *episode* starts when an account enters a band whose playbook does something, or when a trigger begins to hold.
Everything here is a pure function of score rows, of the states kept from the last run and of the situation (what became
of earlier tasks, who works when), so asking twice gives the same tasks with the same keys. docs/playbooks.md tells how
cards say it.
"""

from scoring.playbooks.decide import base_name, decide, desired_tasks, enrolled, unanswered
from scoring.playbooks.episodes import next_states
from scoring.playbooks.memory import (
    KNOWN,
    BandState,
    Clear,
    Decisions,
    DesiredTask,
    Freeze,
    Situation,
    Withheld,
    Work,
    task_key,
)
from scoring.playbooks.model import Caps, Playbook, Priority, Step, Suppression, Trigger, Variant
from scoring.playbooks.owners import accountable
from scoring.playbooks.team import Team
from scoring.playbooks.text import WORDS, fill

__all__ = [
    "KNOWN",
    "WORDS",
    "BandState",
    "Caps",
    "Clear",
    "Decisions",
    "DesiredTask",
    "Freeze",
    "Playbook",
    "Priority",
    "Situation",
    "Step",
    "Suppression",
    "Team",
    "Trigger",
    "Variant",
    "Withheld",
    "Work",
    "accountable",
    "base_name",
    "decide",
    "desired_tasks",
    "enrolled",
    "fill",
    "next_states",
    "task_key",
    "unanswered",
]
