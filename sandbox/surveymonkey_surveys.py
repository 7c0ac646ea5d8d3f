"""The surveys of the simulated SurveyMonkey account: what their details say, and answers as nothing but ids."""

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

CSAT, CES, NPS, TEN, GRID = "300100001", "300100002", "300100003", "300100004", "300100005"
"""Satisfaction; effort (choices with numbers in their text, no weights); NPS; a 1-10 scale; a grid of two rows."""

QUESTIONS: Mapping[str, Mapping[str, str]] = {
    CSAT: {"csat": "rating"},
    CES: {"ces": "choice"},
    NPS: {"nps": "nps"},
    TEN: {"nps": "ten"},
    GRID: {"csat": "grid"},
}
"""Survey -> what is asked -> how."""
SCALE = {"rating": (1, 5), "choice": (1, 7), "nps": (0, 10), "ten": (1, 10), "grid": (1, 5)}
COMMENT, EMAIL = "8", "9"
"""Last digit of the ids of the question for a comment, and of the one for an address."""


def question_id(survey: str, number: str = "1") -> str:
    """The id of a question."""
    return f"{survey}{number}"


def choice_id(survey: str, value: int) -> str:
    """The id of the choice that means a value."""
    return f"4{survey}{value:02d}"


def _choices(survey: str, how: str) -> list[Json]:
    low, high = SCALE[how]
    found = []
    for value in range(low, high + 1):
        choice: Json = {"id": choice_id(survey, value), "position": value - low + 1, "visible": True, "text": ""}
        if how in ("rating", "ten", "grid"):
            choice |= {"weight": value, "is_na": False, "text": ["", "", "Not at all", ""][value % 4]}
        elif how == "nps":
            text = {0: "Not at all likely - 0", 10: "Extremely likely - 10"}.get(value, str(value))
            choice |= {"weight": -100 if value < 7 else 100 if value > 8 else 0, "is_na": False, "text": text}
        else:
            text = {low: f"{low} - very hard", high: f"{high} - very easy"}.get(value, str(value))
            choice |= {"text": text}
        found.append(choice)
    if how == "rating":
        found.append({"id": f"4{survey}99", "position": 99, "visible": True, "text": "N/A", "is_na": True, "weight": 0})
    return found


def details(survey: str, root: str) -> Json:
    """`GET /v3/surveys/{id}/details`."""
    questions = []
    for number, how in enumerate(QUESTIONS[survey].values(), 1):
        matrix = how != "choice"
        rows = [{"id": f"5{survey}{n}", "text": "", "position": n} for n in ((1, 2) if how == "grid" else (1,))]
        answers: Json = {"choices": _choices(survey, how)} | ({"rows": rows} if matrix else {})
        heading = "How likely are you to recommend us?" if how == "nps" else "How was it?"
        questions.append(
            {
                "id": question_id(survey, str(number)),
                "family": "matrix" if matrix else "single_choice",
                "subtype": "rating" if matrix else "vertical",
                "position": number,
                "headings": [{"heading": heading}],
                "answers": answers,
            }
        )
    questions.append(
        {
            "id": question_id(survey, COMMENT),
            "family": "open_ended",
            "subtype": "essay",
            "position": 8,
            "headings": [{"heading": "Why?"}],
        }
    )
    questions.append(
        {
            "id": question_id(survey, EMAIL),
            "family": "demographic",
            "subtype": "international",
            "position": 9,
            "headings": [{"heading": "Who are you?"}],
            "answers": {
                "rows": [
                    {"id": f"6{survey}1", "type": "name", "text": "Name", "position": 1, "visible": True},
                    {"id": f"6{survey}2", "type": "email", "text": "Email Address", "position": 2, "visible": True},
                ]
            },
        }
    )
    return {
        "id": survey,
        "title": f"Survey {survey}",
        "language": "en",
        "question_count": len(questions),
        "page_count": 1,
        "response_count": 0,
        "href": f"{root.rstrip('/')}/v3/surveys/{survey}",
        "pages": [{"id": f"7{survey}", "position": 1, "question_count": len(questions), "questions": questions}],
    }


def pages_of(survey: str, scores: Mapping[str, int], comment: str | None, email: str) -> list[Json]:
    """The answers of a response, as ids of choices; a score of -1 means "not applicable"."""
    questions: list[Json] = []
    for number, (what, how) in enumerate(QUESTIONS[survey].items(), 1):
        if what in scores:
            value = scores[what]
            picked: Json = {"choice_id": f"4{survey}99" if value < 0 else choice_id(survey, value)}
            row = {"row_id": f"5{survey}1"} if how != "choice" else {}
            questions.append({"id": question_id(survey, str(number)), "answers": [{**picked, **row}]})
    if comment:
        questions.append({"id": question_id(survey, COMMENT), "answers": [{"text": comment}]})
    if email:
        rows = [{"row_id": f"6{survey}1", "text": "Somebody"}, {"row_id": f"6{survey}2", "text": email}]
        questions.append({"id": question_id(survey, EMAIL), "answers": rows})
    return [{"id": f"7{survey}", "questions": questions}]
