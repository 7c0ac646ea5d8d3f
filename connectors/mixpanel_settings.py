"""What the config says about a Mixpanel project. Reading it needs no HTTP library."""

from typing import Any, Literal
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator


class Settings(BaseModel):
    """What the admin says about a Mixpanel project."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    project_id: int = Field(gt=0, description="Project id (Project Settings, Overview).")
    username: str = Field(
        min_length=1, description="User name of a service account, such as x.1a2b3c.mp-service-account."
    )
    secret: SecretStr = Field(description="The service account's secret.")
    region: Literal["us", "eu", "in"] = Field("us", description="Where the project's data is kept.")
    workspace_id: int | None = Field(None, description="Data view to read, for projects that have data views.")
    account_key: str = Field(
        "company_id", min_length=1, description="Event property that names the customer account (the group key)."
    )
    group_id: str | None = Field(
        None, pattern=r"^-?\d+$", description="Id of that group key (data_group_id), to read group profiles too."
    )
    project_timezone: str = Field("UTC", description="The project's time zone (IANA name, Project Settings).")
    legacy_time: bool = Field(
        False, description="True for projects made before 2023: days and event times are in the project's time zone."
    )
    history_days: int = Field(90, ge=1, le=1825, description="Days of events the first pull reads.")
    base_url: str | None = Field(
        None, description="Another address; exports and queries go to <base_url>/api. Plain http for loopback only."
    )

    @field_validator("project_timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError("must be an IANA time zone name such as 'Europe/Berlin'")
        return value

    def field_overrides(self) -> dict[str, dict[str, Any]]:
        """What the settings mean for the field map: where events and profiles name the customer account."""
        return {
            "events": {"account": f"properties.{self.account_key}"},
            "profiles": {"account_refs": {"path": f"$properties.{self.account_key}", "separator": ""}},
        }
