"""HubSpot's administration: our properties, and what an admin should know before the first run."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from connectors.base import FieldDiff, FieldSpec, Finding, ObjectName, Quota, Severity
from connectors.errors import ConnectorError, CredentialsError, MissingPermissionError, NotFoundError, RequestError
from connectors.http import refused_with
from connectors.hubspot_api import Api, missing_scopes, results
from connectors.hubspot_kinds import ACTIVITIES, KINDS
from connectors.hubspot_scopes import granted, weighed
from connectors.hubspot_tasks import KEY_FIELD
from connectors.hubspot_values import ALIKE, TYPES
from connectors.hubspot_write import OBJECTS, Writer
from connectors.strategies import task_finding

GROUP = "holdfast"
GROUP_LABEL = "Holdfast"
MOST_SKEW = timedelta(minutes=2)
LOW_QUOTA = 0.10


class Setup:
    """Looks after our properties in one account."""

    def __init__(self, api: Api, writer: Writer) -> None:
        self.api = api
        self.writer = writer

    def run(self, fields: Sequence[FieldSpec], *, dry_run: bool, further: bool) -> list[FieldDiff]:
        """See `Crm.setup`."""
        diffs: dict[FieldSpec, FieldDiff] = {}
        for obj in dict.fromkeys(spec.object for spec in fields):
            kind = OBJECTS[obj]
            mine = [spec for spec in fields if spec.object == obj]
            known = self.writer.definitions(kind, fresh=True)
            found = [compare(spec, known.get(spec.name)) for spec in mine]
            if any(diff.action == "create" for diff in found):
                found = self._not_archived(kind, found)
            if not dry_run:
                self._extend(kind, found, known)
                found = self._create(kind, found)
            diffs |= {diff.spec: diff for diff in found}
        return [*(diffs[spec] for spec in fields), *([self._key(dry_run=dry_run)] if further else [])]

    def _key(self, *, dry_run: bool) -> FieldDiff:
        """Look after the property for the keys of tasks: unique where the portal takes that, else plain.

        That it cannot be made is told and stops nothing: tasks can do without it. Uniqueness is fixed for ever when a
        property is made, so that a plain one stays.
        """
        try:
            known = self.writer.definitions("tasks", fresh=True)
            found = compare(KEY_FIELD, known.get(KEY_FIELD.name))
            if found.action == "create":
                (found,) = self._not_archived("tasks", [found])
            if found.action != "create" or dry_run:
                return found
            self._ensure_group("tasks")
            self._make_key()
            known = self.writer.definitions("tasks", fresh=True)
        except (MissingPermissionError, RequestError) as error:
            return FieldDiff(KEY_FIELD, "conflict", error.message)
        return _done(found, compare(KEY_FIELD, known.get(KEY_FIELD.name)))

    def _make_key(self) -> None:
        batch = self.api.client.crm.properties.batch_api
        for unique in (True, False):
            body = {"inputs": [{**definition(KEY_FIELD), "hasUniqueValue": unique}]}
            try:
                self.api.call(batch.create, "tasks", body, purpose="setup", repeatable=False)
            except RequestError as error:
                if refused_with(error, "OBJECT_ALREADY_EXISTS", "CONFLICT"):
                    return
                if not unique:
                    raise
            else:
                return

    def _not_archived(self, kind: str, diffs: Sequence[FieldDiff]) -> list[FieldDiff]:
        """An archived property keeps its name: creating another one of that name fails."""
        answer = self.api.call(self._core.get_all, kind, archived=True, purpose="setup")
        archived = {str(row.get("name")) for row in results(answer, self.api.http.vendor)}
        detail = "an archived property has this name: restore it in HubSpot or choose another name"
        return [
            FieldDiff(diff.spec, "conflict", detail) if diff.action == "create" and diff.spec.name in archived else diff
            for diff in diffs
        ]

    def _extend(self, kind: str, diffs: Sequence[FieldDiff], known: Mapping[str, Any]) -> None:
        for diff in diffs:
            if diff.action == "add_options":
                # HubSpot replaces the whole list of options, so the old ones are sent along.
                old = list(known[diff.spec.name].get("options") or ())
                have = {option.get("value") for option in old}
                new = [value for value in diff.spec.options if value not in have]
                options = [*old, *(_option(value, len(old) + i) for i, value in enumerate(new))]
                self.api.call(self._core.update, kind, diff.spec.name, {"options": options}, purpose="setup")

    def _create(self, kind: str, diffs: Sequence[FieldDiff]) -> list[FieldDiff]:
        """Create what is missing, then look again: only what HubSpot shows is there."""
        wanted = [diff.spec for diff in diffs if diff.action == "create"]
        if wanted:
            self._ensure_group(kind)
            inputs = [definition(spec) for spec in wanted]
            batch = self.api.client.crm.properties.batch_api
            try:
                self.api.call(batch.create, kind, {"inputs": inputs}, purpose="setup", repeatable=False)
            except ConnectorError as error:
                if not refused_with(error, "OBJECT_ALREADY_EXISTS", "CONFLICT"):
                    raise
        if not any(diff.action in {"create", "add_options"} for diff in diffs):
            return list(diffs)
        known = self.writer.definitions(kind, fresh=True)
        return [_done(diff, compare(diff.spec, known.get(diff.spec.name))) for diff in diffs]

    def _ensure_group(self, kind: str) -> None:
        groups = self.api.client.crm.properties.groups_api
        answer = self.api.call(groups.get_all, kind, purpose="setup")
        if any(row.get("name") == GROUP for row in results(answer, self.api.http.vendor)):
            return
        try:
            body = {"name": GROUP, "label": GROUP_LABEL, "displayOrder": -1}
            self.api.call(groups.create, kind, body, purpose="setup", repeatable=False)
        except ConnectorError as error:
            if not refused_with(error, "OBJECT_ALREADY_EXISTS", "CONFLICT"):
                raise

    @property
    def _core(self) -> Any:
        return self.api.client.crm.properties.core_api


def definition(spec: FieldSpec) -> dict[str, Any]:
    """A field as HubSpot wants a new property described."""
    kind, field_type = TYPES[spec.type]
    described = {
        "name": spec.name,
        "label": spec.label,
        "type": kind,
        "fieldType": field_type,
        "groupName": GROUP,
        "description": spec.description,
    }
    if kind == "enumeration":
        described["options"] = [_option(value, place) for place, value in enumerate(spec.options)]  # type: ignore[assignment]  # JSON
    if kind == "bool":
        words = (("Yes", "true"), ("No", "false"))
        described["options"] = [  # type: ignore[assignment]  # JSON
            {"label": label, "value": value, "displayOrder": place, "hidden": False}
            for place, (label, value) in enumerate(words)
        ]
    return described


def files(fields: Sequence[FieldSpec]) -> dict[str, str]:
    """The fields as bodies of `POST /crm/v3/properties/{kind}/batch/create`, one file a kind of record."""
    kinds = dict.fromkeys(OBJECTS[spec.object] for spec in fields if spec.object != "task")
    bodies = {kind: {"inputs": [definition(s) for s in fields if OBJECTS[s.object] == kind]} for kind in kinds}
    bodies["tasks"] = {"inputs": [{**definition(KEY_FIELD), "hasUniqueValue": True}]}
    return {f"properties/{kind}.json": json.dumps(body, indent=2) + "\n" for kind, body in bodies.items()}


def compare(spec: FieldSpec, found: Mapping[str, Any] | None) -> FieldDiff:
    """What stands between a wanted field and the property of that name."""
    if found is None:
        return FieldDiff(spec, "create")
    kind, field_type = TYPES[spec.type]
    if found.get("type") != kind or not _alike(field_type, str(found.get("fieldType"))):
        is_type = f"{found.get('type')}/{found.get('fieldType')}"
        return FieldDiff(spec, "conflict", f"it is {is_type} in HubSpot and should be {kind}/{field_type}")
    if (found.get("modificationMetadata") or {}).get("readOnlyValue") or found.get("calculated"):
        return FieldDiff(spec, "conflict", "its value cannot be written")
    have = {option.get("value") for option in found.get("options") or ()}
    missing = [value for value in spec.options if value not in have]
    if missing:
        return FieldDiff(spec, "add_options", f"missing options: {', '.join(missing)}")
    return FieldDiff(spec, "ok")


def _done(before: FieldDiff, after: FieldDiff) -> FieldDiff:
    """What was done about a field, provided that it shows."""
    if before.action not in {"create", "add_options"}:
        return before
    if after.action == "ok":
        return before
    return FieldDiff(before.spec, "conflict", f"HubSpot did not take it: {after.detail or 'it is still missing'}")


def _alike(wanted: str, found: str) -> bool:
    return wanted == found or any({wanted, found} <= group for group in ALIKE)


def _option(value: str, place: int) -> dict[str, Any]:
    label = value.replace("_", " ").capitalize()
    return {"label": label, "value": value, "displayOrder": place, "hidden": False}


def _lacking(stream: str) -> tuple[Severity, str]:
    """How bad it is that a stream cannot be read, and what to do."""
    if stream in ACTIVITIES:
        return "warning", f"Grant the scope to the token, or leave out {stream} = true; everything else goes on."
    if stream == "feedback_submissions":
        return "info", "Grant it if you use HubSpot's surveys."
    return "error", "Grant the scope to the token."


class Checkup:
    """Yields what an admin should know; reads only."""

    def __init__(
        self, api: Api, writer: Writer, fields: Sequence[FieldSpec], wanted: Mapping[str, Any], streams: Sequence[str]
    ) -> None:
        self.api = api
        self.writer = writer
        self.fields = fields
        self.wanted = wanted
        self.streams = streams

    def rights(self) -> Iterator[Finding]:
        """Try one small read of each kind."""
        probes = {name: kind.path for name, kind in KINDS.items() if name in self.streams}
        probes["owners"] = "/crm/v3/owners"
        for what, path in probes.items():
            try:
                self.api.json("GET", path, params={"limit": "1"}, purpose="check")
            except CredentialsError:
                raise
            except (MissingPermissionError, NotFoundError) as error:
                scopes = ", ".join(missing_scopes(error)) or "unknown"
                message = f"The token may not read the {what} (scope {scopes})."
                severe, advice = _lacking(what)
                yield Finding(severe, "missing_scope", message, advice)

    def scopes(self, writes: Collection[ObjectName]) -> Iterator[Finding]:
        """Rights to write, which cannot be tried without writing, and rights that nobody needs: both by the scopes."""
        yield from weighed(granted(self.api), self.streams, writes, self._lacking() if writes else ())

    def _lacking(self) -> set[ObjectName]:
        """On which kinds of record a property of ours is missing; those that cannot be looked at are left out."""
        found: set[ObjectName] = set()
        for obj in {spec.object for spec in self.fields}:
            try:
                known = self.writer.definitions(OBJECTS[obj])
            except (MissingPermissionError, NotFoundError):
                continue
            if any(spec.name not in known for spec in self.fields if spec.object == obj):
                found.add(obj)
        return found

    def properties(self) -> Iterator[Finding]:
        """Compare the properties that the mapping reads with what the portal has. `Crm.setup` looks after our own."""
        for obj, kind in OBJECTS.items():
            if obj == "task":
                continue
            try:
                known = self.writer.definitions(kind, fresh=True)
            except (MissingPermissionError, NotFoundError):
                continue
            for name in self.wanted.get(kind, ()):
                if name not in known:
                    message = f"The field map reads {kind}.{name}, which the portal does not have."
                    yield Finding("warning", "unknown_property", message, "Correct the field map or leave it out.")

    def room(self) -> Iterator[Finding]:
        """Whether our properties still fit into the account."""
        try:
            answer = self.api.json("GET", "/crm/v3/limits/custom-properties", purpose="check")
        except (MissingPermissionError, NotFoundError):
            return
        left = [int(row["limit"]) - int(row["usage"]) for row in answer.get("byObjectType") or () if "limit" in row]
        if left and min(left) < len(self.fields):
            message = f"Room is left for {min(left)} custom properties of one kind."
            yield Finding("warning", "few_properties_left", message, "Delete unused ones in HubSpot.")

    def clock(self) -> Iterator[Finding]:
        """Whether this machine's clock and HubSpot's agree; cursors follow HubSpot's."""
        if self.api.skew is not None and abs(self.api.skew) > MOST_SKEW:
            seconds = round(self.api.skew.total_seconds())
            message = f"HubSpot's clock is {abs(seconds)} s {'ahead of' if seconds > 0 else 'behind'} ours."
            yield Finding("warning", "clock", message, "Set this machine's clock.")

    def tasks(self) -> Finding:
        """How tasks are kept from being made twice, what that promises, and what would promise more."""
        advice = (
            f"`holdfast setup` makes the property {KEY_FIELD.name} of tasks unique where HubSpot takes that; one that"
            " is there and not unique must be deleted before, and made under this name anew."
        )
        return task_finding("HubSpot", self.writer.choose(fresh=True), advice)

    def quota(self, quota: Quota) -> Iterator[Finding]:
        """How much of the day's budget is left."""
        if quota.limit is None or quota.remaining is None:
            return
        message = f"{quota.remaining:,} of {quota.limit:,} calls are left today."
        if quota.remaining < quota.limit * LOW_QUOTA:
            yield Finding("warning", "quota", message, "All apps of the account share them.")
        else:
            yield Finding("ok", "quota", message)
