"""One HubSpot account: its records, properties, owners and associations, and everything that changes them."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

from sandbox.hubspot_activities import KINDS, Activities
from sandbox.hubspot_errors import ApiError, contact_exists, invalid_values, locked, problem, validation
from sandbox.hubspot_index import SearchIndex
from sandbox.hubspot_links import Links
from sandbox.hubspot_render import Bases, owner_id, to_ms
from sandbox.hubspot_schema import Schema, add_options
from sandbox.hubspot_store import Lazily, Table
from sandbox.hubspot_types import ALIASES, OBJECTS
from sandbox.model import Owner, World

Reply = tuple[int, Any]
"""HTTP status and JSON body; None for no body."""

BIN_MS = 90 * 86_400_000
"""How long deleted records stay in the recycle bin."""
LOCK_MS = 2_000
_SOURCE_IDS = {"INTEGRATION": "1", "AUTOMATION_PLATFORM": "enrollmentId:1;actionExecutionIndex:0"}
"""What did it, by source type; the form of a workflow's is one of several that are in use."""
ADMINISTRATOR = 1
"""The user id of whoever works in the account's own pages, unless somebody else is named."""


@dataclass(slots=True)
class Options:
    """What can be switched about the simulated account; `mutate("options", {...})` changes it while it runs.

    Attributes:
        search_lag: Seconds by which the search index runs behind.
        burst_limit: Calls per rolling 10 s and static token; None for no limit.
        oauth_burst_limit: The same for OAuth tokens.
        search_limit: Searches per second and account.
        daily_limit: Calls per day and account.
        retry_after: Whether 429 answers carry `Retry-After`; HubSpot's do not always.
        time_zone: The account's own zone; the day of the daily limit ends at its midnight.
        portal_id: The account's number.
        account_type: STANDARD, SANDBOX, DEVELOPER_TEST, ...
        currency: The account's home currency.
        legacy_paths: False answers 404 to every v1, v3 and v4 path: life after September 2027.
        merge_mints_id: Whether a merge gives the surviving record a new id.
        lock_after: More record updates than this within a second lock the account for 2 s (423); None for never.
        migrating: Seconds to announce in a 477 answer to everything; None while the account is not being moved.
        edge_530: Whether a token that cannot be one is refused by the edge (530) rather than with 401.
        uri_limit: Longest path with query, in characters.
        leave_out: Share of optional keys left out of record JSON at random.
        leave_out_seed: What that chance is drawn from.
        plain_partial: Whether partly successful batches answer 200 or 201 in place of 207, as 2026-09 describes it.
        association_error: Status for an association with a record that is gone, 400 or 404.
        property_limit: Custom properties allowed per kind of record.
        task_unique_properties: What becomes of a task property that is to have unique values: "refused" (HubSpot's
            published list of objects that take them has no activities), "allowed" (its batch upsert of tasks is
            documented to go by one), or "ignored" (made, but not unique).
        association_lag: Seconds until a new association shows in reads; none is documented.
        refuse_inactive_owners: Whether a record cannot be given to an owner who left; not documented either way.
    """

    search_lag: float = 10.0
    burst_limit: int | None = 190
    oauth_burst_limit: int | None = 110
    search_limit: int | None = 5
    daily_limit: int | None = 625_000
    retry_after: bool = True
    time_zone: str = "America/New_York"
    portal_id: int = 4_242_001
    account_type: str = "STANDARD"
    currency: str = "USD"
    legacy_paths: bool = True
    merge_mints_id: bool = False
    lock_after: int | None = None
    migrating: int | None = None
    edge_530: bool = True
    uri_limit: int = 8000
    leave_out: float = 0.0
    leave_out_seed: int = 1
    plain_partial: bool = False
    association_error: int = 400
    property_limit: int = 1000
    task_unique_properties: str = "refused"
    association_lag: float = 0.0
    refuse_inactive_owners: bool = False

    def changed(self, values: Mapping[str, Any]) -> "Options":
        """A copy with other values. Raises `ValueError` naming what is unknown."""
        unknown = sorted(set(values) - {f.name for f in fields(self)})
        if unknown:
            raise ValueError(f"unknown option {unknown[0]!r}; known: {', '.join(f.name for f in fields(self))}")
        return replace(self, **values)


@dataclass(slots=True)
class Call:
    """One authenticated, routed request.

    Attributes:
        params: From the path.
        query: Query parameters, each with all its values.
        body: The JSON body; {} when there is none.
        version: "v3", "2026-09", ...
        root: URL up to and including the vendor's prefix, without a trailing slash.
        path: The path under it.
    """

    params: Mapping[str, str]
    query: Mapping[str, Sequence[str]] = field(default_factory=dict)
    body: Any = field(default_factory=dict)
    version: str = "v3"
    root: str = ""
    path: str = ""

    @property
    def kind(self) -> str:
        """The kind of record the path names. Raises 400 for an unknown one."""
        return kind_of(self.params["kind"])

    def names(self, key: str) -> list[str]:
        """A repeated and comma-joined query parameter as a list."""
        return [name for value in self.query.get(key, ()) for name in value.split(",") if name]

    def flag(self, key: str) -> bool:
        """A boolean query parameter, in any case."""
        return self.text(key).lower() == "true"

    def text(self, key: str) -> str:
        """A query parameter's first value; empty when absent."""
        values = self.query.get(key, ())
        return values[0] if values else ""

    def link(self, after: str) -> str:
        """The URL of the next page."""
        from urllib.parse import urlencode

        pairs = [(k, v) for k, values in self.query.items() if k != "after" for v in values]
        return f"{self.root}{self.path}?{urlencode([*pairs, ('after', after)])}"


def kind_of(name: str) -> str:
    """The plural of `contacts`, `contact` or `0-1`. Raises 400 for an unknown one."""
    if name.lower() not in ALIASES:
        raise validation(f"Unable to infer object type from: {name}")
    return ALIASES[name.lower()]


@dataclass(slots=True)
class Flow:
    """A workflow: when a property is written over the API, another one is set some seconds later."""

    kind: str
    when: str
    set: str
    value: str | None
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Rule:
    """A validation rule of the account: refuses writes over the API of a property, or of any when it names none."""

    kind: str
    message: str
    property: str | None = None


class Portal:
    """The account. `now` (epoch milliseconds) is moved by the vendor before every request."""

    def __init__(self, world: World, now: int, options: Options) -> None:
        self.world = world
        self.now = now
        self.options = options
        self.objects = OBJECTS
        bases = Bases(world)
        activities = Activities(bases)
        self.tables: dict[str, Table] = Lazily(
            lambda name: Table(OBJECTS[name], (activities.base if name in KINDS else bases.build)(name))
        )
        self.schemas = {name: Schema(name, to_ms(world.start)) for name in OBJECTS}
        self.links = Links(self, bases, activities)
        self.owners: dict[str, Owner] = {str(owner_id(o.id)): o for o in world.owners}
        self.inactive: dict[str, bool] = {key: not o.active for key, o in self.owners.items()}
        self.flows: list[Flow] = []
        self.rules: list[Rule] = []
        self._due: list[tuple[int, str, int, dict[str, str | None]]] = []
        self._recent: list[tuple[int, int]] = []
        self._locked_until = 0

    @cached_property
    def indexes(self) -> dict[str, SearchIndex]:
        """The search indexes, made when first needed: reading lists alone does not pay for them."""
        return Lazily(lambda name: SearchIndex(self.tables[name], self.now, round(self.options.search_lag * 1000)))

    kind_of = staticmethod(kind_of)

    def set_options(self, values: Mapping[str, Any]) -> None:
        """Change options while running. Raises `ValueError` for unknown ones."""
        self.options = self.options.changed(values)
        for index in self.indexes.values():
            index.lag = round(self.options.search_lag * 1000)

    def known(self, kind: str, names: Iterable[str]) -> list[str]:
        """The names that are properties; unknown ones are ignored on reading."""
        properties = self.schemas[kind].properties
        return [name for name in names if name in properties]

    def lock_check(self, records: int) -> None:
        """Count record updates. Raises 423 while locked."""
        limit = self.options.lock_after
        if limit is None:
            return
        if self.now < self._locked_until:
            raise locked()
        self._recent = [(at, n) for at, n in self._recent if self.now - 1000 < at <= self.now] + [(self.now, records)]
        if sum(n for _, n in self._recent) > limit:
            self._locked_until, self._recent = self.now + LOCK_MS, []
            raise locked()

    def check(self, kind: str, values: Any, *, system: bool = False) -> dict[str, str | None]:
        """Turn sent values into stored ones. Raises 400 for what properties do not take."""
        if not isinstance(values, Mapping) or any(isinstance(v, list | dict) for v in values.values()):
            raise validation("Invalid input JSON: properties must be an object of texts")
        gone = {key for key, left in self.inactive.items() if left and self.options.refuse_inactive_owners}
        stored, problems = self.schemas[kind].check(values, frozenset(self.owners.keys() - gone), system=system)
        for rule in self.rules:
            if rule.kind == kind and not system and (rule.property is None or rule.property in values):
                name = rule.property or next(iter(values), "")
                problems.append(problem(name, "FAILED_VALIDATION", rule.message))
        if problems:
            raise invalid_values(problems, self.options.portal_id)
        return stored

    def check_unique(self, kind: str, stored: Mapping[str, str | None], record_id: int | None) -> None:
        """Raises 409 for an e-mail address and 400 for a unique value that another record has."""
        for name, value in stored.items():
            definition = self.schemas[kind].properties[name]
            if not value or not (definition.unique or self.is_email(kind, name)):
                continue
            holder = self.find_by(kind, name, value)
            if holder is None or holder == record_id:
                continue
            if self.is_email(kind, name):
                raise contact_exists(holder)
            taken = problem(name, "CONFLICTING_UNIQUE_VALUE", f"{holder} already has that value.")
            raise invalid_values([taken], self.options.portal_id)

    @staticmethod
    def is_email(kind: str, name: str) -> bool:
        """A contact's e-mail address is unique although its definition does not say so."""
        return kind == "contacts" and name == "email"

    @cached_property
    def _emails(self) -> dict[str, int]:
        table = self.tables["contacts"]
        return {p.email.lower(): i for i, p in zip(table.ids, table.items, strict=True) if p is not None and p.email}

    def find_by(self, kind: str, name: str, value: str) -> int | None:
        """The living record with this unique value."""
        table = self.tables[kind]
        folded = value.strip().lower()
        rows = (i for i, log in table.written.items() if (log.values.get(name) or "").lower() == folded)
        holder = next((i for i in rows if table.alive(i, self.now)), None)
        if holder is not None or not self.is_email(kind, name):
            return holder
        first = self._emails.get(folded)
        if first is None or not table.alive(first, self.now):
            return None
        overwritten = first in table.written and name in table.written[first].values
        return None if overwritten else first

    def write(
        self,
        kind: str,
        record_id: int,
        stored: Mapping[str, str | None],
        source: str = "INTEGRATION",
        *,
        user: int | None = None,
    ) -> None:
        """Store values and move the modified stamp, also when nothing differs; workflows follow.

        Args:
            kind: Kind of record.
            record_id: The record.
            stored: Checked values.
            source: What the history calls the source of the change.
            user: Who did it by hand; None for programs.
        """
        table, schema = self.tables[kind], self.schemas[kind]
        place = table.position(record_id)
        assert place is not None  # noqa: S101 - callers look the record up first
        log = table.touch(record_id)
        values = dict(stored)
        if user is not None and "hs_updated_by_user_id" in schema.properties:
            values["hs_updated_by_user_id"] = str(user)
        source_id = f"userId:{user}" if user is not None else _SOURCE_IDS.get(source, "")
        for name, value in stored.items():
            if value is not None and schema.properties[name].field_type == "checkbox":
                values[name] = add_options(schema.properties[name], table.value(place, name, self.now), value)
            log.history.setdefault(name, []).insert(0, (self.now, values[name], source, source_id))
        log.values = {**log.values, **values}
        self.stamp(kind, record_id)
        if source == "INTEGRATION":
            self._start_flows(kind, record_id, stored)

    def stamp(self, kind: str, record_id: int) -> None:
        """Move a record's modified stamp to now and let the search index hear of it."""
        self.tables[kind].touch(record_id).modified = self.now
        self.indexes[kind].note(record_id, self.now)

    def _start_flows(self, kind: str, record_id: int, stored: Mapping[str, str | None]) -> None:
        for flow in self.flows:
            if flow.kind == kind and flow.when in stored:
                self._due.append((self.now + round(flow.delay * 1000), kind, record_id, {flow.set: flow.value}))
        self.run_flows()

    def run_flows(self) -> None:
        """Let workflows that are due do their writes, each at its own time."""
        due = sorted((row for row in self._due if row[0] <= self.now), key=lambda row: row[0])
        self._due = [row for row in self._due if row[0] > self.now]
        present = self.now
        for at, kind, record_id, values in due:
            self.now = at
            if self.tables[kind].alive(record_id, at):
                self.write(kind, record_id, values, "AUTOMATION_PLATFORM")
        self.now = present

    def create(
        self, kind: str, stored: Mapping[str, str | None], source: str = "INTEGRATION", *, user: int | None = None
    ) -> int:
        """Make a record and return its id."""
        # Pending index entries would be lost if the index were made only after the record.
        _ = self.indexes[kind]
        record_id = self.tables[kind].add(self.now)
        self.write(kind, record_id, stored, source, user=user)
        return record_id

    def archive(self, kind: str, record_id: int) -> None:
        """Move a record to the recycle bin; the modified stamp stays."""
        _ = self.indexes[kind]
        log = self.tables[kind].touch(record_id)
        log.archived_at = self.now
        self.indexes[kind].note(record_id, self.now)

    def merge(self, kind: str, winner: int, loser: int) -> int:
        """Merge two records; returns the surviving id, a new one when the account mints them."""
        _ = self.indexes[kind]
        target = self._reborn(kind, winner) if self.options.merge_mints_id else winner
        for gone in {winner, loser} - {target}:
            self._absorb(kind, target, gone)
        self.stamp(kind, target)
        return target

    def _reborn(self, kind: str, record_id: int) -> int:
        """A copy of a record under a new id."""
        table = self.tables[kind]
        place = bisect_left(table.ids, record_id)
        values = {name: table.value(place, name, self.now) for name in self.schemas[kind].properties}
        fresh = table.add(self.now)
        table.written[fresh].values = {name: value for name, value in values.items() if value is not None}
        table.written[fresh].reborn_from = record_id
        return fresh

    def _absorb(self, kind: str, target: int, gone: int) -> None:
        """The target takes the associations, and the values it lacks, of a record that goes."""
        table = self.tables[kind]
        here, there = table.position(target), table.position(gone)
        assert here is not None and there is not None  # noqa: S101, PT018 - callers look both up first
        log, lost = table.touch(target), table.touch(gone)
        missing = {
            name: table.value(there, name, self.now)
            for name in self.schemas[kind].properties
            if table.value(here, name, self.now) is None
        }
        log.values = {**log.values, **{name: value for name, value in missing.items() if value is not None}}
        log.merged = (*log.merged, *lost.merged, gone)
        self.links.move(kind, gone, target)
        lost.merged_into = target
        self.indexes[kind].note(gone, self.now)

    def gone_target(self, kind: str, record_id: str) -> ApiError:
        """The answer to an association with a record that does not live."""
        message = f"{OBJECTS[kind].singular.upper()}={record_id} is not valid"
        category = "OBJECT_NOT_FOUND" if self.options.association_error == 404 else "VALIDATION_ERROR"
        body = {
            "status": "error",
            "message": message,
            "category": category,
            "subCategory": "crm.associations.INVALID_OBJECT_IDS",
        }
        return ApiError(self.options.association_error, body)
