"""One run from end to end: recover, pull, watch, score, plan, judge, and either show the plan or apply it.

A dry run is the same walk with a different last step.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from threading import Event
from typing import Literal

from connectors.base import Clock, Crm, FieldDiff, FieldSpec, Source
from connectors.errors import ConnectorError, TransientError
from mapping.fields import FieldMap
from mapping.identity import Settings as IdentitySettings
from mapping.identity import collector_paused, resolve
from scoring.cards import AnyCards
from scoring.events import KnownEvent
from scoring.inputs import ScoreRow
from sync import baseline, frames, quality, usage_files
from sync.adopt import take_over
from sync.apply import Applied, Applier
from sync.approval import require_allowed, require_current
from sync.budget import Budget
from sync.card_change import card_change
from sync.doubt import DoubtError
from sync.eras import keep_era, keep_releases, note_written
from sync.family import with_family
from sync.guard import remember
from sync.judging import judged
from sync.ledger import Ledger
from sync.moves import keep_moves
from sync.noting import Ended, noted
from sync.overriding import Asked, override_plan
from sync.owned import OwnedField
from sync.plan import Plan
from sync.planner import Planner, without_tasks
from sync.playing import Stage
from sync.policy import Policy
from sync.pull import PullProgress, pull_all
from sync.run_report import RunReport
from sync.standings import Bench
from sync.store import Store
from sync.undo import Undoer, outcome, require_known, require_run
from sync.watch import hold_bands, watch
from sync.writing import MissingFieldsError, Writer

__all__ = ["Agent", "MissingFieldsError", "Phase"]

Phase = Literal["recover", "pull", "resolve", "score", "plan", "apply"]

NEEDED_KINDS = ("account", "contact")
"""CRM records without which "what the CRM says now" is unknown, so that nothing may be written."""


@dataclass(slots=True)
class Agent:
    """Everything wired together.

    Attributes:
        sources: The CRM first, then the others, each with its field map.
        login: Hash of the CRM's address and credentials; empty when not known.
        stop: Set to end the work at the next batch boundary.
        people: The fields that people fill and we only read, see `sync.people`.
        events: Known events of the config.
        on_first_fill: Called with the plan of a first fill that a person started, before anything is written.
        on_start: Called with the number and mode of a run that begins.
        on_end: Called when it has ended, however it did.
    """

    crm: Crm
    sources: Sequence[tuple[Source, FieldMap]]
    store: Store
    card: AnyCards
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
    on_first_fill: Callable[[RunReport], None] = lambda _: None
    on_start: Callable[[int, str], None] = lambda _run, _mode: None
    on_end: Callable[[Ended], None] = lambda _: None
    people: Mapping[str, FieldSpec] = field(default_factory=dict)
    events: Sequence[KnownEvent] = ()

    @property
    def ledger(self) -> Ledger:
        """The ledger of the state file."""
        return Ledger(self.store)

    # -- the walks ----------------------------------------------------------------------------------------------

    def run(self, *, dry_run: bool, initial: bool = False, with_tasks: bool | None = None) -> RunReport:
        """Walk the whole way once. A dry run asks the CRM, and writes nothing to it.

        Args:
            dry_run: Stop at the plan.
            initial: A person wants the CRM filled that the agent has not written to yet; no word on any later run.
            with_tasks: That first fill also creates tasks for accounts that are in trouble already. Left out: not when
                it is started, but a preview of it shows them.
        """
        report = RunReport(self.clock.now())
        with noted(self, "dry" if dry_run else "apply", report) as run_id:
            if not dry_run:
                self._recover(report)
            if not report.stopped:
                self.pull(report)
            take_over(self, report, run_id)
            if report.blocked or report.stopped:
                return report
            rows = self.score(report, run_id)
            plan = self._plan(rows, report, initial=initial, with_tasks=with_tasks)
            if not plan.empty and (dry_run or (report.held and plan.baseline)):
                with suppress(ConnectorError):  # a preview need not know; whoever writes has to
                    report.lacking = self.lacking(tasks=False)
            if initial and plan.baseline and not dry_run and not report.held:
                self.on_first_fill(report)
            if not dry_run:
                self._carry_out(run_id, report, judges=True)
        return report

    def apply_saved(self, plan: Plan, approved_by: str = "") -> RunReport:
        """Apply a saved plan and nothing else.

        Args:
            plan: From its file.
            approved_by: Who allowed it; empty when nobody did.

        Raises:
            PlanError: When it is stale, was made under other settings or for another CRM, or must be allowed first.
            HeldError: When the guard holds it and nobody has released it.
        """
        require_current(
            plan,
            config_hash=self.config_hash,
            environment=self.store.environment(self.crm.name),
            max_age=self.policy.plan_max_age,
            now=self.clock.now(),
        )
        require_allowed(plan, approved_by, only_approved=self.policy.only_approved)
        require_known(self.ledger, plan)
        report = RunReport(self.clock.now(), plan=plan)
        with noted(self, "undo" if plan.kind == "undo" else "apply", report) as run_id:
            self._recover(report)
            if not report.blocked and not report.stopped:
                self._carry_out(run_id, report, judges=bool(plan.held) and plan.kind == "sync")
        return report

    def undo(self, target: int, *, dry_run: bool) -> RunReport:
        """Put back what an earlier run changed, as far as nobody has touched it since: a plan like any other.

        Args:
            target: Number of the run to take back.
            dry_run: Stop at the plan.

        Raises:
            UndoError: There is no such run.
        """
        require_run(self.ledger, target)
        report = RunReport(self.clock.now())
        with noted(self, "dry" if dry_run else "undo", report) as run_id:
            if not dry_run:
                self._recover(report)
            if report.blocked or report.stopped:
                return report
            self.on_phase("plan")
            environment = self.check_environment()
            undoer = Undoer(self.crm, self.store, self.ledger, self.fields, environment, self.config_hash)
            plan = replace(undoer.plan(target, report.as_of), max_age=self.policy.plan_max_age)
            written = self.ledger.written()
            report.verdicts, _ = judged(self, plan, outcome(plan, written, self.fields), written)
            report.plan = replace(plan, held=tuple(verdict.text for verdict in report.held))
            if not dry_run:
                self._carry_out(run_id, report, judges=False)
        return report

    def override(self, asked: Asked, *, dry_run: bool) -> RunReport:
        """Write a person's word on an account's band into the CRM, as a run of its own that can be undone.

        Args:
            asked: What to write.
            dry_run: Stop at the plan.

        Raises:
            OwnedFieldError, MissingFieldsError, LookupError: See `override_plan`.
        """
        report = RunReport(self.clock.now())
        with noted(self, "dry" if dry_run else "override", report) as run_id:
            if not dry_run:
                self._recover(report)
            if report.blocked or report.stopped:
                return report
            self.on_phase("plan")
            environment = self.check_environment()
            plan = override_plan(self.crm, self.people, asked, report.as_of, environment, self.config_hash)
            report.plan = replace(plan, max_age=self.policy.plan_max_age)
            if not dry_run:
                self._carry_out(run_id, report, judges=False)
        return report

    # -- recover and pull ---------------------------------------------------------------------------------------

    def _recover(self, report: RunReport) -> None:
        if not self.ledger.open_ops():
            return
        self.on_phase("recover")
        try:
            self.check_environment()
            report.recovered = self.applier().recover()
        except ConnectorError as error:
            report.stopped = self.stopped_by(error)
            if not report.stopped:
                report.blocked = f"{error} What an earlier run left unclear waits, and nothing was planned."

    def stopped_by(self, error: ConnectorError) -> bool:
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
        trusted = [source.name for source, _ in self.sources] if self.policy.guard is None else self.policy.trusted
        report.pulls = pull_all(
            self.sources, self.store, self.clock, on_progress=self.on_pull, stop=self.stop, trusted=trusted
        )
        report.stopped = any(pull.ending == "stopped" for pull in report.pulls)
        blind = [pull for pull in report.failed if pull.source == self.crm.name and pull.record in NEEDED_KINDS]
        if blind and not report.blocked:
            report.blocked = (
                f"{self.crm.name} could not be read ({blind[0].stream}: {blind[0].error}), "
                "so what it says now is unknown: nothing was planned."
            )
        gone = [path for source, _ in self.sources for path in usage_files.missing(self.store, source.name)]
        if gone and not report.blocked:
            report.blocked = (
                f"{usage_files.lost(gone)}, and their events could not be read again: without them usage would look "
                "less than it was, so nothing was planned. The next run reads them again."
            )

    # -- score and plan -----------------------------------------------------------------------------------------

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
        if self.policy.guard is not None:
            report.breaches = watch(self.store, report.as_of, sources=names, trusted=self.policy.trusted)
        keep_releases(self.store, self.events, report.as_of)
        given = frames.inputs(self.store, report.as_of, crm=self.crm.name, sources=names, breaches=report.breaches)
        with collector_paused():
            with self.store.released():
                rows = list(score(self.card, given))
            keep_era(self.store, self.card, report.breaches, report.as_of)
            bands = self.ledger.band_states()
            cards, texts = self.card.fingerprint, self.sources[0][1].themes
            bench = Bench(self.store, self.crm.name, self.people, self.events, cards, report.breaches, texts)
            report.settled = bench.settle(self.card.card_of, rows, bands, report.as_of)
            rows = hold_bands(report.settled.rows, bands, report.breaches, card=self.card, as_of=report.as_of)
            where = self.store.environment(self.crm.name) or ""
            stage = Stage(self.crm, self.store, self.ledger, self.card, where, self.policy.team)
            rows = with_family(self, stage.enrol(rows, report.as_of, report.settled.paused))
            report.scored = Counter(row.level for row in rows)
            report.bands = Counter(row.band for row in rows if row.level == "account")
            keep_moves(self, rows, report)
            rows += report.settled.frozen
            report.score_counts = self.store.save_scores(run_id, rows, report.as_of)
        return rows

    def _plan(
        self, rows: Sequence[ScoreRow], report: RunReport, *, initial: bool = False, with_tasks: bool | None = None
    ) -> Plan:
        """Work the plan out, and whether it may be written as it is."""
        self.on_phase("plan")
        environment = self.store.environment(self.crm.name) or self.check_environment()
        planner = Planner(
            self.crm, self.store, self.ledger, self.card, self.fields, self.policy, self.clock, self.config_hash
        )
        planner.settled = report.settled
        plan = planner.make(rows, report.as_of, environment)
        first = baseline.stand(self.store) if self.policy.guard is not None else baseline.Stand()
        if not first.open:
            changed = card_change(self, rows, report)
            plan = replace(plan, notes=(*plan.notes, changed.note)) if changed else plan
            report.verdicts, report.worse = judged(self, plan, rows, planner.written, changed)
        else:
            tasks = first.way == "tasks" if first.way else with_tasks if with_tasks is not None else not initial
            report.left_out = 0 if tasks else len(plan.tasks)
            plan = replace(plan if tasks else without_tasks(plan, self.crm.write), baseline=True)
            waits = first.due and not initial and not plan.empty
            report.verdicts = [baseline.verdict(plan)] if waits else []
            if first.due and not plan.empty:
                report.verdicts += quality.verdicts(self, report.as_of)
        report.plan = replace(plan, held=tuple(verdict.text for verdict in report.held))
        return report.plan

    # -- write --------------------------------------------------------------------------------------------------

    def _carry_out(self, run_id: int, report: RunReport, *, judges: bool) -> None:
        """Commit the plan to the ledger, and write it unless it is held.

        Args:
            run_id: The run in the ledger.
            report: With the plan.
            judges: Whether this plan says how matters stand, so that a hold begins, goes on or ends with it. Not an
                undo, nor an older plan that was never held.
        """
        plan, now = report.plan, self.clock.now()
        if plan is None:
            return
        with self.store.transaction():
            self.ledger.note_guard(run_id, report.verdicts)
            self.ledger.note_plan(run_id, plan, now, held=bool(report.held))
            if judges and not plan.baseline and self.policy.guard is not None:
                remember(self.store, bool(report.held), report.worse, now)
        if report.held:
            return
        if plan.kind == "sync":
            note_written(self.store, self.card)
        if not plan.empty:
            Writer(self, run_id, report).write(plan)
        if plan.baseline and not (report.halted or report.stopped or report.deferred):
            baseline.finish(self.store)

    def check_environment(self) -> str:
        """Ask the CRM who it is; refuses another account than the one this state belongs to."""
        fingerprint = self.crm.environment().fingerprint
        self.store.pin_environment(self.crm.name, fingerprint)
        if self.login:
            self.store.note_login(self.crm.name, self.login)
        return fingerprint

    def require_fields(self, *, tasks: bool) -> None:
        """Make sure that the fields to write exist as they should.

        Args:
            tasks: See `lacking`.

        Raises:
            MissingFieldsError: Naming them.
            DoubtError: As `lacking`.
        """
        if bad := self.lacking(tasks=tasks):
            raise MissingFieldsError(bad)

    def lacking(self, *, tasks: bool) -> list[FieldDiff]:
        """Fields to write that are missing in the CRM, hidden from us or different.

        Args:
            tasks: New tasks are to be sent, so that it is looked at once more how they are kept from doubling.

        Raises:
            DoubtError: The CRM shows none at all, although they were written before.
        """
        specs = [f.spec for f in self.fields if self.policy.contacts or f.spec.object != "contact"]
        diffs = self.crm.setup(specs, dry_run=True, further=tasks)
        if all(diff.action == "create" for diff in diffs) and self.ledger.written():
            raise DoubtError(
                f"it shows none of the {len(specs)} fields that were written before, which is not believed.",
                vendor=self.crm.name,
                advice="Nothing is written, and the next run looks again. If they were deleted: `holdfast setup`.",
            )
        return [diff for diff in diffs if diff.action != "ok" and not diff.spec.optional]

    def applier(self, budget: Budget | None = None) -> Applier:
        """What sends to this CRM."""
        return Applier(
            self.crm,
            self.store,
            self.ledger,
            self.clock,
            stop=self.stop.is_set,
            budget=budget,
            limits=self.policy.guard,
            card=self.card,
        )
