"""What the config says about Salesforce, and what follows for logging in. Reading it needs no HTTP library."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from connectors.salesforce_kinds import ACTIVITIES

API_VERSION = "64.0"

Way = Literal["client_credentials", "jwt", "session", "password", "soap"]

WAYS: Mapping[Way, tuple[frozenset[str], ...]] = {
    "client_credentials": (frozenset({"consumer_key", "consumer_secret"}),),
    "jwt": (frozenset({"username", "consumer_key", "private_key"}),),
    "session": (frozenset({"session_id"}),),
    "password": (
        frozenset({"username", "password", "consumer_key", "consumer_secret"}),
        frozenset({"username", "password", "security_token", "consumer_key", "consumer_secret"}),
    ),
    "soap": (frozenset({"username", "password"}), frozenset({"username", "password", "security_token"})),
}
"""Way to log in -> the settings that make it up."""
LOGIN_KEYS = frozenset().union(*(keys for sets in WAYS.values() for keys in sets))
LAST_SOAP_VERSION = 64.0
HOW_TO_LOG_IN = (
    "set consumer_key and consumer_secret (client credentials); or username, consumer_key and private_key (JWT); or"
    " session_id; or username and password, with security_token or with consumer_key and consumer_secret"
)


@dataclass(frozen=True, slots=True)
class Keys:
    """What to log in with; `way` says which of them count.

    Attributes:
        way: Which way.
        domain: The org's My Domain without ".salesforce.com": "acme.my", "acme--uat.sandbox.my".
        consumer_key: The app's.
        consumer_secret: The app's.
        username: The user's.
        private_key: PEM of an RSA key whose certificate the app has.
        password: The user's.
        security_token: The user's; "" where the address is trusted.
        session_id: A session made elsewhere.
    """

    way: Way
    domain: str
    consumer_key: str = field(default="", repr=False)
    consumer_secret: str = field(default="", repr=False)
    username: str = ""
    private_key: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    security_token: str = field(default="", repr=False)
    session_id: str = field(default="", repr=False)

    @property
    def secrets(self) -> list[str]:
        """Everything that must never be shown; of a key file each line, since a parser quotes lines."""
        lines = [line for line in self.private_key.splitlines() if line and not line.startswith("-----")]
        whole = [self.consumer_secret, self.private_key, self.password, self.security_token, self.session_id]
        return [secret for secret in (*whole, *lines) if secret]

    @property
    def audience(self) -> str:
        """Whom a JWT is for: sandboxes and scratch orgs have a log-in server of their own."""
        test = re.search(r"--|\.(sandbox|scratch)(\.|$)", self.domain)
        return f"https://{'test' if test else 'login'}.salesforce.com"


class Settings(BaseModel):
    """What the config says about Salesforce."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)

    domain: str | None = Field(
        None, description="The org's My Domain: 'acme.my', or 'acme--uat.sandbox.my' for a sandbox."
    )
    consumer_key: str | None = Field(None, description="Consumer key of an external client app.")
    consumer_secret: SecretStr | None = Field(None, description="Its consumer secret, for client credentials.")
    username: str | None = Field(None, description="User to log in as, for a JWT or a password.")
    private_key: SecretStr | None = Field(None, description="RSA private key in PEM form, for a JWT.")
    password: SecretStr | None = Field(None, description="The user's password; prefer client credentials.")
    security_token: SecretStr | None = Field(None, description="The user's security token, for a SOAP login.")
    session_id: SecretStr | None = Field(None, description="A session made elsewhere; it cannot be renewed.")
    admin_session_id: SecretStr | None = Field(None, description="An administrator's session, for setup only.")
    base_url: str | None = Field(None, description="Where the org is, when not at https://DOMAIN.salesforce.com.")
    api_version: str = Field(
        API_VERSION, pattern=r"^[0-9]{2,3}\.0$", description="API version, a text such as '64.0'; 41.0 or later."
    )
    permission_set: str = Field(
        "Holdfast",
        pattern=r"^[A-Za-z](_?[A-Za-z0-9])*$",
        description="API name of the permission set that setup grants our fields to; made when missing.",
    )
    currency: str | None = Field(
        None, pattern=r"^[A-Z]{3}$", description="ISO code of the org's currency, such as 'EUR', where it has only one."
    )
    surveys: str | None = Field(
        None,
        pattern=r"^[A-Za-z]\w*__c$",
        description="API name of the custom object that holds survey answers, such as 'NPS_Response__c'.",
    )
    task_receipts: bool = Field(
        True,
        description="Keep tasks from being made twice by receipts (Holdfast_Receipt__c) where their key is not unique.",
    )
    emails: bool = Field(False, description=ACTIVITIES["emails"])
    meetings: bool = Field(False, description=ACTIVITIES["meetings"])
    cases: bool = Field(True, description="Whether to read cases; off where another source has the tickets.")
    bulk_above: int = Field(2000, ge=0, description="Records of a kind above which lists are read by a bulk job.")
    relist_hours: int = Field(
        24, ge=1, description="Hours between full lists, which find changed formulas and vanished records."
    )
    stop_at: float = Field(
        0.8, gt=0, le=1, description="Share of the org's daily calls, by whomever, from which on we send nothing."
    )

    @field_validator("domain")
    @classmethod
    def _my_domain(cls, value: str | None) -> str | None:
        if value is None:
            return None
        domain = value.strip().lower().removeprefix("https://").rstrip("/").removesuffix(".salesforce.com")
        if domain in {"login", "test"}:
            raise ValueError(f"'{domain}' serves every org; give the org's own My Domain, such as 'acme.my'")
        if not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]+)*", domain) or domain.endswith(".force.com"):
            raise ValueError("give the org's My Domain without .salesforce.com, such as 'acme.my'")
        if not domain.endswith(".my"):
            raise ValueError(f"My Domains end in .my; it may be '{domain}.my'")
        return domain

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.domain is None and self.base_url is None:
            raise ValueError("domain is missing: the org's My Domain, such as 'acme.my'")
        if float(self.api_version) < 41:
            raise ValueError(f"api_version {self.api_version} is retired; the oldest one that answers is 41.0")
        if self.way == "soap" and float(self.api_version) > LAST_SOAP_VERSION:
            raise ValueError(
                f"username and password alone log in by SOAP, which API {self.api_version} does not have;"
                f" set api_version to {LAST_SOAP_VERSION}, or consumer_key and consumer_secret"
            )
        return self

    @property
    def way(self) -> Way:
        """How to log in. Raises ValueError when what is given is not exactly one way."""
        given = {name for name in LOGIN_KEYS if getattr(self, name)}
        for way, sets in WAYS.items():
            if given in sets:
                return way
        if not given:
            raise ValueError(f"there is no way to log in: {HOW_TO_LOG_IN}")
        named = ", ".join(sorted(given))
        raise ValueError(f"{named} {'are' if len(given) > 1 else 'is'} not one way to log in: {HOW_TO_LOG_IN}")

    @property
    def url(self) -> str:
        """Where the org is."""
        return self.base_url or f"https://{self.domain}.salesforce.com"

    def keys(self) -> Keys:
        """What to log in with."""
        given = {name: plain(getattr(self, name)) for name in LOGIN_KEYS}
        # A key that came through an environment variable often has its line ends written out.
        given["private_key"] = given["private_key"].replace("\\n", "\n")
        return Keys(way=self.way, domain=self.domain or "org.my", **given)


def plain(value: SecretStr | str | None) -> str:
    """A setting as it is sent; "" where it is left out."""
    return value.get_secret_value() if isinstance(value, SecretStr) else value or ""
