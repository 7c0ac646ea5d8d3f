"""Logins, sessions, versions, the day's calls, and what the edge refuses."""

import base64
from collections.abc import Callable
from typing import Any

import jwt
import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox.core import SALESFORCE_KEY, SALESFORCE_SECRET
from sandbox.salesforce_access import JWT_GRANT, PASSWORD, REFRESH_TOKEN, SECURITY_TOKEN
from sandbox.salesforce_base import ADMINISTRATOR, INTEGRATION_USER, ORGANIZATION

LIMITS = "/services/data/v64.0/limits"
TOKEN = "/services/oauth2/token"
INVALID = [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]


def works(sf: Any, token: str) -> int:
    """The status of a plain call with a token."""
    status: int = sf.send("GET", LIMITS, headers={"Authorization": f"Bearer {token}"}).status_code
    return status


def test_client_credentials_in_form_fields(sf: Any) -> None:
    answer = sf.token()
    assert set(answer) == {
        "access_token",
        "signature",
        "scope",
        "instance_url",
        "id",
        "token_type",
        "issued_at",
    }, "there is no expires_in"
    assert answer["instance_url"] == sf.base
    assert answer["id"] == f"{sf.base}/id/{ORGANIZATION}/{INTEGRATION_USER}"
    assert answer["token_type"] == "Bearer"
    assert int(answer["issued_at"]) == sf.org.now
    assert works(sf, answer["access_token"]) == 200
    assert answer["access_token"] != sf.token()["access_token"]


def test_client_credentials_in_a_basic_header(sf: Any) -> None:
    secret = base64.b64encode(f"{SALESFORCE_KEY}:{SALESFORCE_SECRET}".encode()).decode()
    answer = sf.send(
        "POST", TOKEN, data={"grant_type": "client_credentials"}, headers={"Authorization": f"Basic {secret}"}
    )
    assert works(sf, answer.json()["access_token"]) == 200


@pytest.mark.parametrize("header", ["Basic ???", "Bearer x", ""])
def test_a_header_that_is_no_client_is_refused(sf: Any, header: str) -> None:
    answer = sf.send("POST", TOKEN, data={"grant_type": "client_credentials"}, headers={"Authorization": header})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_id")


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"client_id": "other"}, "invalid_client_id"),
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"grant_type": "device"}, "unsupported_grant_type"),
        ({"grant_type": "refresh_token", "refresh_token": "no"}, "invalid_grant"),
        ({"grant_type": "password", "username": "x", "password": "y"}, "invalid_grant"),
        ({"grant_type": JWT_GRANT, "assertion": "not.a.jwt"}, "invalid_grant"),
    ],
)
def test_a_refused_grant_says_why(sf: Any, form: dict[str, str], error: str) -> None:
    answer = sf.token(400, **form)
    assert answer["error"] == error
    assert answer["error_description"]


def test_an_app_without_a_run_as_user_gets_nothing(make_client: Callable[..., Any]) -> None:
    answer = make_client(run_as_user=False).token(400)
    assert answer == {"error": "invalid_grant", "error_description": "no client credentials user enabled"}


def test_a_refresh_token_gives_a_session(sf: Any) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": REFRESH_TOKEN}
    assert works(sf, sf.token(**form)["access_token"]) == 200
    sf.ask("POST", "/services/oauth2/revoke", data={"token": REFRESH_TOKEN})
    assert sf.token(400, **form)["error_description"] == "expired access/refresh token"


def test_a_session_can_be_revoked(sf: Any) -> None:
    token = sf.token()["access_token"]
    assert sf.send("POST", "/services/oauth2/revoke", data={"token": token}).status_code == 200
    assert works(sf, token) == 401
    assert sf.ask("POST", "/services/oauth2/revoke", 400, data={"token": token})["error"] == "unsupported_token_type"


def test_the_password_grant_is_off_in_new_orgs(sf: Any) -> None:
    form = {"grant_type": "password", "username": sf.value(INTEGRATION_USER, "Username")}
    assert sf.token(400, **form, password=PASSWORD)["error_description"] == "authentication failure"
    sf.mutate("options", password_flow=True)
    assert works(sf, sf.token(**form, password=PASSWORD + SECURITY_TOKEN)["access_token"]) == 200
    assert sf.token(400, **form, password="wrong")["error"] == "invalid_grant"


def test_a_deactivated_user_gets_no_session_and_loses_theirs(sf: Any) -> None:
    token = sf.token()["access_token"]
    sf.mutate("deactivate_user", id=INTEGRATION_USER)
    assert sf.token(400)["error_description"] == "inactive user"
    assert works(sf, token) == 401
    sf.mutate("activate_user", id=INTEGRATION_USER)
    assert works(sf, token) == 200


class Signer:
    """Makes assertions; its claims are good unless told otherwise."""

    def __init__(self, sf: Any, keys: tuple[str, str]) -> None:
        self.sf = sf
        self.private = keys[0]
        self.username = sf.mutate("add_jwt_key", pem=keys[1])

    def ask(self, status: int = 200, *, algorithm: str = "RS256", **claims: Any) -> Any:
        payload = {
            "iss": SALESFORCE_KEY,
            "sub": self.username,
            "aud": "https://login.salesforce.com",
            "exp": str(self.sf.org.now // 1000 + 180),
            **claims,
        }
        assertion = jwt.encode(payload, self.private if algorithm == "RS256" else "x" * 64, algorithm=algorithm)
        return self.sf.token(status, grant_type=JWT_GRANT, assertion=assertion)


@pytest.fixture
def signer(sf: Any, key_pair: tuple[str, str]) -> Signer:
    return Signer(sf, key_pair)


@pytest.mark.parametrize(
    "audience", ["https://login.salesforce.com", "https://acme.my.salesforce.com", ["https://login.salesforce.com/"]]
)
def test_a_signed_assertion_gives_a_session(sf: Any, signer: Signer, audience: Any) -> None:
    assert works(sf, signer.ask(aud=audience)["access_token"]) == 200


@pytest.mark.parametrize(
    ("claims", "description"),
    [
        ({"iss": "other"}, "client identifier invalid"),
        ({"sub": "nobody@x.example"}, "user hasn't approved this consumer"),
        ({"aud": "https://evil.example"}, "audience is invalid"),
        ({"aud": None}, "audience is invalid"),
        ({"aud": "https://test.salesforce.com"}, "audience is invalid"),
        ({"exp": "0"}, "expired authorization code"),
        ({"exp": None}, "expired authorization code"),
        ({"exp": 10**12}, "expiration date is too far in the future"),
    ],
)
def test_an_assertion_with_a_wrong_claim_is_refused(signer: Signer, claims: dict[str, Any], description: str) -> None:
    assert signer.ask(400, **claims)["error_description"] == description


def test_only_a_registered_key_signs(sf: Any, signer: Signer) -> None:
    other = rsa.generate_private_key(65537, 2048)
    pem = other.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    good, signer.private = signer.private, pem.decode()
    assert signer.ask(400)["error_description"] == "invalid assertion"
    signer.private = good
    assert signer.ask(400, algorithm="HS256")["error_description"] == "invalid assertion"
    admin = sf.value(ADMINISTRATOR, "Username")
    assert signer.ask(400, sub=admin)["error_description"] == "user hasn't approved this consumer"


def test_a_sandbox_org_wants_the_other_login_host(make_client: Callable[..., Any], key_pair: tuple[str, str]) -> None:
    signer = Signer(make_client(is_sandbox=True), key_pair)
    assert signer.ask(400)["error_description"] == "audience is invalid"
    assert signer.ask(aud="https://test.salesforce.com")["access_token"]


@pytest.mark.parametrize("header", [None, "Bearer nothing", "Basic abc", "Bearer"])
def test_a_call_needs_a_session(sf: Any, header: str | None) -> None:
    assert sf.ask("GET", LIMITS, 401, headers={"Authorization": header}) == INVALID


def test_a_session_ends_some_time_after_its_last_use(make_client: Callable[..., Any]) -> None:
    sf = make_client(session_minutes=10)
    token = sf.token()["access_token"]
    for _ in range(3):
        sf.later(599)
        assert works(sf, token) == 200
    sf.later(600)
    assert works(sf, token) == 401


def test_every_session_can_end_now(sf: Any) -> None:
    sf.mutate("expire_tokens")
    assert sf.get(LIMITS, 401) == INVALID
    assert works(sf, sf.token()["access_token"]) == 200


def test_new_sessions_can_stay_bad(sf: Any) -> None:
    sf.mutate("options", bad_new_tokens=True)
    sf.mutate("expire_tokens")
    assert works(sf, sf.token()["access_token"]) == 401
    sf.mutate("options", bad_new_tokens=False)
    assert works(sf, sf.token()["access_token"]) == 200


def test_sessions_can_be_refused_for_rest(sf: Any) -> None:
    sf.mutate("options", rest_refused=True)
    body = sf.get(LIMITS, 401)
    assert body[0]["errorCode"] == "INVALID_SESSION_ID"
    assert body[0]["message"] == "This session is not valid for use with the REST API"


def test_versions_are_listed_without_a_session(sf: Any) -> None:
    rows = sf.ask("GET", "/services/data/", headers={"Authorization": None})
    assert rows[0] == {"label": "Winter '18", "url": "/services/data/v41.0", "version": "41.0"}
    assert rows[-1]["label"] == "Winter '27"
    assert [float(row["version"]) for row in rows] == [float(n) for n in range(41, 69)]


@pytest.mark.parametrize("version", ["40.0", "69.0", "64", "x"])
def test_other_versions_are_not_supported(sf: Any, version: str) -> None:
    assert sf.get(f"/services/data/v{version}/limits", 404)[0]["errorCode"] == "UNSUPPORTED_API_VERSION"


def test_versions_can_be_retired(sf: Any) -> None:
    sf.mutate("options", first_version=65)
    sf.get(LIMITS, 404)
    assert sf.get("/services/data/")[0]["version"] == "65.0"


def test_resources_of_a_version(sf: Any) -> None:
    found = sf.get("/services/data/v64.0/")
    assert found["sobjects"] == "/services/data/v64.0/sobjects"
    assert found["identity"].endswith(f"/id/{ORGANIZATION}/{INTEGRATION_USER}")


def test_the_identity_url_says_who_calls(sf: Any) -> None:
    url = sf.token()["id"]
    found = sf.session.get(url).json()
    assert (found["user_id"], found["organization_id"]) == (INTEGRATION_USER, ORGANIZATION)
    assert found["username"] == sf.get("/services/oauth2/userinfo")["preferred_username"]
    assert sf.get("/services/oauth2/userinfo")["sub"] == url
    sf.get(f"/id/{ORGANIZATION}/{ADMINISTRATOR}", 403)
    sf.get(f"/id/{INTEGRATION_USER}/{INTEGRATION_USER}", 404)
    assert sf.send("GET", "/services/oauth2/userinfo", headers={"Authorization": ""}).text == "Bad_OAuth_Token"


def test_what_is_not_served_is_not_found(sf: Any) -> None:
    assert sf.get("/services/other", 404)[0]["errorCode"] == "NOT_FOUND"
    assert sf.ask("POST", "/services/oauth2/other", 404)[0]["errorCode"] == "NOT_FOUND"
    assert sf.get("nothing/here", 404)[0]["errorCode"] == "NOT_FOUND"
    assert sf.ask("DELETE", "limits", 405)[0]["errorCode"] == "METHOD_NOT_ALLOWED"


def usage(answer: requests.Response) -> str:
    return answer.headers["Sforce-Limit-Info"]


def test_every_answer_tells_the_usage(sf: Any) -> None:
    assert usage(sf.send("GET", LIMITS)) == "api-usage=1/115000"
    assert usage(sf.send("GET", "nothing")) == "api-usage=2/115000"
    assert usage(sf.send("GET", "/services/data/")) == "api-usage=2/115000", "the list of versions costs nothing"
    sf.mutate("options", per_app="Holdfast", per_app_limit=250)
    sf.mutate("use_calls", calls=10)
    assert usage(sf.send("GET", LIMITS)) == "api-usage=13/115000; per-app-api-usage=3/250(appName=Holdfast)"


def test_the_day_is_the_last_24_hours(sf: Any) -> None:
    sf.mutate("options", api_limit=5)
    sf.mutate("use_calls", calls=3)
    sf.later(3600)
    sf.get(LIMITS)
    assert sf.get(LIMITS)["DailyApiRequests"] == {"Max": 5, "Remaining": 0}
    assert sf.get(LIMITS, 403) == [{"message": "TotalRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}]
    sf.later(23 * 3600)
    assert sf.token()["access_token"], "logging in costs nothing"
    sf.user(INTEGRATION_USER)
    assert usage(sf.send("GET", LIMITS)) == "api-usage=3/5", "the other integration's calls are a day old"


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"api_disabled": "org"}, "API_DISABLED_FOR_ORG"),
        ({"api_disabled": "user"}, "API_CURRENTLY_DISABLED"),
        ({"concurrent_limit": True}, "REQUEST_LIMIT_EXCEEDED"),
    ],
)
def test_switches_refuse_every_call(sf: Any, options: dict[str, Any], code: str) -> None:
    sf.mutate("options", **options)
    answer = sf.send("GET", LIMITS)
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (403, code)
    assert usage(answer) == "api-usage=0/115000"


def test_a_user_without_the_api_right_is_refused(sf: Any) -> None:
    sf.mutate("forbid", rights=["ApiEnabled"])
    assert sf.get(LIMITS, 403)[0]["errorCode"] == "API_CURRENTLY_DISABLED"
    sf.mutate("permit", rights=["ApiEnabled"])
    sf.get(LIMITS)


def test_long_addresses_and_headers_are_pages_of_the_edge(sf: Any) -> None:
    answer = sf.send("GET", "query", params={"q": "x" * 16_400})
    assert (answer.status_code, answer.headers["Content-Type"]) == (414, "text/html")
    assert "URI Too Long" in answer.text
    answer = sf.send("GET", "limits", params={"q": "x" * 10_000}, headers={"X-Long": "y" * 7_000})
    assert answer.status_code == 431
    assert "Request Header Fields Too Large" in answer.text
    sf.get("limits", q="x" * 10_000)


# ---- SOAP ------------------------------------------------------------------------------------------------------------


def test_soap_login_takes_words_as_they_are_in_cdata(sf: Any) -> None:
    sf.mutate("options", soap_login=True)
    name, word = sf.value(INTEGRATION_USER, "Username"), PASSWORD + SECURITY_TOKEN
    body = f"<n:username> <![CDATA[{name}]]></n:username><n:password><![CDATA[{word}]]></n:password>"
    answer = sf.send("POST", "/services/Soap/u/64.0", data=body)
    assert (answer.status_code, f"<userId>{INTEGRATION_USER}</userId>" in answer.text) == (200, True)


@pytest.mark.parametrize("version", ["65.0", "40.0", "x"])
def test_soap_login_is_gone_in_later_and_retired_versions(sf: Any, version: str) -> None:
    sf.mutate("options", soap_login=True)
    answer = sf.send("POST", f"/services/Soap/u/{version}", data="<login/>", headers={"Content-Type": "text/xml"})
    assert answer.status_code == 500
    assert "<faultcode>UNSUPPORTED_API_VERSION</faultcode>" in answer.text
