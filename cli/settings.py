"""The tables of the config file that Holdfast itself defines, and the list of all tables.

A new table is a closed model in a module of its own and one line in `Tables`; the loader, the list of what is allowed
and the reference page follow from it.
"""

from datetime import date
from pathlib import Path
from typing import Literal, Self, cast

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mapping.identity import Settings as IdentitySettings
from mapping.themes import Settings as ThemeSettings
from notify.settings import Notify
from report.settings import ReportSettings
from scoring.bounded import MOST_CARDS
from scoring.hierarchy import Hierarchy
from scoring.playbooks.team import Team
from sync.duration import Duration
from sync.plan import MAX_AGE
from sync.policy import HumanEdits
from sync.quality import Quality


class Section(BaseModel):
    """A closed table of the config."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Scoring(Section):
    """How health is computed."""

    card: Path | None = Field(None, description="Scorecard file; left out: the one that comes with Holdfast.")
    cards: tuple[Path, ...] = Field(
        (),
        max_length=MOST_CARDS,
        description="Instead: several scorecard files, in order; the first whose `only` rule holds scores an account.",
    )

    reviewed: date | None = Field(
        None, description="Day on which you last went through the scorecard; `check` reminds after 90 days."
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.card is not None and self.cards:
            raise ValueError("card and cards exclude each other: list every file under cards")
        return self


class Writeback(Section):
    """What is written into the CRM, and how."""

    policy: Literal["apply", "approve"] = Field(
        "apply",
        description="'apply': `sync` writes at once what the guard lets through. 'approve': only `apply PLAN` writes, "
        "and only plans that `approve PLAN` has signed.",
    )
    plan_max_age: Duration = Field(
        MAX_AGE, ge=60, description='How long a saved plan may be applied after it was made, such as "24h".'
    )
    human_edits: HumanEdits = Field(
        "keep",
        description="What happens to a field of ours that somebody changed in the CRM: 'keep' leaves it, 'overwrite' "
        "writes ours again, 'ask' leaves it until `holdfast edits answer` says whose value holds.",
    )
    edits: dict[str, HumanEdits] = Field(
        default_factory=dict,
        description='Our field -> what happens to it when somebody changed it, such as "account.segments" = "ask".',
    )
    contacts: bool = Field(True, description="Also write engagement and segments on contacts.")
    tasks: bool = Field(True, description="Also create follow-up tasks.")
    fallback_owner: str | None = Field(
        None, description="CRM owner id for tasks whose account has no active owner; left out: the task has none."
    )
    budget_share: float = Field(
        0.10,
        gt=0,
        le=1,
        description="Part of the CRM's daily calls that writing may take in 24 hours; beyond it updates go by bulk "
        "jobs where the CRM has them, and what is left over waits: the worst changes of the most valuable accounts "
        "go first.",
    )
    fields: dict[str, str] = Field(
        default_factory=dict,
        description='Our field -> its CRM name, such as "account.health_score" = "csm_health"; "" leaves it out.',
    )


class Run(Section):
    """The schedule of `holdfast run`."""

    every: Duration = Field(3600, ge=60, description='Time between two runs, such as "1h".')
    deadline: Duration = Field(
        3000, ge=60, description='A run stops at a batch boundary after this time, such as "50m".'
    )
    listen: str = Field(
        "",
        description='Where `holdfast run` serves /metrics and /healthz, such as "127.0.0.1:9464"; left out: nowhere.',
    )


class Guard(Section):
    """When a plan waits for a person, and whom the agent does not believe."""

    enabled: bool = Field(True, description="False writes every plan, however large it is, and believes every source.")
    band_changes: int = Field(10, ge=0, description="So many accounts may always change their band in one run.")
    band_share: float = Field(
        0.05, ge=0, le=1, description="Or this share of the accounts we wrote before, whichever is more."
    )
    worse_share: float = Field(0.04, ge=0, le=1, description="The same for accounts that get a worse band.")
    moved_points: int = Field(10, ge=1, le=100, description="A score that moves by so many points has moved.")
    moved_share: float = Field(0.20, ge=0, le=1, description="Share of the scores that may move.")
    mean_points: float = Field(4.0, gt=0, le=100, description="The mean of all scores may move by so many points.")
    new_tasks: int = Field(25, ge=0, description="So many new tasks may always be in one hour.")
    tasks_share: float = Field(
        0.01, ge=0, le=1, description="Or as many as this share of the accounts, whichever is more."
    )
    tasks_per_owner: int = Field(5, ge=0, description="New tasks for one person in one hour.")
    field_share: float = Field(
        0.20, ge=0, le=1, description="Share of records that may get other words in a field such as segments."
    )
    emptied_share: float = Field(0.05, ge=0, le=1, description="Share of records on which one field may be emptied.")
    rejects_share: float = Field(
        0.05, ge=0, le=1, description="Share of changes that the CRM may have refused when we last wrote."
    )
    canary_min: int = Field(5, ge=1, description="So many records of a plan are written first and read back.")
    canary_share: float = Field(0.01, ge=0, le=1, description="Or this share of the plan, whichever is more.")
    batch_errors: float = Field(0.05, ge=0, le=1, description="Share of a batch that may fail before writing stops.")
    trusted: tuple[str, ...] = Field(
        (),
        description='Sources ("mixpanel") and streams ("mixpanel/events") that are believed whatever they say, such as '
        "one that is being wound down.",
    )


class Log(Section):
    """What is written down of runs for programs."""

    file: str = Field(
        "", description='File to which JSON lines are added, relative to the config, or "stderr"; left out: no log.'
    )


class State(Section):
    """Where the agent keeps what it must remember."""

    dir: Path = Field(
        Path("~/.local/state/holdfast"), description="Folder of the state file, usage files and saved plans."
    )


class Tables(BaseModel):
    """Every table of the config beside the vendors' and `[[events]]`: one line a table, in the order of the reference.

    A field's type is the table's model; each table may be left out.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)
    identity: IdentitySettings = Field(default_factory=IdentitySettings)
    scoring: Scoring = Field(default_factory=Scoring)
    writeback: Writeback = Field(default_factory=Writeback)
    run: Run = Field(default_factory=Run)
    guard: Guard = Field(default_factory=Guard)
    quality: Quality = Field(default_factory=Quality)
    team: Team = Field(default_factory=Team)
    hierarchy: Hierarchy = Field(default_factory=Hierarchy)
    report: ReportSettings = Field(default_factory=ReportSettings)
    notify: Notify = Field(default_factory=Notify)
    log: Log = Field(default_factory=Log)
    themes: ThemeSettings = Field(default_factory=ThemeSettings)
    state: State = Field(default_factory=State)


def tables() -> dict[str, type[BaseModel]]:
    """The model of each table, by its name in the config, in the order of the reference."""
    return {name: cast("type[BaseModel]", info.annotation) for name, info in Tables.model_fields.items()}
