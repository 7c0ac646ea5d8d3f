"""Setting up and checking a HubSpot account."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from connectors.base import FieldSpec, Finding, Quota
from connectors.errors import CredentialsError, MissingPermissionError, RequestError, ShapeError
from connectors.hubspot_tasks import KEY_FIELD
from connectors.hubspot_write import OBJECTS
from tests.connectors.hubspot_portals import LEAST

SCORE = FieldSpec("account", "holdfast_score", "Score", "number", description="0-100.")
BAND = FieldSpec("account", "holdfast_band", "Band", "select", ("green", "at_risk"))
SEGMENTS = FieldSpec("contact", "holdfast_segments", "Segments", "multi_select", ("power", "dormant"))
FLAG = FieldSpec("contact", "holdfast_flag", "Flag", "boolean")
NOTE = FieldSpec("account", "holdfast_note", "Note", "long_text")
FIELDS = (SCORE, SEGMENTS, BAND, FLAG, NOTE)


def setup(portal: Any, fields: Sequence[FieldSpec] = FIELDS, *, dry_run: bool = False) -> dict[str, tuple[str, str]]:
    diffs = portal.crm.setup(fields, dry_run=dry_run)
    assert [diff.spec for diff in diffs] == [*fields, KEY_FIELD]
    return {diff.spec.name: (diff.action, diff.detail) for diff in diffs}


def prop(portal: Any, kind: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = portal.crm._writer.definitions(kind, fresh=True)[name]
    return found


def test_a_dry_run_writes_nothing_and_a_run_creates_then_finds_all_well(portal: Any) -> None:
    assert {action for action, _ in setup(portal, dry_run=True).values()} == {"create"}
    assert portal.box.journal.writes() == 0
    assert {action for action, _ in setup(portal).values()} == {"create"}
    assert portal.box.journal.writes() == 4 + 3, "a group and a batch for each kind, and tasks refuse a unique key"
    portal.forget()
    assert {action for action, _ in setup(portal).values()} == {"ok"}
    assert portal.box.journal.writes() == 0


def test_what_setup_creates_can_be_had_as_files_for_hubspots_own_call(portal: Any) -> None:
    files = portal.crm.setup_files(FIELDS)
    assert sorted(files) == [f"properties/{kind}.json" for kind in ("companies", "contacts", "tasks")]
    assert json.loads(files["properties/tasks.json"])["inputs"][0]["hasUniqueValue"] is True
    by_hand = {kind: json.loads(files[f"properties/{kind}.json"]) for kind in ("companies", "contacts")}
    setup(portal)
    for kind, body in by_hand.items():
        assert [one["name"] for one in body["inputs"]] == [f.name for f in FIELDS if OBJECTS[f.object] == kind]
        for one in body["inputs"]:
            made = prop(portal, kind, one["name"])
            told = {"name", "label", "type", "fieldType", "groupName", "description"}
            assert {key: made[key] for key in told} == {key: one[key] for key in told}
            assert [o["value"] for o in made["options"]] == [o["value"] for o in one.get("options", [])]


def test_properties_get_the_right_type_group_and_options(portal: Any) -> None:
    setup(portal)
    score, band = prop(portal, "companies", "holdfast_score"), prop(portal, "companies", "holdfast_band")
    assert (score["type"], score["fieldType"], score["groupName"]) == ("number", "number", "holdfast")
    assert (score["label"], score["description"]) == ("Score", "0-100.")
    assert (band["type"], band["fieldType"]) == ("enumeration", "select")
    assert [(o["value"], o["label"]) for o in band["options"]] == [("green", "Green"), ("at_risk", "At risk")]
    segments, flag = prop(portal, "contacts", "holdfast_segments"), prop(portal, "contacts", "holdfast_flag")
    assert (segments["type"], segments["fieldType"]) == ("enumeration", "checkbox")
    assert (flag["type"], flag["fieldType"]) == ("bool", "booleancheckbox")
    assert [option["value"] for option in flag["options"]] == ["true", "false"]


def test_missing_options_are_added_and_the_old_ones_kept(portal: Any) -> None:
    setup(portal)
    wider = replace(BAND, options=("green", "red"))
    assert setup(portal, [wider], dry_run=True)[BAND.name] == ("add_options", "missing options: red")
    assert setup(portal, [wider])[BAND.name][0] == "add_options"
    values = [option["value"] for option in prop(portal, "companies", BAND.name)["options"]]
    assert values == ["green", "at_risk", "red"]
    assert setup(portal, [wider])[BAND.name][0] == "ok"


def test_another_type_is_for_a_person_to_decide(portal: Any) -> None:
    setup(portal, [SCORE])
    portal.forget()
    action, detail = setup(portal, [replace(SCORE, type="text")])[SCORE.name]
    assert (action, detail) == ("conflict", "it is number/number in HubSpot and should be string/text")
    assert portal.box.journal.writes() == 0


def test_another_look_of_the_same_type_is_fine(portal: Any) -> None:
    setup(portal, [NOTE])
    assert setup(portal, [replace(NOTE, type="text")])[NOTE.name][0] == "ok"


def test_an_archived_property_keeps_its_name(portal: Any) -> None:
    setup(portal)
    portal.do("delete_property", object="companies", name=SCORE.name)
    found = setup(portal)
    assert found[SCORE.name] == (
        "conflict",
        "an archived property has this name: restore it in HubSpot or choose another name",
    )
    assert {action for name, (action, _) in found.items() if name != SCORE.name} == {"ok"}


def test_a_property_that_cannot_be_written_is_a_conflict(portal: Any) -> None:
    spec = FieldSpec("account", "hs_lastmodifieddate", "Modified", "datetime")
    assert setup(portal, [spec])[spec.name] == ("conflict", "its value cannot be written")


def test_somebody_else_setting_up_at_the_same_time_is_no_error(portal: Any) -> None:
    exists = {"category": "OBJECT_ALREADY_EXISTS", "message": "exists"}
    portal.fault("status", "companies/groups", method="POST", status=409, body=exists, effect=True)
    portal.fault("status", "companies/batch/create", status=409, body=exists, effect=True)
    assert setup(portal, [SCORE])[SCORE.name] == ("create", "")


def test_what_hubspot_does_not_take_is_said(portal: Any) -> None:
    portal.fault("status", "companies/batch/create", status=201, body={"results": [], "status": "COMPLETE"})
    assert setup(portal, [SCORE])[SCORE.name] == ("conflict", "HubSpot did not take it: it is still missing")


@pytest.mark.parametrize("path", ["companies/groups", "companies/batch/create"])
def test_other_refusals_are_errors(portal: Any, path: str) -> None:
    portal.fault("status", path, method="POST", status=400, body={"category": "VALIDATION_ERROR", "message": "no"})
    with pytest.raises(RequestError):
        portal.crm.setup([SCORE], dry_run=False)


def test_a_missing_schema_scope_is_named(portal: Any) -> None:
    portal.do("token", token="pat-few", scopes=["crm.objects.companies.read", "crm.schemas.companies.read"])
    with pytest.raises(MissingPermissionError, match=r"crm\.schemas\.companies\.write"):
        portal.connect(token="pat-few").setup([SCORE], dry_run=False)


# -- check ---------------------------------------------------------------------------------------------------------


def findings(crm: Any) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for finding in crm.check():
        found.setdefault(finding.code, []).append(finding)
    return found


def test_a_portal_that_is_ready_has_nothing_but_good_news(portal: Any) -> None:
    setup(portal)
    portal.do("token", token="pat-least", scopes=LEAST)
    portal.forget()
    found = findings(portal.connect(token="pat-least", own_fields=FIELDS, wanted={"companies": ["name"]}))
    assert set(found) == {"identity", "write_scopes", "quota", "task_strategy"}
    assert "portal 4242001 (STANDARD), time zone America/New_York" in found["identity"][0].message
    assert portal.box.journal.writes() == 0, "to ask for the token's scopes is a POST and no write"


def test_all_missing_scopes_are_listed_at_once(portal: Any) -> None:
    portal.do("token", token="pat-few", scopes=["crm.objects.companies.read", "tickets", "crm.schemas.companies.read"])
    found = findings(portal.connect(token="pat-few", own_fields=[SCORE]))
    errors = [finding.message for finding in found["missing_scope"] if finding.severity == "error"]
    assert len(errors) == 5, "reading contacts, deals, owners; writing companies, tasks"
    assert any("crm.objects.deals.read" in message for message in errors)
    assert [finding.severity for finding in found["missing_scope"] if "setup" in finding.message] == ["warning"]
    assert ["feedback" in finding.message for finding in found["missing_scope"] if finding.severity == "info"] == [True]


def test_properties_that_the_map_reads_and_nobody_has_are_listed(portal: Any) -> None:
    crm = portal.connect(wanted={"companies": ["name", "nmae"]})
    found = findings(crm)
    assert "companies.nmae" in found["unknown_property"][0].message


class Late:
    def __init__(self, clock: Any) -> None:
        self.clock = clock

    def now(self) -> datetime:
        now: datetime = self.clock.now()
        return now - timedelta(minutes=5)

    def monotonic(self) -> float:
        return float(self.clock.monotonic())

    def sleep(self, seconds: float) -> None:
        self.clock.sleep(seconds)


def test_clocks_that_differ_and_little_room_and_quota_are_warned_of(portal: Any) -> None:
    portal.do("options", property_limit=9, daily_limit=100)
    portal.do("use_quota", calls=85)
    found = findings(portal.connect(clock=Late(portal.box.clock), own_fields=FIELDS))
    assert found["clock"][0].message == "HubSpot's clock is 300 s ahead of ours."
    assert found["few_properties_left"][0].severity == "warning"
    assert found["quota"][0].severity == "warning"


def test_a_token_nobody_knows_ends_the_check(portal: Any) -> None:
    with pytest.raises(CredentialsError):
        list(portal.connect(token="pat-nobody").check())


def test_a_token_revoked_during_the_check_ends_it(portal: Any) -> None:
    checking = portal.crm.check()
    next(checking)
    portal.do("revoke_token", token="pat-sandbox-full")
    with pytest.raises(CredentialsError):
        list(checking)


def test_the_environment_tells_a_sandbox_from_production(portal: Any) -> None:
    production = portal.crm.environment()
    portal.do("options", account_type="SANDBOX", portal_id=7)
    sandbox = portal.connect().environment()
    assert production.fingerprint == "hubspot:STANDARD:4242001"
    assert sandbox.fingerprint == "hubspot:SANDBOX:7"
    assert portal.crm.environment() == production, "asked once"


def test_account_details_without_a_portal_are_not_believed(portal: Any) -> None:
    portal.fault("status", "details", status=200, body={"timeZone": "UTC"})
    with pytest.raises(ShapeError, match="portalId"):
        portal.crm.environment()


def test_the_quota_comes_from_the_last_answer_or_the_usage_report(portal: Any) -> None:
    portal.do("options", daily_limit=1000)
    portal.do("use_quota", calls=400)
    portal.crm.environment()
    portal.forget()
    assert portal.crm.quota() == Quota(1000, 599, "day")
    assert portal.requests() == [], "at no cost"
    fresh = portal.connect()
    assert fresh.quota().limit == 1000
    assert len(portal.requests()) == 1


def test_a_quota_that_nobody_tells_is_unknown(portal: Any) -> None:
    portal.fault("status", "api-usage", status=403, body={"category": "MISSING_SCOPES"})
    assert portal.crm.quota() == Quota(None, None, "day")
    portal.fault("status", "api-usage", status=200, body={"results": []})
    assert portal.crm.quota() == Quota(None, None, "day")
    portal.fault("status", "limits", status=403, body={"category": "MISSING_SCOPES"}, nth=range(1, 9))
    assert "few_properties_left" not in findings(portal.crm)
