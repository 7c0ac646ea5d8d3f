"""The `[report]` table of the config."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from scoring.features.segments import STAGES


class ReportSettings(BaseModel):
    """What the report measures against."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    targets: dict[str, Annotated[int, Field(ge=0, le=100)]] = Field(
        default_factory=dict,
        description="Stage -> score that its accounts should reach, such as { onboarding = 60 }; a stage that is not "
        f"named is measured against the card's green_from. Stages: {', '.join(STAGES)}.",
    )
    margin_percent: int | None = Field(
        None,
        ge=1,
        le=100,
        description="Gross margin; with it the report tells customer lifetime values. Left out: it does not.",
    )
