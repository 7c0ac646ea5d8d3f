"""Who is who, with every source on: how many of the links are true, and how many that could be made were made.

The truth is the world's own: two records belong together exactly when they stand for the same company or person. Left
out are records that nobody could tie to the CRM: people it does not know, shared inboxes, and records that have neither
an address nor an id in common with their counterpart, directly or through a record of a third system.
"""

import json
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cli.app import open_agent
from cli.demo import NO_LIMITS, DemoClock
from cli.trial import vendors, write_trial_config
from sandbox import shelf
from sandbox.core import Sandbox
from sandbox.serve import serve
from sandbox.world import SeededWorld, make_world
from sync.store import Store

Kind = Literal["account", "contact"]
CRM = "hubspot"


@dataclass(frozen=True, slots=True)
class Figures:
    """Links of one source: how many there are, how many are wrong; how many could be, and of these how many are."""

    kind: Kind
    source: str
    links: int
    wrong: int
    knowable: int
    found: int

    @property
    def precision(self) -> float:
        """Share of the links that are true."""
        return 1 - self.wrong / self.links if self.links else 1.0

    @property
    def recall(self) -> float:
        """Share of the links that could be made."""
        return self.found / self.knowable if self.knowable else 1.0


@contextmanager
def pulled(world: SeededWorld) -> Iterator[tuple[Store, dict[str, Any]]]:
    """A state after every source was read once, and the truth about its records."""
    box = Sandbox(world, vendors=vendors(CRM, everything=True), options=NO_LIMITS)
    with tempfile.TemporaryDirectory() as folder, serve(box) as running:
        config = write_trial_config(Path(folder), running.base_urls, shelf=(world, box.clock.now()))
        with open_agent(config, clock=DemoClock(box.clock)) as agent:
            report = agent.run(dry_run=True)
            assert not report.failed, report.failed
            beside = shelf.truth(world)
            own = {"telephone": beside[shelf.WAREHOUSE], "bookings": beside[shelf.BOOKINGS]}
            yield agent.store, {**box.truth(), **own}


def figures(store: Store, truth: dict[str, Any], world: SeededWorld) -> list[Figures]:
    """Of each kind of record of each source that names any."""
    found = []
    people = {person.id for person in world.people if person.kind == "person"}
    kinds: tuple[Kind, ...] = ("account", "contact")
    for kind in kinds:
        records = list(_records(store, kind))
        crm, held = _of_crm(records, truth[CRM][kind])
        through: dict[str, set[str]] = defaultdict(set)
        for _, _, _, keys in records:
            for key in keys:
                through[key] |= keys
        links: dict[int, int] = dict(store.rows("SELECT key, crm FROM link WHERE kind = ?", (kind,)))
        for source in sorted({source for _, source, _, _ in records} - {CRM}):
            told = truth.get(source, {}).get(kind, {})
            known = [(key, told[name], keys) for key, of, name, keys in records if of == source and name in told]
            known = [one for one in known if kind == "account" or one[1] in people]
            linked = [(links[key], number) for key, number, _ in known if key in links]
            wrong = sum(crm.get(place) != number for place, number in linked)
            reach = [key for key, number, keys in known if keys.union(*(through[k] for k in keys)) & held[number]]
            if known:
                found.append(Figures(kind, source, len(linked), wrong, len(reach), sum(key in links for key in reach)))
    return found


def _records(store: Store, kind: str) -> Iterator[tuple[int, str, str, set[str]]]:
    """Key, source, id there, and everything by which a careful person could tell who it is."""
    emails = "email, other_emails" if kind == "contact" else "NULL, domains"
    rows = store.rows(
        f"SELECT {kind}.key, source.name, source_id, {emails}, external_ids FROM {kind} "
        f"JOIN source ON source.id = {kind}.source WHERE valid_to IS NULL"
    )
    for key, source, name, email, others, ids in rows:
        # Ids are keys too: survey links carry the CRM's, events carry the product's.
        held = {name, *json.loads(others or "[]"), *json.loads(ids or "{}").values(), *((email,) if email else ())}
        yield key, source, name, held


def _of_crm(
    records: list[tuple[int, str, str, set[str]]], truth: dict[str, int]
) -> tuple[dict[int, int], dict[int, set[str]]]:
    """Key of a CRM record -> world id; world id -> everything by which the CRM knows it."""
    crm = {key: truth[name] for key, source, name, _ in records if source == CRM and name in truth}
    held: dict[int, set[str]] = defaultdict(set)
    for key, _, _, keys in records:
        if key in crm:
            held[crm[key]] |= keys
    return crm, held


def main() -> list[dict[str, Any]]:
    """Precision and recall of each source, and the worst of each."""
    world = make_world(1, 300)
    with pulled(world) as (store, truth):
        every = figures(store, truth, world)
    rows: list[dict[str, Any]] = []
    for one in every:
        name = f"{one.source}, {one.kind}s: {one.links:,} links, {one.knowable:,} possible"
        rows.append({"name": name, "value": f"{one.precision:.4f} / {one.recall:.4f}", "unit": "precision / recall"})
    worst = f"{min(one.precision for one in every):.4f} / {min(one.recall for one in every):.4f}"
    return [*rows, {"name": "the worst of each", "value": worst, "unit": "precision / recall"}]
