"""SurveyMonkey's API v3, simulated: surveys whose responses hold nothing but ids, and two counters that run out.

As the vendor describes it: 120 requests a minute and 500 a day, told by headers; pages of at most 100, sorted by
`date_modified` where that is asked for, with a link to the next; dates in UTC, to the second; an edited response moves
its `date_modified`; previews and unfinished responses are there too. A token of another data centre meets error 1018.
What an answer means stands in the survey's details: NPS choices there weigh -100, 0 or 100 and say their number.
"""

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from pydantic_core import to_json
from werkzeug.wrappers import Request, Response

from sandbox.core import SURVEYMONKEY_TOKEN, SandboxClock, Vendor
from sandbox.model import World
from sandbox.model_answers import SurveyAnswer
from sandbox.survey_people import Given, Keys
from sandbox.surveymonkey_surveys import CES, CSAT, QUESTIONS, Json, details, pages_of
from sandbox.world_answers import answers_of

MOST = 100
NO_DETAILS = "sm-sandbox-no-details"
"""A token whose app lacks the scope View Response Details."""
ELSEWHERE = "sm-sandbox-europe"
"""A token of the European data centre."""
WIDE = "sm-sandbox-wide"
"""A token whose app was given more than it needs."""
SCOPES = ("users_read", "surveys_read", "responses_read", "responses_read_detail")
MORE_SCOPES = ("surveys_write", "collectors_read", "responses_write", "webhooks_write")
DOCS = "https://developer.surveymonkey.com/api/v3/#error-codes"


@dataclass(frozen=True, slots=True)
class SurveyMonkeyOptions:
    """What differs between accounts.

    Attributes:
        per_minute: Requests a minute.
        per_day: Requests a UTC day.
        crm: Whose ids the links to surveys carry.
        preview_share: One in so many responses comes twice: once as a preview before.
        partial_share: One in so many responses stays unfinished.
    """

    per_minute: int = 120
    per_day: int = 500
    crm: str = "hubspot"
    preview_share: int = 15
    partial_share: int = 20


@dataclass(frozen=True, slots=True)
class Sent:
    """One response as it is from `modified` on."""

    id: str
    survey: str
    made: datetime
    modified: datetime
    scores: Mapping[str, int]
    comment: str | None
    given: Given
    mode: str = "default"
    status: str = "completed"


class Failure(Exception):  # noqa: N818 - an answer with an error status, not a mistake of ours
    """An answer other than 200."""

    def __init__(self, status: int, code: str, name: str, message: str) -> None:
        super().__init__(code)
        self.status = status
        self.body = {"error": {"docs": DOCS, "message": message, "id": code, "name": name, "http_status_code": status}}


class SurveyMonkeyVendor(Vendor):
    """One account, and one private app in it.

    Actions of `mutate`: `answer` (`survey`, `scores`: question -> value; optional `custom_variables`, `email`,
    `recipient`, `comment`, `mode`, `status`, `minutes_ago`); `edit` (`id`, `scores`): the respondent thinks better of
    it; `delete` and `restore` (`id`); `use_up`: somebody else's calls of the day; `options` (any of
    `SurveyMonkeyOptions`).
    """

    name = "surveymonkey"

    def __init__(self, world: World, clock: SandboxClock, **options: Any) -> None:
        super().__init__(world, clock)
        self.options = SurveyMonkeyOptions(**options)
        self._keys = Keys(world, self.options.crm)
        self._answers = [one for one in answers_of(world) if one.survey != "nps"]
        self._sent: dict[str, Sent] = {}
        for one in self._answers:
            self._enter(one)
        self._removed: set[str] = set()
        self._minute: deque[float] = deque()
        self._day: tuple[str, int] = ("", 0)

    def _enter(self, answer: SurveyAnswer) -> None:
        world_id = answer.id
        survey = CSAT if answer.survey == "csat" else CES
        given, options = self._keys.given(answer), self.options
        partial = options.partial_share and world_id % options.partial_share == 3
        sent = Sent(
            response_id(world_id),
            survey,
            answer.at - timedelta(minutes=4),
            answer.at,
            {answer.survey: answer.score},
            answer.comment,
            given,
            status="partial" if partial else "completed",
        )
        self._sent[sent.id] = sent
        if options.preview_share and world_id % options.preview_share == 5:
            early = answer.at - timedelta(days=2)
            preview = replace(sent, id=f"9{sent.id}", made=early, modified=early, mode="preview", status="completed")
            self._sent[preview.id] = preview

    def is_write(self, method: str, path: str) -> bool:  # noqa: ARG002 - all addresses are the same in this
        """Everything but GET and HEAD."""
        return method not in ("GET", "HEAD", "OPTIONS")

    def truth(self) -> dict[str, dict[str, int]]:
        """Keys in responses by now -> world ids; `survey_response`: ids -> the company of whoever answered."""
        now = self.clock.now()
        shown = [one for one in self._answers if self._shows(self._sent[response_id(one.id)], now)]
        return {
            **self._keys.truth(shown),
            "survey_response": {response_id(one.id): one.company_id for one in shown},
        }

    def shown(self, survey: str) -> list[Sent]:
        """The responses of a survey that can be had now, by the time they were last changed."""
        now = self.clock.now()
        found = [one for one in self._sent.values() if one.survey == survey and self._shows(one, now)]
        return sorted(found, key=lambda one: (one.modified, one.id))

    def _shows(self, sent: Sent, now: datetime) -> bool:
        return sent.modified <= now and sent.id not in self._removed

    def handle(self, request: Request) -> Response:
        """Answer one request."""
        try:
            self._count()
            response = _json(self._dispatch(request))
        except Failure as failure:
            response = _json(failure.body, failure.status)
        self._put_limits(response)
        return response

    def _count(self) -> None:
        now = self.clock.now()
        moment, day = now.timestamp(), now.date().isoformat()
        while self._minute and self._minute[0] <= moment - 60:
            self._minute.popleft()
        used = self._day[1] if self._day[0] == day else 0
        self._day = (day, used)
        if used >= self.options.per_day or len(self._minute) >= self.options.per_minute:
            message = "Too many requests were made, try again later."
            raise Failure(429, "1040", "Rate limit reached", message)
        self._day = (day, used + 1)
        self._minute.append(moment)

    def _put_limits(self, response: Response) -> None:
        now, options = self.clock.now(), self.options
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        free = 0 if not self._minute else max(math.ceil(self._minute[0] + 60 - now.timestamp()), 0)
        for period, limit, used, reset in (
            ("Minute", options.per_minute, len(self._minute), free),
            ("Day", options.per_day, self._day[1], math.ceil((midnight - now).total_seconds())),
        ):
            head = f"X-Ratelimit-App-Global-{period}"
            response.headers[f"{head}-Limit"] = str(limit)
            response.headers[f"{head}-Remaining"] = str(max(limit - used, 0))
            response.headers[f"{head}-Reset"] = str(reset)

    def _dispatch(self, request: Request) -> Json:
        token = request.headers.get("Authorization", "").partition(" ")[2]
        if token == ELSEWHERE:
            raise Failure(404, "1018", "Invalid data center", "The user's account is in another data center.")
        if token not in (SURVEYMONKEY_TOKEN, NO_DETAILS, WIDE):
            raise Failure(401, "1011", "Authorization Error", "The authorization token provided was invalid.")
        parts = request.path.strip("/").split("/")
        if parts == ["v3", "users", "me"]:
            return _me(token)
        if request.method != "GET" or parts[:2] != ["v3", "surveys"] or len(parts) < 4:
            raise Failure(404, "1020", "Resource Not Found", "There was an error retrieving the requested resource.")
        survey, what = parts[2], "/".join(parts[3:])
        if survey not in QUESTIONS or what not in ("details", "responses/bulk"):
            raise Failure(404, "1020", "Resource Not Found", "There was an error retrieving the requested resource.")
        if what == "details":
            return details(survey, request.url_root)
        if token == NO_DETAILS:
            raise Failure(403, "1014", "Permission Error", "Permission has not been granted by the user.")
        return self._bulk(survey, request)

    def _bulk(self, survey: str, request: Request) -> Json:
        args = request.args
        size, number = args.get("per_page", 50, int), args.get("page", 1, int)
        if not 1 <= size <= MOST or number < 1:
            raise Failure(400, "1004", "Invalid URL parameters", f"per_page must be between 1 and {MOST}.")
        since = _moment(args.get("start_modified_at"))
        rows = [one for one in self.shown(survey) if since is None or one.modified.replace(microsecond=0) >= since]
        rows = [one for one in rows if "status" not in args or one.status == args["status"]]
        if args.get("sort_order", "DESC") == "DESC":
            rows.reverse()
        page = rows[(number - 1) * size : number * size]
        links = {"self": self._link(request, number)}
        if number * size < len(rows):
            links["next"] = self._link(request, number + 1)
        data = [_render(one, request.url_root) for one in page]
        return {"per_page": size, "total": len(rows), "data": data, "page": number, "links": links}

    @staticmethod
    def _link(request: Request, number: int) -> str:
        kept = {**request.args.to_dict(), "page": str(number)}
        return f"{request.url_root.rstrip('/')}{request.path}?{urlencode(kept)}"

    def mutate(self, action: str, args: Mapping[str, Any]) -> Any:
        """Do what respondents and admins do; see the class."""
        actions: dict[str, Callable[[Mapping[str, Any]], Any]] = {
            "answer": self._answer,
            "edit": self._edit,
            "delete": lambda given: self._removed.add(str(given["id"])),
            "restore": lambda given: self._removed.discard(str(given["id"])),
            "use_up": lambda _: self._use_up(),
            "options": self._set_options,
        }
        if action not in actions:
            raise ValueError(f"surveymonkey has no action {action!r}; known: {', '.join(sorted(actions))}")
        return actions[action](args)

    def _answer(self, args: Mapping[str, Any]) -> Any:
        made = self.clock.now() - timedelta(minutes=float(args.get("minutes_ago", 0)))
        own = args.get("custom_variables", {})
        given = Given(own.get("account_id", ""), own.get("contact_id", ""), own.get("email", ""))
        sent = Sent(
            response_id((1 << 30) + len(self._sent)),
            str(args.get("survey", CSAT)),
            made,
            made,
            dict(args.get("scores", {})),
            args.get("comment"),
            replace(given, asked=str(args.get("email", ""))),
            str(args.get("mode", "default")),
            str(args.get("status", "completed")),
        )
        self._sent[sent.id] = sent
        return {"id": sent.id}

    def _edit(self, args: Mapping[str, Any]) -> Any:
        sent = self._sent[str(args["id"])]
        self._sent[sent.id] = replace(sent, scores=dict(args["scores"]), modified=self.clock.now(), mode="edit")
        return {"id": sent.id}

    def _use_up(self) -> None:
        self._day = (self.clock.now().date().isoformat(), self.options.per_day)

    def _set_options(self, args: Mapping[str, Any]) -> Any:
        self.options = replace(self.options, **args)
        return {}


def response_id(world_id: int) -> str:
    """The id of a response."""
    return str(5_007_000_000 + 13 * world_id)


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise Failure(400, "1004", "Invalid URL parameters", "start_modified_at is not a date.") from error
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")


def _render(sent: Sent, root: str) -> Json:
    given = sent.given
    own = {"account_id": given.account, "contact_id": given.contact}
    # An address comes from the recipient of an invitation, where the link itself does not carry it.
    invited = bool(given.email) and int(sent.id) % 2 == 0
    if given.email and not invited:
        own["email"] = given.email
    contact = {"contact": {"email": {"type": "string", "value": given.email}}} if invited else {}
    return {
        "total_time": 61,
        "collection_mode": sent.mode,
        "href": f"{root.rstrip('/')}/v3/surveys/{sent.survey}/responses/{sent.id}",
        "custom_variables": {key: value for key, value in own.items() if value},
        "custom_value": "",
        "edit_url": "https://www.surveymonkey.com/r/",
        "analyze_url": "https://www.surveymonkey.com/analyze/browse/",
        "ip_address": "",
        "metadata": contact,
        "page_path": [],
        "logic_path": {},
        "pages": pages_of(sent.survey, sent.scores, sent.comment, given.asked),
        "date_modified": _stamp(sent.modified),
        "response_status": sent.status,
        "id": sent.id,
        "collector_id": "50253586",
        "recipient_id": "1" if invited else "",
        "date_created": _stamp(sent.made),
        "survey_id": sent.survey,
    }


def _json(body: Any, status: int = 200) -> Response:
    return Response(to_json(body), status=status, content_type="application/json")


def _me(token: str) -> Json:
    """Whose token it is, and what it was granted of what the plan makes available."""
    granted = {NO_DETAILS: SCOPES[:-1], WIDE: (*SCOPES, *MORE_SCOPES)}.get(token, SCOPES)
    scopes = {"available": [*SCOPES, *MORE_SCOPES], "granted": list(granted)}
    who = {"id": "1234567", "username": "acme_surveys", "email": "surveys@holdfast.example", "language": "en"}
    return {**who, "scopes": scopes}
