"""Writes what a plan says, as far as the calls suffice, and says what is left."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from connectors.base import FieldDiff
from connectors.errors import ConnectorError
from connectors.wire import looking_first
from sync import baseline
from sync.budget import Budget, BudgetError
from sync.canary import CanaryError
from sync.plan import Plan, PlanError, RecordChange
from sync.run_report import Conflict, RunReport
from sync.store import Page
from sync.tables import epoch
from sync.values import loads, same

if TYPE_CHECKING:
    from sync.run import Agent

DAY = timedelta(days=1)

_SPENT = "SELECT coalesce(sum(json_extract(counts, '$.write_calls')), 0) FROM run WHERE started > ?"
_SAYS = 'SELECT "values" FROM crm_value WHERE object = ? AND record_id = ?'


class MissingFieldsError(Exception):
    """The CRM lacks fields of ours, or has others under their names."""

    def __init__(self, diffs: Sequence[FieldDiff]) -> None:
        self.diffs = diffs
        said = (f"{diff.spec.name}: {diff.detail}" if diff.detail else diff.spec.name for diff in diffs[:5])
        names = ", ".join(said) + (", …" if len(diffs) > 5 else "")
        them = "1 field is" if len(diffs) == 1 else f"{len(diffs)} fields are"
        super().__init__(f"{them} missing, hidden or different in the CRM ({names}): run `holdfast setup`.")


class Writer:
    """Carries one plan out.

    Args:
        agent: Whose plan it is.
        run_id: The run in the ledger.
        report: Where it is told what became of each change.
    """

    def __init__(self, agent: "Agent", run_id: int, report: RunReport) -> None:
        self.agent = agent
        self.run_id = run_id
        self.report = report

    def write(self, plan: Plan) -> None:
        """Apply a plan that was made for this CRM, one batch after the other.

        Raises:
            MissingFieldsError: Before anything is sent, when the CRM lacks a field.
        """
        agent, report = self.agent, self.report
        agent.on_phase("apply")
        before = sum(agent.crm.calls.values())
        try:
            # An answer may take minutes, and between a commit and its batch the CRM may be asked for descriptions:
            # whoever was overtaken meanwhile must find out before the next request leaves, not at the next commit.
            with looking_first(agent.store.require_fence):
                self._require(plan)
                self._apply(plan)
        except ConnectorError as error:
            # Whatever was sent is settled in the ledger; the next run plans the rest afresh.
            if not agent.stopped_by(error):
                report.halted = error
        except CanaryError as error:
            report.halted = error
        finally:
            report.write_calls = sum(agent.crm.calls.values()) - before
            self._forget_gone()
            report.conflicts = list(self._conflicts())
        report.stopped = report.stopped or agent.stop.is_set()

    def _apply(self, plan: Plan) -> None:
        agent, report = self.agent, self.report
        budget = Budget(agent.crm, agent.policy.budget_share, self._spent())
        if plan.baseline:  # also where no calls are left: a person has started it
            baseline.start(agent.store, agent.ledger, "tasks" if plan.tasks else "fields")
        part, report.deferred = budget.open(plan)
        if part.empty:
            return
        try:
            for item in agent.applier(budget).apply(part, self.run_id):
                report.applied.append(item)
                agent.on_applied(item, len(part.changes))
        except BudgetError:
            done = {item.change for item in report.applied}
            rest = [change for change in part.changes if change not in done]
            report.deferred = sorted([*rest, *report.deferred], key=lambda change: -change.weight)

    def _spent(self) -> int:
        """Calls that writing took in the last 24 hours."""
        ((spent,),) = self.agent.store.rows(_SPENT, (epoch(self.agent.clock.now() - DAY),))
        return int(spent)

    def _conflicts(self) -> Iterator[Conflict]:
        """Both values of every field that moved; what the CRM says was remembered when it was read again."""
        for item in self.report.applied:
            record = item.change
            if item.result != "conflict" or not isinstance(record, RecordChange):
                continue
            says = self.agent.store.rows(_SAYS, (record.object, record.record_id))
            now = loads(says[0][0]) if says else {}
            for change in record.fields:
                theirs = now.get(change.field)
                if not same(theirs, change.before) and not same(theirs, change.after):
                    yield Conflict(
                        record.object,
                        record.record_id,
                        record.name,
                        change.field,
                        change.before,
                        change.after,
                        theirs,
                    )

    def _forget_gone(self) -> None:
        """Take records out of the state that the CRM no longer has, without waiting for its list of deleted ones."""
        changes = [item.change for item in self.report.applied if item.result == "gone"]
        gone = [change for change in changes if isinstance(change, RecordChange)]
        crm, now = self.agent.crm, self.agent.clock.now()
        for stream in crm.streams:
            if ids := [change.record_id for change in gone if change.object == stream.record]:
                self.agent.store.commit(Page(crm.name, stream.name, stream.record, deleted=ids), now)

    def _require(self, plan: Plan) -> None:
        environment = self.agent.check_environment()
        if environment != plan.environment:
            raise PlanError(f"the plan was made for {plan.environment}, but this CRM is {environment}.")
        self.agent.require_fields(tasks=bool(plan.tasks))
