"""What a HubSpot token may do: the scopes that it was granted, against those that this config needs.

HubSpot tells the scopes of a service key or private app at `POST /oauth/v2/private-apps/get/access-token-info`, which
asks for no scope and changes nothing. Of an OAuth token it would tell at an address that contains the token, which
proxies and logs would then keep: that is not asked.
"""

from collections.abc import Iterable, Iterator, Mapping

from connectors.base import Finding, ObjectName
from connectors.errors import ConnectorError
from connectors.hubspot_api import Api

TOKEN_INFO = "/oauth/v2/private-apps/get/access-token-info"  # noqa: S105 - an address
CONTACTS = "crm.objects.contacts.read"
READS: Mapping[str, str] = {
    "owners": "crm.objects.owners.read",
    "companies": "crm.objects.companies.read",
    "contacts": CONTACTS,
    "deals": "crm.objects.deals.read",
    "tickets": "tickets",
    "feedback_submissions": "crm.objects.feedback_submissions.read",
    "emails": "sales-email-read",
    "calls": CONTACTS,
    "meetings": CONTACTS,
}
"""Stream -> the scope that opens it."""
WRITES: Mapping[ObjectName, tuple[str, str]] = {
    "account": ("companies", "crm.objects.companies.write"),
    "contact": ("contacts", "crm.objects.contacts.write"),
    "task": ("tasks", "crm.objects.contacts.write"),
}
"""What we write -> HubSpot's word for it, and the scope; tasks come with the contacts."""
SETS_UP: Mapping[ObjectName, str] = {
    "account": "crm.schemas.companies.write",
    "contact": "crm.schemas.contacts.write",
    "task": "crm.schemas.contacts.write",
}
"""What we have properties on -> the scope with which `setup` makes them."""
HARMLESS = frozenset({"oauth", *(f"crm.schemas.{kind}.read" for kind in ("companies", "contacts", "deals"))})
"""Scopes that open no record: the one that every OAuth app has, and those that show how properties are defined."""
PAGE = "docs/vendors/hubspot.md"


def granted(api: Api) -> frozenset[str] | None:
    """The token's scopes; None where HubSpot does not tell, as of tokens of another kind."""
    token = {"tokenKey": api.token}
    try:
        answer = api.json("POST", TOKEN_INFO, body=token, purpose="check", repeatable=True)
    except ConnectorError:
        return None
    scopes = answer.get("scopes") if isinstance(answer, dict) else None
    return frozenset(map(str, scopes)) if isinstance(scopes, list) else None


def weighed(
    scopes: frozenset[str] | None, streams: Iterable[str], writes: Iterable[ObjectName], lacking: Iterable[ObjectName]
) -> Iterator[Finding]:
    """Compare what was granted with what is needed. That a stream cannot be read is for whoever tries to read it.

    Args:
        scopes: As `granted`.
        streams: What is read.
        writes: What is written.
        lacking: On which kinds of record a property of ours is still to be made.
    """
    needs = {kind: WRITES[kind] for kind in sorted(writes)}
    wanted = {scope for _, scope in needs.values()}
    if scopes is None:
        yield _untold(sorted(wanted))
        return
    for scope in sorted(wanted - scopes):
        words = " and ".join(word for word, one in needs.values() if one == scope)
        message = f"The token may not write {words} (scope {scope})."
        advice = "Grant the scope to the token: a run ends where it may not write what the config lets it write."
        yield Finding("error", "missing_scope", message, advice)
    if needs and wanted <= scopes:
        words = ", ".join(word for word, _ in needs.values())
        yield Finding("ok", "write_scopes", f"The token may write what this config writes: {words}.")
    for scope in sorted({SETS_UP[kind] for kind in lacking} - scopes):
        message = f"`holdfast setup` may not make the properties that are missing (scope {scope})."
        advice = "Grant the scope for the time of setup, or have them made by hand: holdfast setup --files FOLDER"
        yield Finding("warning", "missing_scope", message, advice)
    used = {READS[stream] for stream in streams} | wanted | (set(SETS_UP.values()) if needs else set())
    if spare := sorted(scopes - used - HARMLESS):
        message = f"The token has scopes that this config never uses: {', '.join(spare)}."
        yield Finding("info", "more_rights", message, f"Take them away from the token; {PAGE} lists what is needed.")


def _untold(scopes: list[str]) -> Finding:
    """What to say where HubSpot keeps the scopes to itself."""
    message = "HubSpot does not tell the scopes of this token, so that nobody can say whether it has more than needed."
    advice = f"{PAGE} lists what is needed; with a service key or a private app `check` compares."
    if scopes:
        message = f"{message} Writing needs {', '.join(scopes)}; a missing one shows at the first write."
    return Finding("info", "write_scopes", message, advice)
