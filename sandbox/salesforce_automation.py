"""What the org does by itself after a write: flows that set another field, rules that assign another owner."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.salesforce_org import Org
from sandbox.salesforce_store import Table


@dataclass(frozen=True, slots=True)
class Flow:
    """What answers writes of a field.

    Attributes:
        kind: Kind of record that it watches.
        when: The field whose writing sets it off.
        values: What it writes.
        delay_ms: How much later; 0 for within the same request.
    """

    kind: str
    when: str
    values: Mapping[str, Any]
    delay_ms: int = 0


class Automation:
    """The org's own doings; made by people (`mutate`), set off by writes.

    Args:
        org: Where.

    Attributes:
        assigns: Kind of record -> the user to whom its assignment rule gives what is written over the API.
        flows: Those switched on.
    """

    def __init__(self, org: Org) -> None:
        self.org = org
        self.assigns: dict[str, str] = {}
        self.flows: list[Flow] = []
        self._watched: set[str] = set()
        self._running = False

    def add_flow(self, table: Table, when: str, values: Mapping[str, Any], delay_ms: int) -> None:
        """Let every write that sets `when` be followed by another of these values, by whoever set it off.

        A flow's own writes set off no flows.
        """
        self.flows.append(Flow(table.object.name, when, dict(values), delay_ms))
        if table.object.name not in self._watched:
            self._watched.add(table.object.name)
            table.listeners.append(lambda *change: self._heard(table, *change))

    def _heard(self, table: Table, what: str, place: int, written: Mapping[str, Any], now: int, by: str) -> None:
        if what not in {"insert", "write"} or self._running:
            return
        for flow in self.flows:
            if flow.kind == table.object.name and flow.when in written:
                self._start(table, place, flow, now, by)

    def _start(self, table: Table, place: int, flow: Flow, now: int, by: str) -> None:
        if flow.delay_ms:
            self.org.later(now + flow.delay_ms, lambda: self._follow(table, place, flow.values, by))
        else:
            self._follow(table, place, flow.values, by)

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
