"""What the config says about a SurveyMonkey account. Reading it needs no HTTP library."""

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from connectors.survey_settings import Asked, by_id

HOSTS = {
    "us": "https://api.surveymonkey.com",
    "eu": "https://api.eu.surveymonkey.com",
    "ca": "https://api.surveymonkey.ca",
}
_ID = re.compile(r"[0-9]{1,20}")


class Survey(Asked):
    """One survey: what it asks, and where."""

    scores: dict[str, int] = Field(
        default_factory=dict,
        description="Text of a choice -> its number, for choices that neither weigh something nor say a number.",
    )


class Settings(BaseModel):
    """What the admin says about a SurveyMonkey account."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    token: SecretStr = Field(description="Access token of a private app in this account.")
    surveys: dict[str, Survey] = Field(
        min_length=1,
        description="Id of a survey -> what it asks; a text of ids with commas between them for NPS surveys that need "
        "nothing said.",
    )
    region: Literal["us", "eu", "ca"] = Field("us", description="The data centre, as the token's access_url says.")
    daily_calls: int = Field(
        450,
        ge=24,
        le=1_000_000,
        description="Calls a day that we allow ourselves; a private app has 500 in all. Surveys are looked at less "
        "often where they would need more.",
    )
    base_url: str | None = Field(None, description="Another address of the API; plain http for loopback only.")

    @field_validator("surveys", mode="before")
    @classmethod
    def _several_ways(cls, value: Any) -> Any:
        return by_id(value)

    @field_validator("surveys")
    @classmethod
    def _ids(cls, value: dict[str, Survey]) -> dict[str, Survey]:
        for survey in value:
            if not _ID.fullmatch(survey):
                raise ValueError(f"{survey[:80]!r} is not the id of a survey, which is a number such as '105723396'")
        return value

    def url(self) -> str:
        """Where the API is."""
        return self.base_url or HOSTS[self.region]
