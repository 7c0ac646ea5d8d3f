"""Intercom beside HubSpot and Zendesk: who is who, how often a request counts, and a rating that reaches a score."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.registry import VENDORS
from mapping.fields import FieldMap
from mapping.identity import Settings, resolve
from sandbox.core import CREDENTIALS, Sandbox
from sandbox.intercom_books import key_of
from sandbox.mount import SandboxAdapter
from sandbox.world import OWN_DOMAIN, make_world
from scoring.card import Scorecard
from scoring.engine import score
from scoring.inputs import ScoreRow
from sync import frames
from sync.pull import pull_all
from sync.store import Store

NOW = datetime(2026, 11, 22, tzinfo=UTC)
SETTINGS: dict[str, dict[str, Any]] = {"hubspot": {}, "zendesk": {"subdomain": "sandbox"}, "intercom": {}}
PRECISION, RECALL = 0.999, 0.97


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, Sandbox]]:
    """Everything pulled once and resolved."""
    world = make_world(seed=11, accounts=60, people_per_account=6, months=6, horizon_days=2, now=NOW)
    box = Sandbox(world, vendors=tuple(SETTINGS))
    store = Store.open(tmp_path_factory.mktemp("intercom"))
    pull(store, box)
    yield store, box
    store.close()


def pull(store: Store, box: Sandbox) -> None:
    """One run, up to who is who."""
    reports = pull_all([(connected(name, box), FieldMap.load(name)) for name in SETTINGS], store, box.clock)
    assert [report.error for report in reports if report.error] == []
    keys = frames.identity_keys(store, crm="hubspot")
    own = Settings(own_domains=(OWN_DOMAIN,))
    found = resolve("hubspot", keys.accounts, keys.people, keys.members, settings=own, merged=keys.merged)
    store.save_links(found, box.clock.now(), crm="hubspot")


def connected(name: str, box: Sandbox) -> Any:
    module, known = VENDORS[name].load(), CREDENTIALS[name]
    given = {key: value for key, value in known.items() if key in module.Settings.model_fields}
    settings = module.Settings(**given, **SETTINGS[name], base_url=box.base_urls()[name])
    return module.connect(name, settings, clock=box.clock, adapter=SandboxAdapter(box))


def scores(store: Store, box: Sandbox) -> dict[str, ScoreRow]:
    """HubSpot's id -> the account's score."""
    inputs = frames.inputs(store, box.clock.now(), crm="hubspot")
    with store.released():
        return {row.crm_id: row for row in score(Scorecard.load(), inputs, levels=("account",))}


def linked(store: Store, kind: str) -> dict[str, str]:
    """Intercom's id -> HubSpot's."""
    rows = store.rows(
        f"SELECT r.source_id, c.source_id FROM link l JOIN {kind} r ON r.key = l.key JOIN {kind} c ON c.key = l.crm "
        "JOIN source s ON s.id = r.source WHERE l.kind = ? AND s.name = 'intercom'",
        (kind,),
    )
    return dict(rows)


@pytest.mark.parametrize("kind", ["account", "contact"])
def test_who_is_who(desk: tuple[Store, Sandbox], kind: str) -> None:
    store, box = desk
    truth, crm = box.truth()["intercom"][kind], box.truth()["hubspot"][kind]
    found = linked(store, kind)
    right = [key for key, crm_id in found.items() if crm.get(crm_id) == truth.get(key)]
    assert len(found) > 30
    assert len(right) >= PRECISION * len(found), sorted(set(found) - set(right))
    once = {number for number in crm.values() if list(crm.values()).count(number) == 1}
    entries: Any = box.vendors["intercom"]
    if kind == "account":
        reachable = {
            key
            for key, number in truth.items()
            if number in once
            and (number % 2 == 0 or (number % 17 != 5 and box.world.companies[number - 1].crm_has_product_id))
        }
    else:
        people = box.world.people
        reachable = {
            key
            for key, number in truth.items()
            if number in once
            and people[number - 1].email
            and not (entries.books.contacts[key].lead and number % 9 == 4)
        }
    missed = reachable - set(right)
    assert len(missed) <= (1 - RECALL) * len(reachable), sorted(missed)


def test_a_conversation_and_a_ticket_count_once_each(desk: tuple[Store, Sandbox]) -> None:
    store, box = desk
    held = dict(
        store.rows("SELECT s.name, count(*) FROM ticket t JOIN source s ON s.id = t.source GROUP BY s.name ORDER BY 1")
    )
    talks = [one.talk for one in box.vendors["intercom"].books.talks.values()]  # type: ignore[attr-defined]
    now = box.clock.now()
    assert held["intercom"] == sum(talk.created_at <= now and not talk.outbound for talk in talks)
    shared = store.rows("SELECT source_id FROM ticket GROUP BY source_id HAVING count(*) > 1")
    assert shared == [], "no request stands in both"


def test_a_rating_reaches_the_score_of_its_customer(desk: tuple[Store, Sandbox]) -> None:
    store, box = desk
    before = scores(store, box)
    accounts = linked(store, "account")
    vendor: Any = box.vendors["intercom"]
    stale = (box.clock.now() - timedelta(days=20)).timestamp()
    old = [one for one in vendor.books.talks.values() if one.created < stale and one.talk.rating is None]
    asked = [(one, accounts.get(key_of("company", one.talk.company_id), "")) for one in old if not one.talk.outbound]
    talk, home = next((one, home) for one, home in asked if home in before and satisfaction(before[home]) == 100)
    box.mutate("intercom", "rate", id=talk.key, rating=1, remark="This is a complaint: it is slow.")
    box.clock.advance(timedelta(minutes=5))
    pull(store, box)
    after = scores(store, box)
    assert satisfaction(after[home]) < 100
    assert {key for key in before if satisfaction(before[key]) != satisfaction(after[key])} == {home}
    points = [
        next(one.points or 0 for one in row[home].signals if one.name == "satisfaction") for row in (before, after)
    ]
    assert points[1] < points[0], "and with it the signal's points"


def satisfaction(row: ScoreRow) -> int:
    """What the shipped scorecard's signal reads, of 100; -1 where nobody answered."""
    found = row.features["satisfaction"]
    return found if isinstance(found, int) else -1
