"""One run from end to end: recover, pull, resolve, score, plan, and either show the plan or apply it.

A dry run is the same walk with a different last step.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event
from typing import Literal

from connectors.base import Clock, Crm, FieldDiff, Source
from connectors.errors import ConnectorError, TransientError
from mapping.fields import FieldMap
from mapping.identity import Settings as IdentitySettings
from mapping.identity import collector_paused, resolve
from scoring.card import Scorecard
from scoring.inputs import ScoreRow
from sync import frames
from sync.apply import Applied, Applier
from sync.budget import Budget
from sync.ledger import Ledger
from sync.owned import OwnedField
from sync.plan import (
    Plan,
    PlanError,
    RecordChange,
)
from sync.planner import Planner
from sync.policy import Policy
from sync.pull import PullProgress, pull_all
from sync.run_report import RunReport, status_of, summary
from sync.store import Page, Store, StoreError

Phase = Literal["recover", "pull", "resolve", "score", "plan", "apply"]

NEEDED_KINDS = ("account", "contact")
"""CRM records without which "what the CRM says now" is unknown, so that nothing may be written."""


class MissingFieldsError(Exception):
    """The CRM lacks fields of ours, or has others under their names."""

    def __init__(self, diffs: Sequence[FieldDiff]) -> None:
        self.diffs = diffs
        names = ", ".join(diff.spec.name for diff in diffs[:5]) + (", …" if len(diffs) > 5 else "")
        them = "1 field is" if len(diffs) == 1 else f"{len(diffs)} fields are"
        super().__init__(f"{them} missing, hidden or different in the CRM ({names}): run `holdfast setup`.")


@dataclass(slots=True)
class Agent:
    """Everything wired together.

    Attributes:
        sources: The CRM first, then the others, each with its field map.
        login: Hash of the CRM's address and credentials; empty when not known.
        stop: Set to end the work at the next batch boundary.
    """

    crm: Crm
    sources: Sequence[tuple[Source, FieldMap]]
    store: Store
    card: Scorecard
    fields: Sequence[OwnedField]
    identity: IdentitySettings
    policy: Policy
    clock: Clock
    config_hash: str
    login: str = ""
    stop: Event = field(default_factory=Event)
    on_phase: Callable[[Phase], None] = lambda _: None
    on_pull: Callable[[PullProgress], None] = lambda _: None
    on_applied: Callable[[Applied, int], None] = lambda _item, _total: None

    @property
    def ledger(self) -> Ledger:
        """The ledger of the state file."""
        return Ledger(self.store)

    def run(self, *, dry_run: bool) -> RunReport:
        """Walk the whole way once. A dry run asks the CRM, and writes nothing to it."""
        report = RunReport(self.clock.now())
        with self._noted("dry" if dry_run else "apply", report) as run_id:
            self._walk(report, run_id, dry_run=dry_run)
        return report

    @contextmanager
    def _noted(self, mode: str, report: RunReport) -> Iterator[int]:
        """Keep the run in the table of runs, however it ends."""
        run_id = self.ledger.start_run(mode, self.clock.now())
        try:
            yield run_id
        except BaseException:
            with suppress(StoreError):  # the error that is on its way says more
                self.ledger.end_run(run_id, "failed", summary(report), self.clock.now())
            raise
        self.ledger.end_run(run_id, status_of(report), summary(report), self.clock.now())

    def _walk(self, report: RunReport, run_id: int, *, dry_run: bool) -> None:
        if not dry_run:
            self._recover(report)
        if not report.stopped:
            self.pull(report)
        if report.blocked or report.stopped:
            return
        rows = self.score(report, run_id)
        report.plan = self.make_plan(rows, report.as_of)
        if not dry_run and not report.plan.empty:
            self.write(report.plan, run_id, report)

    def _recover(self, report: RunReport) -> None:
        if not self.ledger.open_ops() and not self.ledger.stale_updates():
            return
        self.on_phase("recover")
        try:
            self.check_environment()
            report.recovered = self._applier().recover()
        except ConnectorError as error:
            report.stopped = self._stopped_by(error)
            if not report.stopped:
                report.blocked = f"{error} What an earlier run left unclear waits, and nothing was planned."

    def _stopped_by(self, error: ConnectorError) -> bool:
        """Whether we ended the waiting for a vendor ourselves."""
        return self.stop.is_set() and isinstance(error, TransientError)

    def pull(self, report: RunReport) -> None:
        """Read what changed in every source, side by side. A source that fails leaves its age behind.

        Raises:
            EnvironmentMismatchError: The CRM is another account than the one this state belongs to; nothing was read.
        """
        self.on_phase("pull")
        # Credentials that led to our account lead there again: a quiet hour need not ask.
        if not self.login or self.store.login(self.crm.name) != self.login:
            with suppress(ConnectorError):  # a CRM that does not answer will say so again, for each of its streams
                self.check_environment()
        report.pulls = pull_all(self.sources, self.store, self.clock, on_progress=self.on_pull, stop=self.stop)
        report.stopped = any(pull.ending == "stopped" for pull in report.pulls)
        blind = [pull for pull in report.failed if pull.source == self.crm.name and pull.record in NEEDED_KINDS]
        if blind and not report.blocked:
            report.blocked = (
                f"{self.crm.name} could not be read ({blind[0].stream}: {blind[0].error}), "
                "so what it says now is unknown: nothing was planned."
            )

    def score(self, report: RunReport, run_id: int) -> list[ScoreRow]:
        """Resolve who is who, score everything, and keep both."""
        from scoring.engine import score

        # Only now: what the pull has just committed is known from its commit on, and must count.
        report.as_of = self.clock.now()
        self.on_phase("resolve")
        keys = frames.identity_keys(self.store, crm=self.crm.name)
        report.resolution = resolve(
            self.crm.name, keys.accounts, keys.people, keys.members, settings=self.identity, merged=keys.merged
        )
        self.store.save_links(report.resolution, report.as_of, crm=self.crm.name)
        self.on_phase("score")
        names = [source.name for source, _ in self.sources]
        given = frames.inputs(self.store, report.as_of, crm=self.crm.name, sources=names)
        with collector_paused():
            with self.store.released():
                rows = list(score(self.card, given))
            report.score_counts = self.store.save_scores(run_id, rows, report.as_of)
        report.scored = Counter(row.level for row in rows)
        report.bands = Counter(row.band for row in rows if row.level == "account")
        return rows

    def make_plan(self, rows: Sequence[ScoreRow], as_of: datetime) -> Plan:
        """Desired minus current. Remembers which band each account is in, so that an episode starts once."""
        self.on_phase("plan")
        environment = self.store.environment(self.crm.name) or self.check_environment()
        planner = Planner(
            self.crm, self.store, self.ledger, self.card, self.fields, self.policy, self.clock, self.config_hash
        )
        return planner.make(rows, as_of, environment)

    def _budget(self) -> Budget:
        return Budget(self.crm, self.policy.budget_share)

    def write(self, plan: Plan, run_id: int, report: RunReport) -> None:
        """Apply a plan that was made for this CRM, one batch after the other.

        Raises:
            MissingFieldsError: Before anything is sent, when the CRM lacks a field.
        """
        self.on_phase("apply")
        total = len(plan.records) + len(plan.tasks)
        try:
            self._require(plan)
            budget = self._budget()
            budget.open(plan)
            for item in self._applier(budget).apply(plan, run_id):
                report.applied.append(item)
                self.on_applied(item, total)
        except ConnectorError as error:
            # Whatever was sent is settled in the ledger; the next run plans the rest afresh.
            if not self._stopped_by(error):
                report.halted = error
        finally:
            self._forget_gone(report)
        report.stopped = report.stopped or self.stop.is_set()

    def _forget_gone(self, report: RunReport) -> None:
        """Take records out of the state that the CRM no longer has, without waiting for its list of deleted ones."""
        gone = [
            item.change for item in report.applied if item.result == "gone" and isinstance(item.change, RecordChange)
        ]
        for stream in self.crm.streams:
            if ids := [change.record_id for change in gone if change.object == stream.record]:
                self.store.commit(Page(self.crm.name, stream.name, stream.record, deleted=ids), self.clock.now())

    def _require(self, plan: Plan) -> None:
        environment = self.check_environment()
        if environment != plan.environment:
            raise PlanError(f"the plan was made for {plan.environment}, but this CRM is {environment}.")
        self.require_fields()

    def apply_saved(self, plan: Plan) -> RunReport:
        """Apply a saved plan and nothing else.

        Raises:
            PlanError: When it was made under other settings or for another CRM.
        """
        if plan.config_hash != self.config_hash:
            raise PlanError("the settings have changed since the plan was made; make the plan again.")
        report = RunReport(self.clock.now(), plan=plan)
        with self._noted("apply", report) as run_id:
            self._recover(report)
            if not plan.empty and not report.blocked and not report.stopped:
                self.write(plan, run_id, report)
        return report

    def check_environment(self) -> str:
        """Ask the CRM who it is; refuses another account than the one this state belongs to."""
        fingerprint = self.crm.environment().fingerprint
        self.store.pin_environment(self.crm.name, fingerprint)
        if self.login:
            self.store.note_login(self.crm.name, self.login)
        return fingerprint

    def require_fields(self) -> None:
        """Make sure that the fields to write exist as they should.

        Raises:
            MissingFieldsError: Naming them.
        """
        specs = [f.spec for f in self.fields if self.policy.contacts or f.spec.object != "contact"]
        diffs = self.crm.setup(specs, dry_run=True)
        if bad := [diff for diff in diffs if diff.action != "ok" and not diff.spec.optional]:
            raise MissingFieldsError(bad)

    def _applier(self, budget: Budget | None = None) -> Applier:
        return Applier(self.crm, self.store, self.ledger, self.clock, stop=self.stop.is_set, budget=budget)
