"""Zendesk Support: organizations, users, memberships, tickets and satisfaction answers.

Rows are as the vendor sends them, with this folded in:

- tickets: `_metric_set`, the ticket's metric set from the sideload (reply times, reopens, solved_at), if there is one.
  Deleted tickets arrive in `Batch.deleted` instead of as rows.
- survey_responses: nothing; a response without answers is an offer that nobody has taken up yet.

An account runs one of two satisfaction systems at a time; both streams are optional, and the one that is switched off
stays empty as long as the other one runs.

zenpy signs in and makes the low-volume calls through our own session (see `zendesk_client`); bulk pages are raw JSON of
the same session (see `zendesk_pages`), since zenpy's objects cost 26 times as much. Facts about the vendor: Zendesk
developer documentation, "Incremental exports", "CSAT survey responses" and "Rate limits".
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from requests.adapters import BaseAdapter

from connectors.base import Batch, Clock, Environment, FieldSpec, Finding, Stream
from connectors.errors import CredentialsError, MissingPermissionError, NotFoundError
from connectors.http import Bucket, Http
from connectors.vendor_clock import VendorClock
from connectors.zendesk_client import Client
from connectors.zendesk_csat import ADVICE, LEGACY, SURVEYS, Csat, probe
from connectors.zendesk_pages import Pages, Touched
from connectors.zendesk_settings import Settings

HOSTS = ("zendesk.com",)
LIMIT_HEADERS = {"limit": "x-rate-limit", "remaining": "x-rate-limit-remaining"}

STREAMS = (
    Stream("organizations", "account"),
    Stream("users", "contact"),
    Stream("tickets", "ticket"),
    Stream("organization_memberships", "membership"),
    Stream(LEGACY.name, "survey_response", optional=True),
    Stream(SURVEYS.name, "survey_response", after=("tickets",), optional=True),
)

__all__ = ["Settings", "connect"]


class Zendesk:
    """A Zendesk account as a source. Streams may be pulled side by side; survey_responses follows tickets."""

    def __init__(
        self, name: str, settings: Settings, http: Http, clock: VendorClock, limits: Mapping[str, str]
    ) -> None:
        self.name = name
        self.settings = settings
        self.streams = tuple(s for s in STREAMS if settings.memberships or s.name != "organization_memberships")
        self._limits = limits
        self._http = http
        self._clock = clock
        self._client = Client(http, settings.subdomain)
        self._touched = Touched()
        self._pages = Pages(http, clock, self._touched)

    @property
    def calls(self) -> Mapping[str, int]:
        """Requests sent so far, by stream name and "check"."""
        return self._http.calls

    def environment(self) -> Environment:
        """Who we are there. Costs one call.

        Raises:
            CredentialsError: Zendesk does not know the token, which it says with 200 and an anonymous user.
            MissingPermissionError: The user is not an admin; the exports are for admins only.
        """
        me = self._client.me()
        if me.get("id") is None:
            raise CredentialsError(
                f"{self.settings.url()} took us for an anonymous user.",
                vendor="zendesk",
                advice="Check the subdomain, the e-mail address and that the API token is active.",
            )
        if me.get("role") != "admin":
            raise MissingPermissionError(
                f"{me.get('email')} has the role {me.get('role')!r}; incremental exports and satisfaction answers "
                "need the role 'admin'.",
                vendor="zendesk",
                advice="Use the token of an admin, or make this user an admin.",
            )
        label = f"{self.settings.subdomain}.zendesk.com as {me.get('email')}"
        return Environment("zendesk", self.settings.subdomain, label, "support")

    def check(self) -> Iterator[Finding]:
        """Yield identity, rights, satisfaction system, rate limit and clock. Costs up to four calls."""
        where = self.environment()
        yield Finding("ok", "identity", f"Signed in to {where.label}, role admin.")
        if self.settings.oauth_token is None:
            message = "The API token may do all that its admin may, writing included; Holdfast only reads."
            yield Finding(
                "info", "more_rights", message, "An OAuth token with the scope 'read' is enough: oauth_token."
            )
        else:
            yield from self._check_scopes()
        yield self._check_csat()
        limit, left = self._limits.get("limit"), self._limits.get("remaining")
        if limit is not None:
            yield Finding("info", "quota", f"{left} of {limit} calls left this minute.")
        yield from self._clock.check()

    def pull(self, stream: Stream, cursor: str | None) -> Iterator[Batch]:
        """Yield what changed since `cursor`, see `Source.pull`."""
        match stream.name:
            case "organizations":
                return self._pages.organizations(cursor)
            case "users":
                return self._pages.users(cursor)
            case "tickets":
                return self._pages.tickets(cursor)
            case "organization_memberships":
                return self._pages.memberships(cursor)
            case LEGACY.name:
                return Csat(self._pages, LEGACY, SURVEYS).pull(cursor)
            case SURVEYS.name:
                return Csat(self._pages, SURVEYS, LEGACY, self._touched).pull(cursor)
        raise ValueError(f"zendesk has no stream {stream.name!r}")

    def _check_scopes(self) -> Iterator[Finding]:
        """What the OAuth token may do besides reading."""
        try:
            answer = self._http.json("GET", "api/v2/oauth/tokens/current.json", purpose="check")
        except (MissingPermissionError, NotFoundError):
            answer = None
        token = answer.get("token") if isinstance(answer, dict) else None
        scopes = token.get("scopes") if isinstance(token, dict) else None
        if not isinstance(scopes, list):
            message = "Zendesk does not tell the scopes of the OAuth token; 'read' is enough."
            yield Finding("info", "rights", message)
        elif spare := sorted(str(one) for one in scopes if one != "read" and not str(one).endswith(":read")):
            message = f"The OAuth token has scopes that Holdfast never uses: {', '.join(spare)}."
            yield Finding("info", "more_rights", message, "Make one with the scope 'read' only.")

    def _check_csat(self) -> Finding:
        surveys, legacy = probe(self._pages, SURVEYS), probe(self._pages, LEGACY)
        if surveys or (surveys is not None and not legacy):
            return Finding("ok", "csat", "Satisfaction answers come from survey_responses.")
        if legacy is not None:
            return Finding("ok", "csat", "Satisfaction answers come from the legacy satisfaction_ratings.")
        return Finding("warning", "csat", "Neither satisfaction_ratings nor survey_responses may be read.", ADVICE)


def connect(
    name: str,
    settings: Settings,
    *,
    clock: Clock,
    adapter: BaseAdapter | None = None,
    spool: Path | None = None,  # noqa: ARG001 - nothing is spooled here
    own_fields: Sequence[FieldSpec] = (),  # noqa: ARG001 - nothing is written here
    wanted: Mapping[str, Sequence[str]] | None = None,  # noqa: ARG001 - rows come with all their fields
) -> Zendesk:
    """Make the source; nothing is sent yet. Raises `ConfigError` for a base URL the token may not be sent to."""
    limits: dict[str, str] = {}

    vendor_clock = VendorClock("Zendesk", clock)

    def saw(headers: Mapping[str, str]) -> None:
        vendor_clock.saw(headers)
        limits.update({key: headers[name] for key, name in LIMIT_HEADERS.items() if name in headers})

    auth, secrets = _credentials(settings)
    http = Http(
        "zendesk",
        settings.url(),
        clock=clock,
        auth=auth,
        secrets=secrets,
        buckets=(
            Bucket("default", settings.requests_per_minute, 60.0),
            Bucket("exports", settings.exports_per_minute, 60.0),
        ),
        adapter=adapter,
        hosts=HOSTS,
        on_headers=saw,
    )
    return Zendesk(name, settings, http, vendor_clock, limits)


def _credentials(settings: Settings) -> tuple[tuple[str, str] | Mapping[str, str], list[str]]:
    """How requests are signed, and what must never be shown."""
    if settings.oauth_token is not None:
        token = settings.oauth_token.get_secret_value()
        return {"Authorization": f"Bearer {token}"}, [token]
    token = settings.token.get_secret_value() if settings.token else ""
    user = f"{settings.email}/token"
    return (user, token), [token, f"{user}:{token}"]
