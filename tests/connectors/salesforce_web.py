"""A Salesforce org that answers what a test tells it to, without a simulator behind it."""

from typing import Any
from urllib.parse import parse_qs

import responses

from connectors.salesforce import Settings, connect
from connectors.salesforce_api import Api
from connectors.salesforce_settings import API_VERSION

BASE = "https://acme.my.salesforce.com"
DATA = f"{BASE}/services/data/v{API_VERSION}"
TOKEN_URL = f"{BASE}/services/oauth2/token"
ORG_ID, USER_ID = "00D5e000000AAAAEAQ", "0055e000000AAAAEAQ"
APP = {"domain": "acme.my", "consumer_key": "3MVG9.key", "consumer_secret": "app-s3cret"}


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


def given(clock: Any) -> Api:
    return open_api(clock, domain="acme.my", session_id="00D5e!given")
