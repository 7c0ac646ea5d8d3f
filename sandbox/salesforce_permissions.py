"""Who may do what: permission sets, object rights, field-level security.

The rows of `PermissionSet`, `PermissionSetAssignment`, `ObjectPermissions` and `FieldPermissions` are the truth, also
when they were written over the API; everything here is read off them. A profile is a permission set that is owned by
a profile and assigned to the users who have it.

Field-level security: universal fields (system fields, names, required ones) are always visible. Other standard fields
are visible and editable until somebody takes them away (`withhold`), custom fields are hidden, from their maker too,
until a permission set grants them.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from sandbox.salesforce_base import (
    ADMIN_PROFILE,
    ADMINISTRATOR,
    INTEGRATION_PROFILE,
    INTEGRATION_USER,
    STANDARD_PROFILE,
    Moment,
)
from sandbox.salesforce_catalogue import OBJECT_RIGHTS, SYSTEM_RIGHTS
from sandbox.salesforce_store import Table
from sandbox.salesforce_types import ObjectDef

Right = Literal["Read", "Create", "Edit", "Delete", "ViewAllRecords", "ModifyAllRecords"]

_PUBLIC = frozenset({"User", "Organization", "TaskStatus"})
"""Set-up records that every user may read."""
IMPLIED_BY: dict[str, frozenset[str]] = {
    "Read": frozenset(OBJECT_RIGHTS),
    "Create": frozenset({"Create"}),
    "Edit": frozenset({"Edit", "Delete", "ModifyAllRecords"}),
    "Delete": frozenset({"Delete", "ModifyAllRecords"}),
    "ViewAllRecords": frozenset({"ViewAllRecords", "ModifyAllRecords"}),
    "ModifyAllRecords": frozenset({"ModifyAllRecords"}),
}
"""Right -> the rights of which any one includes it."""


@dataclass(slots=True)
class Grants:
    """What one user's permission sets add up to.

    Attributes:
        sets: Their ids.
        objects: Kind of record -> rights.
        reads: "Account.MRR__c", ... in lower case.
        edits: The same.
        system: "CustomizeApplication", ...
    """

    sets: frozenset[str] = frozenset()
    objects: dict[str, set[str]] = field(default_factory=dict)
    reads: set[str] = field(default_factory=set)
    edits: set[str] = field(default_factory=set)
    system: set[str] = field(default_factory=set)


class Permissions:
    """The org's permissions.

    Args:
        tables: Of the whole org.
        objects: Its kinds of record.
        moment: Its present.
    """

    def __init__(self, tables: dict[str, Table], objects: dict[str, ObjectDef], moment: Moment) -> None:
        self.sets, self.assignments = tables["PermissionSet"], tables["PermissionSetAssignment"]
        self.object_rows, self.field_rows = tables["ObjectPermissions"], tables["FieldPermissions"]
        self.objects = objects
        self._users = tables["User"]
        self._moment = moment
        self._withheld: dict[str, dict[str, str]] = {}
        self._known: dict[str, Grants] = {}
        self._seen = -1

    # ---- asking ------------------------------------------------------------------------------------------------------

    def grants(self, user: str) -> Grants:
        """What a user has; remembered until a row changes."""
        version = sum(t.version for t in (self.sets, self.assignments, self.object_rows, self.field_rows))
        if version != self._seen:
            self._known, self._seen = {}, version
        if user not in self._known:
            self._known[user] = self._collect(user)
        return self._known[user]

    def _collect(self, user: str) -> Grants:
        now = self._moment.now
        rows = self.assignments.referring("AssigneeId", [user], now)
        found = Grants(frozenset(self.assignments.value(p, "PermissionSetId", now) for p in rows))
        for place in (p for p in map(self.sets.alive, found.sets) if p is not None):
            found.system |= {right for right in SYSTEM_RIGHTS if self.sets.value(place, f"Permissions{right}", now)}
        for place in self.object_rows.referring("ParentId", found.sets, now):
            rights = found.objects.setdefault(self.object_rows.value(place, "SobjectType", now), set())
            rights |= {r for r in OBJECT_RIGHTS if self.object_rows.value(place, f"Permissions{r}", now)}
        for place in self.field_rows.referring("ParentId", found.sets, now):
            name = str(self.field_rows.value(place, "Field", now)).lower()
            if self.field_rows.value(place, "PermissionsRead", now):
                found.reads.add(name)
            if self.field_rows.value(place, "PermissionsEdit", now):
                found.edits.add(name)
        return found

    def may(self, user: str, right: str) -> bool:
        """Whether a user has a system permission ("CustomizeApplication", "ViewSetup", ...)."""
        return right in self.grants(user).system

    def can(self, user: str, kind: str, right: Right) -> bool:
        """Whether a user has a right on a kind of record."""
        definition = self.objects.get(kind)
        if definition is None:
            return False
        if definition.setup:
            return self._can_setup(user, kind, right)
        return not IMPLIED_BY[right].isdisjoint(self.grants(user).objects.get(kind, ()))

    def _can_setup(self, user: str, kind: str, right: Right) -> bool:
        if right in {"Read", "ViewAllRecords"}:
            return kind in _PUBLIC or self.may(user, "ViewSetup") or self.may(user, "CustomizeApplication")
        if kind == "PermissionSetAssignment":
            return self.may(user, "AssignPermissionSets")
        return self.may(user, "ManageUsers" if kind == "User" else "CustomizeApplication")

    def readable(self, user: str, kind: str, name: str) -> bool:
        """Whether a user sees a field of a kind of record that they may read. Unknown fields are not seen."""
        return self._allowed(user, kind, name, edit=False)

    def editable(self, user: str, kind: str, name: str) -> bool:
        """Whether field-level security lets a user set a field; the field's own `updateable` is another matter."""
        return self._allowed(user, kind, name, edit=True)

    def _allowed(self, user: str, kind: str, name: str, *, edit: bool) -> bool:
        definition = self.objects.get(kind)
        one = None if definition is None else definition.field(name)
        if definition is None or one is None:
            return False
        if one.universal or definition.setup:
            return True
        key, grants = f"{kind}.{one.name}".lower(), self.grants(user)
        if key in grants.edits or (key in grants.reads and not edit):
            return True
        withheld = self._withheld.get(user, {}).get(key)
        return not one.custom and (withheld is None or (withheld != "hidden" and not edit))

    # ---- changing ----------------------------------------------------------------------------------------------------

    def home_set(self, user: str) -> str:
        """The permission set through which actions of `mutate` grant to a user: the last one assigned."""
        rows = self.assignments.referring("AssigneeId", [user], self._moment.now)
        return str(self.assignments.value(rows[-1], "PermissionSetId", self._moment.now))

    def make_set(self, name: str, *, rights: Iterable[str] = (), profile: str | None = None) -> str:
        """Make a permission set with system permissions and give its id."""
        values: dict[str, Any] = {f"Permissions{right}": True for right in rights}
        values |= {"Name": name, "Label": name.replace("_", " "), "IsCustom": profile is None}
        values |= {"IsOwnedByProfile": profile is not None, "ProfileId": profile}
        return self.sets.insert(values, self._moment.now, by=ADMINISTRATOR)

    def assign(self, user: str, set_id: str) -> str:
        """Give a user a permission set."""
        values = {"AssigneeId": user, "PermissionSetId": set_id, "IsActive": True}
        return self.assignments.insert(values, self._moment.now, by=ADMINISTRATOR)

    def grant_object(self, set_id: str, kind: str, rights: Iterable[str]) -> None:
        """Give a permission set exactly these rights on a kind of record."""
        now, wanted = self._moment.now, set(rights)
        values = {f"Permissions{right}": right in wanted for right in OBJECT_RIGHTS}
        rows = [
            p
            for p in self.object_rows.referring("ParentId", [set_id], now)
            if self.object_rows.value(p, "SobjectType", now) == kind
        ]
        if rows:
            self.object_rows.write(rows[0], values, now, by=ADMINISTRATOR)
        else:
            self.object_rows.insert({"ParentId": set_id, "SobjectType": kind, **values}, now, by=ADMINISTRATOR)

    def object_rights(self, set_id: str, kind: str) -> set[str]:
        """The rights that one permission set gives on a kind of record."""
        now = self._moment.now
        return {
            right
            for p in self.object_rows.referring("ParentId", [set_id], now)
            if self.object_rows.value(p, "SobjectType", now) == kind
            for right in OBJECT_RIGHTS
            if self.object_rows.value(p, f"Permissions{right}", now)
        }

    def field_rows_for(self, kind: str, name: str, sets: Iterable[str] | None = None) -> list[int]:
        """Places of the `FieldPermissions` rows about one field, in the given permission sets or in all."""
        rows = self.field_rows.referring("Field", [f"{kind}.{name}"], self._moment.now)
        if sets is None:
            return rows
        wanted = set(sets)
        return [p for p in rows if self.field_rows.value(p, "ParentId", self._moment.now) in wanted]

    def grant_field(self, set_id: str, kind: str, name: str, *, edit: bool = True) -> str:
        """Let a permission set read, and edit, a field; gives the row's id."""
        now = self._moment.now
        rows = self.field_rows_for(kind, name, [set_id])
        values = {"PermissionsRead": True, "PermissionsEdit": edit}
        if rows:
            self.field_rows.write(rows[0], values, now, by=ADMINISTRATOR)
            return self.field_rows.id_at(rows[0])
        row = {"ParentId": set_id, "SobjectType": kind, "Field": f"{kind}.{name}", **values}
        return self.field_rows.insert(row, now, by=ADMINISTRATOR)

    def withhold(self, user: str, kind: str, name: str, *, readable: bool = False) -> None:
        """Take a field away from a user, or only the right to edit it."""
        for place in self.field_rows_for(kind, name, self.grants(user).sets):
            self.field_rows.purge(place)
        key = f"{kind}.{name}".lower()
        self._withheld.setdefault(user, {})[key] = "read" if readable else "hidden"
        one = self.objects[kind].field(name)
        if readable and one is not None and one.custom:
            self.grant_field(self.home_set(user), kind, one.name, edit=False)

    def give_back(self, user: str, kind: str, name: str) -> None:
        """Let a user see and edit a field."""
        self._withheld.get(user, {}).pop(f"{kind}.{name}".lower(), None)
        one = self.objects[kind].field(name)
        if one is not None and one.custom:
            self.grant_field(self.home_set(user), kind, one.name, edit=one.updateable)

    def forget_field(self, kind: str, name: str) -> None:
        """A field is gone: so are the rows about it."""
        for place in self.field_rows_for(kind, name):
            self.field_rows.purge(place)

    def forget_object(self, kind: str) -> None:
        """A kind of record is gone: so are the rows about it."""
        for table in (self.object_rows, self.field_rows):
            for place in table.referring("SobjectType", [kind], self._moment.now):
                table.purge(place)


def furnish(permissions: Permissions, tables: dict[str, Table], *, customize: bool) -> None:
    """Make the org's profiles and the integration user's permission set, as they stand before anybody set anything up.

    The org's own custom fields are granted to everybody; fields made later are hidden until somebody grants them.
    """
    everything = permissions.make_set("X00eAdministrator", rights=SYSTEM_RIGHTS, profile=ADMIN_PROFILE)
    standard = permissions.make_set("X00eStandard", rights=("ApiEnabled",), profile=STANDARD_PROFILE)
    minimum = permissions.make_set("X00eMinimumAccess", rights=("ApiEnabled",), profile=INTEGRATION_PROFILE)
    more = ("CustomizeApplication", "AssignPermissionSets", "ModifyMetadata") if customize else ()
    integration = permissions.make_set("CRM_Integration", rights=("ViewSetup", *more))
    for definition in permissions.objects.values():
        if definition.setup:
            continue
        permissions.grant_object(everything, definition.name, OBJECT_RIGHTS)
        permissions.grant_object(standard, definition.name, ("Read", "Create", "Edit"))
        permissions.grant_object(integration, definition.name, ("Read", "Create", "Edit", "Delete", "ViewAllRecords"))
        for one in definition:
            if one.custom:
                for set_id in (everything, standard, integration):
                    permissions.grant_field(set_id, definition.name, one.name, edit=one.updateable)
    users, now = tables["User"], tables["User"].reader("ProfileId")
    profiles = {ADMIN_PROFILE: everything, STANDARD_PROFILE: standard, INTEGRATION_PROFILE: minimum}
    for place in range(len(users)):
        permissions.assign(users.id_at(place), profiles[now(place, 0)])
    permissions.assign(INTEGRATION_USER, integration)
