"""Logging in to Salesforce by every way, what its refusals mean, the org's budget, paging and descriptions."""

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
import requests
import responses
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import ValidationError

from connectors.base import Crm
from connectors.errors import (
    ConfigError,
    ConnectorError,
    CredentialsError,
    CursorExpiredError,
    MissingPermissionError,
    NotFoundError,
    QuotaError,
    RequestError,
    ShapeError,
    TransientError,
)
from connectors.http import refused_with
from connectors.redact import REDACTOR
from connectors.registry import VENDORS
from connectors.salesforce import Settings, connect
from connectors.salesforce_api import API_VERSION, MOST_URI, Api
from connectors.salesforce_rules import DAY_LIMIT, is_not_there
from sandbox.core import SALESFORCE_KEY

CONTRACTS = Path(os.environ.get("HOLDFAST_CONTRACTS", Path(__file__).parents[2].parent / "shared" / "contracts"))
contracts = pytest.mark.skipif(not (CONTRACTS / "salesforce").is_dir(), reason="the vendor's descriptions are not here")

BASE = "https://acme.my.salesforce.com"
DATA = f"{BASE}/services/data/v{API_VERSION}"
TOKEN_URL = f"{BASE}/services/oauth2/token"
SOAP_URL = f"{BASE}/services/Soap/u/{API_VERSION}"
ORG_ID, USER_ID = "00D5e000000AAAAEAQ", "0055e000000AAAAEAQ"
APP = {"domain": "acme.my", "consumer_key": "3MVG9.key", "consumer_secret": "app-s3cret"}


@pytest.fixture
def web() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def pem(rsa_key: rsa.RSAPrivateKey) -> str:
    return rsa_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def open_api(clock: Any, **settings: Any) -> Api:
    found: Api = connect("salesforce", Settings(**(settings or APP)), clock=clock)._api
    return found


def token(text: str = "00D5e!first.token", instance: str = BASE) -> dict[str, str]:
    identity = f"https://login.salesforce.com/id/{ORG_ID}/{USER_ID}"
    return {"access_token": text, "instance_url": instance, "id": identity, "token_type": "Bearer"}


def refusal(code: str, message: str = "no") -> list[dict[str, str]]:
    return [{"message": message, "errorCode": code}]


def sent(web: responses.RequestsMock, place: int = 0) -> Any:
    return web.calls[place].request


def form(web: responses.RequestsMock, place: int = 0) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(str(sent(web, place).body)).items()}


# ---- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("domain", ["login", "test", "https://login.salesforce.com/"])
def test_a_domain_that_serves_every_org_is_refused_at_once(domain: str) -> None:
    with pytest.raises(ValidationError, match="serves every org; give the org's own My Domain"):
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


@pytest.mark.parametrize(
    "keys", ["", "consumer_key", "session_id consumer_key consumer_secret", "username private_key", "password"]
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


# ---- logging in ------------------------------------------------------------------------------------------------------


def test_client_credentials(clock: Any, web: responses.RequestsMock) -> None:
    web.post(TOKEN_URL, json=token())
    web.get(f"{DATA}/limits", json={"x": 1})
    api = open_api(clock)
    assert api.json("GET", "limits", purpose="check") == {"x": 1}
    assert api.json("GET", "limits", purpose="check") == {"x": 1}
    basic = base64.b64encode(b"3MVG9.key:app-s3cret").decode()
    assert sent(web).headers["Authorization"] == f"Basic {basic}"
    assert form(web) == {"grant_type": "client_credentials"}
    assert [call.request.headers["Authorization"] for call in list(web.calls)[1:]] == ["Bearer 00D5e!first.token"] * 2
    assert api.calls == {"login": 1, "check": 2}
    assert (api.login.org_id, api.who()) == (ORG_ID, USER_ID)
    assert REDACTOR.text("x 00D5e!first.token y app-s3cret") == "x *** y ***"


@pytest.mark.parametrize(
    ("domain", "audience"),
    [
        ("acme.my", "https://login.salesforce.com"),
        ("acme--uat.sandbox.my", "https://test.salesforce.com"),
        ("dream-job-123.scratch.my", "https://test.salesforce.com"),
    ],
)
def test_a_jwt_is_signed_for_the_right_audience_by_our_clock(
    clock: Any, web: responses.RequestsMock, rsa_key: rsa.RSAPrivateKey, pem: str, domain: str, audience: str
) -> None:
    base = f"https://{domain}.salesforce.com"
    web.post(f"{base}/services/oauth2/token", json=token(instance=base))
    web.get(f"{base}/services/data/v{API_VERSION}/limits", json={})
    given = pem.replace("\n", "\\n")  # as it comes out of many an environment variable
    api = open_api(clock, domain=domain, username="bot@acme.example", consumer_key="3MVG9.key", private_key=given)
    api.json("GET", "limits", purpose="check")
    assertion = form(web)["assertion"]
    claims = jwt.decode(
        assertion, rsa_key.public_key(), algorithms=["RS256"], audience=audience, options={"verify_exp": False}
    )
    assert (claims["iss"], claims["sub"]) == ("3MVG9.key", "bot@acme.example")
    assert claims["exp"] == int(clock.now().timestamp()) + 180
    assert form(web)["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    line = pem.splitlines()[3]
    assert REDACTOR.text(f"{line} {assertion}") == "*** ***"


def test_a_key_that_is_none_is_a_matter_of_the_config(clock: Any, web: responses.RequestsMock) -> None:
    api = open_api(clock, domain="acme.my", username="u", consumer_key="k", private_key="not a key at all")
    with pytest.raises(ConfigError, match="private_key is not an RSA private key"):
        api.json("GET", "limits", purpose="check")
    assert len(web.calls) == 0


def test_user_name_and_password_by_oauth(clock: Any, web: responses.RequestsMock) -> None:
    web.post(TOKEN_URL, json=token())
    web.get(f"{DATA}/limits", json={})
    api = open_api(clock, **APP, username="me@acme.example", password="p&ss<word", security_token="TOK")
    api.json("GET", "limits", purpose="check")
    assert form(web) == {
        "grant_type": "password",
        "client_id": "3MVG9.key",
        "client_secret": "app-s3cret",
        "username": "me@acme.example",
        "password": "p&ss<wordTOK",
    }


def soap_answer(url: str = f"{BASE}/services/Soap/u/64.0/00D5e") -> str:
    return (
        '<?xml version="1.0"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>'
        f"<loginResponse><result><serverUrl>{url}</serverUrl><sessionId>00D5e!soap</sessionId></result></loginResponse>"
        "</soapenv:Body></soapenv:Envelope>"
    )


@pytest.mark.parametrize("secret", ["TOK", ""])
def test_user_name_and_password_by_soap(clock: Any, web: responses.RequestsMock, secret: str) -> None:
    web.post(SOAP_URL, body=soap_answer(), content_type="text/xml")
    web.get(f"{DATA}/limits", json={})
    keys = {"domain": "acme.my", "username": "me@acme.example", "password": "p&ss-word", "security_token": secret}
    api = open_api(clock, **keys)
    api.json("GET", "limits", purpose="check")
    assert f"<n1:password>p&amp;ss-word{secret}</n1:password>" in sent(web).body
    assert sent(web, 1).headers["Authorization"] == "Bearer 00D5e!soap"
    assert api.login.user_id is None, "a SOAP login does not say it in a way that the library hands over"


def soap_fault(code: str, text: str) -> str:
    return (
        '<?xml version="1.0"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"'
        ' xmlns:sf="urn:fault.partner.soap.sforce.com"><soapenv:Body><soapenv:Fault><detail><sf:LoginFault>'
        f"<sf:exceptionCode>{code}</sf:exceptionCode><sf:exceptionMessage>{text}</sf:exceptionMessage>"
        "</sf:LoginFault></detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>"
    )


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("INVALID_LOGIN", "too many tries lock the user"),
        ("INVALID_OPERATION", "SOAP login is switched off"),
        ("UNSUPPORTED_API_VERSION", "set api_version"),
        ("SOMETHING_NEW", "Check username, password"),
    ],
)
def test_a_soap_fault_is_a_refusal_and_is_not_tried_again(
    clock: Any, web: responses.RequestsMock, code: str, advice: str
) -> None:
    web.post(SOAP_URL, body=soap_fault(code, "Invalid; me@acme p&amp;ss-word."), status=500, content_type="text/xml")
    api = open_api(clock, domain="acme.my", username="me@acme.example", password="p&ss-word", security_token="T")
    with pytest.raises(CredentialsError, match=advice) as caught:
        api.json("GET", "limits", purpose="check")
    assert caught.value.code == code
    assert "p&ss-word" not in str(caught.value)
    assert api.calls == {"login": 1}


def test_a_server_that_breaks_at_a_soap_login_is_no_refusal(clock: Any, web: responses.RequestsMock) -> None:
    web.post(SOAP_URL, body="<html>oops", status=500, content_type="text/html")
    api = open_api(clock, domain="acme.my", username="me", password="pw-pw")
    with pytest.raises(TransientError, match="log-in answered 500"):
        api.json("GET", "limits", purpose="check")


@pytest.mark.parametrize(
    ("status", "code", "told", "advice"),
    [
        (400, "invalid_grant", "no client credentials user enabled", "run-as user"),
        (400, "invalid_grant", "authentication failure", "this machine's clock"),
        (400, "invalid_client", "invalid client credentials", "consumer_secret"),
        (401, "invalid_client", "invalid client credentials", "consumer_secret"),
        (400, "invalid_client_id", "client identifier invalid", "consumer_key"),
        (400, "inactive_user", "user is inactive", "Activate the user"),
        (400, "inactive_org", "org is inactive", "check domain"),
        (400, "invalid_app_access", "user is not admin approved to access this app", "approve the app"),
        (400, "app_blocked", "this app is blocked by admin", "install it"),
        (400, "unsupported_grant_type", "grant type not supported", "does not allow this way"),
        (400, "unauthorized_client", "not allowed", "Allow this way"),
        (403, "something_new", "no", "Check the credentials"),
    ],
)
def test_a_refused_login_says_what_to_look_at(
    clock: Any, web: responses.RequestsMock, status: int, code: str, told: str, advice: str
) -> None:
    web.post(TOKEN_URL, status=status, json={"error": code, "error_description": told})
    api = open_api(clock)
    with pytest.raises(CredentialsError, match=advice) as caught:
        api.json("GET", "limits", purpose="check")
    assert told in str(caught.value)
    assert refused_with(caught.value, code)
    assert api.calls == {"login": 1}


def test_a_login_is_tried_again_when_the_server_breaks(clock: Any, web: responses.RequestsMock) -> None:
    web.post(TOKEN_URL, status=503)
    web.post(TOKEN_URL, json=token())
    web.get(f"{DATA}/limits", json={})
    api = open_api(clock)
    api.json("GET", "limits", purpose="check")
    assert api.calls == {"login": 2, "check": 1}


@pytest.mark.parametrize("body", [{"instance_url": BASE}, {"access_token": "00D!x"}, [], {"access_token": 5}, "null"])
def test_an_answer_without_a_session_is_no_session(clock: Any, web: responses.RequestsMock, body: Any) -> None:
    web.post(TOKEN_URL, json=body)
    with pytest.raises(ShapeError, match="without a session"):
        open_api(clock).json("GET", "limits", purpose="check")


@pytest.mark.parametrize(
    ("instance", "advice"),
    [
        ("https://acme--uat.sandbox.my.salesforce.com", 'domain = "acme--uat.sandbox.my"'),
        ("https://acme.example", 'base_url = "https://acme.example"'),
    ],
)
def test_a_session_of_another_org_is_not_used(
    clock: Any, web: responses.RequestsMock, instance: str, advice: str
) -> None:
    web.post(TOKEN_URL, json=token(instance=instance))
    with pytest.raises(ConfigError, match=advice):
        open_api(clock).json("GET", "limits", purpose="check")
    assert len(web.calls) == 1, "the token was shown to nobody"


def test_a_session_made_elsewhere_is_used_as_it_is_and_not_renewed(clock: Any, web: responses.RequestsMock) -> None:
    web.get(f"{DATA}/limits", json={})
    web.get(f"{DATA}/limits", status=401, json=refusal("INVALID_SESSION_ID", "Session expired or invalid"))
    api = open_api(clock, domain="acme.my", session_id="00D5e!given")
    api.json("GET", "limits", purpose="check")
    assert sent(web).headers["Authorization"] == "Bearer 00D5e!given"
    with pytest.raises(CredentialsError, match=r"session in session_id has ended\. Put in a new one"):
        api.json("GET", "limits", purpose="check")
    assert api.calls == {"check": 2}


@pytest.mark.parametrize("key", ["sub", "identity"])
def test_whose_session_it_is_can_be_asked(clock: Any, web: responses.RequestsMock, key: str) -> None:
    identity = f"https://login.salesforce.com/id/{ORG_ID}/{USER_ID}"
    if key == "sub":
        web.get(f"{BASE}/services/oauth2/userinfo", json={"sub": identity})
    else:
        web.get(f"{BASE}/services/oauth2/userinfo", status=403, body="Missing_OAuth_Token")
        web.get(f"{DATA}/", json={"identity": identity})
    api = given(clock)
    assert [api.who(), api.who()] == [USER_ID] * 2
    assert len(web.calls) == (1 if key == "sub" else 2)


@pytest.mark.parametrize("body", [{"identity": "https://login.salesforce.com/elsewhere"}, {}, []])
def test_whose_session_it_is_may_be_kept_from_us(clock: Any, web: responses.RequestsMock, body: Any) -> None:
    web.get(f"{BASE}/services/oauth2/userinfo", status=404)
    web.get(f"{DATA}/", json=body)
    assert given(clock).who() is None


def test_a_jwt_is_believed_by_an_org_that_checks_it(org: Any, clock: Any, rsa_key: rsa.RSAPrivateKey, pem: str) -> None:
    public = rsa_key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    user = org.do("add_jwt_key", pem=public.decode())
    keys = {"username": user, "consumer_key": SALESFORCE_KEY, "private_key": pem}
    assert org.connect(**keys).environment() == org.crm.environment()
    clock._start = org.box.clock.now() - timedelta(hours=1)
    with pytest.raises(CredentialsError, match="this machine's clock"):
        org.connect(**keys, clock=clock).environment()


def test_an_app_without_a_run_as_user(org: Any) -> None:
    org.options(run_as_user=False)
    with pytest.raises(CredentialsError, match=r"no client credentials user enabled.*run-as user"):
        org.crm.environment()
    assert org.crm.calls == {"login": 1}


# ---- sessions that end -----------------------------------------------------------------------------------------------


def test_an_ended_session_is_renewed_once(org: Any) -> None:
    first = org.crm.environment()
    org.do("expire_tokens")
    api: Api = org.crm._api
    assert next(api.query("SELECT Id FROM Organization", purpose="x"))["records"][0]["Id"] == first.account_id
    assert api.calls["login"] == 2
    assert api.calls["x"] == 2


def test_tokens_that_stay_bad_end_after_one_new_login(org: Any) -> None:
    org.options(bad_new_tokens=True)
    with pytest.raises(CredentialsError, match="session and IP policies") as caught:
        org.crm.environment()
    assert caught.value.code == "INVALID_SESSION_ID"
    assert org.crm.calls == {"login": 2, "environment": 2}
    with pytest.raises(CredentialsError):
        org.crm._api.about("Account", purpose="x")
    assert org.crm.calls == {"login": 3, "environment": 2, "x": 2}, "the client library does not go round either"


def test_a_session_that_is_not_for_rest_is_not_renewed(org: Any) -> None:
    org.options(rest_refused=True)
    with pytest.raises(CredentialsError, match="A new log-in would not help"):
        org.crm.environment()
    assert org.crm.calls == {"login": 1, "environment": 1}


def test_threads_share_one_login(clock: Any, web: responses.RequestsMock) -> None:
    together = threading.Barrier(3, timeout=10.0)
    tokens = iter(["old", "new"])

    def let_in(_: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        return 200, {"Content-Type": "application/json"}, json.dumps(token(f"00D!{next(tokens)}"))

    def answer(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        if request.headers["Authorization"] == "Bearer 00D!new":
            return 200, {}, "{}"
        together.wait()
        return 401, {}, json.dumps(refusal("INVALID_SESSION_ID"))

    web.add_callback("POST", TOKEN_URL, let_in)
    web.add_callback("GET", f"{DATA}/limits", answer)
    api = open_api(clock)
    threads = [threading.Thread(target=api.json, args=("GET", "limits"), kwargs={"purpose": "check"}) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10.0)
    assert api.calls == {"login": 2, "check": 6}


# ---- refusals --------------------------------------------------------------------------------------------------------


@contracts
@pytest.mark.parametrize(
    ("case", "error"),
    [
        ("session_not_valid_for_rest", CredentialsError),
        ("daily_limit", QuotaError),
        ("concurrent_limit", TransientError),
        ("api_disabled", CredentialsError),
        ("api_currently_disabled_for_user", CredentialsError),
        ("query_no_such_field", MissingPermissionError),
        ("write_no_such_field", MissingPermissionError),
        ("write_read_only_field", RequestError),
        ("malformed_query", RequestError),
        ("unknown_object", MissingPermissionError),
        ("query_timeout", TransientError),
        ("query_cursor_expired", CursorExpiredError),
        ("required_missing", RequestError),
        ("row_lock", TransientError),
        ("inactive_owner", RequestError),
        ("get_missing", NotFoundError),
        ("patch_missing", NotFoundError),
        ("no_access", MissingPermissionError),
        ("read_only_user", MissingPermissionError),
        ("external_id_many", ConfigError),
        ("uri_too_long", RequestError),
        ("headers_too_large", RequestError),
        ("unavailable", TransientError),
        ("bulk2_unsupported_entity", RequestError),
    ],
)
def test_every_documented_refusal_has_its_meaning(
    clock: Any, web: responses.RequestsMock, case: str, error: type[ConnectorError]
) -> None:
    shapes = json.loads((CONTRACTS / "salesforce" / "response_shapes.json").read_text())["cases"]
    shape = next(one for one in shapes if one["name"] == case)
    body = shape["body_text"] if "body_text" in shape else json.dumps(shape["body"])
    web.get(f"{DATA}/thing", status=shape["status"], body=body)
    with pytest.raises(ConnectorError) as caught:
        open_api(clock, domain="acme.my", session_id="00D5e!given").json("GET", "thing", purpose="x")
    assert type(caught.value) is error
    if isinstance(shape.get("body"), list) and isinstance(shape["body"][0], dict):
        assert refused_with(caught.value, shape["body"][0]["errorCode"])


def given(clock: Any) -> Api:
    return open_api(clock, domain="acme.my", session_id="00D5e!given")


@pytest.mark.parametrize(
    ("code", "message", "error", "tries"),
    [
        (DAY_LIMIT, "TotalRequests Limit exceeded.", QuotaError, 1),
        (DAY_LIMIT, "ConcurrentPerOrgLongTxn Limit exceeded.", TransientError, 8),
        ("QUERY_TIMEOUT", "too long", TransientError, 2),
        ("UNABLE_TO_LOCK_ROW", "locked", TransientError, 3),
        ("UNSUPPORTED_API_VERSION", "Invalid Api version specified on URL", ConfigError, 1),
        ("INSUFFICIENT_ACCESS", "no", MissingPermissionError, 1),
    ],
)
def test_the_code_decides_whatever_the_status_and_even_for_writes(
    clock: Any, web: responses.RequestsMock, code: str, message: str, error: type[ConnectorError], tries: int
) -> None:
    for status in (400, 403):
        web.reset()
        web.patch(f"{DATA}/thing", status=status, json=refusal(code, message))
        api = given(clock)
        with pytest.raises(error) as caught:
            api.json("PATCH", "thing", purpose="x", body={}, repeatable=False)
        assert type(caught.value) is error
        assert api.calls["x"] == tries


def test_what_is_not_there_or_hidden_can_be_told(clock: Any, web: responses.RequestsMock) -> None:
    web.get(f"{DATA}/thing", status=400, json=refusal("INVALID_FIELD", "No such column"))
    with pytest.raises(MissingPermissionError) as caught:
        given(clock).json("GET", "thing", purpose="x")
    assert is_not_there(caught.value)
    assert not is_not_there(RequestError("other", detail=refusal("MALFORMED_QUERY")))


# ---- the org's budget ------------------------------------------------------------------------------------------------


def used(share: float, more: str = "") -> dict[str, str]:
    return {"Sforce-Limit-Info": f"api-usage={round(share * 1000)}/1000{more}"}


def test_the_budget_is_read_off_every_answer(clock: Any, web: responses.RequestsMock) -> None:
    web.get(f"{DATA}/limits", json={}, headers=used(0.25, "; per-app-api-usage=17/250(appName=Other app)"))
    web.get(f"{DATA}/limits", json={}, headers={"Sforce-Limit-Info": "something new"})
    api = given(clock)
    assert api.usage.share is None
    api.json("GET", "limits", purpose="x")
    api.json("GET", "limits", purpose="x")
    assert (api.daily.limit, api.daily.remaining, api.daily.period) == (1000, 750, "day")
    assert api.usage.apps == {"Other app": (17, 250)}
    assert api.usage.share == 0.25


def test_beyond_its_share_nothing_is_sent_until_the_news_is_old(clock: Any, web: responses.RequestsMock) -> None:
    web.get(f"{DATA}/limits", json={}, headers=used(0.5))
    api = open_api(clock, domain="acme.my", session_id="00D5e!given", stop_at=0.5)
    api.json("GET", "limits", purpose="x")
    calls = (
        lambda: api.json("GET", "limits", purpose="x"),
        lambda: api.raw("GET", "limits", purpose="x"),
        lambda: list(api.query("SELECT Id FROM Account", purpose="x")),
        lambda: api.call(api.client.limits, purpose="x"),
    )
    for call in calls:
        with pytest.raises(QuotaError, match=r"50% of the org's calls .* stop at 50%\. .*raise stop_at") as caught:
            call()
        assert caught.value.code == "stop_at"
    assert api.calls == {"x": 1}
    api.json("GET", "limits", purpose="check")
    clock.sleep(901)
    api.json("GET", "limits", purpose="x")
    with pytest.raises(QuotaError):
        api.json("GET", "limits", purpose="x")
    assert api.calls == {"x": 2, "check": 1}


def test_a_stop_at_of_one_leaves_the_limit_to_salesforce(clock: Any, web: responses.RequestsMock) -> None:
    web.get(f"{DATA}/limits", json={}, headers=used(1.0))
    api = open_api(clock, domain="acme.my", session_id="00D5e!given", stop_at=1)
    for _ in range(2):
        api.json("GET", "limits", purpose="x")
    assert api.calls == {"x": 2}


def test_what_is_left_is_asked_only_while_no_answer_has_told(org: Any) -> None:
    org.crm.environment()
    asked = dict(org.crm.calls)
    quota = org.crm.quota()
    assert (quota.limit, quota.remaining) == (115_000, 115_000 - 1)
    assert org.crm.calls == asked


def test_what_is_left_by_the_list_of_limits(clock: Any, web: responses.RequestsMock) -> None:
    keys = Settings(domain="acme.my", session_id="00D5e!given")
    crm = connect("salesforce", keys, clock=clock)
    web.get(f"{DATA}/limits/", status=403, json=refusal("INSUFFICIENT_ACCESS"))
    assert crm.quota().remaining is None
    web.reset()
    web.get(f"{DATA}/limits/", json={"DailyApiRequests": {"Max": "?", "Remaining": 3}})
    assert crm.quota().remaining is None
    web.reset()
    web.get(f"{DATA}/limits/", json={"DailyApiRequests": {"Max": 15000, "Remaining": 12340}})
    assert (crm.quota().limit, crm.quota().remaining) == (15000, 12340)


# ---- queries and descriptions ----------------------------------------------------------------------------------------


def page(*ids: str, link: Any = None) -> dict[str, Any]:
    body: dict[str, Any] = {"totalSize": 9, "done": link is None, "records": [{"Id": one} for one in ids]}
    return body if link is None else {**body, "nextRecordsUrl": link}


def test_pages_are_followed_below_the_base_url(clock: Any, web: responses.RequestsMock) -> None:
    base = "http://127.0.0.1:8642/salesforce"
    link = f"/services/data/v{API_VERSION}/query/01g-2000"
    web.get(f"{base}/services/data/v{API_VERSION}/queryAll", json=page("a", link=link))
    web.get(f"{base}{link}", json=page())
    api = open_api(clock, base_url=base, session_id="00D5e!given")
    pages = list(api.query("SELECT Id FROM Account", purpose="accounts", all_rows=True, batch=200))
    assert [[row["Id"] for row in one["records"]] for one in pages] == [["a"], []]
    assert [call.request.headers["Sforce-Query-Options"] for call in web.calls] == ["batchSize=200"] * 2
    assert api.calls == {"accounts": 2}


@pytest.mark.parametrize("link", [f"/services/data/v{API_VERSION}/query/01g-1", 7, "https://evil.example/x"])
def test_paging_that_goes_nowhere_is_noticed(clock: Any, web: responses.RequestsMock, link: Any) -> None:
    web.get(f"{DATA}/query", json=page("a", link=link))
    web.get(f"{DATA}/query/01g-1", json=page("a", link=link))
    with pytest.raises(ShapeError):
        list(given(clock).query("SELECT Id FROM Account", purpose="x"))
    assert len(web.calls) <= 2


@pytest.mark.parametrize("body", [[], {"done": True}, {"records": {}}])
def test_what_is_not_a_page_is_noticed(clock: Any, web: responses.RequestsMock, body: Any) -> None:
    web.get(f"{DATA}/query", json=body)
    with pytest.raises(ShapeError, match="without a list of records"):
        next(given(clock).query("SELECT Id FROM Account", purpose="x"))


def test_a_query_that_is_too_long_for_an_address_goes_in_a_body(clock: Any, web: responses.RequestsMock) -> None:
    names = "', '".join(["x" * 18] * (MOST_URI // 24))
    soql = f"SELECT Id FROM Account WHERE Id IN ('{names}')"
    answer = {"compositeResponse": [{"body": page("a"), "httpStatusCode": 200, "referenceId": "q", "httpHeaders": {}}]}
    web.post(f"{DATA}/composite", json=answer)
    assert [one["records"] for one in given(clock).query(soql, purpose="x")] == [[{"Id": "a"}]]
    asked = urlsplit(json.loads(sent(web).body)["compositeRequest"][0]["url"])
    assert (asked.path, parse_qs(asked.query)["q"]) == (f"/services/data/v{API_VERSION}/query", [soql])


def test_a_body_as_it_is_goes_up_and_comes_down(clock: Any, web: responses.RequestsMock) -> None:
    web.put(f"{DATA}/jobs/ingest/1/batches", status=201)
    web.get(f"{DATA}/jobs/query/1/results", body="Id\n1\n", headers={"Sforce-Locator": "null"})
    api = given(clock)
    headers = {"Content-Type": "text/csv"}
    api.raw("PUT", "jobs/ingest/1/batches", purpose="x", data="Id,N\n1,ä\n", headers=headers)
    assert (sent(web).body, sent(web).headers["Content-Type"]) == ("Id,N\n1,ä\n".encode(), "text/csv")
    answer = api.raw("GET", "jobs/query/1/results", purpose="x", stream=True)
    assert (answer.headers["Sforce-Locator"], answer.content) == ("null", b"Id\n1\n")


def test_a_description_is_remembered_for_an_hour(org: Any) -> None:
    api: Api = org.crm._api
    fields = api.describe("Account", purpose="x")
    assert fields["Name"]["updateable"] is True
    assert api.describe("Account", purpose="x") == fields
    assert api.calls["x"] == 1
    api.describe("Account", purpose="x", fresh=True)
    org.pass_time(hours=1, seconds=1)
    api.describe("Account", purpose="x")
    assert api.calls["x"] == 3


def test_an_object_that_is_not_there_is_a_missing_right(org: Any) -> None:
    with pytest.raises(MissingPermissionError, match="Nothing__c is not there, or the run-as user has no right"):
        org.crm._api.describe("Nothing__c", purpose="x")


def test_a_description_without_fields_is_noticed(clock: Any, web: responses.RequestsMock) -> None:
    web.get(f"{DATA}/sobjects/Account/describe", json={"name": "Account"})
    with pytest.raises(ShapeError, match="lists no fields"):
        given(clock).about("Account", purpose="x")


def test_the_library_runs_on_our_session(clock: Any, web: responses.RequestsMock) -> None:
    base = "http://127.0.0.1:8642/salesforce"
    where = f"{base}/services/data/v{API_VERSION}/"
    web.get(f"{where}sobjects", json={"sobjects": []})
    web.post(f"{where}sobjects/Account/", status=201, json={"id": "001", "success": True})
    web.patch(f"{where}sobjects/Account/001", status=401, json=refusal("INVALID_SESSION_ID"))
    api = open_api(clock, base_url=base, session_id="00D5e!given")
    assert api.client is api.client
    assert api.call(api.client.describe, purpose="x") == {"sobjects": []}
    assert api.call(api.client.Account.create, {"Name": "ä"}, purpose="x")["id"] == "001"
    assert json.loads(sent(web, 1).body) == {"Name": "ä"}
    assert {call.request.headers["Authorization"] for call in web.calls} == {"Bearer 00D5e!given"}
    with pytest.raises(CredentialsError, match="has ended"):
        api.call(api.client.Account.update, "001", {"Name": "b"}, purpose="x")
    assert api.calls == {"x": 3}
    api.client.describe()
    assert api.calls == {"x": 3, "other": 1}


def test_counts_of_records_are_asked_for_once(clock: Any, web: responses.RequestsMock) -> None:
    rows = [{"count": 3, "name": "Account"}, {"count": "?", "name": "Case"}, 5]
    web.get(f"{DATA}/limits/recordCount", json={"sObjects": rows})
    api = given(clock)
    assert api.record_counts(["Account", "Case"]) == {"Account": 3}
    assert api.record_counts(["Account"]) == {"Account": 3}
    assert sent(web).params == {"sObjects": "Account,Case"}
    assert len(web.calls) == 1


def test_counts_may_be_kept_from_us(clock: Any, web: responses.RequestsMock) -> None:
    web.get(f"{DATA}/limits/recordCount", status=403, json=refusal("INSUFFICIENT_ACCESS"))
    assert given(clock).record_counts(["Account"]) == {}


def test_salesforces_clock_is_the_one_of_its_answers(clock: Any, web: responses.RequestsMock) -> None:
    web.get(f"{DATA}/limits", json={}, headers={"Date": "Sun, 22 Nov 2026 08:20:00 GMT"})
    api = given(clock)
    assert api.server_now() == clock.now()
    api.json("GET", "limits", purpose="x")
    assert api.server_now() == datetime.fromisoformat("2026-11-22T08:20:00Z")
