"""What the config says about a Zendesk account. Reading it needs no HTTP library."""

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator


class Settings(BaseModel):
    """What the admin says about a Zendesk account."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    subdomain: str = Field(
        pattern=r"^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$",
        description="The first part of your Zendesk address: 'acme' for https://acme.zendesk.com.",
    )
    email: str | None = Field(None, description="E-mail address of the admin to whom the API token belongs.")
    token: SecretStr | None = Field(None, description="API token (Admin Center, Apps and integrations, APIs).")
    oauth_token: SecretStr | None = Field(None, description="OAuth access token, in place of email and token.")
    base_url: str | None = Field(None, description="Another address to talk to; plain http for loopback only.")
    exports_per_minute: int = Field(
        10, ge=1, le=30, description="Incremental export calls a minute: 10, or 30 with the high-volume add-on."
    )
    requests_per_minute: int = Field(
        200, ge=1, le=2500, description="All other calls a minute: 200, 400, 700 or 2500, by plan."
    )
    memberships: bool = Field(
        True, description="Read which users belong to several organizations (once a day, 100 memberships a call)."
    )

    @field_validator("subdomain", mode="before")
    @classmethod
    def _only_the_subdomain(cls, value: object) -> object:
        """Take the whole address too, as people paste it."""
        if not isinstance(value, str):
            return value
        text = value.strip().lower().removeprefix("https://").split("/")[0]
        return text.removesuffix(".zendesk.com")

    @model_validator(mode="after")
    def _one_way_in(self) -> "Settings":
        with_token = self.email is not None and self.token is not None
        if with_token == (self.oauth_token is not None):
            raise ValueError("give either email and token, or oauth_token")
        return self

    def url(self) -> str:
        """Where the account answers."""
        return self.base_url or f"https://{self.subdomain}.zendesk.com"
