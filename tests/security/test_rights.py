"""`check` says which rights are missing, and which the credentials have and Holdfast never needs.

That missing rights are named, for every vendor, is tests/conformance ("a missing right is named", "a check names every
right that is missing").
"""

import logging
from pathlib import Path
from typing import Any

import pytest

from cli.app import wire
from connectors.base import FieldSpec, Finding
from connectors.known import Weighs, all_written
from sandbox.core import Sandbox
from sandbox.faults import Fault
from sandbox.model import World
from sandbox.world import make_world
from sandbox.zendesk import OAUTH_TOKEN, OAUTH_WIDE
from tests.conformance.rigs.zendesk import ZendeskSource
from tests.connectors.conftest import Org, Portal
from tests.connectors.hubspot_portals import LEAST
from tests.connectors.mixpanel_project import opened
from tests.instants import START

SCORE = FieldSpec("account", "holdfast_score", "Score", "number")
ENGAGEMENT = FieldSpec("contact", "holdfast_engagement", "Engagement", "number")
SPECS = (FieldSpec("account", "Score__c", "Score", "number"), FieldSpec("contact", "Engagement__c", "E", "number"))
SECRET = "pat-na1-canary"


@pytest.fixture(scope="module")
def tiny() -> World:
    return make_world(seed=3, accounts=3, people_per_account=2, months=1, horizon_days=0, now=START)


def found(source: Any, code: str) -> list[Finding]:
    return [finding for finding in source.check() if finding.code == code]


# -- HubSpot -------------------------------------------------------------------------------------------------------


@pytest.fixture
def portal(tiny: World) -> Portal:
    return Portal(tiny)


def granted(portal: Portal, *more: str, without: str = "", **settings: Any) -> list[Finding]:
    """What `check` says of rights with a token that has what is needed, and so on."""
    portal.do("token", token=SECRET, scopes=[*(scope for scope in LEAST if scope != without), *more])
    crm = portal.connect(token=SECRET, **{"own_fields": (SCORE, ENGAGEMENT), **settings})
    return [one for one in crm.check() if one.code in {"missing_scope", "write_scopes", "more_rights"}]


def test_hubspot_scopes_are_weighed_against_what_the_config_does(
    portal: Portal, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    (well,) = granted(portal)
    assert (well.severity, well.message) == (
        "ok",
        "The token may write what this config writes: companies, contacts, tasks.",
    )
    harmless = ("oauth", "crm.schemas.deals.read")
    well, more = granted(portal, "crm.objects.deals.write", "sales-email-read", "automation", *harmless)
    assert (more.severity, more.code) == ("info", "more_rights")
    assert more.message.endswith("never uses: automation, crm.objects.deals.write, sales-email-read.")
    assert "docs/vendors/hubspot.md" in more.advice
    (well,) = granted(portal, "sales-email-read", emails=True)
    assert well.code == "write_scopes", "what a stream needs is not too much while the stream is read"
    (wide,) = granted(portal, own_fields=())
    assert "crm.objects.companies.write, crm.objects.contacts.write" in wide.message, "a source needs no right to write"
    assert portal.box.journal.writes() == 0
    assert not [request for request in portal.requests() if SECRET in request], "no token in an address"
    assert SECRET not in caplog.text


def test_a_hubspot_right_to_write_that_is_missing_is_an_error_before_the_first_write(portal: Portal) -> None:
    lacks, *_ = granted(portal, without="crm.objects.contacts.write")
    assert (lacks.severity, lacks.code) == ("error", "missing_scope")
    assert lacks.message == "The token may not write contacts and tasks (scope crm.objects.contacts.write)."
    well, setup = granted(portal, without="crm.schemas.companies.write")
    assert (well.severity, setup.severity, setup.code) == ("ok", "warning", "missing_scope")
    assert "setup --files" in setup.advice
    portal.crm.setup([SCORE, ENGAGEMENT], dry_run=False)
    assert [one.severity for one in granted(portal, without="crm.schemas.companies.write")] == ["ok"]


@pytest.mark.parametrize("answer", [{"status": 404, "body": {}}, {"status": 200, "body": {"scopes": None}}])
def test_where_hubspot_does_not_tell_the_scopes_that_is_said_and_nothing_concluded(
    portal: Portal, answer: dict[str, Any]
) -> None:
    portal.fault("status", "access-token-info", **answer)
    (note,) = granted(portal)
    assert (note.severity, note.code) == ("info", "write_scopes")
    assert "Writing needs crm.objects.companies.write, crm.objects.contacts.write" in note.message
    portal.fault("status", "access-token-info", **answer)
    (note,) = granted(portal, own_fields=())
    assert "Writing" not in note.message
    assert SECRET not in f"{note.message} {note.advice}"


# -- Salesforce ----------------------------------------------------------------------------------------------------


@pytest.fixture
def org(tiny: World) -> Org:
    """An org whose agent may do what it must, and nothing else."""
    org = Org(tiny)
    for kind in ("Account", "Contact", "Opportunity", "Case", "Contract"):
        org.do("revoke", object=kind, rights=["Create", "Edit", "Delete"])
        if kind in {"Account", "Contact"}:
            org.do("grant", object=kind, rights=["Edit"])
    return org


def test_salesforce_with_no_more_than_is_needed(org: Org) -> None:
    assert found(org.connect(own_fields=SPECS), "more_rights") == []


def test_salesforce_with_more_than_is_needed(org: Org) -> None:
    org.do("permit", rights=["ModifyAllData", "ManageUsers"])
    org.do("grant", object="Account", rights=["Read", "Edit", "Delete", "ViewAllRecords", "ModifyAllRecords"])
    org.do("grant", object="Case", rights=["Create", "Edit"])
    wide, spare = found(org.connect(own_fields=SPECS), "more_rights")
    assert (wide.severity, spare.severity) == ("warning", "info")
    assert wide.message.endswith("'Manage Users', 'Modify All Data', 'Modify All' on Account.")
    assert spare.message.endswith("never uses: Account (delete), Case (create, edit).")
    only_read = found(org.connect(), "more_rights")[1].message
    assert "Account (edit, delete), Contact (edit), " in only_read, "a source needs no right to write"
    assert org.box.journal.writes() == 0


def test_salesforce_where_permission_sets_cannot_be_read(org: Org) -> None:
    org.fault("status", "PermissionSet", status=403, body=[{"errorCode": "INSUFFICIENT_ACCESS"}], times=9)
    assert found(org.connect(own_fields=SPECS), "more_rights") == []


def test_a_salesforce_right_that_the_config_does_without_is_not_missed(org: Org) -> None:
    org.do("revoke", object="Task", rights=["Create", "Edit"])
    crm = org.connect(own_fields=SPECS)
    assert [one.message for one in found(crm, "missing_permission") if "Task records" in one.message]
    crm.writes = crm.writes - {"task"}
    assert not [one.message for one in found(crm, "missing_permission") if "Task records" in one.message]


def test_both_crms_are_told_what_the_config_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "pat-x")
    config = tmp_path / "config.toml"
    crm = '[crm]\ntype = "hubspot"\ntoken = { env = "TOKEN" }\n'
    login = "consumer_key = { env = 'TOKEN' }\nconsumer_secret = { env = 'TOKEN' }\ndomain = 'acme.my'\n"
    for vendor in (crm, f'[crm]\ntype = "salesforce"\n{login}'):
        for words, kinds in (
            ("", {"account", "contact", "task"}),
            ("tasks = false\n", {"account", "contact"}),
            ("tasks = false\ncontacts = false\n", {"account"}),
        ):
            config.write_text(f"{vendor}[writeback]\n{words}", encoding="utf-8")
            source = wire(config).crm
            assert isinstance(source, Weighs)
            assert source.writes == kinds
    assert all_written([]) == set()


# -- sources -------------------------------------------------------------------------------------------------------


def test_zendesk_tokens_of_all_kinds(tiny: World, tmp_path: Any) -> None:
    rig = ZendeskSource(tiny, tmp_path)
    (finding,) = found(rig.source, "more_rights")
    assert (finding.severity, "scope 'read'" in finding.advice) == ("info", True)
    narrow = rig.connect(email=None, token=None, oauth_token=OAUTH_TOKEN)
    assert found(narrow, "more_rights") == []
    assert found(narrow, "identity")
    (finding,) = found(rig.connect(email=None, token=None, oauth_token=OAUTH_WIDE), "more_rights")
    assert (finding.severity, finding.message.endswith("never uses: impersonate, write.")) == ("info", True)
    rig.box.faults.add(Fault("status", vendor="zendesk", path="oauth/tokens/current", status=403, body={}))
    (finding,) = found(narrow, "rights")
    assert "does not tell" in finding.message


def test_a_mixpanel_service_account_with_more_than_is_needed(tiny: World, tmp_path: Path) -> None:
    box = Sandbox(tiny, vendors=("mixpanel",))
    source = opened(box, tmp_path)
    assert [one.severity for one in found(source, "rights")] == ["ok"]
    assert found(source, "more_rights") == []
    box.mutate("mixpanel", "member", role="owner", others=[777, 5151])
    role, projects = found(source, "more_rights")
    assert (role.severity, "'owner' in project 4242; 'analyst' is enough" in role.message) == ("info", True)
    assert projects.message.endswith("nobody reads here: 5151, 777.")
    box.mutate("mixpanel", "member", listed=False, known=False)
    (note,) = found(source, "rights")
    assert (note.severity, "does not tell" in note.message) == ("info", True)
    assert found(source, "more_rights") == []
