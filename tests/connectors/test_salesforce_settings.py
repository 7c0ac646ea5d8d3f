"""What the config may say about Salesforce, and that saying it sends nothing."""

import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.base import Crm
from connectors.registry import VENDORS
from connectors.salesforce import Settings
from tests.connectors.salesforce_web import APP, BASE


@pytest.mark.parametrize("domain", ["login", "test", "https://login.salesforce.com/"])
def test_a_domain_that_serves_every_org_is_refused_at_once(domain: str) -> None:
    with pytest.raises(ValidationError, match="serves every org; give the org's own My Domain"):
        Settings(**{**APP, "domain": domain})


@pytest.mark.parametrize(
    ("domain", "hint"), [("acme", "'acme.my'"), ("https://Acme--uat.sandbox.salesforce.com", "'acme--uat.sandbox.my'")]
)
def test_half_a_my_domain_is_refused_with_the_whole_one(domain: str, hint: str) -> None:
    with pytest.raises(ValidationError, match=f"My Domains end in .my; it may be {hint}"):
        Settings(**{**APP, "domain": domain})


@pytest.mark.parametrize("domain", ["acme.lightning.force.com", "acme my", "-acme.my", "evil.example/acme", ""])
def test_what_is_not_a_my_domain_is_refused(domain: str) -> None:
    with pytest.raises(ValidationError, match="My Domain"):
        Settings(**{**APP, "domain": domain})


@pytest.mark.parametrize(
    ("domain", "url"),
    [
        ("acme.my", BASE),
        ("https://Acme.my.salesforce.com/", BASE),
        ("acme--uat.sandbox.my", "https://acme--uat.sandbox.my.salesforce.com"),
    ],
)
def test_a_domain_may_be_given_as_people_copy_it(domain: str, url: str) -> None:
    assert Settings(**{**APP, "domain": domain}).url == url


@pytest.mark.parametrize(
    ("keys", "way"),
    [
        ("consumer_key consumer_secret", "client_credentials"),
        ("username consumer_key private_key", "jwt"),
        ("session_id", "session"),
        ("username password", "soap"),
        ("username password security_token", "soap"),
        ("username password consumer_key consumer_secret", "password"),
        ("username password security_token consumer_key consumer_secret", "password"),
    ],
)
def test_each_way_to_log_in_has_its_own_keys(keys: str, way: str) -> None:
    assert Settings(domain="acme.my", **dict.fromkeys(keys.split(), "x")).way == way


def test_no_way_to_log_in_is_told_as_that() -> None:
    with pytest.raises(ValidationError, match="there is no way to log in: set consumer_key and"):
        Settings(domain="acme.my")


@pytest.mark.parametrize(
    "keys", ["consumer_key", "session_id consumer_key consumer_secret", "username private_key", "password"]
)
def test_anything_but_one_way_is_refused_and_the_keys_are_named(keys: str) -> None:
    with pytest.raises(ValidationError, match="not one way to log in: set consumer_key and") as caught:
        Settings(domain="acme.my", **dict.fromkeys(keys.split(), "very-secret"))
    assert all(name in str(caught.value) for name in keys.split())
    assert "very-secret" not in str(caught.value)


def test_a_way_that_is_not_there_any_more_and_versions_that_are_gone() -> None:
    with pytest.raises(ValidationError, match=r"SOAP, which API 65\.0 does not have"):
        Settings(domain="acme.my", username="me", password="pw", api_version="65.0")
    with pytest.raises(ValidationError, match="retired"):
        Settings(**{**APP, "api_version": "40.0"})
    with pytest.raises(ValidationError, match="domain is missing"):
        Settings(session_id="x")


def test_connecting_sends_nothing_and_does_not_load_the_library() -> None:
    code = (
        "import sys\n"
        "from connectors.base import SystemClock\n"
        "from connectors.salesforce import Settings, connect\n"
        "connect('s', Settings(domain='acme.my', consumer_key='k', consumer_secret='s'), clock=SystemClock())\n"
        "print('simple_salesforce' in sys.modules, 'zeep' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"


def test_it_is_a_crm_and_the_registry_finds_it(clock: Any) -> None:
    vendor = VENDORS["salesforce"].load()
    crm = vendor.connect("s", vendor.Settings(**APP), clock=clock)
    assert isinstance(crm, Crm)
    assert {"cases", "survey_responses"} & {stream.name for stream in crm.streams} == {"cases"}
    other = vendor.connect("s", vendor.Settings(**APP, cases=False, surveys="NPS__c"), clock=clock)
    assert {"cases", "survey_responses"} & {stream.name for stream in other.streams} == {"survey_responses"}
