"""`check` says which rights are missing, and which the credentials have and Holdfast never needs.

That missing rights are named, for every vendor, is tests/conformance ("a missing right is named", "a check names every
right that is missing").
"""

from typing import Any

import pytest

from connectors.base import Finding
from sandbox.model import World
from sandbox.world import make_world
from sandbox.zendesk import OAUTH_TOKEN
from tests.conformance.rigs.zendesk import ZendeskSource
from tests.connectors.conftest import Org
from tests.instants import START


@pytest.fixture(scope="module")
def tiny() -> World:
    return make_world(seed=3, accounts=3, people_per_account=2, months=1, horizon_days=0, now=START)


def found(source: Any, code: str) -> list[Finding]:
    return [finding for finding in source.check() if finding.code == code]


def test_salesforce_with_no_more_than_is_needed(tiny: World) -> None:
    assert found(Org(tiny).crm, "more_rights") == []


def test_salesforce_with_more_than_is_needed(tiny: World) -> None:
    org = Org(tiny)
    org.do("permit", rights=["ModifyAllData", "ManageUsers"])
    org.do("grant", object="Account", rights=["Read", "Edit", "Delete", "ViewAllRecords", "ModifyAllRecords"])
    (finding,) = found(org.connect(), "more_rights")
    assert finding.severity == "warning"
    assert finding.message.endswith("'Manage Users', 'Modify All Data', 'Modify All' on Account.")
    assert org.box.journal.writes() == 0


def test_salesforce_where_permission_sets_cannot_be_read(tiny: World) -> None:
    org = Org(tiny)
    org.fault("status", "PermissionSet", status=403, body=[{"errorCode": "INSUFFICIENT_ACCESS"}], times=9)
    assert found(org.connect(), "more_rights") == []


def test_zendesk_tokens_of_both_kinds(tiny: World, tmp_path: Any) -> None:
    rig = ZendeskSource(tiny, tmp_path)
    (finding,) = found(rig.source, "more_rights")
    assert (finding.severity, "scope 'read'" in finding.advice) == ("info", True)
    narrow = rig.connect(email=None, token=None, oauth_token=OAUTH_TOKEN)
    assert found(narrow, "more_rights") == []
    assert found(narrow, "identity")
