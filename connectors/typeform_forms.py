"""What a Typeform form asks: which of its fields holds the score, and on which scale."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from connectors.errors import ConfigError, ShapeError
from connectors.survey_settings import Asked

SCALES = ("nps", "opinion_scale", "rating")
"""Types of field that are answered with a number on a scale."""
TEXTS = frozenset({"short_text", "long_text"})
_STEPS = {"nps": 11, "opinion_scale": 11, "rating": 5}
"""How many steps a scale has where the form does not say it."""


@dataclass(frozen=True, slots=True)
class Question:
    """The question that holds the score.

    Attributes:
        field: Id of the field.
        low: Lowest possible answer.
        high: Highest possible answer.
        texts: Ids of the fields that hold words.
    """

    field: str
    low: int
    high: int
    texts: tuple[str, ...]

    def saved(self) -> dict[str, Any]:
        """In JSON's types."""
        return {**asdict(self), "texts": list(self.texts)}

    @classmethod
    def load(cls, saved: Mapping[str, Any]) -> "Question":
        """What `saved` gave."""
        return cls(saved["field"], saved["low"], saved["high"], tuple(saved["texts"]))


def question(form: str, definition: Mapping[str, Any], asked: Asked) -> Question:
    """Find the question in a form.

    Raises:
        ConfigError: It has none that fits, or several.
        ShapeError: The form has no list of fields.
    """
    listed = definition.get("fields")
    if not isinstance(listed, list):
        raise ShapeError(f"form {form} came without its fields.", vendor="typeform")
    fields = list(_flat(listed))
    chosen = _chosen(form, fields, asked)
    low, high = _scale(chosen)
    why = asked.refusal(low, high)
    if why:
        raise ConfigError(f"question {_name(chosen)} of form {form} {why}", vendor="typeform")
    wanted = set(asked.comments)
    known = {name for field in fields for name in (field.get("ref"), field.get("id"))}
    for name in asked.comments:
        if name not in known:
            raise _no_such(form, name, fields)
    texts = (f for f in fields if ({f.get("ref"), f.get("id")} & wanted if wanted else f.get("type") in TEXTS))
    return Question(str(chosen.get("id")), low, high, tuple(str(field.get("id")) for field in texts))


def _flat(fields: list[Any]) -> Iterator[Mapping[str, Any]]:
    """The fields with those inside of groups."""
    for field in fields:
        if isinstance(field, dict):
            yield field
            inside = (field.get("properties") or {}).get("fields")
            yield from _flat(inside if isinstance(inside, list) else [])


def _chosen(form: str, fields: list[Mapping[str, Any]], asked: Asked) -> Mapping[str, Any]:
    if asked.question:
        named = [field for field in fields if asked.question in (field.get("ref"), field.get("id"))]
        if not named:
            raise _no_such(form, asked.question, fields)
        if named[0].get("type") not in SCALES:
            kinds = ", ".join(SCALES)
            message = f"question {_name(named[0])} of form {form} is of type {named[0].get('type')}; read are {kinds}."
            raise ConfigError(message, vendor="typeform", advice="Name another question in the config.")
        return named[0]
    allowed = SCALES[:1] if asked.survey == "nps" else SCALES
    fitting = [field for field in fields if field.get("type") in allowed]
    if len(fitting) == 1:
        return fitting[0]
    scales = [field for field in fields if field.get("type") in SCALES]
    names = ", ".join(map(_name, scales)) or "none"
    many = "several questions" if fitting else "no question"
    message = f"form {form} has {many} of type {' or '.join(allowed)}; its scales are: {names}."
    raise ConfigError(message, vendor="typeform", advice=f"Name one in the config: question, under forms.{form}.")


def _scale(field: Mapping[str, Any]) -> tuple[int, int]:
    """Lowest and highest answer: ratings begin at 1, opinion scales at 0 unless they say otherwise."""
    kind, properties = str(field.get("type")), field.get("properties") or {}
    steps = properties.get("steps", _STEPS[kind]) if kind != "nps" else _STEPS[kind]
    first = 1 if kind == "rating" or (kind == "opinion_scale" and properties.get("start_at_one") is True) else 0
    if not isinstance(steps, int) or not 2 <= steps <= 100:
        raise ShapeError(f"question {_name(field)} has a scale of {steps!r} steps.", vendor="typeform")
    return first, first + steps - 1


def _name(field: Mapping[str, Any]) -> str:
    return repr(str(field.get("ref") or field.get("id"))[:80])


def _no_such(form: str, name: str, fields: list[Mapping[str, Any]]) -> ConfigError:
    names = ", ".join(_name(field) for field in fields if field.get("type") != "group")
    message = f"form {form} has no question {name!r}; there are {names or 'none'}."
    return ConfigError(message, vendor="typeform", advice="Correct the reference in the config.")
