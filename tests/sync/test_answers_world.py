"""Answers of both survey tools, pulled, resolved and compared with the truth: whose they are."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.registry import VENDORS
from mapping.fields import FieldMap
from mapping.identity import Settings, resolve
from sandbox.core import CREDENTIALS, Sandbox
from sandbox.mount import SandboxAdapter
from sandbox.surveymonkey_surveys import CES, CSAT
from sandbox.typeform import NPS_FORM, SCALE_FORM
from sandbox.world import OWN_DOMAIN, make_world
from sync import frames
from sync.pull import pull_all
from sync.store import Store

NOW = datetime(2026, 11, 22, tzinfo=UTC)
SETTINGS: dict[str, dict[str, Any]] = {
    "hubspot": {},
    "zendesk": {"subdomain": "sandbox"},
    "typeform": {"forms": {NPS_FORM: {}, SCALE_FORM: {"question": "recommend"}}},
    "surveymonkey": {"surveys": {CSAT: {"survey": "csat"}, CES: {"survey": "ces"}}},
}
PRECISION, RECALL = 0.999, 0.97


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, Sandbox]]:
    """Everything pulled once and resolved."""
    world = make_world(seed=11, accounts=60, people_per_account=6, months=9, horizon_days=0, now=NOW)
    box = Sandbox(world, vendors=tuple(SETTINGS))
    store = Store.open(tmp_path_factory.mktemp("answers"))
    sources = [(connected(name, box), FieldMap.load(name)) for name in SETTINGS]
    reports = pull_all(sources, store, box.clock)
    assert [report.error for report in reports if report.error] == []
    keys = frames.identity_keys(store, crm="hubspot")
    own = Settings(own_domains=(OWN_DOMAIN,))
    found = resolve("hubspot", keys.accounts, keys.people, keys.members, settings=own, merged=keys.merged)
    store.save_links(found, box.clock.now(), crm="hubspot")
    yield store, box
    store.close()


def connected(name: str, box: Sandbox) -> Any:
    module, known = VENDORS[name].load(), CREDENTIALS[name]
    given = {key: value for key, value in known.items() if key in module.Settings.model_fields}
    settings = module.Settings(**given, **SETTINGS[name], base_url=box.base_urls()[name])
    fields = FieldMap.load(name)
    wanted = {stream: fields.paths(stream) for stream in fields.streams}
    return module.connect(name, settings, clock=box.clock, adapter=SandboxAdapter(box), wanted=wanted)


def linked(store: Store, source: str, kind: str) -> dict[str, str]:
    """Key in answers -> the CRM's id."""
    rows = store.rows(
        f"SELECT r.source_id, c.source_id FROM link l JOIN {kind} r ON r.key = l.key JOIN {kind} c ON c.key = l.crm "
        "JOIN source s ON s.id = r.source WHERE l.kind = ? AND s.name = ?",
        (kind, source),
    )
    return dict(rows)


@pytest.mark.parametrize("source", ["typeform", "surveymonkey"])
@pytest.mark.parametrize("kind", ["account", "contact"])
def test_whose_answers_they_are(seen: tuple[Store, Sandbox], source: str, kind: str) -> None:
    store, box = seen
    truth, crm = box.truth()[source][kind], box.truth()["hubspot"][kind]
    found = {key.lower(): crm_id for key, crm_id in linked(store, source, kind).items()}
    wanted = {key.lower(): world_id for key, world_id in truth.items() if held(store, source, kind, key)}
    right = [key for key, crm_id in found.items() if crm.get(crm_id) == wanted.get(key)]
    assert len(found) > 15
    assert len(right) >= PRECISION * len(found), sorted(set(found) - set(right))
    reachable = {key for key, world_id in wanted.items() if reached(box, kind, key, world_id)}
    missed = reachable - set(right)
    assert len(missed) <= (1 - RECALL) * len(reachable), sorted(missed)


def held(store: Store, source: str, kind: str, key: str) -> bool:
    """Whether an answer that we have carries the key: previews and unfinished ones are not kept."""
    sql = f"SELECT 1 FROM {kind} r JOIN source s ON s.id = r.source WHERE s.name = ? AND lower(r.source_id) = lower(?)"
    return bool(store.rows(sql, (source, key)))


def reached(box: Sandbox, kind: str, key: str, world_id: int) -> bool:
    """Whether the CRM knows the record by this key at all, and once."""
    world = box.world
    crm_ids = [crm_id for crm_id, known in box.truth()["hubspot"][kind].items() if known == world_id]
    if len(crm_ids) != 1:
        return False
    if kind == "account":
        return key in crm_ids or world.companies[world_id - 1].crm_has_product_id
    person = world.people[world_id - 1]
    return key in crm_ids or "@" in key or person.crm_has_product_id


def test_every_answer_counts_for_the_right_account_or_for_none(seen: tuple[Store, Sandbox]) -> None:
    store, box = seen
    for source in ("typeform", "surveymonkey"):
        truth, crm = box.truth()[source]["survey_response"], box.truth()["hubspot"]["account"]
        rows = store.rows(
            """SELECT t.source_id, coalesce(a.source_id, w.source_id, h.source_id) FROM survey_response t
            JOIN source s ON s.id = t.source AND s.name = ?
            LEFT JOIN link al ON al.kind = 'account' AND al.key = t.account LEFT JOIN account a ON a.key = al.crm
            LEFT JOIN link cl ON cl.kind = 'contact' AND cl.key = t.contact LEFT JOIN contact c ON c.key = cl.crm
            LEFT JOIN account w ON w.key = c.account
            LEFT JOIN link hl ON hl.kind = 'home' AND hl.key = t.contact LEFT JOIN account h ON h.key = hl.crm""",
            (source,),
        )
        counted = [(key, crm[account]) for key, account in rows if account is not None]
        assert [key for key, company in counted if truth[key] != company] == []
        assert 0.7 < len(counted) / len(rows) < 0.95, "some tell nobody who they were"
