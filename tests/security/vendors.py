"""Every vendor with settings that could work, for tests of what comes before and around the vendor's answers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from connectors.base import Clock
from connectors.registry import VENDORS

CANARY = "canary-4f1d9c7e55"
"""Stands in every secret of these settings, and in nothing that may be shown."""

SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "hubspot": {"token": f"pat-{CANARY}"},
    "salesforce": {"domain": "acme.my", "consumer_key": "key", "consumer_secret": f"cs-{CANARY}"},
    "zendesk": {"subdomain": "acme", "email": "a@acme.example", "token": f"zd-{CANARY}"},
    "stripe": {"key": f"rk_live_{CANARY}"},
    "mixpanel": {"project_id": 1, "username": "u.mp-service-account", "secret": f"mp-{CANARY}"},
    "amplitude": {"api_key": "key", "secret_key": f"am-{CANARY}"},
    "intercom": {"token": f"ic-{CANARY}"},
    "typeform": {"token": f"tfp_{CANARY}", "forms": "lR6F4j"},
    "surveymonkey": {"token": f"sm-{CANARY}", "surveys": "105723396"},
}
HOMES: Mapping[str, str] = {
    "hubspot": "hubapi.com",
    "salesforce": "salesforce.com",
    "zendesk": "zendesk.com",
    "mixpanel": "mixpanel.com",
    "amplitude": "amplitude.com",
    "intercom": "intercom.io",
    "typeform": "typeform.com",
    "surveymonkey": "surveymonkey.com",
    "stripe": "stripe.com",
}


def connect(vendor: str, clock: Clock, spool: Path, **settings: Any) -> Any:
    """A connector, as the command line would make it."""
    module = VENDORS[vendor].load()
    chosen = module.Settings(**{**SETTINGS[vendor], **settings})
    return module.connect(vendor, chosen, clock=clock, spool=spool)
