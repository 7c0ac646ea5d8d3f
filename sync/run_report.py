"""What one run came to, and how that is told and kept."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from connectors.base import FieldDiff, ObjectName, Value
from connectors.errors import ConnectorError
from mapping.identity import Resolution
from scoring.inputs import ScoreRow
from sync.adopt import Adopted
from sync.apply import Applied
from sync.canary import CanaryError
from sync.guard import Verdict
from sync.plan import AnyChange, Plan
from sync.reports import PullReport
from sync.standings import Outcome
from sync.store import Counts
from sync.watch import Breach

UNCLEAN = frozenset({"conflict", "rejected", "gone", "in_doubt", "retry", "parked"})
"""Endings of a change that a person should know of."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """A planned field that somebody changed in the meantime: it was left alone.

    Attributes:
        before: What the CRM said when the plan was made.
        ours: What the plan would have written.
        theirs: What the CRM says now.
    """

    object: ObjectName
    record_id: str
    name: str
    field: str
    before: Value
    ours: Value
    theirs: Value


@dataclass(slots=True)
class RunReport:
    """What one run came to.

    Attributes:
        as_of: The instant the scores are for.
        recovered: Operations of earlier runs that were unclear and are settled now, by how.
        adopted: What was taken over from the CRM, because the state was lost or is an old copy; None as a rule.
        breaches: Streams that are not believed at the moment.
        by_others: What cards of earlier runs make of the facts of this one, by their fingerprint, where it was asked.
        settled: Which bands hold and why; None before anything was scored.
        bands: Accounts by band, those left aside that are not scored any more.
        verdicts: What the guard measured in the plan; empty when there was nothing to judge.
        worse: CRM ids of the accounts whose band gets worse by the plan.
        left_out: Tasks that a first fill without tasks does not create.
        lacking: Our fields that are missing in the CRM or differ, as far as a preview could ask.
        applied: What became of each planned change; empty for a dry run.
        conflicts: Fields that moved between plan and writing, with both values.
        deferred: Planned changes that there were no calls left for, the heaviest first; the next run plans them again.
        write_calls: Requests to the CRM that writing took.
        blocked: Why nothing was planned or written, empty when nothing stood in the way.
        halted: What ended the writing before the plan's end; what was not sent is planned again by the next run.
    """

    as_of: datetime
    pulls: list[PullReport] = field(default_factory=list)
    recovered: Counter[str] = field(default_factory=Counter)
    adopted: Adopted | None = None
    breaches: Sequence[Breach] = ()
    resolution: Resolution | None = None
    settled: Outcome | None = None
    by_others: dict[str, list[ScoreRow]] = field(default_factory=dict)
    scored: Counter[str] = field(default_factory=Counter)
    bands: Counter[str] = field(default_factory=Counter)
    score_counts: Counts = field(default_factory=Counts)
    plan: Plan | None = None
    verdicts: Sequence[Verdict] = ()
    worse: Collection[str] = ()
    left_out: int = 0
    lacking: Sequence[FieldDiff] = ()
    applied: list[Applied] = field(default_factory=list)
    conflicts: Sequence[Conflict] = ()
    deferred: Sequence[AnyChange] = ()
    write_calls: int = 0
    blocked: str = ""
    halted: ConnectorError | CanaryError | None = None
    stopped: bool = False

    @property
    def held(self) -> tuple[Verdict, ...]:
        """Why the guard holds the plan; empty when it does not."""
        return tuple(verdict for verdict in self.verdicts if verdict.held)

    @property
    def endings(self) -> Counter[str]:
        """Planned changes by what became of them."""
        return Counter(item.result for item in self.applied)

    @property
    def not_sent(self) -> int:
        """Planned changes that were not tried, those put off for want of calls left aside."""
        planned = len(self.plan.changes) if self.plan else 0
        rest = planned - len(self.applied) - len(self.deferred)
        return max(0, rest) if self.halted or self.stopped else 0

    @property
    def failed(self) -> list[PullReport]:
        """Streams that could not be read."""
        return [pull for pull in self.pulls if pull.ending == "failed"]


def status_of(report: RunReport) -> str:
    """One word for the run table: done, partial, held, stopped or blocked."""
    if report.blocked:
        return "blocked"
    if report.stopped:
        return "stopped"
    if report.held and not report.applied:
        return "held"
    unclean = report.endings.keys() & UNCLEAN
    return "partial" if report.failed or report.halted or report.deferred or unclean else "done"


def summary(report: RunReport) -> dict[str, object]:
    """The numbers kept with the run."""
    return {
        "as_of": report.as_of.isoformat(),
        "rows": sum(pull.rows for pull in report.pulls),
        "failed_streams": [f"{pull.source}/{pull.stream}" for pull in report.failed],
        "scored": dict(report.scored),
        "bands": dict(report.bands),
        "planned_fields": report.plan.field_count if report.plan else 0,
        "planned_tasks": len(report.plan.tasks) if report.plan else 0,
        "left_alone": dict(Counter(edit.why for edit in report.plan.kept)) if report.plan else {},
        "endings": dict(report.endings),
        "held": [verdict.check for verdict in report.held],
        "deferred": len(report.deferred),
        "write_calls": report.write_calls,
    }
