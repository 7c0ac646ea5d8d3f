"""What the org does by itself after a write: flows that set another field, rules that assign another owner."""

from collections.abc import Mapping
from typing import Any

from sandbox.salesforce_org import Org
from sandbox.salesforce_store import Table


class Automation:
    """The org's own doings; made by people (`mutate`), set off by writes.

    Args:
        org: Where.

    Attributes:
        assigns: Kind of record -> the user to whom its assignment rule gives what is written over the API.
    """

    def __init__(self, org: Org) -> None:
        self.org = org
        self.assigns: dict[str, str] = {}
        self._running = False

    def add_flow(self, table: Table, when: str, values: Mapping[str, Any], delay_ms: int) -> None:
        """Let every write that sets `when` be followed by another of these values, by whoever set it off.

        A flow's own writes set off no flows.
        """

        def heard(what: str, place: int, written: Mapping[str, Any], now: int, by: str) -> None:
            if what not in {"insert", "write"} or when not in written or self._running:
                return
            if delay_ms:
                self.org.later(now + delay_ms, lambda: self._follow(table, place, values, by))
            else:
                self._follow(table, place, values, by)

        table.listeners.append(heard)

    def _follow(self, table: Table, place: int, values: Mapping[str, Any], by: str) -> None:
        if table.deleted(place):
            return
        self._running = True
        try:
            table.write(place, values, self.org.now, by=by)
        finally:
            self._running = False

    def assign(self, table: Table, record_id: str, by: str) -> None:
        """Give a record that was just written to whom the assignment rule says."""
        owner, place = self.assigns.get(table.object.name), table.alive(record_id)
        if owner is not None and place is not None:
            table.write(place, {"OwnerId": owner}, self.org.now, by=by)
