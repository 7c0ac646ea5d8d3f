"""What a SurveyMonkey survey asks: its answers hold ids only, and the survey's details say what they mean."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from connectors.errors import ConfigError, ShapeError
from connectors.surveymonkey_settings import Survey

_NUMBER = re.compile(r"(?<!\d)\d{1,2}(?!\d)")
Asks = dict[str, Any]
"""What is kept of the details between runs, in JSON's types: `question`, `choices` (id -> number), `low`, `high`,
`texts` (ids of questions for words) and `emails` (ids of questions and rows for an address)."""


@dataclass(frozen=True, slots=True)
class _Scale:
    """A question whose choices are numbers."""

    question: str
    heading: str
    choices: Mapping[str, int]
    rows: int

    @property
    def low(self) -> int:
        return min(self.choices.values())

    @property
    def high(self) -> int:
        return max(self.choices.values())


def asks(survey: str, details: Mapping[str, Any], asked: Survey) -> Asks:
    """Find out what a survey asks.

    Raises:
        ConfigError: No question fits, or several do.
        ShapeError: The details have no list of pages.
    """
    pages = details.get("pages")
    if not isinstance(pages, list):
        raise ShapeError(f"survey {survey} came without its pages.", vendor="surveymonkey")
    questions = list(_questions(pages))
    scales = [scale for one in questions if (scale := _scale(one, asked)) is not None]
    chosen = _chosen(survey, questions, scales, asked)
    where = f"question {chosen.question} of survey {survey}"
    why = asked.refusal(chosen.low, chosen.high)
    if why or chosen.rows > 1:
        reason = why or f"has {chosen.rows} rows, and a score needs a question with one."
        raise ConfigError(f"{where} {reason}", vendor="surveymonkey")
    known = {str(one.get("id")) for one in questions}
    for name in (name for name in asked.comments if name not in known):
        raise _no_such(survey, name, questions)
    words = [str(one.get("id")) for one in questions if one.get("family") == "open_ended"]
    return {
        "question": chosen.question,
        "choices": dict(chosen.choices),
        "low": chosen.low,
        "high": chosen.high,
        "texts": list(asked.comments) or words,
        "emails": [name for one in questions for name in _emails(one)],
    }


def _questions(pages: list[Any]) -> Iterator[Mapping[str, Any]]:
    for page in pages:
        listed = page.get("questions") if isinstance(page, dict) else None
        yield from (one for one in (listed if isinstance(listed, list) else ()) if isinstance(one, dict))


def _parts(question: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Choices or rows of a question."""
    answers = question.get("answers")
    listed = answers.get(name) if isinstance(answers, dict) else None
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


def _scale(question: Mapping[str, Any], asked: Survey) -> _Scale | None:
    """The question as a scale; None when its choices are no numbers in a row."""
    if question.get("family") not in {"matrix", "single_choice"}:
        return None
    choices = [one for one in _parts(question, "choices") if not one.get("is_na")]
    texts = [str(one.get("text", "")).strip() for one in choices]
    for values in (
        [asked.scores.get(text) for text in texts],
        [one.get("weight") for one in choices],
        [_only_number(text) for text in texts],
    ):
        numbers = {value for value in values if type(value) is int}
        if len(numbers) == len(choices) > 1 and max(numbers) - min(numbers) == len(numbers) - 1:
            named = {str(one.get("id")): value for one, value in zip(choices, values, strict=True)}
            found = {name: value for name, value in named.items() if type(value) is int}
            return _Scale(str(question.get("id")), _heading(question), found, len(_parts(question, "rows")))
    return None


def _only_number(text: str) -> int | None:
    """The number that a choice says: 10 of "Extremely likely - 10"."""
    found = _NUMBER.findall(text)
    return int(found[0]) if len(found) == 1 else None


def _chosen(survey: str, questions: list[Mapping[str, Any]], scales: list[_Scale], asked: Survey) -> _Scale:
    if asked.question:
        named = [scale for scale in scales if scale.question == asked.question]
        if named:
            return named[0]
        if all(str(one.get("id")) != asked.question for one in questions):
            raise _no_such(survey, asked.question, questions)
        message = f"the choices of question {asked.question} of survey {survey} are no numbers in a row."
        raise ConfigError(message, vendor="surveymonkey", advice="Say what they mean: scores, in the config.")
    fitting = [scale for scale in scales if not asked.refusal(scale.low, scale.high)]
    if len(fitting) == 1 or (len(scales) == 1 and not fitting):
        return (fitting or scales)[0]
    names = ", ".join(f"{scale.question} ({scale.heading}, {scale.low} to {scale.high})" for scale in scales) or "none"
    many = "several questions" if fitting else "no question"
    message = f"survey {survey} has {many} that {asked.survey.upper()} could be; its scales are: {names}."
    raise ConfigError(message, vendor="surveymonkey", advice=f"Name one in the config: question, under {survey}.")


def _heading(question: Mapping[str, Any]) -> str:
    found = question.get("headings")
    first = found[0] if isinstance(found, list) and found else None
    return repr(str(first.get("heading", ""))[:60]) if isinstance(first, dict) else "''"


def _no_such(survey: str, name: str, questions: list[Mapping[str, Any]]) -> ConfigError:
    known = ", ".join(f"{one.get('id')} ({_heading(one)})" for one in questions) or "none"
    message = f"survey {survey} has no question {name!r}; there are {known}."
    return ConfigError(message, vendor="surveymonkey", advice="Correct the id in the config.")


def _emails(question: Mapping[str, Any]) -> Iterator[str]:
    """Ids under which an address is given: of a row for it, or of a question that takes nothing else."""
    for row in _parts(question, "rows"):
        if row.get("type") == "email":
            yield str(row.get("id"))
    checked = question.get("validation")
    if isinstance(checked, dict) and checked.get("type") == "email":
        yield str(question.get("id"))


@dataclass(slots=True)
class Answered:
    """What one response says."""

    value: int | None = None
    email: str | None = None
    words: str | None = None


def answered(asked: Asks, pages: object) -> Answered:
    """Read the answers of a response; the number is as the survey has it."""
    found, words = Answered(), []
    for question in _questions(pages if isinstance(pages, list) else []):
        number = str(question.get("id"))
        listed = question.get("answers")
        for answer in (one for one in listed if isinstance(one, dict)) if isinstance(listed, list) else ():
            text = answer.get("text")
            if number == asked["question"]:
                found.value = asked["choices"].get(str(answer.get("choice_id")), found.value)
            elif isinstance(text, str) and {number, str(answer.get("row_id"))} & set(asked["emails"]):
                found.email = text
            elif isinstance(text, str) and number in asked["texts"]:
                words.append(text)
    found.words = "\n".join(words) or None
    return found
