"""What the config says about HubSpot. Reading it needs no HTTP library."""

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from connectors.hubspot_kinds import ACTIVITIES


class Settings(BaseModel):
    """What the config says about HubSpot."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    token: SecretStr = Field(description="Service key, or access token of a static-auth or legacy private app.")
    base_url: str | None = Field(None, description="Where HubSpot is, for a sandbox or another data centre.")
    api_version: str = Field(
        "2026-09",
        pattern=r"^(legacy|20[0-9]{2}-(03|09))$",
        description="Dated API version; 'legacy' for the v3 and v4 paths, which end in 2027.",
    )
    relist_hours: int = Field(
        24, ge=1, description="Hours between full lists, which find changed associations and vanished records."
    )
    deletes_hours: int = Field(6, ge=1, description="Hours between looks at the list of deleted records.")
    emails: bool = Field(False, description=ACTIVITIES["emails"])
    calls: bool = Field(False, description=ACTIVITIES["calls"])
    meetings: bool = Field(False, description=ACTIVITIES["meetings"])
