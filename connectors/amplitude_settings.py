"""What the config says about an Amplitude project. Reading it needs no HTTP library."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class Settings(BaseModel):
    """What the admin says about an Amplitude project."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    api_key: str = Field(min_length=1, description="API key of the project (Organization settings, Projects).")
    secret_key: SecretStr = Field(description="The project's secret key, from the same page.")
    region: Literal["us", "eu"] = Field("us", description="Where the project's data is kept.")
    account_key: str = Field(
        "company", min_length=1, description="Group type that names the customer account, as events carry it in groups."
    )
    history_days: int = Field(90, ge=1, le=365, description="Days of uploads the first pull reads, a call for each.")
    base_url: str | None = Field(None, description="Another address of the API. Plain http for loopback only.")

    def field_overrides(self) -> dict[str, dict[str, Any]]:
        """What the settings mean for the field map: where events name the customer account."""
        return {"events": {"account": f"groups.{self.account_key}"}}
