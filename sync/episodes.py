"""Finds the episode again that a task was made for, out of the task alone.

The key that stands on a task is derived from account, playbook and the start of the episode, so only the right instant
gives the same key.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from connectors.base import Crm, TaskState
from scoring.cards import AnyCards
from scoring.playbooks import Step, task_key
from sync.budget import batches
from sync.plan import derive_key

SEARCH = timedelta(hours=6)
"""How long before a task was made its episode may have begun, where its due date does not tell."""

AHEAD = timedelta(minutes=2)
"""How far the CRM's clock may be behind ours."""


def read_all(crm: Crm, ids: Iterable[str]) -> Iterator[TaskState]:
    """These tasks as they are now, in reads of the size that the CRM takes; removed ones are left out."""
    for batch in batches(sorted(ids), crm.write.read_batch):
        yield from crm.read_tasks(batch).values()


def episode_of(task: TaskState, card: AnyCards, environment: str) -> tuple[str, datetime] | None:
    """What a task was made for, playbook or step, and the start of its episode; None when no instant gives its key."""
    steps = [named for playbook in card.actions.values() for named in playbook.sequence if named[1].kind == "human"]
    for instants in (_by_due, _by_creation):  # for every step the quick way first
        for name, step in steps:
            for start in instants(task, step):
                if key_of(task, name, start, environment) == task.key:
                    return name, start
    return None


def key_of(task: TaskState, playbook: str, start: datetime, environment: str) -> str:
    """The key that a task on this account has for a playbook and the start of an episode."""
    return derive_key(environment, "task", task_key(task.account_id or "", playbook, start))


def _by_due(task: TaskState, step: Step) -> Iterator[datetime]:
    """When the episode of a task began if its date is still the one that it was given."""
    if task.due is not None:
        begin = task.due - timedelta(days=step.after_days)
        yield begin - timedelta(days=step.due_days)
        if step.within_hours is not None:
            yield begin - timedelta(hours=step.within_hours)


def _by_creation(task: TaskState, step: Step) -> Iterator[datetime]:
    """When the episode of a task may have begun, the likeliest first; a step that comes days later tells nothing."""
    if task.created_at is None or step.after_days:
        return
    made = task.created_at.astimezone(UTC).replace(microsecond=0)
    for seconds in range(int(AHEAD.total_seconds()) + 1):
        yield made - timedelta(seconds=seconds)
        yield made + timedelta(seconds=seconds)
    for seconds in range(int(AHEAD.total_seconds()), int(SEARCH.total_seconds())):
        yield made - timedelta(seconds=seconds)
