"""Checking a Salesforce org: who we are, what we may do and see, what is left."""

import json
from datetime import timedelta
from typing import Any

import pytest
import responses

from connectors.base import FieldSpec, Finding
from connectors.errors import CredentialsError, MissingPermissionError, ShapeError
from connectors.salesforce import Settings, connect
from connectors.salesforce_settings import API_VERSION
from sandbox.core import SALESFORCE_KEY, SALESFORCE_SECRET

DATA = f"https://acme.my.salesforce.com/services/data/v{API_VERSION}"
SCORE = FieldSpec("account", "Holdfast_Health_Score__c", "Health score", "number")
ENGAGEMENT = FieldSpec("contact", "Holdfast_Engagement__c", "Engagement", "number")
PASSWORD, SECURITY_TOKEN = "sandbox-password", "sandboxtoken"


def check(org: Any, **settings: Any) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    crm = org.connect(**settings) if settings else org.crm
    for finding in crm.check():
        found.setdefault(finding.code, []).append(finding)
    return found


def test_an_org_where_all_is_well(org: Any) -> None:
    for spec in (SCORE, ENGAGEMENT):
        org.do("create_field", object=spec.object.title(), name=spec.name, type="double", visible=True)
    found = check(org, own_fields=(SCORE, ENGAGEMENT))
    assert {code: [one.severity for one in findings] for code, findings in found.items()} == {
        "identity": ["ok"],
        "user": ["ok"],
        "more_rights": ["info"],
        "quota": ["ok"],
        "task_strategy": ["info"],
    }
    assert "Holdfast Sandbox (PRODUCTION, 00D" in found["identity"][0].message
    assert "integration@" in found["user"][0].message
    assert org.box.journal.writes() == 0


def test_a_vendor_that_does_not_know_us(org: Any) -> None:
    with pytest.raises(CredentialsError, match="consumer_secret"):
        list(org.connect(consumer_key="wrong", consumer_secret="wrong-too").check())


def test_the_kind_of_org_is_pinned(open_org: Any, small_world: Any) -> None:
    kinds = {
        open_org(small_world, **options).crm.environment().kind
        for options in ({"is_sandbox": True}, {"organization_type": "Developer Edition"}, {})
    }
    assert kinds == {"SANDBOX", "DEVELOPER", "PRODUCTION"}


def test_the_org_is_asked_once_who_it_is(org: Any) -> None:
    first = org.crm.environment()
    assert org.crm.environment() == first
    assert (first.vendor, first.time_zone) == ("salesforce", "America/New_York")
    assert org.crm.calls == {"login": 1, "environment": 1}


# ---- rights ----------------------------------------------------------------------------------------------------------


def missing(found: dict[str, list[Finding]]) -> list[tuple[str, str]]:
    return [(one.severity, one.message) for one in found.get("missing_permission", [])]


def test_missing_rights_are_named_one_by_one(org: Any) -> None:
    org.do("revoke", object="Contact", rights=["Edit", "Delete", "ModifyAllRecords"])
    org.do("revoke", object="Account", rights=["Edit", "Delete", "ModifyAllRecords"])
    org.do("revoke", object="Task", rights=["Create", "Edit", "Delete", "ModifyAllRecords"])
    org.do("revoke", object="Case", rights=["Read"])
    org.do("revoke", object="Contract", rights=["Read"])
    assert missing(check(org, own_fields=[SCORE, ENGAGEMENT])) == [
        ("warning", "We may not read Contract, or the org does not have it (contracts)."),
        ("error", "We may not read Case, or the org does not have it (cases)."),
        ("error", "We may not edit Account records."),
        ("error", "We may not edit Contact records."),
        ("error", "We may not create Task records."),
        ("error", "We may not edit Task records."),
    ]
    assert all("Contact" not in told for _, told in missing(check(org, own_fields=[SCORE])))
    assert all("Case" not in told for _, told in missing(check(org, cases=False)))


def test_relations_that_the_org_does_not_use_are_no_warning(open_org: Any, small_world: Any) -> None:
    (only,) = check(open_org(small_world, contacts_to_multiple_accounts=False))["missing_permission"]
    assert only.severity == "info"
    assert only.advice.startswith("It is there only where Contacts to Multiple Accounts is on")


def test_a_source_beside_another_crm_needs_no_right_to_write(org: Any) -> None:
    for name in ("Account", "Contact", "Task"):
        org.do("revoke", object=name, rights=["Create", "Edit", "Delete", "ModifyAllRecords"])
    assert missing(check(org, own_fields=[])) == []


def test_fields_that_the_field_map_wants_and_we_do_not_see(org: Any) -> None:
    org.do("hide_field", object="Account", field="Website")
    wanted = {
        "accounts": ["Name", "Website", "Owner.Name", "Plan_of_old__c", "_currency", "CurrencyIsoCode"],
        "contact_roles": ["Opportunity.AccountId", "Deal.AccountId"],
    }
    found = check(org, wanted=wanted, own_fields=[SCORE])
    assert missing(found) == [
        ("error", "Account has no Website, Plan_of_old__c, or field-level security hides it from us."),
        ("warning", "OpportunityContactRole has no Deal.AccountId, or field-level security hides it from us."),
    ]
    assert found["missing_permission"][0].advice.endswith("or take it out of [crm.fields.accounts].")


def test_capitals_that_differ_are_pointed_out(org: Any) -> None:
    found = check(org, wanted={"accounts": ["Name", "WEBSITE", "Nonsense__c"]})
    (only,) = found["missing_permission"]
    assert only.advice.endswith("Capitals count: Website.")


def test_an_object_without_survey_answers_is_an_error_when_it_was_asked_for(org: Any) -> None:
    found = check(org, surveys="Nothing__c")
    assert missing(found) == [
        ("error", "We may not read Nothing__c, or the org does not have it (survey_responses)."),
    ]
    assert found["missing_permission"][0].advice.endswith("correct surveys in the config.")
    assert missing(check(org, surveys="NPS_Response__c", wanted={"survey_responses": ["Score__c"]})) == []


@pytest.mark.parametrize("bulk_above", [2000, 0])
def test_an_object_that_is_not_there_is_named_with_the_setting_that_names_it(org: Any, bulk_above: int) -> None:
    crm = org.connect(surveys="Nothing__c", bulk_above=bulk_above)
    stream = next(one for one in crm.streams if one.name == "survey_responses")
    with pytest.raises(MissingPermissionError) as caught:
        list(crm.pull(stream, None))
    assert str(caught.value) == (
        "salesforce: Nothing__c is not in this org, or the run-as user has no right to it."
        " Grant Read on it, or correct surveys in the config."
    )


def test_sharing_that_may_hide_rows_is_told(org: Any) -> None:
    org.do("view_all", object="Account", on=False)
    org.do("view_all", object="Case", on=False)
    (finding,) = check(org)["missing_view_all"]
    assert finding.severity == "warning"
    assert "records of Account, Case from the agent" in finding.message


def test_a_right_to_see_all_data_stands_for_every_object(org: Any) -> None:
    org.do("view_all", on=False)
    org.do("permit", rights=["ViewAllData"])
    assert "missing_view_all" not in check(org)


# ---- logging in ------------------------------------------------------------------------------------------------------


def test_old_ways_to_log_in_are_warned_about(org: Any) -> None:
    org.options(soap_login=True, password_flow=True)
    user = "integration@holdfast.example.sandbox"
    keys = {"username": user, "password": PASSWORD, "security_token": SECURITY_TOKEN}
    found = check(org, **keys)
    assert "retires in Summer '27" in found["old_login"][0].message
    assert user in found["user"][0].message, "asked for, since a SOAP login does not tell"
    token = org.crm._api.login.headers()["Authorization"].removeprefix("Bearer ")
    found = check(org, session_id=token)
    assert "cannot be renewed" in found["old_login"][0].message
    assert user in found["user"][0].message
    keys |= {"consumer_key": SALESFORCE_KEY, "consumer_secret": SALESFORCE_SECRET}
    assert "blocked in new orgs" in check(org, **keys)["old_login"][0].message


def test_a_clock_that_is_wrong_is_told(org: Any, clock: Any) -> None:
    clock._start = org.box.clock.now() + timedelta(minutes=7)
    (finding,) = check(org, clock=clock)["clock"]
    assert "differs from Salesforce's by +420 seconds" in finding.message


# ---- what is left ----------------------------------------------------------------------------------------------------


def test_the_budget_and_who_uses_it(open_org: Any, small_world: Any) -> None:
    org = open_org(small_world, api_limit=1000, per_app="Holdfast", per_app_limit=500)
    org.do("use_calls", calls=300)
    (finding,) = check(org)["quota"]
    assert finding.severity == "ok"
    assert finding.message.startswith("68")
    assert "Holdfast has used" in finding.message
    assert "of its own 500" in finding.message


def test_a_budget_that_stops_runs_is_an_error_and_check_still_answers(open_org: Any, small_world: Any) -> None:
    org = open_org(small_world, api_limit=1000)
    org.do("use_calls", calls=850)
    (finding,) = check(org)["quota"]
    assert (finding.severity, finding.advice) == ("error", "Runs stop at 80% (stop_at), which is reached.")
    (finding,) = check(org, stop_at=0.99)["quota"]
    assert finding.severity == "ok"
    org.do("use_calls", calls=80)
    (finding,) = check(org, stop_at=0.99)["quota"]
    assert finding.severity == "warning"


def test_an_org_with_one_currency_is_asked_for_it(open_org: Any, small_world: Any) -> None:
    org = open_org(small_world, multi_currency=False)
    assert check(org)["currency"][0].advice == 'Set it: currency = "EUR".'
    assert "currency" not in check(org, currency="USD")


def test_room_for_our_fields(open_org: Any, small_world: Any) -> None:
    org = open_org(small_world, organization_type="Starter Edition")
    for number in range(25):
        org.do("create_field", object="Account", name=f"Old_{number}__c", type="string", visible=True)
    (finding,) = check(org, own_fields=[SCORE, ENGAGEMENT])["few_fields_left"]
    assert "of at most 25; 1 of ours are to come" in finding.message
    other = open_org(small_world, organization_type="Galaxy Edition")
    assert "few_fields_left" not in check(other, own_fields=[SCORE])


# ---- answers that other orgs give ------------------------------------------------------------------------------------


def rows(*records: Any) -> dict[str, Any]:
    return {"totalSize": len(records), "done": True, "records": list(records)}


class Elsewhere:
    """An org that answers each query by its first matching word, everything else with 404."""

    def __init__(self, clock: Any, web: responses.RequestsMock, answers: dict[str, Any]) -> None:
        self.answers = answers
        web.add_callback("GET", f"{DATA}/query", self.answer)
        web.get("https://acme.my.salesforce.com/services/oauth2/userinfo", json={"sub": answers["sub"]})
        web.get(f"{DATA}/", json={})
        keys = Settings(domain="acme.my", session_id="00D5e!given")
        self.crm = connect("salesforce", keys, clock=clock)

    def answer(self, request: Any) -> tuple[int, dict[str, str], str]:
        soql = request.params["q"]
        for word, body in self.answers.items():
            if word in soql:
                return (200 if isinstance(body, dict) else 400), {}, json.dumps(body)
        return 400, {}, json.dumps([{"errorCode": "INVALID_TYPE", "message": "no"}])


@pytest.fixture
def web() -> Any:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.get(f"{DATA}/limits/", status=403, json=[{"errorCode": "INSUFFICIENT_ACCESS", "message": "no"}])
        for path in ("User", "Account", "Contact", "AccountContactRelation", "OpportunityContactRole", "Contract"):
            mock.get(f"{DATA}/sobjects/{path}/describe", json={"queryable": True, "updateable": True, "fields": []})
        for path in ("Opportunity", "Case", "Task"):
            mock.get(f"{DATA}/sobjects/{path}/describe", status=404, json=[{"errorCode": "NOT_FOUND", "message": "-"}])
        yield mock


USER = "0055e000000AAAAEAQ"
SUB = f"https://login.salesforce.com/id/00D5e000000AAAAEAQ/{USER}"
ORGANIZATION = rows({"Id": "00D5e000000AAAAEAQ", "OrganizationType": "Enterprise Edition"})


def findings(crm: Any) -> dict[str, Finding]:
    return {one.code: one for one in crm.check()}


def test_a_licence_with_which_a_person_could_log_in_is_pointed_out(clock: Any, web: responses.RequestsMock) -> None:
    profile = {"Name": "System Administrator", "UserLicense": {"Name": "Salesforce"}}
    user = rows({"Id": USER, "Username": "boss@acme.example", "Profile": profile})
    crm = Elsewhere(clock, web, {"sub": SUB, "FROM Organization": ORGANIZATION, "FROM User": user}).crm
    found = findings(crm)
    assert "Its profile is System Administrator, its licence Salesforce." in found["user"].message
    assert found["user_licence"].severity == "info"
    assert found["identity"].message.startswith("Connected to Salesforce org 00D5e000000AAAAEAQ (PRODUCTION")
    assert found["sharing_unknown"].advice.startswith("Make sure that its permission set has 'View All' on Account,")
    assert found["quota"].severity == "info", "neither headers nor limits tell"
    assert "currency" not in found, "Opportunity cannot be described"


def test_an_integration_licence_is_what_it_should_be(clock: Any, web: responses.RequestsMock) -> None:
    profile = {"Name": "Minimum Access", "UserLicense": {"Name": "Salesforce Integration"}}
    user = rows({"Id": USER, "Username": "bot@acme.example", "Profile": profile})
    answers = {"sub": SUB, "FROM Organization": ORGANIZATION, "FROM User": user, "ViewAllData": rows()}
    answers["FROM PermissionSetAssignment"] = rows({"PermissionSetId": "0PS5e000000AAAAEAQ"})
    found = findings(Elsewhere(clock, web, answers).crm)
    assert "user_licence" not in found
    assert found["sharing_unknown"], "the objects' own rights cannot be read"


def test_a_user_who_may_not_even_see_themselves(clock: Any, web: responses.RequestsMock) -> None:
    found = findings(Elsewhere(clock, web, {"sub": SUB, "FROM Organization": ORGANIZATION}).crm)
    assert found["user"].message == f"The agent acts as {USER}."


def test_a_session_of_which_nobody_says_whose_it_is(clock: Any, web: responses.RequestsMock) -> None:
    found = findings(Elsewhere(clock, web, {"sub": "", "FROM Organization": ORGANIZATION}).crm)
    assert (found["user"].severity, found["sharing_unknown"].severity) == ("info", "info")


@pytest.mark.parametrize("answer", [rows(), rows({"Name": "x"}), rows("odd"), rows({"Id": "1"}, {"Id": "2"})])
def test_an_org_that_does_not_say_who_it_is(clock: Any, web: responses.RequestsMock, answer: Any) -> None:
    with pytest.raises(ShapeError, match="does not say who it is"):
        Elsewhere(clock, web, {"sub": SUB, "FROM Organization": answer}).crm.environment()
