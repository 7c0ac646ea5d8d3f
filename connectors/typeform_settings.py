"""What the config says about a Typeform account. Reading it needs no HTTP library."""

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from connectors.survey_settings import Asked, by_id

HOSTS = {"us": "https://api.typeform.com", "eu": "https://api.eu.typeform.com"}
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Settings(BaseModel):
    """What the admin says about a Typeform account."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    token: SecretStr = Field(description="Personal access token with the scopes forms:read and responses:read.")
    forms: dict[str, Asked] = Field(
        min_length=1,
        description="Id of a form (the part of its address behind /to/) -> what it asks; a text of ids with commas "
        "between them for NPS forms that need nothing said.",
    )
    region: Literal["us", "eu"] = Field("us", description="Where the account's data is kept.")
    base_url: str | None = Field(None, description="Another address of the API; plain http for loopback only.")

    @field_validator("forms", mode="before")
    @classmethod
    def _several_ways(cls, value: Any) -> Any:
        return by_id(value)

    @field_validator("forms")
    @classmethod
    def _ids(cls, value: dict[str, Asked]) -> dict[str, Asked]:
        for form in value:
            if not _ID.fullmatch(form):
                raise ValueError(f"{form[:80]!r} is not the id of a form, such as 'lR6F4j' of .../to/lR6F4j")
        return value

    def url(self) -> str:
        """Where the API is."""
        return self.base_url or HOSTS[self.region]
