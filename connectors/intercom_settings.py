"""What the config says about an Intercom workspace. Reading it needs no HTTP library."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

HOSTS = {"us": "https://api.intercom.io", "eu": "https://api.eu.intercom.io", "au": "https://api.au.intercom.io"}


class Settings(BaseModel):
    """What the admin says about an Intercom workspace."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    token: SecretStr = Field(description="Access token of a private app (Developer Hub, Authentication).")
    region: Literal["us", "eu", "au"] = Field("us", description="Where the workspace's data is kept.")
    api_version: Literal["2.14", "2.15", "2.16"] = Field(
        "2.16",
        description="Intercom API version that every request asks for. Before 2.16 nobody says which conversations "
        "were deleted and which contacts were merged; before 2.15 a conversation does not say its company.",
    )
    history_days: int = Field(
        400, ge=1, le=3650, description="The first pull reads conversations that changed in this many days."
    )
    base_url: str | None = Field(None, description="Another address of the API; plain http for loopback only.")

    def url(self) -> str:
        """Where the API is."""
        return self.base_url or HOSTS[self.region]
