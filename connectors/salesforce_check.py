"""What an admin should know about a Salesforce org before the first run; reads only."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from connectors.base import FieldSpec, Finding, ObjectName, Quota, Row, Severity, TaskStrategy
from connectors.errors import MissingPermissionError, NotFoundError, RequestError
from connectors.salesforce_api import Api
from connectors.salesforce_kinds import ACTIVITIES, EXTRAS, Kind
from connectors.salesforce_settings import Way
from connectors.salesforce_soql import one_of, quoted
from connectors.salesforce_values import OBJECTS
from connectors.strategies import task_finding

LOW_QUOTA = 0.10
VIEW_ALL = ("Account", "Contact", "Opportunity", "Case", "Contract")
"""Objects whose rows sharing may hide; relations, roles and tasks follow these."""
ROOM: Mapping[str, int] = {"Professional": 100, "Enterprise": 500, "Developer": 500, "Unlimited": 800, "Starter": 25}
"""Word in the edition's name -> custom fields that an object may have, by Salesforce's list of allocations."""
OLD_WAYS: Mapping[Way, tuple[str, str]] = {
    "soap": (
        "Logging in by SOAP is off in orgs made since Winter '26 and retires in Summer '27.",
        "Make an external client app and set consumer_key and consumer_secret.",
    ),
    "password": (
        "Logging in by user name and password is blocked in new orgs.",
        "Let the app use client credentials, and leave out username and password.",
    ),
    "session": (
        "The session in session_id cannot be renewed; when it ends, every run fails.",
        "Make an external client app and set consumer_key and consumer_secret.",
    ),
}
"""Way to log in -> what is wrong with it, and what to do."""
NEVER_NEEDED: Mapping[str, str] = {
    "ModifyAllData": "'Modify All Data'",
    "ManageUsers": "'Manage Users'",
    "BulkApiHardDelete": "'Bulk API Hard Delete'",
}
"""System permission -> its name in Salesforce's pages."""
GRANT = "Grant it in the permission set of the run-as user."
RIGHTS: Mapping[str, str] = {"createable": "create", "updateable": "edit", "deletable": "delete"}
"""What a description says of the user's rights on a kind of record -> the word for it."""
NEEDS: Mapping[ObjectName, tuple[str, ...]] = {
    "account": ("updateable",),
    "contact": ("updateable",),
    "task": ("createable", "updateable"),
}
"""What we write -> the rights without which we cannot."""


class Checkup:
    """Yields what an admin should know.

    Args:
        api: The org, as the agent's user.
        kinds: Stream -> what it reads.
        optional: Streams that may be absent.
        fields: Our own fields.
        wanted: Stream -> fields that the field map reads.
        writes: Kinds of record that we write.
    """

    def __init__(
        self,
        api: Api,
        kinds: Mapping[str, Kind],
        optional: frozenset[str],
        fields: Sequence[FieldSpec],
        wanted: Mapping[str, Sequence[str]],
        writes: frozenset[ObjectName],
    ) -> None:
        self.api = api
        self.kinds = kinds
        self.optional = optional
        self.own = fields
        self.wanted = wanted
        self.writes = writes
        self._about: dict[str, Mapping[str, Any] | None] = {}
        self._own_sets: list[str] | None = None

    def user(self) -> Iterator[Finding]:
        """Who we are, and whether it is a user for integrations."""
        user = self._user()
        if user is None:
            yield Finding("info", "user", "Salesforce does not say which user this session belongs to.")
            return
        profile = user.get("Profile") or {}
        licence = (profile.get("UserLicense") or {}).get("Name")
        known = f" Its profile is {profile.get('Name')}, its licence {licence}." if licence else ""
        yield Finding("ok", "user", f"The agent acts as {user.get('Username') or user.get('Id')}.{known}")
        if licence and "Integration" not in str(licence):
            message = f"The user holds the licence {licence}, with which a person could log in."
            advice = "Use a 'Salesforce Integration' licence, of which most editions have five for nothing."
            yield Finding("info", "user_licence", message, advice)

    def login(self, way: Way) -> Iterator[Finding]:
        """Whether the way to log in has a future."""
        if way in OLD_WAYS:
            yield Finding("warning", "old_login", *OLD_WAYS[way])

    def rights(self) -> Iterator[Finding]:
        """Whether every object can be read, and those that we write be written."""
        for stream, kind in self.kinds.items():
            about = self._described(kind.object)
            if about is None or not about.get("queryable", True):
                severe: Severity = "error"
                if stream in self.optional:
                    severe = "info" if kind.absent and stream not in ACTIVITIES else "warning"
                message = f"We may not read {kind.object}, or the org does not have it ({stream})."
                yield Finding(severe, "missing_permission", message, kind.absent or GRANT)
        for written in sorted(self.writes):
            about = self._described(OBJECTS[written])
            for flag in NEEDS[written]:
                if about is not None and not about.get(flag):
                    message = f"We may not {RIGHTS[flag]} {OBJECTS[written]} records."
                    yield Finding("error", "missing_permission", message, GRANT)

    def sharing(self) -> Iterator[Finding]:
        """Whether sharing rules may hide rows: without "View All" nobody is told that a list is incomplete."""
        objects = [obj for obj in VIEW_ALL if obj in {kind.object for kind in self.kinds.values()}]
        seen = self._all_seen(objects)
        if seen is None:
            message = "Whether sharing rules hide records from the agent cannot be known with its rights."
            advice = f"Make sure that its permission set has 'View All' on {', '.join(objects)}."
            yield Finding("info", "sharing_unknown", message, advice)
            return
        hidden = [obj for obj in objects if obj not in seen and self._described(obj) is not None]
        if hidden:
            message = (
                f"Sharing rules may hide records of {', '.join(hidden)} from the agent, and nothing would show it."
            )
            yield Finding("warning", "missing_view_all", message, "Grant 'View All' on them in its permission set.")

    def spare(self) -> Iterator[Finding]:
        """Rights that the agent has and never needs: whoever got hold of its credentials would have them too."""
        sets = self._sets()
        if not sets:
            return
        found: set[str] = set()
        names = [f"Permissions{right}" for right in NEVER_NEEDED]
        for row in self._rows(f"SELECT {', '.join(names)} FROM PermissionSet WHERE {one_of('Id', sets)}") or ():
            found |= {words for right, words in NEVER_NEEDED.items() if row.get(f"Permissions{right}")}
        objects = sorted({kind.object for kind in self.kinds.values()})
        soql = (
            "SELECT SobjectType, PermissionsModifyAllRecords FROM ObjectPermissions"
            f" WHERE {one_of('ParentId', sets)} AND {one_of('SobjectType', objects)}"
        )
        for row in self._rows(soql) or ():
            if row.get("PermissionsModifyAllRecords"):
                found.add(f"'Modify All' on {row.get('SobjectType')}")
        if found:
            message = f"The agent has rights that it never needs: {', '.join(sorted(found))}."
            yield Finding("warning", "more_rights", message, "Take them out of its permission sets.")
        yield from self._spare_writes()

    def _spare_writes(self) -> Iterator[Finding]:
        """Kinds of record that the agent may change and only reads. Tasks are left out: `undo` removes them."""
        found = []
        for obj in VIEW_ALL:
            used = {flag for kind in self.writes if OBJECTS[kind] == obj for flag in NEEDS[kind]}
            about = self._described(obj) if any(kind.object == obj for kind in self.kinds.values()) else None
            words = [word for flag, word in RIGHTS.items() if flag not in used and (about or {}).get(flag)]
            found += [f"{obj} ({', '.join(words)})"] if words else []
        if found:
            message = f"The agent has rights on records that this config never uses: {', '.join(found)}."
            yield Finding("info", "more_rights", message, "Take them out of its permission sets.")

    def fields(self) -> Iterator[Finding]:
        """Compare the fields that the field map reads with what we see. `Crm.setup` looks after our own."""
        own = {spec.name for spec in self.own}
        for stream, kind in self.kinds.items():
            about = self._described(kind.object)
            if about is None:
                continue
            known = {str(one.get("name")) for one in about["fields"]}
            known |= {str(one.get("relationshipName")) for one in about["fields"]} | EXTRAS | own
            asked = kind.asked(name for name in self.wanted.get(stream, ()) if not name.startswith("_"))
            missing = [name for name in asked if name.partition(".")[0] not in known]
            if missing:
                severe: Severity = "warning" if stream in self.optional else "error"
                message = f"{kind.object} has no {', '.join(missing)}, or field-level security hides it from us."
                advice = f"Grant read in field-level security, or take it out of [crm.fields.{stream}]."
                spelled = {name.lower(): name for name in known}
                if near := [spelled[name.lower()] for name in missing if name.lower() in spelled]:
                    advice += f" Capitals count: {', '.join(near)}."
                yield Finding(severe, "missing_permission", message, advice)

    def currency(self, configured: str | None) -> Iterator[Finding]:
        """Whether the currency of amounts is known."""
        about = self._described("Opportunity")
        if about is None or configured or any(one.get("name") == "CurrencyIsoCode" for one in about["fields"]):
            return
        message = "The org has one currency, and its API does not say which."
        yield Finding("warning", "currency", message, 'Set it: currency = "EUR".')

    def room(self, edition: str) -> Iterator[Finding]:
        """Whether our fields still fit; counted are the custom fields that we see."""
        limit = next((most for word, most in ROOM.items() if word in edition), None)
        if limit is None:
            return
        for obj in ("Account", "Contact"):
            about = self._described(obj)
            if about is None:
                continue
            custom = {str(one.get("name")) for one in about["fields"] if one.get("custom")}
            new = {spec.name for spec in self.own if OBJECTS[spec.object] == obj} - custom
            if len(custom) + len(new) > limit:
                message = f"{obj} has {len(custom)} custom fields of at most {limit}; {len(new)} of ours are to come."
                yield Finding("warning", "few_fields_left", message, "Delete unused ones in Salesforce.")

    def tasks(self, strategy: TaskStrategy, *, receipts: bool) -> Finding:
        """How tasks are kept from being made twice, what that promises, and what would promise more."""
        better = " and receipts" if receipts else "; task_receipts = true would allow receipts instead"
        advice = f"`holdfast setup` makes a unique key for tasks where the org takes one{better}."
        return task_finding("Salesforce", strategy, advice)

    def quota(self, quota: Quota) -> Iterator[Finding]:
        """How much of the org's budget is left, and who uses it where Salesforce tells."""
        if quota.limit is None or quota.remaining is None:
            message = "How many calls are left is not known: the agent may not see the org's limits."
            yield Finding("info", "quota", message)
            return
        usage = self.api.usage
        share = usage.share or 0.0
        message = f"{quota.remaining:,} of {quota.limit:,} calls in 24 hours are left; all integrations share them."
        message += "".join(f" {app} has used {used} of its own {limit}." for app, (used, limit) in usage.apps.items())
        if share >= usage.stop_at:
            advice = f"Runs stop at {usage.stop_at:.0%} (stop_at), which is reached."
            yield Finding("error", "quota", message, advice)
        elif quota.remaining < quota.limit * LOW_QUOTA:
            yield Finding("warning", "quota", message, "Find out which integration uses them, or buy more.")
        else:
            yield Finding("ok", "quota", message)

    def _described(self, obj: str) -> Mapping[str, Any] | None:
        if obj not in self._about:
            try:
                self._about[obj] = self.api.about(obj, purpose="check", fresh=True)
            except MissingPermissionError:
                self._about[obj] = None
        return self._about[obj]

    def _user(self) -> Row | None:
        user = self.api.who()
        if user is None:
            return None
        for names in ("Id, Username, Profile.Name, Profile.UserLicense.Name", "Id, Username"):
            soql = f"SELECT {names} FROM User WHERE Id = {quoted(user)}"
            rows = self._rows(soql)
            if rows:
                return rows[0]
        return {"Id": user}

    def _all_seen(self, objects: Sequence[str]) -> set[str] | None:
        """Objects on which one of our permission sets has "View All"; None when it cannot be known."""
        sets = self._sets()
        if not sets:
            return None
        # A permission to see all data of the org stands for every object; not every user may ask for it.
        everything = f"SELECT Id FROM PermissionSet WHERE PermissionsViewAllData = true AND {one_of('Id', sets)}"
        if self._rows(everything):
            return set(objects)
        rows = self._rows(
            "SELECT SobjectType, PermissionsViewAllRecords FROM ObjectPermissions"
            f" WHERE {one_of('ParentId', sets)} AND {one_of('SobjectType', objects)}"
        )
        return None if rows is None else {str(r.get("SobjectType")) for r in rows if r.get("PermissionsViewAllRecords")}

    def _sets(self) -> list[str]:
        """Our permission sets; empty when they cannot be known."""
        if self._own_sets is None:
            user = self.api.who()
            soql = f"SELECT PermissionSetId FROM PermissionSetAssignment WHERE AssigneeId = {quoted(user or '')}"
            self._own_sets = [str(row.get("PermissionSetId")) for row in (self._rows(soql) if user else None) or ()]
        return self._own_sets

    def _rows(self, soql: str) -> list[Row] | None:
        """What a query gives; None when we may not ask it."""
        try:
            return [row for page in self.api.query(soql, purpose="check") for row in page["records"]]
        except (MissingPermissionError, NotFoundError, RequestError):
            return None
