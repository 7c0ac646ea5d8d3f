"""What one run came to, and how that is told and kept."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from connectors.errors import ConnectorError
from mapping.identity import Resolution
from sync.apply import Applied
from sync.plan import Plan
from sync.reports import PullReport
from sync.store import Counts


@dataclass(slots=True)
class RunReport:
    """What one run came to.

    Attributes:
        as_of: The instant the scores are for.
        recovered: Operations of earlier runs that were unclear and are settled now, by how.
        bands: Accounts by band.
        applied: What became of each planned change; empty for a dry run.
        blocked: Why nothing was planned or written, empty when nothing stood in the way.
        halted: What ended the writing before the plan's end; what was not sent is planned again by the next run.
    """

    as_of: datetime
    pulls: list[PullReport] = field(default_factory=list)
    recovered: Counter[str] = field(default_factory=Counter)
    resolution: Resolution | None = None
    scored: Counter[str] = field(default_factory=Counter)
    bands: Counter[str] = field(default_factory=Counter)
    score_counts: Counts = field(default_factory=Counts)
    plan: Plan | None = None
    applied: list[Applied] = field(default_factory=list)
    blocked: str = ""
    halted: ConnectorError | None = None
    stopped: bool = False

    @property
    def endings(self) -> Counter[str]:
        """Planned changes by what became of them."""
        return Counter(item.result for item in self.applied)

    @property
    def not_sent(self) -> int:
        """Planned changes that were not tried."""
        planned = len(self.plan.records) + len(self.plan.tasks) if self.plan else 0
        return max(0, planned - len(self.applied)) if self.halted or self.stopped else 0

    @property
    def failed(self) -> list[PullReport]:
        """Streams that could not be read."""
        return [pull for pull in self.pulls if pull.ending == "failed"]


def status_of(report: RunReport) -> str:
    """One word for the run table: done, partial, stopped or blocked."""
    if report.blocked:
        return "blocked"
    if report.stopped:
        return "stopped"
    unclean = report.endings.keys() & {"conflict", "rejected", "gone", "in_doubt", "retry"}
    return "partial" if report.failed or report.halted or unclean else "done"


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
        "endings": dict(report.endings),
    }
