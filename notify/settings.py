"""The `[notify]` table of the config: channels, what each is told, and when."""

import ipaddress
from datetime import datetime, time
from email.errors import HeaderParseError
from email.headerregistry import Address
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator, model_validator

from sync.duration import Duration
from sync.notices import ALERTS, NoticeKind

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _clock(value: object) -> object:
    """A time of day such as "08:00"; local times of TOML pass."""
    if isinstance(value, str):
        try:
            return datetime.strptime(value, "%H:%M").time()  # noqa: DTZ007  # a time of day has no zone of its own
        except ValueError:
            raise ValueError('is no time of day; write for example "08:00"') from None
    return value


Clock = Annotated[time, BeforeValidator(_clock)]


class ChannelSettings(BaseModel):
    """What every kind of channel has."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)
    kinds: tuple[NoticeKind, ...] = Field(
        ALERTS, description="What it is told: " + ", ".join(f"`{kind}`" for kind in ALERTS) + "."
    )
    owners: tuple[str, ...] = Field(
        (),
        description="Only accounts of these owners, by e-mail address or CRM owner id; left out: of everybody. What is "
        "not about an account is told all the same.",
    )
    show_owner: bool = Field(False, description="Name the account's owner by e-mail address.")
    quiet: tuple[Clock, Clock] | None = Field(
        None,
        description='From when to when it is told nothing, in team.timezone, such as ["20:00", "07:00"]; it is told '
        "after that.",
    )
    digest: Literal["off", "daily", "weekly"] = Field("off", description="How often it gets a summary.")
    digest_at: Clock = Field(time(8), description="When, in team.timezone.")
    digest_day: Day = Field("mon", description="On which day the weekly one comes.")

    @field_validator("kinds")
    @classmethod
    def _no_digest(cls, kinds: tuple[NoticeKind, ...]) -> tuple[NoticeKind, ...]:
        if "digest" in kinds:
            raise ValueError("a digest is asked for with digest = 'daily' or 'weekly', not among kinds")
        return kinds

    def resting(self, moment: datetime) -> bool:
        """Whether a local time lies in the quiet hours, which may reach over midnight."""
        if self.quiet is None:
            return False
        begin, end = self.quiet
        now = moment.time()
        return begin <= now < end if begin <= end else now >= begin or now < end


def _no_plain_http(url: str, what: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and parts.hostname and is_loopback(parts.hostname):
        return
    raise ValueError(f"the {what} must begin with https://; plain http is for loopback only")


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Slack(ChannelSettings):
    """A channel in Slack, by an incoming webhook."""

    type: Literal["slack"]
    url: SecretStr = Field(description="The webhook's address, which is a secret: whoever has it can post.")

    @model_validator(mode="after")
    def _https(self) -> Self:
        _no_plain_http(self.url.get_secret_value(), "webhook's address")
        return self


class Email(ChannelSettings):
    """E-mail by your own mail server."""

    type: Literal["email"]
    host: str = Field(description="The mail server.")
    port: int | None = Field(None, ge=1, le=65535, description="Left out: 587 with starttls, 465 with tls, 25 without.")
    security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="'none' is for loopback only: a relay on the same machine."
    )
    ca_file: str | None = Field(None, description="Certificates to trust instead of the system's, as a PEM file.")
    username: str | None = Field(None, description="Left out: without logging in.")
    password: SecretStr | None = Field(None, description="With `username`.")
    sender: str = Field(description="The address it comes from.")
    to: tuple[str, ...] = Field(min_length=1, max_length=50, description="Who gets it.")

    @field_validator("sender", "to")
    @classmethod
    def _addresses(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        for address in (value,) if isinstance(value, str) else value:
            try:
                found = Address(addr_spec=address)
            except (HeaderParseError, IndexError, ValueError):
                found = Address()
            if not (found.username and found.domain and address.isascii() and address.isprintable()):
                raise ValueError(f"{address[:80]!r} is no e-mail address")
        return value

    @model_validator(mode="after")
    def _together(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password go together")
        if self.security == "none" and not is_loopback(self.host):
            raise ValueError("security = 'none' is for a mail server on this machine only; use starttls or tls")
        return self


class Webhook(ChannelSettings):
    """A program of yours, by a signed request."""

    type: Literal["webhook"]
    url: SecretStr = Field(description="Where it is sent, by POST.")
    secret: SecretStr = Field(description="Signs each request (HMAC-SHA256); at least 16 characters.")

    @model_validator(mode="after")
    def _safe(self) -> Self:
        _no_plain_http(self.url.get_secret_value(), "address")
        if len(self.secret.get_secret_value()) < 16:
            raise ValueError("the secret has fewer than 16 characters; make one with: openssl rand -hex 32")
        return self


CHANNELS: dict[str, type[ChannelSettings]] = {"slack": Slack, "email": Email, "webhook": Webhook}
"""Word in the config -> settings."""

Channel = Slack | Email | Webhook


class Notify(BaseModel):
    """Whom to tell what changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)
    timeout: Duration = Field(
        15, ge=1, le=300, description='A run waits so long at most for all channels together, such as "15s".'
    )
    stale_after: Duration = Field(
        3 * 3600,
        ge=0,
        description='A source that cannot be read is told when what is known of it is older than this, such as "3h".',
    )
    channels: dict[str, Annotated[Channel, Field(discriminator="type")]] = Field(
        default_factory=dict, description="One table `[notify.channels.NAME]` each; `type` says which kind."
    )
