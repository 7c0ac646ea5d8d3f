"""One record made, changed or deleted: every check of the server, in its order, then the write.

A `Writer` acts for one request. It first *plans* a write: rights, columns, read-only and required fields, values, the
records referred to, owners, unique values, duplicate rules, and last what stands in the way (locks, validation rules,
triggers). A plan that came through can be carried out or, in an all-or-none request, dropped. A write that changes
nothing moves the stamps all the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.salesforce_automation import Automation
from sandbox.salesforce_errors import (
    SfError,
    entity_deleted,
    field_read_only,
    inactive_owner,
    no_access,
    patch_missing,
    read_only_user,
    write_no_such_field,
)
from sandbox.salesforce_grants import after_write, prepare_setup
from sandbox.salesforce_http import Call
from sandbox.salesforce_ids import canonical
from sandbox.salesforce_org import Org
from sandbox.salesforce_rows import check, malformed_id, read_json
from sandbox.salesforce_store import Table
from sandbox.salesforce_types import FieldDef, ObjectDef

LEAD = "00Q"
_ELSEWHERE = {LEAD: "Lead", "00G": "Group"}
"""Prefix -> kinds of record that references may name but that this org has none of."""


@dataclass(slots=True)
class Plan:
    """A write that may go ahead.

    Attributes:
        table: Where.
        values: Checked values; {} for a deletion.
        place: The record; None when it is to be made.
        deletes: Whether the record is to be deleted.
    """

    table: Table
    values: dict[str, Any]
    place: int | None = None
    deletes: bool = False


def duplicate_value(field: str, holder: str) -> SfError:
    """400: another record has the value."""
    message = f"duplicate value found: {field} duplicates value on record with id: {holder}"
    return SfError(400, "DUPLICATE_VALUE", message, ())


def blamed(refusal: SfError, *fields: str, status: int = 400) -> SfError:
    """The same refusal with fields to blame, and as the answer to a request about another record."""
    return SfError(status, refusal.code, refusal.message, fields)


class Writer:
    """Writes records for one request.

    Args:
        org: The org.
        call: The request: who asks, and its headers.
    """

    def __init__(self, org: Org, call: Call) -> None:
        self.org = org
        self.user = call.user
        self._taken: dict[tuple[str, str, Any], int | None] = {}
        self._allow_save = _option(call.header("Sforce-Duplicate-Rule-Header"), "allowSave")
        # Without the header, assignment rules run; it may also name one.
        self._assigns = call.header("Sforce-Auto-Assign").strip().lower() != "false"

    # ---- reading what was sent ---------------------------------------------------------------------------------------

    def column(self, definition: ObjectDef, name: str) -> FieldDef:
        """A field by its name in any capitals. Raises 400 `INVALID_FIELD` for one that is missing or hidden."""
        found = definition.field(name)
        if found is None or not self.org.readable(self.user, definition.name, found.name):
            raise write_no_such_field(name, definition.name)
        return found

    def read(self, definition: ObjectDef, sent: Mapping[str, Any]) -> dict[str, Any]:
        """The values of a JSON record, "attributes" left out.

        Raises:
            SfError: 400 `INVALID_FIELD` or `JSON_PARSER_ERROR`: in a collection too, these are errors of the request.
        """
        fields = [(self.column(definition, name), value) for name, value in sent.items() if name != "attributes"]
        return {field.name: read_json(field, value) for field, value in fields}

    # ---- planning ----------------------------------------------------------------------------------------------------

    def insert(self, definition: ObjectDef, values: Mapping[str, Any]) -> Plan:
        """Plan to make a record of values that were read. Raises `SfError`."""
        if not definition.createable or not self.org.can(self.user, definition.name, "Create"):
            raise read_only_user()
        if "Id" in values:
            message = "cannot specify Id in an insert call"
            raise SfError(400, "INVALID_FIELD_FOR_INSERT_UPDATE", message, ("Id",))
        checked = self._check(definition, values, None)
        checked = prepare_setup(self.org, definition.name, None, checked)
        self._duplicates(definition, checked)
        return self._plan(definition, checked)

    def update(self, definition: ObjectDef, record_id: str, values: Mapping[str, Any]) -> Plan:
        """Plan to change a record. Raises `SfError`."""
        place = self.locate(definition, record_id)
        if not definition.updateable or not self.org.can(self.user, definition.name, "Edit"):
            raise read_only_user()
        if not self.org.sees(self.user, definition.name, place):
            raise no_access()
        checked = self._check(definition, values, place)
        checked = prepare_setup(self.org, definition.name, place, checked)
        self._inactive_owner(definition, place, checked)
        return self._plan(definition, checked, place)

    def delete(self, definition: ObjectDef, record_id: str) -> Plan:
        """Plan to delete a record. Raises `SfError`."""
        place = self.locate(definition, record_id)
        if not definition.deletable or not self.org.can(self.user, definition.name, "Delete"):
            raise read_only_user()
        if not self.org.sees(self.user, definition.name, place):
            raise no_access()
        plan = self._plan(definition, {}, place)
        plan.deletes = True
        return plan

    def locate(self, definition: ObjectDef, record_id: str) -> int:
        """Where a record to be written stands.

        Raises:
            SfError: 400 `MALFORMED_ID`, 404 `INVALID_CROSS_REFERENCE_KEY` or `ENTITY_IS_DELETED`.
        """
        full = canonical(record_id)
        if full is None or full[:3] != definition.prefix:
            raise malformed_id(f"{definition.label} ID", record_id, "Id")
        table = self.org.tables[definition.name]
        place = table.place(full)
        if place is None:
            raise patch_missing()
        if table.deleted(place):
            raise entity_deleted()
        return place

    # ---- carrying out ------------------------------------------------------------------------------------------------

    def carry_out(self, plan: Plan) -> str:
        """Do what was planned and give the record's id."""
        table, now = plan.table, self.org.now
        if plan.place is None:
            record_id = table.insert(plan.values, now, by=self.user)
        elif plan.deletes:
            return self._delete(table, plan.place)
        else:
            record_id = table.id_at(plan.place)
            table.write(plan.place, plan.values, now, by=self.user)
            after_write(self.org, table, plan.place)
        if self._assigns:
            self.org.part(Automation).assign(table, record_id, self.user)
        return record_id

    def _delete(self, table: Table, place: int) -> str:
        """Into the recycle bin; set-up knows none."""
        record_id = table.id_at(place)
        table.delete(place, self.org.now, by=self.user)
        if table.object.setup:
            table.purge(place)
        return record_id

    # ---- the checks --------------------------------------------------------------------------------------------------

    def _check(self, definition: ObjectDef, values: Mapping[str, Any], place: int | None) -> dict[str, Any]:
        """Columns, then values, then what they refer to, as a new record (`place` None) or a change of one."""
        self._writable(definition, values, creating=place is None)
        _required(definition, values, creating=place is None)
        checked = {name: check(definition.fields[name], value) for name, value in values.items()}
        if definition.name == "Task":
            self._task(checked, place)
        for name, value in checked.items():
            if value is not None and definition.fields[name].type == "reference":
                self._reference(definition, definition.fields[name], value)
        self._unique(definition, checked, place)
        return checked

    def _writable(self, definition: ObjectDef, values: Mapping[str, Any], *, creating: bool) -> None:
        kind = definition.name
        blocked = [
            name
            for name in values
            if not (definition.fields[name].createable if creating else definition.fields[name].updateable)
            or not self.org.editable(self.user, kind, name)
        ]
        if blocked:
            raise field_read_only(*blocked)

    def _reference(self, definition: ObjectDef, field: FieldDef, value: str) -> None:
        """The record is of a fitting kind, there, not deleted and visible; an owner is active."""
        org = self.org
        if (org.kind_of(value) or _ELSEWHERE.get(value[:3])) not in field.refers_to:
            raise malformed_id(field.label, value, field.name, "FIELD_INTEGRITY_EXCEPTION")
        found = org.find(value)
        if found is None:
            raise blamed(patch_missing(), field.name)
        table, place = found
        if table.deleted(place):
            raise blamed(entity_deleted(), field.name)
        if not org.sees(self.user, table.object.name, place):
            raise no_access()
        if field.name == "OwnerId" and not org.active(value):
            raise inactive_owner(value, definition.name)

    def _task(self, values: Mapping[str, Any], place: int | None) -> None:
        """A task for a lead is about nothing else."""
        tasks, now = self.org.tables["Task"], self.org.now
        who = values.get("WhoId") if "WhoId" in values or place is None else tasks.value(place, "WhoId", now)
        what = values.get("WhatId") if "WhatId" in values or place is None else tasks.value(place, "WhatId", now)
        if what and str(who or "").startswith(LEAD):
            message = "Related To ID: cannot be set for a task whose name is a lead"
            raise SfError(400, "FIELD_INTEGRITY_EXCEPTION", message, ("WhatId",))

    def _unique(self, definition: ObjectDef, values: Mapping[str, Any], place: int | None) -> None:
        """No other living record, and none planned in this request, has the same unique value."""
        table = self.org.tables[definition.name]
        for name, value in values.items():
            if value is None or not definition.fields[name].unique:
                continue
            others = [p for p in table.referring(name, [value], self.org.now) if p != place]
            key = (definition.name, name, key_of(definition.fields[name], value))
            if others or (key in self._taken and (place is None or self._taken[key] != place)):
                raise duplicate_value(name, table.id_at(others[0]) if others else "<unknown>")

    def _duplicates(self, definition: ObjectDef, values: Mapping[str, Any]) -> None:
        """The org's duplicate rule for contacts, which only warns: `allowSave=true` overrides it."""
        if not self.org.options.duplicate_rule or definition.name != "Contact" or self._allow_save:
            return
        email = values.get("Email")
        if email and self.org.tables["Contact"].referring("Email", [email], self.org.now):
            raise SfError(400, "DUPLICATES_DETECTED", "Use one of these records?", ())

    def _inactive_owner(self, definition: ObjectDef, place: int, values: Mapping[str, Any]) -> None:
        """A record of a deactivated owner refuses changes, where the org says so, unless it gets an active one."""
        org = self.org
        if org.options.update_inactive_owners or "OwnerId" not in definition.fields or values.get("OwnerId"):
            return
        owner = org.tables[definition.name].value(place, "OwnerId", org.now)
        if owner and org.kind_of(owner) == "User" and not org.active(owner):
            raise inactive_owner(owner, definition.name)

    def _plan(self, definition: ObjectDef, values: dict[str, Any], place: int | None = None) -> Plan:
        """A write whose values are good, unless something stands in its way; its unique values are taken from now."""
        table = self.org.tables[definition.name]
        met = self.org.obstacle(definition.name, None if place is None else table.id_at(place), values)
        if met is not None:
            raise met
        for name, value in values.items():
            if value is not None and definition.fields[name].unique:
                self._taken[definition.name, name, key_of(definition.fields[name], value)] = place
        return Plan(table, values, place)


def _required(definition: ObjectDef, values: Mapping[str, Any], *, creating: bool) -> None:
    """What must not be empty is there, as far as the server does not fill it in."""
    if creating:
        wanted = (f for f in definition if f.required and f.createable and not f.defaulted)
        missing = [f.name for f in wanted if values.get(f.name) is None]
    else:
        missing = [name for name, value in values.items() if value is None and definition.fields[name].required]
    if missing:
        message = f"Required fields are missing: [{', '.join(missing)}]"
        raise SfError(400, "REQUIRED_FIELD_MISSING", message, missing)
    if not creating and "OwnerId" in values and values["OwnerId"] is None:
        raise SfError(400, "INVALID_CROSS_REFERENCE_KEY", "Owner ID: owner cannot be blank", ("OwnerId",))


def key_of(field: FieldDef, value: Any) -> Any:
    """A unique value as it is told from others: in any capitals, unless the field tells those apart."""
    return value.lower() if isinstance(value, str) and not field.case_sensitive else value


def _option(header: str, name: str) -> bool:
    """Whether a header of the form "a=true; b=false" switches `name` on."""
    pairs = (part.partition("=") for part in header.replace(",", ";").split(";"))
    return any(key.strip().lower() == name.lower() and value.strip().lower() == "true" for key, _, value in pairs)
