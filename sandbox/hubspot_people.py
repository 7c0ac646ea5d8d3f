"""What people, workflows and administrators do in HubSpot's own pages, for tests and demonstrations.

Every action takes plain JSON arguments. Record ids are HubSpot's, as number or text; `object` is a kind of record. What
happens to tasks and properties between two requests stands in `sandbox.hubspot_changes`.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sandbox import hubspot_changes
from sandbox.hubspot_access import Token
from sandbox.hubspot_errors import ApiError
from sandbox.hubspot_links import Links
from sandbox.hubspot_portal import ADMINISTRATOR, Call, Flow, Portal, kind_of
from sandbox.hubspot_properties import create_property, drop_property, update_property
from sandbox.hubspot_render import to_ms

if TYPE_CHECKING:
    from sandbox.hubspot import HubSpotVendor


class People:
    """The actions of `mutate`.

    Args:
        vendor: Whose account they work in.
    """

    def __init__(self, vendor: "HubSpotVendor") -> None:
        self.vendor = vendor

    @property
    def portal(self) -> Portal:
        """The account."""
        return self.vendor.portal

    def act(self, action: str, args: Mapping[str, Any]) -> Any:
        """Do one action. Raises `ValueError` for an unknown one or refused arguments, `KeyError` for missing ones."""
        method = _ACTIONS.get(action)
        if method is None:
            raise ValueError(f"hubspot has no action {action!r}; known: {', '.join(_ACTIONS)}")
        try:
            return method(self, args)
        except ApiError as refusal:
            raise ValueError(f"hubspot refuses {action}: {refusal}") from refusal

    def record(self, args: Mapping[str, Any], key: str = "id") -> tuple[str, int]:
        """Kind and id of the record that arguments name. Raises `ValueError` when there is none."""
        kind, record_id = kind_of(str(args["object"])), int(args[key])
        if self.portal.tables[kind].position(record_id) is None:
            raise ValueError(f"no {kind} record {record_id}")
        return kind, record_id

    def edit(self, args: Mapping[str, Any]) -> None:
        """Change properties by hand: object, id, properties. Read-only ones may be changed too."""
        kind, record_id = self.record(args)
        stored = self.portal.check(kind, args["properties"], system=True)
        self.portal.write(kind, record_id, stored, "CRM_UI", user=_user(args))

    def create(self, args: Mapping[str, Any]) -> str:
        """Make a record: object, properties, and optionally associations [{"object", "id", "types"}]; gives its id."""
        kind = kind_of(str(args["object"]))
        stored = self.portal.check(kind, args["properties"], system=True)
        record_id = self.portal.create(kind, stored, "CRM_UI", user=_user(args))
        for link in args.get("associations", ()):
            target = {"to": link["object"], "to_id": link["id"], "types": link.get("types", ())}
            self._link({"object": kind, "id": record_id, **target})
        return str(record_id)

    def _link(self, args: Mapping[str, Any]) -> None:
        kind, to = kind_of(str(args["object"])), kind_of(str(args["to"]))
        self.portal.links.add(kind, int(args["id"]), to, int(args["to_id"]), self._types(kind, to, args))

    @staticmethod
    def _types(kind: str, to: str, args: Mapping[str, Any]) -> tuple[int, ...]:
        return tuple(Links.spec(kind, to, int(type_id)).id for type_id in args.get("types", ()))

    def associate(self, args: Mapping[str, Any]) -> None:
        """Associate two records: object, id, to, to_id, types."""
        self._link(args)

    def disassociate(self, args: Mapping[str, Any]) -> None:
        """Take two records apart: object, id, to, to_id; only the named types when given."""
        kind, to = kind_of(str(args["object"])), kind_of(str(args["to"]))
        self.portal.links.remove(kind, int(args["id"]), to, int(args["to_id"]), self._types(kind, to, args))

    def archive(self, args: Mapping[str, Any]) -> None:
        """Delete a record: object, id."""
        self.portal.archive(*self.record(args))

    def restore(self, args: Mapping[str, Any]) -> None:
        """Take a record out of the recycle bin: object, id."""
        kind, record_id = self.record(args)
        self.portal.tables[kind].touch(record_id).archived_at = None
        self.portal.stamp(kind, record_id)

    def purge(self, args: Mapping[str, Any]) -> None:
        """Remove a record without trace: object, id."""
        kind, record_id = self.record(args)
        self.portal.tables[kind].touch(record_id).purged = True
        self.portal.indexes[kind].note(record_id, self.portal.now)

    def merge(self, args: Mapping[str, Any]) -> str:
        """Merge two records: object, winner, loser; gives the surviving id."""
        kind, winner = self.record(args, "winner")
        _, loser = self.record(args, "loser")
        return str(self.portal.merge(kind, winner, loser))

    def touch(self, args: Mapping[str, Any]) -> int:
        """Mass update with one equal stamp: object, and ids or count; properties and stamp (ISO) when wanted."""
        kind = kind_of(str(args["object"]))
        table, portal = self.portal.tables[kind], self.portal
        ids = [int(i) for i in args["ids"]] if "ids" in args else [table.ids[p] for p in table.living(0, portal.now)]
        stored = portal.check(kind, args.get("properties", {}), system=True)
        present = portal.now
        portal.now = to_ms(datetime.fromisoformat(args["stamp"])) if "stamp" in args else present
        chosen = ids[: int(args.get("count", len(ids)))]
        for record_id in chosen:
            portal.write(kind, record_id, stored, "MASS_UPDATE")
        portal.now = present
        return len(chosen)

    def set_owner(self, args: Mapping[str, Any]) -> None:
        """Deactivate or reactivate a colleague: id (the owner id), active."""
        key = str(args["id"])
        if key not in self.portal.inactive:
            raise ValueError(f"no owner {key}")
        self.portal.inactive[key] = not args["active"]

    def deactivate_owner(self, args: Mapping[str, Any]) -> None:
        """A colleague leaves: id."""
        self.set_owner({**args, "active": False})

    def create_property(self, args: Mapping[str, Any]) -> str:
        """An admin makes a property: object, and the definition as the API takes it; gives its name."""
        create_property(self.portal, Call({"kind": str(args["object"])}, body=args["definition"]))
        return str(args["definition"]["name"])

    def change_property(self, args: Mapping[str, Any]) -> None:
        """An admin changes a property: object, name, changes."""
        update_property(self.portal, Call({"kind": str(args["object"]), "name": args["name"]}, body=args["changes"]))

    def delete_property(self, args: Mapping[str, Any]) -> None:
        """An admin archives a property: object, name."""
        kind = kind_of(str(args["object"]))
        if args["name"] not in self.portal.schemas[kind].properties:
            raise ValueError(f"no property {args['name']!r} of {kind}")
        drop_property(self.portal, kind, args["name"])

    def restore_property(self, args: Mapping[str, Any]) -> None:
        """An admin brings an archived property back: object, name."""
        schema = self.portal.schemas[kind_of(str(args["object"]))]
        definition = schema.archived.pop(args["name"])
        definition.archived_at = None
        schema.properties[definition.name] = definition

    def flow(self, args: Mapping[str, Any]) -> None:
        """Add a workflow: object, when (property written over the API), set, value, and delay in seconds.

        `set` may be `when` itself, for a workflow that overrules what was written; an empty value clears it.
        """
        kind = kind_of(str(args["object"]))
        stored = self.portal.check(kind, {args["set"]: args["value"]}, system=True)
        flow = Flow(kind, args["when"], args["set"], stored[args["set"]], float(args.get("delay", 0)))
        self.portal.flows.append(flow)

    def token(self, args: Mapping[str, Any]) -> None:
        """Allow a static token: token, scopes."""
        self.vendor.access.tokens[args["token"]] = Token(args["token"], frozenset(args["scopes"]))

    def revoke_token(self, args: Mapping[str, Any]) -> None:
        """Refuse a token from now on: token."""
        self.vendor.access.tokens.pop(args["token"], None)

    def expire_tokens(self, _args: Mapping[str, Any]) -> None:
        """Let every OAuth token expire now."""
        for token in self.vendor.access.tokens.values():
            if token.oauth:
                token.expires = self.portal.now

    def options(self, args: Mapping[str, Any]) -> None:
        """Change account options, see `sandbox.hubspot_portal.Options`."""
        self.portal.set_options(args)

    def use_quota(self, args: Mapping[str, Any]) -> None:
        """Say how many calls were made today: calls."""
        self.vendor.limits.use(int(args["calls"]), self.portal.now, self.portal.options)


def _user(args: Mapping[str, Any]) -> int:
    """The user id of whoever does it."""
    return int(args.get("user", ADMINISTRATOR))


_ACTIONS: Mapping[str, Callable[[People, Mapping[str, Any]], Any]] = {
    "edit": People.edit,
    "create": People.create,
    "associate": People.associate,
    "disassociate": People.disassociate,
    "archive": People.archive,
    "restore": People.restore,
    "purge": People.purge,
    "merge": People.merge,
    "touch": People.touch,
    "set_owner": People.set_owner,
    "deactivate_owner": People.deactivate_owner,
    "create_property": People.create_property,
    "change_property": People.change_property,
    "delete_property": People.delete_property,
    "restore_property": People.restore_property,
    "flow": People.flow,
    "token": People.token,
    "revoke_token": People.revoke_token,
    "expire_tokens": People.expire_tokens,
    "options": People.options,
    "use_quota": People.use_quota,
    **hubspot_changes.ACTIONS,
}
