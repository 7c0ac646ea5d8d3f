"""What the suite for CRMs needs on top of a source's rig: our fields, what stands in the way of writing, and tasks."""

import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, ClassVar
from urllib.parse import urlsplit

import requests

from connectors.base import Change, Crm, FieldSpec, FieldType, ObjectName, Row, TaskStrategy, Value
from connectors.registry import VENDORS
from tests.conformance.rigs.base import Rig

DUE = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)
BANDS = ("green", "yellow", "red")

STRATEGY_CASES = (
    "how_tasks_are_kept_apart_is_seen_and_said",
    "the_same_task_sent_twice",
    "two_agents_that_send_the_same_task",
    "a_task_in_doubt_that_is_sent_again",
    "tasks_that_are_there_do_not_keep_others_from_being_made",
    "a_bad_task_costs_only_itself",
    "every_bad_task_of_a_batch_is_found",
    "a_refused_owner_gives_way",
    "what_people_did_to_a_task_is_not_undone",
    "a_full_batch_of_tasks_is_made",
)
"""Cases that run once for each way of keeping tasks from being made twice."""

VALUES: Mapping[FieldType, tuple[Value, ...]] = {
    "number": (72.5, 0, -3.25, 1_000_000),
    "text": (
        "plain",
        "Logins fell <b>by half</b> & more; 100 %",
        "\"quoted\", \\ and 'single'",
        "#N/A",
        "null",
        "=1+1",
    ),
    "long_text": ("one line", "two\nlines, with \U0001f600 and \u05d0\u05d1", "x" * 2_000),
    "select": ("green", "red"),
    "multi_select": (("at_risk", "power"), ("dormant",)),
    "datetime": (datetime(2026, 11, 22, 8, 30, 15, tzinfo=UTC), datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    "date": (date(2026, 2, 28), date(2028, 2, 29)),
    "boolean": (True, False),
}
"""Values that every CRM can hold."""

WRONG: Mapping[FieldType, Value] = {
    "number": "many",
    "text": "x" * 70_000,
    "datetime": "yesterday",
    "date": "30/11/2026",
    "boolean": "maybe",
}
"""Values that no CRM takes for a field of this type."""


@dataclass(frozen=True, slots=True)
class Task:
    """A task as a person sees it."""

    subject: str
    body: str
    due: date
    priority: str
    owner: str | None
    account: str | None
    contact: str | None


class CrmRig(Rig):
    """A CRM in which our fields may be set up."""

    objects: ClassVar[Mapping[ObjectName, str]]
    """Object -> the stream that reads it."""
    updates: ClassVar[str]
    """Regular expression for the addresses of updates."""
    creates: ClassVar[str]
    """The same for creating tasks."""
    removes: ClassVar[tuple[str, str]]
    """Method, and the same, for taking tasks away."""

    refusals = 0
    """Requests that never reached the simulated CRM."""

    @staticmethod
    def matches(path: str, request: requests.PreparedRequest) -> bool:
        """Whether a request that is about to leave goes to such an address."""
        parts = urlsplit(request.url or "")
        return re.search(path, f"{parts.path}?{parts.query}") is not None

    # -- our side --------------------------------------------------------------------------------------------------

    def own(self, name: str) -> str:
        """What a field of ours is called here."""
        return VENDORS[self.vendor].own_field(name)

    def specs(self, *objects: ObjectName) -> list[FieldSpec]:
        """A field of every type, for each object."""
        choices = {"select": BANDS, "multi_select": ("at_risk", "dormant", "power")}
        return [
            FieldSpec(
                obj, self.own(f"of_{kind}"), f"Of {kind}", kind, choices.get(kind, ()), "For tests.",
                2_000 if kind == "long_text" else 255,
            )
            for obj in objects or ("account",)
            for kind in VALUES
        ]  # fmt: skip

    def ready(self, *objects: ObjectName) -> Crm:
        """A connector to a CRM that has our fields; what happened before is forgotten."""
        specs = self.specs(*objects)
        self.source.setup(specs, dry_run=False)
        crm: Crm = self.connect(own_fields=specs)
        self.box.journal.clear()
        return crm

    def ids(self, obj: ObjectName) -> list[str]:
        """Records that are there, in order."""
        return sorted(self.truth(self.objects[obj]))

    def update(self, record_id: str, values: Mapping[FieldType, Value] | None = None, key: str = "") -> Change:
        """A change of an account: the type of a field -> its value."""
        named = {self.own(f"of_{kind}"): value for kind, value in (values or {"number": 50}).items()}
        return Change("account", record_id, named, key or f"key-{record_id}")

    def number(self, crm: Crm, record_id: str) -> Value:
        """What the CRM has in our number field."""
        name = self.own("of_number")
        return crm.read("account", [record_id], [name])[record_id][name]

    def sent(self, path: str) -> int:
        """Writing requests to such addresses."""
        entries = self.box.journal.entries(writes=True)
        return sum(re.search(path, f"{entry.path}?{entry.query}") is not None for entry in entries)

    # -- what happens ----------------------------------------------------------------------------------------------

    @abstractmethod
    def row(self, obj: ObjectName, record_id: str) -> Row:
        """A row by which people find a record."""

    @abstractmethod
    def other_account(self) -> "CrmRig":
        """Another account of the same vendor, such as a sandbox."""

    @abstractmethod
    def without_rights(self) -> tuple[Crm, Sequence[str]]:
        """A connector whose user may not read everything, and the words by which `check` names what is missing."""

    @abstractmethod
    def without_setup_rights(self) -> Crm:
        """A connector whose user may not make fields."""

    @abstractmethod
    def read_only(self) -> Crm:
        """A connector whose user may read accounts and our fields but not write them."""

    @abstractmethod
    def refuse(self, record_id: str) -> None:
        """From now on the CRM refuses `{"select": "red"}` for this account, which nobody can know beforehand."""

    @abstractmethod
    def lock(self, record_id: str, *, lasting: bool) -> None:
        """Somebody else is writing to this account; for a moment, or for good."""

    @abstractmethod
    def used_up(self) -> dict[str, Any]:
        """A fault with which the CRM says that the day's calls are used up."""

    @abstractmethod
    def revoked(self) -> dict[str, Any]:
        """A fault with which the CRM says that it does not know us, whatever token we bring."""

    @abstractmethod
    def owner(self) -> str:
        """A colleague who can own tasks."""

    @abstractmethod
    def refused_owner(self) -> str:
        """One who cannot, and to whom the CRM refuses them."""

    @abstractmethod
    def task(self, task_id: str) -> Task:
        """A task as it is stored."""

    @abstractmethod
    def keeping(self, strategy: TaskStrategy) -> "CrmRig":
        """Another account of the vendor, which keeps tasks from being made twice in this way."""

    @abstractmethod
    def tasks_of(self, account_id: str) -> list[str]:
        """Tasks that are there, by what the CRM has stored."""

    @abstractmethod
    def touch_task(self, task_id: str, how: str) -> None:
        """A person does something to a task: "close", "edit" its subject or "reassign" it."""

    @abstractmethod
    def add_task(self, account_id: str, body: str) -> str:
        """Somebody makes a task by hand."""

    @abstractmethod
    def conflicting(self) -> FieldSpec:
        """A field that is there with another type, made by hand."""
