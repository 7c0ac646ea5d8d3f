"""One Salesforce org: its kinds of record, tables, users, permissions, and what stands in the way of a write.

What the modules of operations need, they find here:

- `object(name)`, `table(name)`, `find(record_id)`: names in any capitals, ids of 15 or 18 characters.
- `can`, `readable`, `editable`, `may`, `rows`: what the calling user may do and see; hidden means absent.
- `obstacle`: the row lock, validation rule or trigger failure that a write of one record meets.
- `part(Kind)`: the module's own memory (cursors, jobs), made as `Kind(org)` on first use and kept.
- `later(at, action)`: something that happens when the clock gets there.

Changes go through `Table.insert`, `write`, `delete`, `undelete` and `purge`; what follows from them (cascades, the
direct `AccountContactRelation`) happens by itself. Derived fields (`Contact.Name`, `Task.AccountId`, `Case.IsClosed`)
are computed on reading and must not be written.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from sandbox.hubspot_render import mixed, to_ms
from sandbox.model import World
from sandbox.salesforce_activities import activity_objects
from sandbox.salesforce_base import Base, Moment
from sandbox.salesforce_catalogue import catalogue
from sandbox.salesforce_derived import cascade, derive
from sandbox.salesforce_errors import SfError
from sandbox.salesforce_ids import canonical
from sandbox.salesforce_obstacles import Obstacles
from sandbox.salesforce_options import STRUCTURAL, Options
from sandbox.salesforce_permissions import Permissions, Right, furnish
from sandbox.salesforce_render import Rendering
from sandbox.salesforce_store import Table
from sandbox.salesforce_types import ObjectDef

T = TypeVar("T")

_ACCOUNT_FIELDS = ("AccountId", "Account__c")


class Org:
    """The org. `now` (epoch milliseconds) is moved by the vendor before every request.

    Args:
        world: What is true.
        now: Where its time starts.
        options: See `sandbox.salesforce_options`.

    Attributes:
        objects: Kind of record -> definition, by their own names.
        tables: The same -> records.
        permissions: Who may do what.
        obstacles: Locks, rules and failing triggers.
    """

    def __init__(self, world: World, now: int, options: Options) -> None:
        self.world = world
        self.options = options
        self.moment = Moment(now, round(options.late_seconds * 1000))
        self.objects: dict[str, ObjectDef] = (
            catalogue(
                multi_currency=options.multi_currency,
                multiple_accounts=options.contacts_to_multiple_accounts,
                person_accounts=options.person_accounts,
            )
            | activity_objects()
        )
        rendering = Rendering(world, options)
        self.tables = {name: Table(kind, rendering.build(name), self.moment) for name, kind in self.objects.items()}
        for table in self.tables.values():
            table.level_stamps(options.equal_stamps)
        self.permissions = Permissions(self.tables, self.objects, self.moment)
        self.obstacles = Obstacles(self)
        derive(self)
        # The set-up is as old as the world: what is made here carries the world's start as its stamp.
        self.moment.now = min(now, to_ms(world.start))
        furnish(self.permissions, self.tables, customize=options.customize)
        self.moment.now = now
        cascade(self)
        self._folded = {name.lower(): name for name in self.objects}
        self._prefixes = {kind.prefix: name for name, kind in self.objects.items()}
        self._parts: dict[type, Any] = {}
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._scheduled = 0

    # ---- time --------------------------------------------------------------------------------------------------------

    @property
    def now(self) -> int:
        """The present, epoch milliseconds."""
        return self.moment.now

    def tick(self, now: int) -> None:
        """Move to `now`; what is due by then happens, each at its own instant."""
        while self._due and min(self._due)[0] <= now:
            first = min(self._due, key=lambda row: row[:2])
            self._due.remove(first)
            self.moment.now = max(first[0], self.moment.now)
            first[2]()
        self.moment.now = now

    def later(self, at: int, action: Callable[[], None]) -> None:
        """Do something at an instant; at the next request when it is past."""
        self._scheduled += 1
        self._due.append((at, self._scheduled, action))

    # ---- finding -----------------------------------------------------------------------------------------------------

    def object(self, name: str) -> ObjectDef | None:
        """A kind of record by its name in any capitals; None for an unknown one."""
        own = self._folded.get(name.lower())
        return None if own is None else self.objects[own]

    def table(self, name: str) -> Table:
        """The records of a kind, by its own name."""
        return self.tables[name]

    def find(self, record_id: str) -> tuple[Table, int] | None:
        """The record with that id, deleted ones included; None when there is none."""
        full = canonical(record_id)
        name = None if full is None else self._prefixes.get(full[:3])
        if full is None or name is None:
            return None
        place = self.tables[name].place(full)
        return None if place is None else (self.tables[name], place)

    def kind_of(self, record_id: str) -> str | None:
        """The kind of record that an id's prefix names."""
        return self._prefixes.get(record_id[:3]) if canonical(record_id) else None

    def active(self, user: str) -> bool:
        """Whether a user is there and not deactivated."""
        users = self.tables["User"]
        place = users.place(user)
        return place is not None and bool(users.value(place, "IsActive", self.now))

    def home_account(self, kind: str, record_id: str | None, values: Mapping[str, Any]) -> str | None:
        """The account that a record hangs on (its own id for an account); `values` are those about to be written."""
        if kind == "Account":
            return record_id
        for name in ("AccountId", "Account__c", "WhatId", "WhoId", "OpportunityId"):
            target = values.get(name)
            if isinstance(target, str) and (found := self.find(target)):
                return self.home_account(found[0].object.name, found[0].id_at(found[1]), {})
        found = self.find(record_id) if record_id else None
        return None if found is None else self._account_at(*found)

    def _account_at(self, table: Table, place: int) -> str | None:
        """The account of a stored record, by its own reference, its deal's or its activity's."""
        if table.object.name == "Account":
            return table.id_at(place)
        for name in _ACCOUNT_FIELDS:
            if name in table.object.fields:
                account: str | None = table.value(place, name, self.now)
                return account
        over = next((name for name in ("OpportunityId", "ActivityId") if name in table.object.fields), None)
        other = None if over is None else table.value(place, over, self.now)
        found = None if other is None else self.find(other)
        return None if found is None else self._account_at(*found)

    def add_object(self, kind: ObjectDef, base: Base) -> None:
        """Take in a kind of record that somebody defined, with its records; nobody has rights on it yet."""
        self.objects[kind.name] = kind
        self.tables[kind.name] = Table(kind, base, self.moment)
        self._folded[kind.name.lower()] = kind.name
        self._prefixes[kind.prefix] = kind.name

    def drop_object(self, name: str) -> None:
        """Forget a kind of record, its records and the rights on it."""
        kind = self.objects.pop(name)
        del self.tables[name], self._folded[name.lower()], self._prefixes[kind.prefix]
        self.permissions.forget_object(name)

    # ---- who may -----------------------------------------------------------------------------------------------------

    def can(self, user: str, kind: str, right: Right) -> bool:
        """Whether a user has a right on a kind of record: "Read", "Create", "Edit", "Delete", "ViewAllRecords"."""
        return self.permissions.can(user, kind, right)

    def readable(self, user: str, kind: str, name: str) -> bool:
        """Whether a field is there for a user; False also when it does not exist."""
        return self.permissions.readable(user, kind, name)

    def editable(self, user: str, kind: str, name: str) -> bool:
        """Whether field-level security lets a user set a field."""
        return self.permissions.editable(user, kind, name)

    def may(self, user: str, right: str) -> bool:
        """Whether a user has a system permission: "CustomizeApplication", "ViewSetup", "AssignPermissionSets"."""
        return self.permissions.may(user, right)

    def rows(self, user: str, kind: str) -> Callable[[int], bool] | None:
        """Which records of a kind sharing shows to a user: a test of places, None for all of them.

        Without "View All" a user sees what they own, and the share of accounts (with all that hangs on them) that
        `Options.shared_rows` opens.
        """
        if self.objects[kind].setup or self.can(user, kind, "ViewAllRecords") or self.may(user, "ViewAllData"):
            return None
        return lambda place: self._shared(user, self.tables[kind], place)

    def sees(self, user: str, kind: str, place: int) -> bool:
        """Whether sharing shows one record to a user."""
        test = self.rows(user, kind)
        return test is None or test(place)

    def _shared(self, user: str, table: Table, place: int) -> bool:
        if "OwnerId" in table.object.fields and table.value(place, "OwnerId", self.now) == user:
            return True
        account = self._account_at(table, place)
        number = None if account is None else self.tables["Account"].ids.number(account)
        return number is not None and mixed(number + 1) < self.options.shared_rows * 0x1_0000_0000

    def obstacle(self, kind: str, record_id: str | None, values: Mapping[str, Any]) -> SfError | None:
        """What keeps this one write from happening, once its values are known to be good; None for nothing.

        Ask exactly once for each record and try: a lock that holds for N tries counts them.

        Args:
            kind: Kind of record, by its own name.
            record_id: The record; None when it is about to be made.
            values: What is about to be written; {} for a deletion.
        """
        return self.obstacles.met(kind, record_id, values)

    # ---- the rest ----------------------------------------------------------------------------------------------------

    def part(self, kind: Callable[["Org"], T]) -> T:
        """A module's own memory: one `kind(org)` for the life of the org."""
        key: Any = kind
        if key not in self._parts:
            self._parts[key] = kind(self)
        made: T = self._parts[key]
        return made

    def set_options(self, values: Mapping[str, Any]) -> None:
        """Change options while running. Raises `ValueError` for unknown ones and for those the org is built from."""
        fixed = sorted(STRUCTURAL & set(values))
        if fixed:
            raise ValueError(f"option {fixed[0]!r} says what the org is built from; give it when the org is made")
        self.options = self.options.changed(values)
        self.moment.late = round(self.options.late_seconds * 1000)
