"""What people, administrators and other integrations do in the org by hand, for tests and demonstrations.

Every action takes plain JSON arguments. `object` is a kind of record, ids have 15 or 18 characters, instants in
`values` are ISO texts. Actions on data take `user` (an id) for whoever does it; an administrator by default. What
happens to tasks and fields between two requests stands in `sandbox.salesforce_changes`. Under the option `late_seconds`
such changes carry the stamp of now and become visible only so much later. Actions about rights
take `user` for whose they are; the integration user's by default.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from sandbox import salesforce_changes
from sandbox.hubspot_render import to_ms
from sandbox.salesforce_access import Access
from sandbox.salesforce_automation import Automation
from sandbox.salesforce_base import ADMINISTRATOR, INTEGRATION_USER
from sandbox.salesforce_catalogue import OBJECT_RIGHTS, SYSTEM_RIGHTS, make
from sandbox.salesforce_derived import merge
from sandbox.salesforce_obstacles import Rule
from sandbox.salesforce_org import Org
from sandbox.salesforce_permissions import IMPLIED_BY
from sandbox.salesforce_query import Cursors
from sandbox.salesforce_store import Table
from sandbox.salesforce_types import NUMBER_TYPES, FieldDef, ObjectDef

Args = Mapping[str, Any]


class People:
    """The actions of `mutate`.

    Args:
        org: Where they work.
        access: Its sessions.
    """

    def __init__(self, org: Org, access: Access) -> None:
        self.org = org
        self.access = access

    def act(self, action: str, args: Args) -> Any:
        """Do one action. Raises `ValueError` for an unknown one or refused arguments, `KeyError` for missing ones."""
        method = _ACTIONS.get(action)
        if method is None:
            raise ValueError(f"salesforce has no action {action!r}; known: {', '.join(_ACTIONS)}")
        return method(self, args)

    # ---- records -----------------------------------------------------------------------------------------------------

    def kind(self, args: Args) -> ObjectDef:
        """The kind of record named by "object". Raises `ValueError` for an unknown one."""
        kind = self.org.object(str(args["object"]))
        if kind is None:
            raise ValueError(f"no kind of record {args['object']!r}; known: {', '.join(self.org.objects)}")
        return kind

    def record(self, args: Args, key: str = "id") -> tuple[Table, int]:
        """The record named by an id. Raises `ValueError` when there is none."""
        found = self.org.find(str(args[key]))
        if found is None:
            raise ValueError(f"no record {args[key]!r}")
        return found

    def _values(self, kind: ObjectDef, values: Args) -> dict[str, Any]:
        stored = {}
        for name, value in values.items():
            one = kind.field(name)
            if one is None:
                raise ValueError(f"{kind.name} has no field {name!r}")
            if one.name in self.org.tables[kind.name].computed:
                raise ValueError(f"{kind.name}.{one.name} follows from other fields")
            stored[one.name] = _stored(one, value)
        return stored

    def _commit(self, change: Callable[[int], None]) -> None:
        """Make a change that carries the stamp of now: at once, or when its transaction commits."""
        now, late = self.org.now, self.org.moment.late
        if late:
            self.org.later(now + late, lambda: change(now))
        else:
            change(now)

    def edit(self, args: Args) -> None:
        """Change a record: id, values."""
        table, place = self.record(args)
        values, by = self._values(table.object, args["values"]), _by(args)
        self._commit(lambda now: table.write(place, values, now, by=by))

    def create(self, args: Args) -> str:
        """Make a record: object, values; gives its id."""
        kind = self.kind(args)
        now, late = self.org.now, self.org.moment.late
        values = self._values(kind, args["values"])
        return self.org.tables[kind.name].insert(values, now, by=_by(args), visible_at=now + late if late else None)

    def delete(self, args: Args) -> None:
        """Move a record to the recycle bin: id."""
        table, place = self.record(args)
        self._commit(lambda now: table.delete(place, now, by=_by(args)))

    def undelete(self, args: Args) -> None:
        """Take a record out of the recycle bin: id."""
        table, place = self.record(args)
        if not table.deleted(place):
            raise ValueError(f"{args['id']} is not deleted")
        self._commit(lambda now: table.undelete(place, now, by=_by(args)))

    def purge(self, args: Args) -> None:
        """Remove a record without trace: id."""
        table, place = self.record(args)
        table.purge(place)

    def merge(self, args: Args) -> str:
        """Merge accounts or contacts: winner, and loser or losers; gives the winner's id."""
        table, winner = self.record(args, "winner")
        losers = [self.record({"id": one}) for one in args.get("losers") or [args["loser"]]]
        if not table.object.mergeable or any(other is not table for other, _ in losers):
            raise ValueError("only accounts, or only contacts, can be merged")
        if any(place == winner or table.deleted(place) for _, place in losers) or table.deleted(winner):
            raise ValueError("a merge needs different records that are not deleted")
        merge(self.org, table.object.name, winner, [place for _, place in losers], _by(args))
        return table.id_at(winner)

    def mass_edit(self, args: Args) -> int:
        """Change many records in one go, all with one stamp: object, values, and ids or count; gives how many."""
        kind = self.kind(args)
        table, values = self.org.tables[kind.name], self._values(kind, args.get("values", {}))
        places = list(table.places(self.org.now))
        if "ids" in args:
            places = [self.record({"id": one})[1] for one in args["ids"]]
        chosen = places[: int(args.get("count", len(places)))]

        def change(now: int) -> None:
            for place in chosen:
                table.write(place, values, now, by=_by(args))

        self._commit(change)
        return len(chosen)

    def complete_task(self, args: Args) -> None:
        """Somebody does a task: id."""
        self.edit({**args, "values": {"Status": "Completed"}})

    def deactivate_user(self, args: Args) -> None:
        """A colleague leaves: id."""
        self.edit({**args, "values": {"IsActive": False}})

    def activate_user(self, args: Args) -> None:
        """A colleague comes back: id."""
        self.edit({**args, "values": {"IsActive": True}})

    # ---- what stands in the way --------------------------------------------------------------------------------------

    def lock(self, args: Args) -> None:
        """Hold an account so that the next writes to it and to what hangs on it fail: id, tries (3)."""
        table, place = self.record(args)
        if table.object.name != "Account":
            raise ValueError("only accounts can be locked")
        self.org.obstacles.locks[table.id_at(place)] = int(args.get("tries", 3))

    def rule(self, args: Args) -> None:
        """Make a validation rule that refuses writes: object, message, and id or field to narrow it."""
        self._obstruct(args, trigger=False)

    def trigger(self, args: Args) -> None:
        """Make a trigger that fails: object, message, and id or field to narrow it."""
        self._obstruct(args, trigger=True)

    def _obstruct(self, args: Args, *, trigger: bool) -> None:
        kind, record, field = self.kind(args), None, None
        if "id" in args:
            table, place = self.record(args)
            record = table.id_at(place)
        if "field" in args:
            field = _field(kind, args["field"]).name
        self.org.obstacles.rules.append(Rule(kind.name, str(args["message"]), record, field, trigger))

    def clear_obstacles(self, _args: Args) -> None:
        """Remove every lock, rule and trigger."""
        self.org.obstacles.locks.clear()
        self.org.obstacles.rules.clear()

    def flow(self, args: Args) -> None:
        """A flow that answers writes of a field with one of its own: object, when, set, value, delay (0 seconds).

        `set` may be `when` itself, for a flow that overrules what was written; value null empties the field.
        """
        kind = self.kind(args)
        values = self._values(kind, {str(args["set"]): args["value"]})
        delay = round(float(args.get("delay", 0)) * 1000)
        table = self.org.tables[kind.name]
        self.org.part(Automation).add_flow(table, _field(kind, args["when"]).name, values, delay)

    def assignment_rule(self, args: Args) -> None:
        """Let records written over the API be given to somebody, unless the call says not to: object, owner."""
        _, place = self.record(args, "owner")
        self.org.part(Automation).assigns[self.kind(args).name] = self.org.tables["User"].id_at(place)

    # ---- fields and rights -------------------------------------------------------------------------------------------

    def create_field(self, args: Args) -> None:
        """An administrator makes a field: object, name, type, and attributes of `FieldDef`; visible grants it."""
        kind = self.kind(args)
        extra = {key: value for key, value in args.items() if key not in {"object", "name", "type", "visible"}}
        kind.add([make(str(args["name"]), args["type"], **_tuples(extra))])
        if args.get("visible"):
            self.show_field({"object": kind.name, "field": args["name"]})

    def change_field(self, args: Args) -> None:
        """An administrator changes a field: object, field, changes (attributes of `FieldDef`: length, values, ...)."""
        kind = self.kind(args)
        kind.add([_field(kind, args["field"]).changed(**_tuples(args["changes"]))])

    def drop_field(self, args: Args) -> None:
        """An administrator deletes a custom field: object, field."""
        kind = self.kind(args)
        one = _field(kind, args["field"])
        if not one.custom:
            raise ValueError(f"{kind.name}.{one.name} is a standard field")
        self.org.permissions.forget_field(kind.name, one.name)
        kind.drop(one.name)

    def hide_field(self, args: Args) -> None:
        """Take a field away from a user: object, field; read_only true takes only the right to edit it."""
        kind = self.kind(args)
        one = _field(kind, args["field"])
        if one.universal:
            raise ValueError(f"{kind.name}.{one.name} is always visible")
        self.org.permissions.withhold(_whose(args), kind.name, one.name, readable=bool(args.get("read_only")))

    def show_field(self, args: Args) -> None:
        """Let a user see and edit a field: object, field."""
        kind = self.kind(args)
        self.org.permissions.give_back(_whose(args), kind.name, _field(kind, args["field"]).name)

    def grant(self, args: Args) -> None:
        """Give a user rights on a kind of record: object, rights ("Read", "Create", "Edit", "Delete", ...)."""
        permissions, kind = self.org.permissions, self.kind(args)
        home = permissions.home_set(_whose(args))
        rights = permissions.object_rights(home, kind.name) | set(_rights(args, OBJECT_RIGHTS))
        permissions.grant_object(home, kind.name, rights)

    def revoke(self, args: Args) -> None:
        """Take rights on a kind of record away, and those that include them: object, rights."""
        permissions, kind = self.org.permissions, self.kind(args)
        gone = {wider for right in _rights(args, OBJECT_RIGHTS) for wider in IMPLIED_BY[right]}
        for set_id in sorted(permissions.grants(_whose(args)).sets):
            held = permissions.object_rights(set_id, kind.name)
            if held:
                permissions.grant_object(set_id, kind.name, held - gone)

    def view_all(self, args: Args) -> None:
        """Switch "View All" of a user: on, and object for one kind only. Without it sharing hides rows."""
        on = bool(args["on"])
        kinds = [self.kind(args)] if "object" in args else [k for k in self.org.objects.values() if not k.setup]
        for kind in kinds:
            change = self.grant if on else self.revoke
            change({**args, "object": kind.name, "rights": ["ViewAllRecords"]})

    def permit(self, args: Args) -> None:
        """Give a user system permissions: rights ("CustomizeApplication", "ViewSetup", ...)."""
        self._system([self.org.permissions.home_set(_whose(args))], _rights(args, SYSTEM_RIGHTS), on=True)

    def forbid(self, args: Args) -> None:
        """Take system permissions away from a user: rights."""
        self._system(self.org.permissions.grants(_whose(args)).sets, _rights(args, SYSTEM_RIGHTS), on=False)

    def _system(self, sets: Iterable[str], rights: Iterable[str], *, on: bool) -> None:
        table = self.org.permissions.sets
        values = {f"Permissions{right}": on for right in rights}
        for set_id in sorted(sets):
            place = table.alive(set_id)
            if place is not None:
                table.write(place, values, self.org.now, by=ADMINISTRATOR)

    # ---- the org itself ----------------------------------------------------------------------------------------------

    def expire_tokens(self, _args: Args) -> None:
        """Let every session end now."""
        self.access.expire_all()

    def expire_cursors(self, _args: Args) -> int:
        """Let every open query cursor expire now; gives how many there were."""
        return self.org.part(Cursors).expire()

    def add_jwt_key(self, args: Args) -> str:
        """Register a public key for the JWT flow: pem; gives the user name to sign for."""
        user = _whose(args)
        self.access.keys.setdefault(user, []).append(str(args["pem"]))
        table, place = self.record({"id": user})
        return str(table.value(place, "Username", self.org.now))

    def options(self, args: Args) -> None:
        """Change the org's options, see `sandbox.salesforce_options.Options`."""
        self.org.set_options(args)

    def use_calls(self, args: Args) -> None:
        """Other integrations of the org use the API: calls."""
        self.access.calls.add(self.org.now, int(args["calls"]), own=False)


def _by(args: Args) -> str:
    return str(args.get("user", ADMINISTRATOR))


def _whose(args: Args) -> str:
    return str(args.get("user", INTEGRATION_USER))


def _field(kind: ObjectDef, name: str) -> FieldDef:
    one = kind.field(name)
    if one is None:
        raise ValueError(f"{kind.name} has no field {name!r}")
    return one


def _rights(args: Args, known: Iterable[str]) -> list[str]:
    rights = [str(right) for right in args["rights"]]
    unknown = sorted(set(rights) - set(known))
    if unknown:
        raise ValueError(f"unknown right {unknown[0]!r}; known: {', '.join(known)}")
    return rights


def _stored(one: FieldDef, value: Any) -> Any:
    """A JSON value as tables keep it."""
    if value is None:
        return None
    if one.type == "datetime":
        return to_ms(datetime.fromisoformat(value)) // 1000 * 1000
    if one.type in NUMBER_TYPES:
        return int(value) if one.type == "int" else float(value)
    return value


def _tuples(values: Args) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}


_ACTIONS: Mapping[str, Callable[[People, Args], Any]] = {
    "edit": People.edit,
    "create": People.create,
    "delete": People.delete,
    "undelete": People.undelete,
    "purge": People.purge,
    "merge": People.merge,
    "mass_edit": People.mass_edit,
    "complete_task": People.complete_task,
    "deactivate_user": People.deactivate_user,
    "activate_user": People.activate_user,
    "lock": People.lock,
    "rule": People.rule,
    "trigger": People.trigger,
    "clear_obstacles": People.clear_obstacles,
    "flow": People.flow,
    "assignment_rule": People.assignment_rule,
    "create_field": People.create_field,
    "change_field": People.change_field,
    "drop_field": People.drop_field,
    "hide_field": People.hide_field,
    "show_field": People.show_field,
    "grant": People.grant,
    "revoke": People.revoke,
    "view_all": People.view_all,
    "permit": People.permit,
    "forbid": People.forbid,
    "expire_tokens": People.expire_tokens,
    "expire_cursors": People.expire_cursors,
    "add_jwt_key": People.add_jwt_key,
    "options": People.options,
    "use_calls": People.use_calls,
    **salesforce_changes.ACTIONS,
}
