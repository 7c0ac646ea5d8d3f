"""Writing to Salesforce: updates and tasks, one outcome for every change."""

import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from connectors.base import Change, FieldSpec, ObjectName, Outcome, Value

if TYPE_CHECKING:
    from connectors.salesforce_api import Api

BATCH = 200
"""Most records in one collections request."""
READ_BATCH = 2000
"""Most records in one collections retrieve."""
BULK_BATCH = 10_000
"""Most records in one bulk job of ours: what Salesforce processes as one batch inside."""


class Writer:
    """Writes to one org.

    Args:
        api: The org.
        own_fields: The fields that are ours, for their types.
        rng: Source of jitter.
    """

    def __init__(self, api: "Api", own_fields: Sequence[FieldSpec] = (), *, rng: random.Random | None = None) -> None:
        self.api = api
        self.own_fields = tuple(own_fields)
        self._rng = rng or random.Random()

    def send(self, changes: Sequence[Change]) -> list[Outcome]:
        """See `Crm.send`. Updates beyond `BATCH` go by a bulk job."""
        raise NotImplementedError

    def read(self, obj: ObjectName, ids: Sequence[str], fields: Sequence[str]) -> Mapping[str, Mapping[str, Value]]:
        """See `Crm.read`."""
        raise NotImplementedError

    def find_tasks(self, account_ids: Sequence[str]) -> Mapping[str, str]:
        """See `Crm.find_tasks`."""
        raise NotImplementedError
