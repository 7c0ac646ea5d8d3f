"""What the config says about a survey, whichever tool asked it."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal["nps", "csat", "ces"]
NPS_SCALE = (0, 10)


class Asked(BaseModel):
    """One form or survey: what it asks, and where."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    survey: Kind = Field(
        "nps",
        description='What is asked: "nps" (0 to 10), "csat" (satisfaction) or "ces" (effort, the top is easiest).',
    )
    question: str = Field(
        "", description="Which question holds the score; left out, the only one that can (see the vendor's page)."
    )
    comments: tuple[str, ...] = Field(
        (), description="Which questions hold words; left out, all that take text. Only the themes of words are kept."
    )
    reverse: bool = Field(False, description="True where the lowest number is the best answer.")

    def refusal(self, low: int, high: int) -> str:
        """Why a question with this scale cannot be what is asked; "" when it can."""
        if self.survey == "nps" and (low, high) != NPS_SCALE:
            return (
                f"has a scale from {low} to {high}, and NPS is asked from 0 to 10: an answer there means something "
                'else. Ask from 0 to 10, or read it as survey = "csat".'
            )
        return ""

    def score(self, value: int, low: int, high: int) -> int:
        """The answer with the best one on top."""
        return low + high - value if self.reverse else value


def by_id(value: Any) -> Any:
    """Tables by id, also from a list of ids or a text with commas between them."""
    names = value.split(",") if isinstance(value, str) else value
    if isinstance(names, list) and all(isinstance(name, str | int) for name in names):
        return {text: {} for name in names if (text := str(name).strip())}
    return value
