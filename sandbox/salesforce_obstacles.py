"""What stands in the way of single writes: rows that others hold, validation rules, triggers that fail."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.salesforce_errors import SfError, row_locked, trigger_failed, validation_rule

if TYPE_CHECKING:
    from sandbox.salesforce_org import Org


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule or trigger of the org that refuses writes.

    Attributes:
        kind: Kind of record that it watches.
        message: What it says.
        record: Only writes of this record, or of ones that refer to it; None for all.
        field: Only writes that set this field, which the error then names; None for all.
        trigger: Whether it is code that fails rather than a validation rule.
    """

    kind: str
    message: str
    record: str | None = None
    field: str | None = None
    trigger: bool = False

    def catches(self, kind: str, record_id: str | None, values: Mapping[str, Any]) -> bool:
        """Whether it watches this write."""
        if kind != self.kind or (self.field is not None and self.field not in values):
            return False
        return self.record is None or self.record == record_id or self.record in values.values()

    def error(self) -> SfError:
        """What the write is refused with."""
        return trigger_failed(self.message) if self.trigger else validation_rule(self.message, self.field)


class Obstacles:
    """All of an org's.

    Args:
        org: Whose.

    Attributes:
        locks: Account id -> how many more tries fail.
        rules: In the order they were made.
    """

    def __init__(self, org: "Org") -> None:
        self.org = org
        self.locks: dict[str, int] = {}
        self.rules: list[Rule] = []

    def met(self, kind: str, record_id: str | None, values: Mapping[str, Any]) -> SfError | None:
        """The first one in the way of a write; a lock loses one of its tries."""
        if self.locks:
            account = self.org.home_account(kind, record_id, values)
            if account in self.locks:
                self.locks[account] -= 1
                if self.locks[account] <= 0:
                    del self.locks[account]
                return row_locked(account)
        found = next((rule for rule in self.rules if rule.catches(kind, record_id, values)), None)
        return None if found is None else found.error()
