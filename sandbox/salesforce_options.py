"""What can be switched about the simulated org."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

STRUCTURAL = frozenset(
    {
        "multi_currency",
        "contacts_to_multiple_accounts",
        "person_accounts",
        "zendesk_cases",
        "activities",
        "contracts",
        "equal_stamps",
        "customize",
    }
)
"""Options that say what the org is built from: given when it is made, not changed while it runs."""


@dataclass(slots=True)
class Options:
    """Switches; `mutate("options", {...})` changes them while the org runs, those of `STRUCTURAL` excepted.

    Attributes:
        api_limit: Calls per rolling 24 hours and org.
        per_app: Name of an app whose own use `Sforce-Limit-Info` adds; empty for none.
        per_app_limit: What that app may use; shown only.
        concurrent_limit: Every call answers that too many long ones are under way.
        api_disabled: "org" or "user": what has no API; empty for neither.
        session_minutes: Life of a session after its last use.
        bad_new_tokens: Tokens are handed out but never accepted.
        rest_refused: Every session answers "not valid for use with the REST API".
        run_as_user: Whether the app has a user for client credentials to run as.
        password_flow: Whether the OAuth password grant is allowed; new orgs block it.
        soap_login: Whether SOAP login() is allowed; off in orgs made since Winter '26, and never from version 65.0 on.
        first_version: Oldest API version that still answers.
        last_version: Newest.
        late_seconds: By how much what people do becomes visible after its own stamp.
        equal_stamps: So many records of each kind carry one stamp, as after a bulk load.
        cursor_hours: Life of a query cursor.
        query_timeout: Every query answers QUERY_TIMEOUT.
        page_rows: Most rows on a page of query results, whatever `batchSize` asks for.
        multi_currency: Whether rows carry `CurrencyIsoCode`.
        contacts_to_multiple_accounts: Whether `AccountContactRelation` exists.
        person_accounts: Whether `IsPersonAccount` exists.
        organization_type: Edition, as in `Organization.OrganizationType`.
        is_sandbox: As in `Organization.IsSandbox`.
        customize: Whether the integration user may customize the application (the demonstration's setup runs as it).
        shared_rows: Share of the accounts that sharing rules show to a user without "View All".
        custom_field_limit: Custom fields allowed on one kind of record.
        activity_external_ids: Whether a custom field of Activity may be an external id.
        tooling_custom_objects: Whether the Tooling API makes custom objects. Its reference says that it only reads them
            (they are made through the Metadata API), so that a request to make one is answered 405.
        duplicate_rule: Whether creating a contact with an e-mail address that exists is refused without `allowSave`.
        item_parse_errors: Whether a collection answers a field that is not there, or a value of another kind than its
            field, at the record rather than by refusing the request; which of the two is not confirmed.
        update_inactive_owners: Whether records of deactivated owners may be changed.
        bulk_seconds_per_10k: How long a bulk job works on 10,000 rows.
        bulk_page_rows: Most rows on a page of bulk query results.
        bulk_fail: Error message with which every bulk job fails; empty for none.
        zendesk_cases: Share of the help desk's tickets that are copied into the org as cases.
        activities: Whether the world's e-mails, calls and meetings are in the org, as Enhanced Email keeps them.
        contracts: Whether yearly customers have a `Contract`.
        record_count_factor: What `limits/recordCount` multiplies its counts by; in real life they lag behind.
        instance_url: What token answers call the instance; empty for the address that the client used.
    """

    api_limit: int = 115_000
    per_app: str = ""
    per_app_limit: int = 50_000
    concurrent_limit: bool = False
    api_disabled: str = ""
    session_minutes: float = 120.0
    bad_new_tokens: bool = False
    rest_refused: bool = False
    run_as_user: bool = True
    password_flow: bool = False
    soap_login: bool = False
    first_version: int = 41
    last_version: int = 68
    late_seconds: float = 0.0
    equal_stamps: int = 0
    cursor_hours: float = 48.0
    query_timeout: bool = False
    page_rows: int = 2000
    multi_currency: bool = True
    contacts_to_multiple_accounts: bool = True
    person_accounts: bool = False
    organization_type: str = "Enterprise Edition"
    is_sandbox: bool = False
    customize: bool = True
    shared_rows: float = 0.5
    custom_field_limit: int = 500
    activity_external_ids: bool = True
    tooling_custom_objects: bool = False
    duplicate_rule: bool = False
    item_parse_errors: bool = False
    update_inactive_owners: bool = True
    bulk_seconds_per_10k: float = 2.0
    bulk_page_rows: int = 50_000
    bulk_fail: str = ""
    zendesk_cases: float = 0.0
    activities: bool = False
    contracts: bool = True
    record_count_factor: float = 1.0
    instance_url: str = ""

    def changed(self, values: Mapping[str, Any]) -> "Options":
        """A copy with other values. Raises `ValueError` naming what is unknown."""
        unknown = sorted(set(values) - {f.name for f in fields(self)})
        if unknown:
            raise ValueError(f"unknown option {unknown[0]!r}; known: {', '.join(f.name for f in fields(self))}")
        return replace(self, **values)
