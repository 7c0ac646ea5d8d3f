"""The sandbox with a choice of CRM, and a config for it: what `demo` uses and `sandbox serve --write-config` writes."""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from sandbox.core import CREDENTIALS

CRMS = ("hubspot", "salesforce")
OTHERS = ("zendesk", "mixpanel")

HUBSPOT = """\
[crm]
type = "hubspot"
token = {{ file = "hubspot.token" }}
base_url = "{hubspot}"
"""

SALESFORCE = """\
[crm]
type = "salesforce"
domain = "acme.my"
consumer_key = "{consumer_key}"
consumer_secret = {{ file = "salesforce.secret" }}
base_url = "{salesforce}"
surveys = "NPS_Response__c"

# What this company has added to its org. In yours the names are others.
[crm.fields.accounts]
domains = ["Website", "Domains__c"]
plan = "Plan__c"
mrr = "MRR__c"
customer_since = "Customer_Since__c"
renewal_date = "Renewal_Date__c"
[crm.fields.accounts.external_ids]
product = "Product_Account_Id__c"
[crm.fields.contacts]
other_emails = "Other_Emails__c"
[crm.fields.contacts.external_ids]
product = "Product_User_Id__c"
"""

REST = """\

[sources.zendesk]
subdomain = "acme"
email = "{email}"
token = {{ file = "zendesk.token" }}
base_url = "{zendesk}"
exports_per_minute = {exports}

[sources.mixpanel]
project_id = {project_id}
username = "{username}"
secret = {{ file = "mixpanel.secret" }}
account_key = "company_id"
base_url = "{mixpanel}"

[identity]
own_domains = ["holdfast.example"]

[state]
dir = "state"
"""

SECRETS: Mapping[str, Mapping[str, str]] = {
    "hubspot": {"hubspot.token": "token"},
    "salesforce": {"salesforce.secret": "consumer_secret"},
    "zendesk": {"zendesk.token": "token"},
    "mixpanel": {"mixpanel.secret": "secret"},
}
"""Vendor -> file beside the config -> which of the sandbox's credentials it holds."""


def vendors(crm: str) -> tuple[str, ...]:
    """What the sandbox serves with this CRM."""
    return (crm, *OTHERS)


def write_trial_config(folder: Path, base_urls: Mapping[str, str], *, exports_per_minute: int = 10) -> Path:
    """Write `config.toml` and its secret files into a folder; returns the config's path.

    Args:
        folder: Where to; made when it is not there.
        base_urls: Vendor -> where the sandbox serves it; the CRM is the first of `CRMS` in it.
        exports_per_minute: What that sandbox's Zendesk allows.
    """
    folder.mkdir(parents=True, exist_ok=True)
    crm = next(name for name in CRMS if name in base_urls)
    for vendor in vendors(crm):
        for name, key in SECRETS[vendor].items():
            file = folder / name
            file.touch(mode=0o600)
            file.chmod(0o600)
            file.write_text(f"{CREDENTIALS[vendor][key]}\n", encoding="utf-8")
    config = folder / "config.toml"
    public = {key: value for vendor in vendors(crm) for key, value in CREDENTIALS[vendor].items()}
    template = (HUBSPOT if crm == "hubspot" else SALESFORCE) + REST
    text = template.format(**base_urls, **public, exports=exports_per_minute)
    header = "# Made for the sandbox. The tokens beside it are made up and open nothing else.\n"
    config.write_text(header + text, encoding="utf-8")
    return config


def program() -> str:
    """How this program is called from here: by its name where that finds it, else by its path."""
    called = Path(sys.argv[0])
    if called.name != "holdfast" or shutil.which("holdfast"):
        return "holdfast"
    return str(called)
