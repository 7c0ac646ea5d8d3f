"""E-mails, calls and meetings of either CRM, up to the features that look at them."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from cli.app import open_agent
from cli.look import scored_rows
from cli.trial import vendors, write_trial_config
from sandbox.core import HUBSPOT_TOKEN, Sandbox, hubspot_company_id
from sandbox.hubspot_access import ALL_SCOPES
from sandbox.model import Touch
from sandbox.salesforce_ids import account_id
from sandbox.serve import serve
from sandbox.world import SeededWorld, make_world
from tests.cli.conftest import NOW

ASKED = ("inbound_90d", "outbound_90d", "inbound_share", "reply_hours", "days_since_email_open", "email_engagement")
RULE = " OR ".join(f"{name} >= 0" for name in ASKED)
EVERY = {"hubspot": ("emails", "calls", "meetings"), "salesforce": ("emails", "meetings")}


@pytest.fixture(scope="module")
def company() -> SeededWorld:
    return make_world(seed=5, accounts=10, people_per_account=3, months=5, now=NOW)


def features(company: SeededWorld, folder: Path, card: str, crm: str, on: tuple[str, ...], *, few: bool = False) -> Any:
    """Account -> what it is told of each feature."""
    options = {"salesforce": {"activities": True}}
    sandbox = Sandbox(company, vendors=vendors(crm), options={crm: options.get(crm, {})})
    if few:
        sandbox.mutate("hubspot", "token", token=HUBSPOT_TOKEN, scopes=sorted(ALL_SCOPES - {"sales-email-read"}))
    with serve(sandbox) as running:
        config = write_trial_config(folder, running.base_urls)
        text = config.read_text("utf-8").partition("[sources.")[0]  # the CRM alone
        settings = "".join(f"{name} = true\n" for name in on)
        text = text.replace(f'type = "{crm}"\n', f'type = "{crm}"\n{settings}')
        config.write_text(f'{text}[state]\ndir = "state"\n[scoring]\ncard = "card.toml"\n', encoding="utf-8")
        (folder / "card.toml").write_text(
            f'{card}\n[account.segments.heard]\nlabel = "Heard"\nrule = "{RULE}"\n', encoding="utf-8"
        )
        with open_agent(config, sandbox.clock) as agent:
            report = agent.run(dry_run=True)
            assert not report.failed
            rows = scored_rows(agent, report.as_of)
    return {row.crm_id: {name: row.features[name] for name in ASKED} for row in rows if row.level == "account"}


def age(moment: datetime) -> int:
    return (NOW.date() - moment.date()).days


def truth(touches: list[Touch]) -> dict[str, int | None]:
    """What the world says of one company, but for the times of answers."""
    past = [t for t in touches if t.at <= NOW and t.done]
    theirs = sum(t.inbound is True and age(t.at) < 90 for t in past)
    ours = sum(t.inbound is False and age(t.at) < 90 for t in past)
    opened = [moment for t in past if t.tracked for moment in t.opened if moment <= NOW]
    tracked = [t for t in past if t.tracked and age(t.at) < 90]
    read = sum(t.opened[:1] != () and t.opened[0] <= NOW for t in tracked)
    return {
        "inbound_90d": theirs,
        "outbound_90d": ours,
        "inbound_share": 100 * theirs // (theirs + ours) if theirs + ours >= 3 else None,
        "days_since_email_open": min(map(age, opened), default=None),
        "email_engagement": 100 * read // len(tracked) if len(tracked) >= 3 else None,
    }


@pytest.mark.requirement("R65")
@pytest.mark.requirement("R97")
@pytest.mark.parametrize("crm", EVERY)
def test_what_was_said_is_known_to_the_features(company: SeededWorld, tmp_path: Path, card_text: str, crm: str) -> None:
    found = features(company, tmp_path, card_text, crm, EVERY[crm])
    ids = {str(hubspot_company_id(c.id)) if crm == "hubspot" else account_id(c.id): c.id for c in company.companies}
    for key, said in found.items():  # those that left are not scored
        wanted = truth([touch for touch in company.touches if touch.company_id == ids[key]])
        assert {name: said[name] for name in wanted} == wanted, ids[key]
    assert sum(said["reply_hours"] is not None for said in found.values()) > 6
    assert len({said["inbound_share"] for said in found.values()}) > 3


def test_what_is_not_read_is_not_known(company: SeededWorld, tmp_path: Path, card_text: str) -> None:
    off = features(company, tmp_path / "off", card_text, "hubspot", ())
    assert {value for said in off.values() for value in said.values()} == {None}
    few = features(company, tmp_path / "few", card_text, "hubspot", EVERY["hubspot"], few=True)
    assert {said["days_since_email_open"] for said in few.values()} == {None}
    calls = [t for t in company.touches if t.kind == "call" and t.at <= NOW and age(t.at) < 90]
    assert sum(said["outbound_90d"] for said in few.values()) == sum(t.done and t.inbound is False for t in calls) > 0
