"""The names in a query: which object, which fields, over which parents, as far as the user may see them.

What field-level security hides is answered as if it did not exist. A reference that can point at several kinds of
record (`Who`, `What`, a case's `Owner`) leads to Salesforce's object Name, which has the few fields they share.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sandbox.salesforce_errors import query_no_such_field
from sandbox.salesforce_org import Org
from sandbox.salesforce_soql_tree import FieldSet, Path, Query, malformed, pointed, refused
from sandbox.salesforce_store import Table
from sandbox.salesforce_types import FieldDef, ObjectDef

Spot = tuple[Table, int]
"""A record: its table and its place there."""
Getter = Callable[[int], Any]
"""A record's place -> a value of it, of its parent or of a parent's parent."""

MAX_HOPS = 5
"""Parents of parents in one path (Salesforce's documented limit)."""
MAX_UNBOUNDED = 200
"""LIMIT that `FIELDS(ALL)` and `FIELDS(CUSTOM)` need."""

NAME = ObjectDef("Name", "", "Name")
NAME.add(
    [
        FieldDef("Id", "id"),
        FieldDef("Name", "string"),
        FieldDef("Type", "picklist"),
        FieldDef("FirstName", "string"),
        FieldDef("LastName", "string"),
        FieldDef("Email", "email"),
        FieldDef("Phone", "phone"),
        FieldDef("Title", "string"),
        FieldDef("Username", "string"),
        FieldDef("IsActive", "boolean"),
    ]
)
_CALLED = {"Case": "CaseNumber", "Contract": "ContractNumber"}
"""What stands in for the name of records that have none."""


@dataclass(slots=True)
class Node:
    """What a query wants of one record, in the order asked: fields by name, and parents by relationship.

    Attributes:
        object: The kind of record; `NAME` for a reference to several kinds.
        reference: The field that led here; None at the top.
        items: Field name -> its definition, relationship -> the parent's node.
    """

    object: ObjectDef
    reference: FieldDef | None = None
    items: dict[str, "FieldDef | Node"] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Column:
    """One field of a query, found: its name in Salesforce's own capitals, its definition and how to read it."""

    name: str
    field: FieldDef
    get: Getter


class Scope:
    """What one query may name.

    Args:
        org: The org.
        user: Id of the user who asks.
        query: The query.

    Attributes:
        object: The kind of record asked for.
        table: Its records.

    Raises:
        SfError: 400 `INVALID_TYPE`, no such object for this user.
    """

    def __init__(self, org: Org, user: str, query: Query) -> None:
        self.org = org
        self.user = user
        self.query = query
        self.object = self._object()
        self.table = org.tables[self.object.name]
        self._spots: dict[tuple[str, ...], dict[Any, Spot | None]] = {}

    def _object(self) -> ObjectDef:
        wanted = self.query.object
        found = self.org.object(wanted)
        if found is None or not found.queryable or not self.org.can(self.user, found.name, "Read"):
            message = (
                f"sObject type '{wanted}' is not supported. If you are attempting to use a custom object, be sure to "
                "append the '__c' after the entity name. Please reference your WSDL or the describe call for the "
                "appropriate names."
            )
            raise refused("INVALID_TYPE", pointed(self.query.text, self.query.object_at, message))
        return found

    def field(self, owner: ObjectDef, name: str, at: int) -> FieldDef:
        """A field that the user may read. Raises 400 `INVALID_FIELD`."""
        found = owner.field(name)
        if found is None or (owner is not NAME and not self.org.readable(self.user, owner.name, found.name)):
            raise query_no_such_field(name, owner.name, pointed(self.query.text, at, ""))
        return found

    def parent(self, owner: ObjectDef, relationship: str, at: int) -> tuple[FieldDef, ObjectDef]:
        """A reference that the user may follow, and where it leads. Raises 400 `INVALID_FIELD`."""
        reference = owner.parent(relationship)
        targets = () if reference is None else reference.refers_to
        target = NAME if len(targets) > 1 else self.org.objects.get(targets[0]) if targets else None
        seen = reference is not None and self.org.readable(self.user, owner.name, reference.name)
        if target is not None and target is not NAME:
            seen = seen and self.org.can(self.user, target.name, "Read")
        if reference is None or target is None or not seen:
            message = (
                f"Didn't understand relationship '{relationship}' in field path. If you are attempting to use a custom "
                "relationship, be sure to append the '__r' after the custom relationship name. Please reference your "
                "WSDL or the describe call for the appropriate names."
            )
            raise refused("INVALID_FIELD", pointed(self.query.text, at, message))
        return reference, target

    def steps(self, path: Path) -> tuple[list[tuple[FieldDef, ObjectDef]], FieldDef]:
        """The references that a path goes over, and the field at its end. Raises 400 `INVALID_FIELD`."""
        names, owner = path.names, self.object
        if len(names) > 1 and names[0].lower() == owner.name.lower() and owner.parent(names[0]) is None:
            names = names[1:]
        if len(names) - 1 > MAX_HOPS:
            raise malformed(f"SOQL relationship queries can go up at most {MAX_HOPS} levels: {path}")
        hops = []
        for name in names[:-1]:
            reference, owner = self.parent(owner, name, path.at)
            hops.append((reference, owner))
        return hops, self.field(owner, names[-1], path.at)

    def column(self, path: Path) -> Column:
        """A field by its path, ready to be read. Raises 400 `INVALID_FIELD`."""
        hops, end = self.steps(path)
        now = self.org.now
        if not hops:
            read = self.table.reader(end.name)
            return Column(end.name, end, lambda place: read(place, now))
        called: tuple[str, ...] = ()
        locate: Callable[[int], Spot | None] | None = None
        for reference, _ in hops:
            called = (*called, reference.relationship or "")
            locate = self._locator(called, reference, locate)
        return Column(".".join((*called, end.name)), end, self._over(locate, self.reading(hops[-1][1], end.name)))

    @staticmethod
    def _over(locate: Callable[[int], Spot | None] | None, read: Callable[[Spot], Any]) -> Getter:
        assert locate is not None  # noqa: S101 - there is at least one hop

        def get(place: int) -> Any:
            spot = locate(place)
            return None if spot is None else read(spot)

        return get

    def _locator(
        self, called: tuple[str, ...], reference: FieldDef, base: Callable[[int], Spot | None] | None
    ) -> Callable[[int], Spot | None]:
        known = self._spots.setdefault(called, {})
        table, name, now = self.table, reference.name, self.org.now
        read = table.reader(name)

        def locate(place: int) -> Spot | None:
            if base is None:
                key = read(place, now)
            else:
                spot = base(place)
                key = None if spot is None else spot[0].value(spot[1], name, now)
            if key not in known:
                known[key] = self.spot(reference, key)
            return known[key]

        return locate

    def spot(self, reference: FieldDef, record_id: str | None) -> Spot | None:
        """The record that a reference points at; None when it is not there for this user."""
        for kind in reference.refers_to if record_id else ():
            table = self.org.tables.get(kind)
            place = None if table is None else table.place(record_id or "")
            if table is not None and place is not None and self.org.sees(self.user, kind, place):
                return table, place
        return None

    def reading(self, owner: ObjectDef, name: str) -> Callable[[Spot], Any]:
        """How to read a field of records that are of the kind `owner`, or of any kind when that is `NAME`."""
        now = self.org.now
        if owner is NAME:
            return lambda spot: _shared(spot, name, now)
        read = self.org.tables[owner.name].reader(name)
        return lambda spot: read(spot[1], now)

    def wanted(self) -> tuple[Node, list[Column]]:
        """The field list as a tree and as flat columns. Raises 400 for what may not be selected."""
        top = Node(self.object)
        columns: list[Column] = []
        for item in self._expanded():
            column = self.column(item)
            if any(column.name == other.name for other in columns):
                raise malformed(f"duplicate field selected: {column.name}")
            columns.append(column)
            hops, end = self.steps(item)
            node = top
            for reference, owner in hops:
                below = node.items.setdefault(reference.relationship or "", Node(owner, reference))
                assert isinstance(below, Node)  # noqa: S101 - no field is called like a relationship
                node = below
            node.items[end.name] = end
        return top, columns

    def _expanded(self) -> list[Path]:
        """The field list with `FIELDS(...)` written out."""
        paths: list[Path] = []
        for item in self.query.selected:
            if isinstance(item, FieldSet):
                paths += self._set(item)
            elif isinstance(item, Path):
                paths.append(item)
        return paths

    def _set(self, item: FieldSet) -> list[Path]:
        limit = self.query.limit
        if item.name != "STANDARD" and (limit is None or limit > MAX_UNBOUNDED):
            message = f"The SOQL FIELDS function must have a LIMIT of at most {MAX_UNBOUNDED}"
            raise malformed(pointed(self.query.text, item.at, message))
        chosen = [f for f in self.object if item.name == "ALL" or f.custom == (item.name == "CUSTOM")]
        readable = self.org.readable
        return [Path((f.name,), item.at) for f in chosen if readable(self.user, self.object.name, f.name)]


def _shared(spot: Spot, name: str, now: int) -> Any:
    """A field of a record of any kind; what its kind does not have is None."""
    table, place = spot
    kind = table.object
    if name == "Type":
        return kind.name
    name = _CALLED.get(kind.name, name) if name == "Name" else name
    return table.value(place, name, now) if name in kind.fields else None
