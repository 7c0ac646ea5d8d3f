"""Typeform's Create and Responses API, simulated: forms, and their responses newest first.

As the vendor describes it: `since` and `until` are inclusive, to the second; `before` names a response by its token and
goes with no `sort`; at most 1,000 a page; an answer may be missing for half an hour after it was given; a deleted one
is simply not there any more. Two requests a second, then 429 with `Retry-After` and `X-Rate-Limit-Problem`.
A response carries `answers` only where something was answered.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic_core import to_json
from werkzeug.wrappers import Request, Response

from sandbox.core import TYPEFORM_TOKEN, SandboxClock, Vendor
from sandbox.model import World
from sandbox.model_answers import SurveyAnswer
from sandbox.survey_people import Given, Keys
from sandbox.world_answers import answers_of

Json = dict[str, Any]

MOST = 1_000
NPS_FORM, SCALE_FORM, OLD_FORM, TEXT_FORM = "HFnps01", "HFnps02", "HFold10", "HFtext1"
READ_ONLY = "tfp_sandbox_forms_only"
"""A token that lacks the scope responses:read."""
PLACEHOLDER = "xxxxx"
"""What a hidden field holds where the link was copied as the vendor shows it."""

_EMAIL = {"id": "fEmail000001", "ref": "your_email", "type": "email", "title": "Your e-mail address", "properties": {}}
_WHY = {"id": "fWhy00000001", "ref": "why", "type": "long_text", "title": "Why?", "properties": {}}


def _scale(kind: str, steps: int, *, one: bool = False, ref: str = "recommend") -> Json:
    title = "How likely are you to recommend us to a friend or colleague?"
    properties: Json = {} if kind == "nps" else {"steps": steps, "start_at_one": one}
    return {"id": f"f{ref.title():0<11}"[:12], "ref": ref, "type": kind, "title": title, "properties": properties}


FORMS: Mapping[str, list[Json]] = {
    NPS_FORM: [_scale("nps", 11), _WHY, {**_EMAIL, "type": "email"}],
    SCALE_FORM: [
        {
            "id": "fGroup000001",
            "ref": "about",
            "type": "group",
            "title": "About us",
            "properties": {"fields": [_scale("opinion_scale", 11), _scale("rating", 5, ref="stars")]},
        },
        _WHY,
        _EMAIL,
    ],
    OLD_FORM: [_scale("opinion_scale", 10, one=True), _scale("nps", 11, ref="again"), _scale("nps", 11, ref="third")],
    TEXT_FORM: [_WHY, _EMAIL],
}


@dataclass(frozen=True, slots=True)
class TypeformOptions:
    """What differs between accounts.

    Attributes:
        lag_minutes: How long after it was given an answer shows.
        per_second: Requests a second.
        crm: Whose ids the links to forms carry.
        empty_share: One in so many responses answers nothing.
    """

    lag_minutes: int = 30
    per_second: int = 2
    crm: str = "hubspot"
    empty_share: int = 40


@dataclass(frozen=True, slots=True)
class Sent:
    """One response: where, when, what, and by whom as far as it tells. `score` None answers nothing."""

    token: str
    form: str
    at: datetime
    score: int | None
    comment: str | None
    given: Given
    delay: timedelta


class Failure(Exception):  # noqa: N818 - an answer with an error status, not a mistake of ours
    """An answer other than 200."""

    def __init__(self, status: int, code: str, description: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(code)
        self.status = status
        self.body = {"code": code, "description": description}
        self.headers = dict(headers or {})


class TypeformVendor(Vendor):
    """One account.

    Actions of `mutate`: `answer` (`form`, `score`; optional `hidden`, `comment`, `email`, `minutes_ago` and
    `seen_after` minutes): somebody answers; `delete` (`token`); `options` (any of `TypeformOptions`).
    """

    name = "typeform"

    def __init__(self, world: World, clock: SandboxClock, **options: Any) -> None:
        super().__init__(world, clock)
        self.options = TypeformOptions(**options)
        self._keys = Keys(world, self.options.crm)
        self._answers = [one for one in answers_of(world) if one.survey == "nps"]
        self._world_sent = [self._from_world(one) for one in self._answers]
        self._own: list[Sent] = []
        self._removed: set[str] = set()
        self._asked: deque[float] = deque()

    def _from_world(self, answer: SurveyAnswer) -> Sent:
        world_id = answer.id
        form = SCALE_FORM if world_id % 4 == 0 else NPS_FORM
        empty = self.options.empty_share and world_id % self.options.empty_share == 7
        lag = timedelta(minutes=self.options.lag_minutes) * ((world_id * 7) % 11) / 10
        score = None if empty else answer.score
        return Sent(token(world_id), form, answer.at, score, answer.comment, self._keys.given(answer), lag)

    def is_write(self, method: str, path: str) -> bool:  # noqa: ARG002 - all addresses are the same in this
        """Everything but GET and HEAD."""
        return method not in ("GET", "HEAD", "OPTIONS")

    def truth(self) -> dict[str, dict[str, int]]:
        """Keys in responses by now -> world ids; `survey_response`: tokens -> the company of whoever answered."""
        now = self.clock.now()
        shown = [one for one, sent in zip(self._answers, self._world_sent, strict=True) if self._shows(sent, now)]
        responses = {token(one.id): one.company_id for one in shown}
        return {**self._keys.truth(shown), "survey_response": responses}

    def shown(self, form: str) -> list[Sent]:
        """The responses of a form that can be had now, newest first."""
        now = self.clock.now()
        found = [one for one in (*self._world_sent, *self._own) if one.form == form and self._shows(one, now)]
        return sorted(found, key=lambda one: (one.at, one.token), reverse=True)

    def _shows(self, sent: Sent, now: datetime) -> bool:
        return sent.at + sent.delay <= now and sent.token not in self._removed

    def handle(self, request: Request) -> Response:
        """Answer one request."""
        try:
            self._count()
            return _answer(self._dispatch(request))
        except Failure as failure:
            response = _answer(failure.body, failure.status)
            response.headers.update(failure.headers)
            return response

    def _count(self) -> None:
        now = self.clock.now().timestamp()
        while self._asked and self._asked[0] <= now - 1:
            self._asked.popleft()
        if len(self._asked) >= self.options.per_second:
            told = {"Retry-After": "1", "X-Rate-Limit-Problem": "account"}
            raise Failure(429, "TOO_MANY_REQUESTS", "Too many requests, slow down", told)
        self._asked.append(now)

    def _dispatch(self, request: Request) -> Json:
        auth = request.headers.get("Authorization", "")
        if auth not in (f"Bearer {TYPEFORM_TOKEN}", f"Bearer {READ_ONLY}"):
            raise Failure(403 if not auth else 401, "AUTHENTICATION_FAILED", "Authentication credentials not found")
        parts = request.path.strip("/").split("/")
        if request.method != "GET" or parts[0] != "forms" or len(parts) not in (2, 3):
            raise Failure(404, "NOT_FOUND", "This path does not exist")
        form = parts[1]
        if form not in FORMS:
            raise Failure(404, "FORM_NOT_FOUND", "Form not found")
        if len(parts) == 2:
            return _form(form)
        if parts[2] != "responses":
            raise Failure(404, "NOT_FOUND", "This path does not exist")
        if auth == f"Bearer {READ_ONLY}":
            raise Failure(403, "FORBIDDEN", "You do not have the scope responses:read")
        return self._responses(form, request.args)

    def _responses(self, form: str, args: Mapping[str, str]) -> Json:
        size = _whole(args.get("page_size", "25"), "page_size")
        if not 1 <= size <= MOST:
            raise Failure(400, "VALIDATION_ERROR", f"page_size must be between 1 and {MOST}")
        place = "before" in args or "after" in args
        if place and "sort" in args:
            raise Failure(400, "VALIDATION_ERROR", "before and after can not be used together with sort")
        kinds = args.get("response_type", "completed").split(",")
        rows = self.shown(form) if "completed" in kinds else []
        since, until = _moment(args, "since"), _moment(args, "until")
        rows = [one for one in rows if since is None or _second(one) >= since]
        rows = [one for one in rows if until is None or _second(one) <= until]
        total = len(rows)
        if "before" in args:
            tokens = [one.token for one in rows]
            if args["before"] not in tokens:
                raise Failure(400, "VALIDATION_ERROR", "before is not the token of a response")
            rows = rows[tokens.index(args["before"]) + 1 :]
        pages = -(-total // size)
        return {"total_items": total, "page_count": pages, "items": [_render(one) for one in rows[:size]]}

    def mutate(self, action: str, args: Mapping[str, Any]) -> Any:
        """Do what respondents and admins do; see the class."""
        actions: dict[str, Callable[[Mapping[str, Any]], Any]] = {
            "answer": self._answer,
            "delete": self._delete,
            "options": self._set_options,
        }
        if action not in actions:
            raise ValueError(f"typeform has no action {action!r}; known: {', '.join(sorted(actions))}")
        return actions[action](args)

    def _answer(self, args: Mapping[str, Any]) -> Any:
        hidden = args.get("hidden", {})
        given = Given(hidden.get("account_id", ""), hidden.get("contact_id", ""), hidden.get("email", ""))
        sent = Sent(
            token((1 << 40) + len(self._own)),
            str(args.get("form", NPS_FORM)),
            self.clock.now() - timedelta(minutes=float(args.get("minutes_ago", 0))),
            args.get("score"),
            args.get("comment"),
            replace(given, asked=str(args.get("email", ""))),
            timedelta(minutes=float(args.get("seen_after", 0))),
        )
        self._own.append(sent)
        return {"token": sent.token}

    def _delete(self, args: Mapping[str, Any]) -> Any:
        self._removed.add(str(args["token"]))
        return {"token": args["token"]}

    def _set_options(self, args: Mapping[str, Any]) -> Any:
        self.options = replace(self.options, **args)
        return {}


def token(number: int) -> str:
    """The token of a response."""
    return hashlib.md5(f"typeform {number}".encode(), usedforsecurity=False).hexdigest()


def _second(sent: Sent) -> datetime:
    return sent.at.replace(microsecond=0)


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _whole(text: str, name: str) -> int:
    if not text.isdigit():
        raise Failure(400, "VALIDATION_ERROR", f"{name} must be a whole number")
    return int(text)


def _moment(args: Mapping[str, str], name: str) -> datetime | None:
    """An instant of the query: epoch seconds, or ISO 8601 in UTC to the second."""
    text = args.get(name)
    if text is None:
        return None
    if text.isdigit():
        return datetime.fromtimestamp(int(text), UTC)
    try:
        return datetime.strptime(text.removesuffix("Z"), "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    except ValueError as error:
        raise Failure(400, "VALIDATION_ERROR", f"{name} must be a date and time in UTC") from error


def _form(form: str) -> Json:
    links = {"display": f"https://acme.typeform.com/to/{form}", "responses": f"https://api.typeform.com/forms/{form}"}
    hidden = ["account_id", "contact_id", "email"]
    return {
        "id": form,
        "type": "quiz",
        "title": f"Form {form}",
        "workspace": {"href": "https://api.typeform.com/workspaces/HFwork1"},
        "settings": {"is_public": True, "language": "en"},
        "hidden": hidden,
        "fields": FORMS[form],
        "_links": links,
    }


def _render(sent: Sent) -> Json:
    row: Json = {
        "landing_id": sent.token,
        "token": sent.token,
        "response_id": sent.token,
        "response_type": "completed",
        "landed_at": _stamp(sent.at - timedelta(minutes=3)),
        "submitted_at": _stamp(sent.at),
        "metadata": {
            "user_agent": "Mozilla/5.0",
            "platform": "other",
            "referer": f"https://acme.typeform.com/to/{sent.form}",
            "network_id": "5c0ffee000",
            "browser": "default",
        },
        "hidden": _hidden(sent.given),
        "calculated": {"score": 0},
    }
    answers = _answers(sent)
    return {**row, "answers": answers} if answers else row


def _hidden(given: Given) -> Json:
    """Hidden fields as the link had them; a field that it left out holds what the vendor's own link shows."""
    if not (given.account or given.contact or given.email):
        return {"account_id": PLACEHOLDER, "contact_id": PLACEHOLDER, "email": PLACEHOLDER}
    return {"account_id": given.account, "contact_id": given.contact, "email": given.email}


def _answers(sent: Sent) -> list[Json]:
    flat: dict[str, Json] = {}
    for field in FORMS[sent.form]:
        for one in field["properties"].get("fields", [field]):
            flat.setdefault(one["type"], one)
    found: list[Json] = []
    scale = flat.get("nps") or flat.get("opinion_scale")
    if sent.score is not None and scale is not None:
        found.append({"field": _named(scale), "type": "number", "number": sent.score})
    if sent.comment and "long_text" in flat:
        found.append({"field": _named(flat["long_text"]), "type": "text", "text": sent.comment})
    if sent.given.asked and "email" in flat:
        found.append({"field": _named(flat["email"]), "type": "email", "email": sent.given.asked})
    return found


def _named(field: Json) -> Json:
    return {"id": field["id"], "type": field["type"], "ref": field["ref"]}


def _answer(body: Any, status: int = 200) -> Response:
    return Response(to_json(body), status=status, content_type="application/json; charset=utf-8")
