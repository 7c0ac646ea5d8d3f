"""Salesforce's administration: our own fields, and the right to see and fill them.

A new field is hidden from everybody, its maker included, until field-level security grants it; so fields are made by
the Tooling API, granted to a permission set that the agent's user has, and then looked at as that user. Making fields
takes "Customize Application", granting them "Manage Profiles and Permission Sets": rights of an administrator, whose
session may be given for this alone.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from connectors.base import FieldDiff, FieldSpec, FieldType, Row
from connectors.errors import MissingPermissionError, NotFoundError, RequestError
from connectors.http import refused_with
from connectors.salesforce_api import Api
from connectors.salesforce_metadata import (
    LABEL,
    PURPOSE,
    TASK_KEY_FIELD,
    definition,
    full_name,
    option,
    owner,
    plainly,
)
from connectors.salesforce_receipt_setup import ReceiptSetup
from connectors.salesforce_soql import one_of, quoted
from connectors.salesforce_values import OBJECTS

PURPOSE_OF_CALLS = "setup"
TYPES: Mapping[FieldType, frozenset[str]] = {
    "number": frozenset({"double"}),
    "text": frozenset({"string", "textarea"}),
    "long_text": frozenset({"textarea"}),
    "select": frozenset({"picklist"}),
    "multi_select": frozenset({"multipicklist"}),
    "datetime": frozenset({"datetime"}),
    "date": frozenset({"date"}),
    "boolean": frozenset({"boolean"}),
}
"""Neutral type -> how Salesforce's description calls it."""
DECIMALS = 2
NEW_NAME = re.compile(r"[A-Za-z](?:_?[A-Za-z0-9])*__c")
TAKEN = ("DUPLICATE_DEVELOPER_NAME", "DUPLICATE_VALUE", "DUPLICATES_DETECTED")
BY_HAND = "grant read and edit in field-level security"
BY_ADMIN = (
    "Give an administrator's session as admin_session_id for this once, or deploy the files that"
    " `holdfast setup --files FOLDER` writes."
)


class Setup:
    """Looks after our fields in one org.

    Args:
        api: The org, as the agent's user; what it sees is what counts.
        admin: The org, as the one who makes fields; may be the same.
        permission_set: API name of the permission set that fields are granted to.
        receipts: Whether tasks may have receipts, where their key cannot be unique.
    """

    def __init__(self, api: Api, admin: Api, permission_set: str, *, receipts: bool = False) -> None:
        self.api = api
        self.admin = admin
        self.permission_set = permission_set
        self._receipts = ReceiptSetup(api, admin, self._send, self._rows) if receipts else None

    def run(self, fields: Sequence[FieldSpec], *, dry_run: bool, further: bool) -> list[FieldDiff]:
        """See `Crm.setup`; the field that tells our tasks apart comes on top.

        After it comes the object for receipts, where that field is there and the org does not keep it unique.

        Raises:
            MissingPermissionError: Who asks may not make fields.
        """
        if not further:
            return self._fields(list(fields), dry_run=dry_run)
        diffs = self._fields(list(dict.fromkeys((*fields, TASK_KEY_FIELD))), dry_run=dry_run)
        key = self.api.describe("Task", purpose=PURPOSE_OF_CALLS).get(TASK_KEY_FIELD.name)
        if self._receipts is None or key is None or key.get("unique") is True:
            return diffs
        receipts = self._receipts.look()
        if receipts.action == "create" and not dry_run:
            receipts = self._receipts.make(self._permission_set)
        return [*diffs, receipts]

    def _fields(self, specs: Sequence[FieldSpec], *, dry_run: bool) -> list[FieldDiff]:
        before = self._compare(specs)
        absent = [diff.spec for diff in before if diff.action == "create"]
        made = self._made(absent)
        before = [_hidden(diff) if diff.spec in made else diff for diff in before]
        if dry_run or all(diff.action in {"ok", "conflict"} for diff in before):
            return before
        refused = {spec: why for spec in absent if spec not in made if (why := self._create(spec))}
        for diff in before:
            if diff.action == "add_options" and (why := self._extend(diff.spec)):
                refused[diff.spec] = why
        why_hidden = self._grant([spec for spec in absent if spec not in refused])
        after = self._compare(specs)
        return [_done(*pair, refused, why_hidden) for pair in zip(before, after, strict=True)]

    def _compare(self, specs: Sequence[FieldSpec]) -> list[FieldDiff]:
        known = {
            obj: self.api.describe(OBJECTS[obj], purpose=PURPOSE_OF_CALLS, fresh=True)
            for obj in dict.fromkeys(spec.object for spec in specs)
        }
        return [_compared(spec, known[spec.object]) for spec in specs]

    def _made(self, specs: Sequence[FieldSpec]) -> set[FieldSpec]:
        """Which of these exist though we do not see them; nobody knows when the asker may not look at definitions."""
        if not specs:
            return set()
        names = one_of("DeveloperName", dict.fromkeys(_developer_name(spec) for spec in specs))
        soql = f"SELECT DeveloperName, TableEnumOrId FROM CustomField WHERE {names}"
        try:
            rows = self._rows("tooling/query", soql)
        except (MissingPermissionError, NotFoundError, RequestError):
            return set()
        found = {(str(row.get("TableEnumOrId")), str(row.get("DeveloperName"))) for row in rows}
        return {spec for spec in specs if (owner(spec), _developer_name(spec)) in found}

    def _create(self, spec: FieldSpec) -> str:
        """Make a field; gives why it could not be made."""
        described = definition(spec)
        body = {"FullName": full_name(spec), "Metadata": described}
        why = self._try("tooling/sobjects/CustomField", "POST", body)
        if why and spec == TASK_KEY_FIELD:
            # Whether fields of activities can be unique is up to the org; a plain one still tells our tasks apart.
            why = self._try("tooling/sobjects/CustomField", "POST", {**body, "Metadata": plainly(described)})
        return why

    def _extend(self, spec: FieldSpec) -> str:
        """Add the options that are missing. The whole definition is replaced, so all of it is read and sent along."""
        soql = (
            f"SELECT Id FROM CustomField WHERE DeveloperName = {quoted(_developer_name(spec))}"
            f" AND TableEnumOrId = {quoted(owner(spec))}"
        )
        rows = self._rows("tooling/query", soql)
        if not rows:
            return "its definition cannot be seen"
        rest = f"tooling/sobjects/CustomField/{rows[0]['Id']}"
        found = self.admin.json("GET", rest, purpose=PURPOSE_OF_CALLS)
        metadata = found.get("Metadata") if isinstance(found, dict) else None
        values = ((metadata or {}).get("valueSet") or {}).get("valueSetDefinition")
        if not isinstance(values, dict):
            return "its values come from a global value set: add them there"
        listed = list(values.get("value") or ())
        have = {str(one.get("valueName") or one.get("fullName")) for one in listed}
        values["value"] = [*listed, *(option(value) for value in spec.options if value not in have)]
        return self._try(rest, "PATCH", {"FullName": full_name(spec), "Metadata": metadata})

    def _try(self, rest: str, method: str, body: Mapping[str, Any]) -> str:
        """Send a definition; gives why Salesforce did not take it, "" when it did or has it already."""
        try:
            answer = self.admin.json(method, rest, purpose=PURPOSE_OF_CALLS, body=body, repeatable=False)
        except (MissingPermissionError, NotFoundError) as error:
            raise MissingPermissionError(
                "fields cannot be made with this user's rights.",
                vendor=self.api.name,
                status=error.status,
                code=error.code,
                advice=BY_ADMIN,
            ) from None
        except RequestError as error:
            return "" if refused_with(error, *TAKEN) else error.message
        failed = isinstance(answer, dict) and answer.get("success") is False
        return f"Salesforce refused it: {answer.get('errors')}" if failed else ""

    def _grant(self, specs: Sequence[FieldSpec]) -> str:
        """Grant fields to the permission set and the permission set to us; gives why it could not be done."""
        if not specs:
            return ""
        try:
            self._grant_fields(self._permission_set(), specs)
        except (MissingPermissionError, RequestError) as error:
            return error.message
        return ""

    def _permission_set(self) -> str:
        """Id of the permission set, which is made where it is missing and given to us.

        Raises:
            RequestError: We do not know who we are.
        """
        user = self.api.who()
        if user is None:
            raise RequestError("our own user is not known", vendor=self.api.name)
        parent = self._ensure(
            f"SELECT Id FROM PermissionSet WHERE Name = {quoted(self.permission_set)}",
            "PermissionSet",
            {"Name": self.permission_set, "Label": LABEL, "Description": PURPOSE[:255]},
        )
        self._ensure(
            f"SELECT Id FROM PermissionSetAssignment WHERE AssigneeId = {quoted(user)}"
            f" AND PermissionSetId = {quoted(parent)}",
            "PermissionSetAssignment",
            {"AssigneeId": user, "PermissionSetId": parent},
        )
        return parent

    def _grant_fields(self, parent: str, specs: Sequence[FieldSpec]) -> None:
        wanted = {f"{OBJECTS[spec.object]}.{spec.name}": OBJECTS[spec.object] for spec in specs}
        soql = (
            f"SELECT Id, Field, PermissionsEdit FROM FieldPermissions WHERE ParentId = {quoted(parent)}"
            f" AND {one_of('SobjectType', dict.fromkeys(wanted.values()))}"
        )
        granted = {str(row.get("Field")): row for row in self._rows("query", soql)}
        rights = {"PermissionsRead": True, "PermissionsEdit": True}
        for field, obj in wanted.items():
            if field not in granted:
                body = {"ParentId": parent, "SobjectType": obj, "Field": field, **rights}
                self._send("POST", "sobjects/FieldPermissions", body)
            elif not granted[field].get("PermissionsEdit"):
                self._send("PATCH", f"sobjects/FieldPermissions/{granted[field]['Id']}", rights)

    def _ensure(self, soql: str, obj: str, body: Mapping[str, Any]) -> str:
        """The id of a record, made when it is not there."""
        rows = self._rows("query", soql) or [self._send("POST", f"sobjects/{obj}", body)]
        return str(rows[0].get("Id") or rows[0].get("id"))

    def _send(self, method: str, rest: str, body: Mapping[str, Any]) -> Row:
        answer = self.admin.json(method, rest, purpose=PURPOSE_OF_CALLS, body=body, repeatable=False)
        return answer if isinstance(answer, dict) else {}

    def _rows(self, rest: str, soql: str) -> list[Row]:
        return [row for page in self.admin.query(soql, purpose=PURPOSE_OF_CALLS, rest=rest) for row in page["records"]]


def compare(spec: FieldSpec, found: Mapping[str, Any] | None) -> FieldDiff:
    """What stands between a wanted field and Salesforce's description of the one of that name, as we see it."""
    if found is None:
        return FieldDiff(spec, "create")
    kind = str(found.get("type"))
    if kind not in TYPES[spec.type]:
        wanted = " or ".join(sorted(TYPES[spec.type]))
        return FieldDiff(spec, "conflict", f"it is {kind} in Salesforce and should be {wanted}")
    if found.get("calculated"):
        return FieldDiff(spec, "conflict", "it is a formula; its value cannot be written")
    if small := _too_small(spec, found):
        return FieldDiff(spec, "conflict", small)
    if not found.get("updateable"):
        return FieldDiff(spec, "create", "it is read-only for us; setup grants it")
    have = {one.get("value") for one in found.get("picklistValues") or () if one.get("active", True)}
    missing = [value for value in spec.options if value not in have]
    return (
        FieldDiff(spec, "add_options", f"missing options: {', '.join(missing)}") if missing else FieldDiff(spec, "ok")
    )


def _compared(spec: FieldSpec, known: Mapping[str, Mapping[str, Any]]) -> FieldDiff:
    """`compare`, and whether a field that is not there may be called so."""
    if spec.name not in known:
        spelled = next((name for name in known if name.lower() == spec.name.lower()), None)
        if spelled is not None:
            return FieldDiff(spec, "conflict", f"it is spelled {spelled} in Salesforce, and capitals count")
        if not NEW_NAME.fullmatch(spec.name):
            detail = (
                "it is not there, and a field that is to be made has a name of letters, digits and single _, then __c"
            )
            return FieldDiff(spec, "conflict", detail)
    return compare(spec, known.get(spec.name))


def _developer_name(spec: FieldSpec) -> str:
    return spec.name.removesuffix("__c")


def _too_small(spec: FieldSpec, found: Mapping[str, Any]) -> str:
    """Why our values do not fit into a field of the right type."""
    length, scale = found.get("length"), found.get("scale")
    if spec.type in {"text", "long_text"} and isinstance(length, int) and 0 < length < spec.max_length:
        return f"it holds {length} characters and needs {spec.max_length}"
    if spec.type == "number" and isinstance(scale, int) and scale < DECIMALS:
        return f"it keeps {scale} decimals and needs {DECIMALS}"
    return ""


def _hidden(diff: FieldDiff) -> FieldDiff:
    return FieldDiff(diff.spec, "create", diff.detail or "it is there and hidden from us; setup grants it")


def _done(before: FieldDiff, after: FieldDiff, refused: Mapping[FieldSpec, str], why_hidden: str) -> FieldDiff:
    """What was done about a field, provided that it shows."""
    if before.action in {"ok", "conflict"} or after.action == "ok":
        return before
    if why := refused.get(before.spec):
        return FieldDiff(before.spec, "conflict", why)
    if after.action == "create":
        told = (
            f"it was not granted to us ({why_hidden}): {BY_HAND}" if why_hidden else f"it is hidden from us: {BY_HAND}"
        )
        return FieldDiff(before.spec, "conflict", told)
    return after if after.action == "conflict" else FieldDiff(before.spec, "conflict", after.detail)
