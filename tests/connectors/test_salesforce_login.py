"""Logging in to Salesforce by every way, and sessions that end."""

import base64
import json
import threading
from datetime import timedelta
from typing import Any

import jwt
import pytest
import requests
import responses
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from connectors.errors import (
    ConfigError,
    CredentialsError,
    ShapeError,
    TransientError,
)
from connectors.http import refused_with
from connectors.redact import REDACTOR
from connectors.salesforce_api import Api
from connectors.salesforce_settings import API_VERSION
from sandbox.core import SALESFORCE_KEY
from tests.connectors.salesforce_web import (
    APP,
    BASE,
    DATA,
    ORG_ID,
    TOKEN_URL,
    USER_ID,
    form,
    given,
    open_api,
    refusal,
    sent,
    token,
)

SOAP_URL = f"{BASE}/services/Soap/u/{API_VERSION}"


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def pem(rsa_key: rsa.RSAPrivateKey) -> str:
    return rsa_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


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
    assert "log-in refused: Invalid; me@acme ***." in str(caught.value)
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
