"""A config for the sandbox: what `demo` uses and `sandbox serve --write-config` writes."""

from collections.abc import Mapping
from pathlib import Path

from sandbox.core import CREDENTIALS

TEMPLATE = """\
# Made for the sandbox. The tokens beside it are made up and open nothing else.
[crm]
type = "hubspot"
token = {{ file = "hubspot.token" }}
base_url = "{hubspot}"

[sources.zendesk]
subdomain = "acme"
email = "{email}"
token = {{ file = "zendesk.token" }}
base_url = "{zendesk}"
exports_per_minute = {exports}

[sources.mixpanel]
project_id = {project}
username = "{username}"
secret = {{ file = "mixpanel.secret" }}
account_key = "company_id"
base_url = "{mixpanel}"

[identity]
own_domains = ["holdfast.example"]

[state]
dir = "state"
"""


def write_trial_config(folder: Path, base_urls: Mapping[str, str], *, exports_per_minute: int = 10) -> Path:
    """Write `config.toml` and its secret files into a folder; returns the config's path.

    Args:
        folder: Where to; made when it is not there.
        base_urls: Vendor -> where the sandbox serves it.
        exports_per_minute: What that sandbox's Zendesk allows.
    """
    folder.mkdir(parents=True, exist_ok=True)
    secrets = {
        "hubspot.token": CREDENTIALS["hubspot"]["token"],
        "zendesk.token": CREDENTIALS["zendesk"]["token"],
        "mixpanel.secret": CREDENTIALS["mixpanel"]["secret"],
    }
    for name, secret in secrets.items():
        file = folder / name
        file.touch(mode=0o600)
        file.chmod(0o600)
        file.write_text(f"{secret}\n", encoding="utf-8")
    config = folder / "config.toml"
    text = TEMPLATE.format(
        **base_urls,
        exports=exports_per_minute,
        email=CREDENTIALS["zendesk"]["email"],
        project=CREDENTIALS["mixpanel"]["project_id"],
        username=CREDENTIALS["mixpanel"]["username"],
    )
    config.write_text(text, encoding="utf-8")
    return config
