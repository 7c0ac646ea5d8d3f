"""What a CRM answers that knows less than it could; also a base for stand-ins in tests."""

from collections.abc import Mapping, Sequence

from connectors.base import Quota, TaskState, TaskStrategy


class CrmDefaults:
    """What a `Crm` that keeps nothing unique, and knows no more of its tasks than their keys, answers."""

    @property
    def task_strategy(self) -> TaskStrategy:
        """See `Crm.task_strategy`."""
        return "marker"

    def duplicate_tasks(self, account_ids: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """See `Crm.duplicate_tasks`."""
        del account_ids
        return {}

    def read_tasks(self, ids: Sequence[str]) -> Mapping[str, TaskState]:
        """See `Crm.read_tasks`."""
        del ids
        return {}

    @property
    def seen_quota(self) -> Quota:
        """See `Crm.seen_quota`."""
        return Quota(None, None, "day")

    def quota(self) -> Quota:
        """See `Crm.quota`."""
        return Quota(None, None, "day")

    def quotas(self) -> tuple[Quota, ...]:
        """See `Crm.quotas`."""
        return (self.quota(),)
