"""The sandbox with a choice of CRM, and a config for it: what `demo` uses and `sandbox serve --write-config` writes."""

import shutil
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from sandbox.core import CREDENTIALS
from sandbox.model import World

CRMS = ("hubspot", "salesforce")
OTHERS = ("zendesk", "mixpanel")
MORE = ("intercom", "stripe", "amplitude", "typeform", "surveymonkey")
"""What the sandbox serves only where all sources are asked for."""

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
"""

ALL = """\

[sources.intercom]
token = {{ file = "intercom.token" }}
base_url = "{intercom}"

[sources.stripe]
key = {{ file = "stripe.key" }}
base_url = "{stripe}"

[sources.amplitude]
api_key = "{api_key}"
secret_key = {{ file = "amplitude.secret" }}
account_key = "company"
base_url = "{amplitude}"

[sources.typeform]
token = {{ file = "typeform.token" }}
base_url = "{typeform}"
[sources.typeform.forms]
{nps_form} = {{}}
{scale_form} = {{ question = "recommend" }}

[sources.surveymonkey]
token = {{ file = "surveymonkey.token" }}
base_url = "{surveymonkey}"
[sources.surveymonkey.surveys]
{csat} = {{ survey = "csat" }}
{ces} = {{ survey = "ces" }}

# Answers that somebody collected on paper: a file that was dropped into a folder.
[sources.visits]
type = "files"
folder = "{folder}/drop"
[sources.visits.streams.answers]
record = "survey_response"
files = "answers*.csv"
[sources.visits.streams.answers.fields]
source_id = "response_id"
survey = "const:csat"
score = "score"
scale_min = "const:1"
scale_max = "const:5"
email = "email"
responded_at = "answered_at"

# Calls, as the telephone system logs them in a database.
[sources.telephone]
type = "sql"
url = {{ file = "telephone.url" }}
[sources.telephone.streams.customers]
record = "account"
table = "customers"
cursor = "changed_at"
[sources.telephone.streams.customers.fields]
source_id = "id"
name = "name"
domains = "website"
external_ids = {{ product = "product_id" }}
[sources.telephone.streams.calls]
record = "activity"
table = "calls"
cursor = "called_at"
[sources.telephone.streams.calls.fields]
source_id = "id"
account_ref = "customer_id"
activity = "const:call"
inbound = "inbound"
at = "called_at"

# Meetings, by a Singer tap.
[sources.bookings]
type = "singer"
command = ["{python}", "-m", "sandbox.tap"]
config = {{ bookings = "{folder}/bookings.json" }}
[sources.bookings.streams.guests]
record = "contact"
[sources.bookings.streams.guests.fields]
source_id = "id"
email = "email"
[sources.bookings.streams.meetings]
record = "activity"
[sources.bookings.streams.meetings.fields]
source_id = "id"
contact_ref = "guest_id"
activity = "const:meeting"
at = "held_at"
"""

ENDING = """\

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
    "intercom": {"intercom.token": "token"},
    "stripe": {"stripe.key": "key"},
    "amplitude": {"amplitude.secret": "secret_key"},
    "typeform": {"typeform.token": "token"},
    "surveymonkey": {"surveymonkey.token": "token"},
}
"""Vendor -> file beside the config -> which of the sandbox's credentials it holds."""


def vendors(crm: str, *, everything: bool = False) -> tuple[str, ...]:
    """What the sandbox serves with this CRM."""
    return (crm, *OTHERS, *(MORE if everything else ()))


def write_trial_config(
    folder: Path,
    base_urls: Mapping[str, str],
    *,
    exports_per_minute: int = 10,
    shelf: tuple[World, datetime] | None = None,
) -> Path:
    """Write `config.toml` and its secret files into a folder; returns the config's path.

    Args:
        folder: Where to; made when it is not there.
        base_urls: Vendor -> where the sandbox serves it; the CRM is the first of `CRMS` in it.
        exports_per_minute: What that sandbox's Zendesk allows.
        shelf: With the vendors of `MORE` in `base_urls`: whose files, database and bookings to write too, as of when.
    """
    folder.mkdir(parents=True, exist_ok=True)
    crm = next(name for name in CRMS if name in base_urls)
    names = vendors(crm, everything=shelf is not None)
    for vendor in names:
        for name, key in SECRETS[vendor].items():
            _write_secret(folder / name, str(CREDENTIALS[vendor][key]))
    given = {key: value for vendor in names for key, value in CREDENTIALS[vendor].items()}
    text = (HUBSPOT if crm == "hubspot" else SALESFORCE) + REST
    if shelf is not None:
        text += ALL
        given |= _stocked(folder.resolve(), *shelf)
    config = folder / "config.toml"
    header = "# Made for the sandbox. The tokens beside it are made up and open nothing else.\n"
    filled = (text + ENDING).format(**base_urls, **given, exports=exports_per_minute)
    config.write_text(header + filled, encoding="utf-8")
    return config


def _write_secret(file: Path, text: str) -> None:
    file.touch(mode=0o600)
    file.chmod(0o600)
    file.write_text(f"{text}\n", encoding="utf-8")


def _stocked(folder: Path, world: World, now: datetime) -> dict[str, str]:
    """Write what lies beside the vendors; what the config says of it, and of surveys."""
    from sandbox.shelf import WAREHOUSE, stock
    from sandbox.surveymonkey_surveys import CES, CSAT
    from sandbox.typeform import NPS_FORM, SCALE_FORM

    stock(world, now, folder)
    _write_secret(folder / "telephone.url", f"sqlite:///{folder / WAREHOUSE}")
    return {
        "folder": str(folder),
        "python": sys.executable,
        "nps_form": NPS_FORM,
        "scale_form": SCALE_FORM,
        "csat": CSAT,
        "ces": CES,
    }


def program() -> str:
    """How this program is called from here: by its name where that finds it, else by its path."""
    called = Path(sys.argv[0])
    if called.name != "holdfast" or shutil.which("holdfast"):
        return "holdfast"
    return str(called)
