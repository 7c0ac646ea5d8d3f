"""Every path the simulator serves, in both families, from one table.

HubSpot's v3 and v4 paths and the dated ones (`/crm/objects/2026-09/...`) lead to the same operations. Support for v4
ends on 2027-03-30 and for v1 to v3 in September 2027.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

DATED_VERSIONS = ("2025-09", "2026-03", "2026-09")

_FAMILIES: Mapping[str, tuple[str, str]] = {
    "objects": ("/crm/v3/objects", "/crm/objects/{v}"),
    "links": ("/crm/v4/objects", "/crm/objects/{v}"),
    "associations": ("/crm/v4/associations", "/crm/associations/{v}"),
    "properties": ("/crm/v3/properties", "/crm/properties/{v}"),
    "owners": ("/crm/v3/owners", "/crm/owners/{v}"),
    "pipelines": ("/crm/v3/pipelines", "/crm/pipelines/{v}"),
    "limits": ("/crm/v3/limits", "/crm/limits/{v}"),
    "account": ("/account-info/v3", "/account-info/{v}"),
    "oauth": ("/oauth/v1", "/oauth/{v}"),
}

_TAILS: tuple[tuple[str, str, str, str], ...] = (
    # family, tail, method, operation
    ("objects", "/{kind}", "GET", "objects.list"),
    ("objects", "/{kind}", "POST", "objects.create"),
    ("objects", "/{kind}/search", "POST", "objects.search"),
    ("objects", "/{kind}/merge", "POST", "objects.merge"),
    ("objects", "/{kind}/batch/read", "POST", "batch.read"),
    ("objects", "/{kind}/batch/create", "POST", "batch.create"),
    ("objects", "/{kind}/batch/update", "POST", "batch.update"),
    ("objects", "/{kind}/batch/upsert", "POST", "batch.upsert"),
    ("objects", "/{kind}/batch/archive", "POST", "batch.archive"),
    ("objects", "/{kind}/{id}", "GET", "objects.get"),
    ("objects", "/{kind}/{id}", "PATCH", "objects.update"),
    ("objects", "/{kind}/{id}", "DELETE", "objects.archive"),
    ("links", "/{kind}/{id}/associations/default/{to}/{to_id}", "PUT", "links.put_default"),
    ("links", "/{kind}/{id}/associations/{to}", "GET", "links.list"),
    ("links", "/{kind}/{id}/associations/{to}/{to_id}", "PUT", "links.put"),
    ("links", "/{kind}/{id}/associations/{to}/{to_id}", "DELETE", "links.delete"),
    ("associations", "/{kind}/{to}/batch/read", "POST", "links.batch_read"),
    ("associations", "/{kind}/{to}/batch/create", "POST", "links.batch_create"),
    ("associations", "/{kind}/{to}/batch/archive", "POST", "links.batch_archive"),
    ("associations", "/{kind}/{to}/batch/associate/default", "POST", "links.batch_default"),
    ("associations", "/{kind}/{to}/batch/labels/archive", "POST", "links.batch_labels_archive"),
    ("associations", "/{kind}/{to}/labels", "GET", "links.labels"),
    ("properties", "/{kind}/batch/create", "POST", "properties.batch_create"),
    ("properties", "/{kind}/batch/read", "POST", "properties.batch_read"),
    ("properties", "/{kind}/batch/archive", "POST", "properties.batch_archive"),
    ("properties", "/{kind}/groups", "GET", "groups.list"),
    ("properties", "/{kind}/groups", "POST", "groups.create"),
    ("properties", "/{kind}/groups/{name}", "GET", "groups.get"),
    ("properties", "/{kind}/groups/{name}", "PATCH", "groups.update"),
    ("properties", "/{kind}/groups/{name}", "DELETE", "groups.archive"),
    ("properties", "/{kind}", "GET", "properties.list"),
    ("properties", "/{kind}", "POST", "properties.create"),
    ("properties", "/{kind}/{name}", "GET", "properties.get"),
    ("properties", "/{kind}/{name}", "PATCH", "properties.update"),
    ("properties", "/{kind}/{name}", "DELETE", "properties.archive"),
    ("owners", "", "GET", "owners.list"),
    ("owners", "/{id}", "GET", "owners.get"),
    ("pipelines", "/{kind}", "GET", "pipelines.list"),
    ("pipelines", "/{kind}/{id}", "GET", "pipelines.get"),
    ("pipelines", "/{kind}/{id}/stages", "GET", "pipelines.stages"),
    ("pipelines", "/{kind}/{id}/stages/{stage}", "GET", "pipelines.stage"),
    ("limits", "/custom-properties", "GET", "limits.custom_properties"),
    ("account", "/details", "GET", "account.details"),
    ("account", "/api-usage/daily/private-apps", "GET", "account.usage"),
    ("oauth", "/token", "POST", "oauth.token"),
)

_ODD: tuple[tuple[str, str, str], ...] = (
    # Paths whose tail differs between the families.
    ("/oauth/v1/access-tokens/{token}", "GET", "oauth.access_token"),
    ("/oauth/v1/refresh-tokens/{token}", "GET", "oauth.refresh_token"),
    ("/oauth/v1/refresh-tokens/{token}", "DELETE", "oauth.delete_refresh_token"),
    ("/oauth/v2/private-apps/get/access-token-info", "POST", "oauth.private_app"),
    ("/oauth/{v}/token/introspect", "POST", "oauth.introspect"),
    ("/oauth/{v}/token/revoke", "POST", "oauth.revoke"),
)

READING_POSTS = frozenset(
    {
        "objects.search",
        "batch.read",
        "links.batch_read",
        "properties.batch_read",
        "oauth.token",
        "oauth.introspect",
        "oauth.private_app",
    }
)
"""POSTs that change nothing an admin would call data."""


@dataclass(frozen=True, slots=True)
class Match:
    """What a path means.

    Attributes:
        operations: HTTP method -> operation.
        params: The path's parameters.
        version: "v3", "v4", "v1" or a date.
    """

    operations: Mapping[str, str]
    params: Mapping[str, str]
    version: str

    @property
    def legacy(self) -> bool:
        """True for the v1, v3 and v4 paths."""
        return self.version.startswith("v")


def _regex(template: str) -> re.Pattern[str]:
    pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template.replace("{v}", f"(?P<v>{'|'.join(DATED_VERSIONS)})"))
    return re.compile(f"{pattern}/?")


def _table() -> list[tuple[re.Pattern[str], str, dict[str, str]]]:
    grouped: dict[str, dict[str, str]] = {}
    rows = [(base + tail, method, op) for family, tail, method, op in _TAILS for base in _FAMILIES[family]]
    for template, method, operation in (*rows, *_ODD):
        grouped.setdefault(template, {})[method] = operation
    return [(_regex(t), re.findall(r"/(v\d)\b", t)[0] if "{v}" not in t else "", ops) for t, ops in grouped.items()]


_TABLE = _table()


def match(path: str) -> Match | None:
    """Find what a path means; None when nothing is served there.

    Where several templates fit (`/contacts/search` is also `/contacts/{id}`), the first in the table wins.
    """
    for regex, version, operations in _TABLE:
        found = regex.fullmatch(path)
        if found:
            params = found.groupdict()
            return Match(operations, params, params.pop("v", None) or version)
    return None
