"""SurveyMonkey: answers to NPS, CSAT and CES surveys.

Rows are responses as the vendor sends them, with this folded in, by the survey's details:

- `_survey`, `_score`, `_scale_min`, `_scale_max`: what is asked by the config, and the answer, the best on top; no
  score where it was not answered;
- `_recipient`: the address to which the invitation went; `_email`: one that was given in the survey;
- `_comment`: what was written in the questions for words.

What it costs: an hour takes a call for each survey, fewer where the day's calls do not suffice for that. Once a day
each survey is listed in full, 99 responses a call, since deleted responses vanish, and its details are read, one call;
very many responses are listed less often. A first pull is such a listing.

Facts about the vendor: SurveyMonkey API v3, "Survey Responses", "Request and Response Limits" (private apps: 120 calls
a minute, 500 a day), "Error Codes".
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from requests.adapters import BaseAdapter

from connectors.base import Batch, Clock, Environment, FieldSpec, Finding, Row, Stream
from connectors.errors import (
    ConfigError,
    CredentialsError,
    MissingPermissionError,
    NotFoundError,
    QuotaError,
    ShapeError,
)
from connectors.http import Bucket, Http, Rule
from connectors.place import State, dump, instant, load
from connectors.surveymonkey_budget import Budget, due, list_every, look_every
from connectors.surveymonkey_pages import Pages
from connectors.surveymonkey_questions import Asks, answered, asks
from connectors.surveymonkey_settings import Settings
from connectors.vendor_clock import VendorClock

HOSTS = ("surveymonkey.com", "surveymonkey.ca")
DAY_HEADER = "X-Ratelimit-App-Global-Day"
USED_UP = "day_used_up"
A_MINUTE = 60.0
"""After so many seconds the calls of a minute are there again."""
ELSEWHERE = "1018"
"""The error of a token that belongs to another data centre."""

USED = frozenset({"users_read", "surveys_read", "responses_read", "responses_read_detail"})
"""The same scopes as the API spells them."""
SCOPES = "Give the app the scopes View Users, View Surveys, View Responses and View Response Details (a paid plan)."
CENTRE = "Set region to the data centre in the access_url that came with the token: us, eu or ca."
WAIT = "Nothing is lost: it goes on tomorrow (UTC). Set daily_calls lower than what is left for this app."
RULES = (
    Rule(range(300, 500), ConfigError, code=ELSEWHERE, harmless=True, advice=CENTRE),
    Rule((401,), CredentialsError, harmless=True, advice="Check the token, and that its app is still enabled."),
    Rule((403,), MissingPermissionError, harmless=True, advice=SCOPES),
    Rule((404,), NotFoundError, harmless=True, advice="Check the survey's id, and that it is shared with this user."),
    Rule((429,), QuotaError, code=USED_UP, harmless=True, advice=WAIT),
    Rule((429,), QuotaError, retry=True, harmless=True, wait=A_MINUTE, advice=WAIT),
)

__all__ = ["Settings", "connect"]


class SurveyMonkey:
    """Surveys of a SurveyMonkey account as a source."""

    streams = (Stream("responses", "survey_response"),)

    def __init__(
        self, name: str, settings: Settings, http: Http, clock: VendorClock, limits: Mapping[str, str]
    ) -> None:
        self.name = name
        self.settings = settings
        self._http = http
        self._clock = clock
        self._limits = limits

    @property
    def calls(self) -> Mapping[str, int]:
        """Requests sent so far, by stream name and "check"."""
        return self._http.calls

    def environment(self) -> Environment:
        """Whose token it is. Costs one call."""
        return self._where(self._me())

    def _me(self) -> Row:
        me = self._http.json("GET", "/v3/users/me", purpose="check")
        if not isinstance(me, dict) or me.get("id") is None:
            raise ShapeError("users/me did not say who we are.", vendor="surveymonkey")
        return me

    def _where(self, me: Row) -> Environment:
        label = str(me.get("username") or me.get("email") or me["id"])
        return Environment("surveymonkey", str(me["id"]), label, self.settings.region)

    def check(self) -> Iterator[Finding]:
        """Yield identity, what each survey asks, rights, quota and clock. A call for each survey and two more."""
        me = self._me()
        yield Finding("ok", "identity", f"Signed in as {self._where(me).label}.")
        yield from _spare(me)
        pages = Pages(self._http, lambda: None)
        for survey, asked in self.settings.surveys.items():
            try:
                found = asks(survey, pages.details(survey, "check"), asked)
            except NotFoundError as error:
                yield Finding("error", "survey", f"There is no survey {survey} to be seen.", error.advice)
            except ConfigError as error:
                if error.code == ELSEWHERE:
                    raise
                yield Finding("error", "question", error.message, error.advice)
            else:
                scale = f"from {found['low']} to {found['high']}"
                yield Finding("ok", "question", f"Survey {survey} asks for {asked.survey.upper()}, {scale}.")
        yield from self._check_right(pages)
        yield from self._check_quota()
        yield from self._clock.check()

    def pull(self, stream: Stream, cursor: str | None) -> Iterator[Batch]:
        """Yield what was answered or edited since `cursor`, see `Source.pull`.

        A survey that cannot be read does not keep the others from being read; its error comes after them.
        """
        if stream.name != "responses":
            raise ValueError(f"surveymonkey has no stream {stream.name!r}")
        state = load(cursor, "surveymonkey")
        return self._pull(state)

    def _pull(self, state: State) -> Iterator[Batch]:
        budget = Budget(self.settings.daily_calls, self._http, self._clock, state.get("spent") or {})
        reader = _Reader(self.settings, Pages(self._http, budget.ask), self._http, budget)
        if "run" in state:
            yield from reader.run(state, whole=False)
        state["run"] = run = self._next(state)
        yield from reader.run(state, whole=run["full"])

    def _next(self, state: State) -> State:
        """What to do now: list everything, or look at the surveys whose turn it is."""
        surveys, now, daily = list(self.settings.surveys), self._clock.now(), self.settings.daily_calls
        places: dict[str, State] = state.setdefault("surveys", {})
        pages = sum(int(places.get(survey, {}).get("pages", 1)) for survey in surveys)
        if due(instant(state.get("listed")), now, list_every(daily, pages)):
            return {"began": now.isoformat(), "full": True, "todo": surveys}
        every = look_every(daily, len(surveys), pages)
        todo = [survey for survey in surveys if due(instant(places.get(survey, {}).get("at")), now, every)]
        return {"began": now.isoformat(), "full": False, "todo": todo}

    def _check_right(self, pages: Pages) -> Iterator[Finding]:
        try:
            pages.probe(next(iter(self.settings.surveys)))
        except MissingPermissionError:
            yield Finding("error", "missing_scope", "The app may not read the answers in responses.", SCOPES)
        except NotFoundError:
            return  # said of the survey already

    def _check_quota(self) -> Iterator[Finding]:
        limit, left = self._limits.get("Limit"), self._limits.get("Remaining")
        if limit is None or not limit.isdigit():
            return
        settings = self.settings
        every = look_every(settings.daily_calls, len(settings.surveys), len(settings.surveys))
        told = f"{left} of {limit} calls left today."
        if int(limit) < settings.daily_calls:
            message = f"{told} The app has fewer a day than the {settings.daily_calls} of daily_calls."
            yield Finding("warning", "quota", message, "Set daily_calls to nine tenths of the app's limit.")
        elif every > timedelta(hours=1):
            hours = every.total_seconds() / 3600
            message = f"{told} They suffice to look at each of {len(settings.surveys)} surveys every {hours:.1f} hours."
            yield Finding("warning", "quota", message, "Name fewer surveys, or raise daily_calls if the app has more.")
        else:
            yield Finding("info", "quota", told)


class _Reader:
    """Reads what a run is to read."""

    def __init__(self, settings: Settings, pages: Pages, http: Http, budget: Budget) -> None:
        self._settings = settings
        self._pages = pages
        self._http = http
        self._budget = budget

    def run(self, state: State, *, whole: bool) -> Iterator[Batch]:
        """Read the surveys that are left of a run, then end it."""
        places, run = state.setdefault("surveys", {}), state["run"]
        problem: ConfigError | NotFoundError | None = None
        for survey in [name for name in run["todo"] if name in self._settings.surveys]:
            try:
                yield from self._survey(state, survey, places.get(survey, {}))
            except (ConfigError, NotFoundError) as error:
                if error.status not in {None, 404} or error.code == ELSEWHERE:
                    raise
                problem, whole = problem or error, False
            run["todo"].remove(survey)
        del state["run"]
        state["surveys"] = {name: place for name, place in places.items() if name in self._settings.surveys}
        if run["full"]:
            state["listed"] = run["began"]
        yield Batch(cursor=self._cursor(state), server_time=self._http.server_time, full=whole)
        if problem is not None:
            raise problem

    def _survey(self, state: State, survey: str, place: State) -> Iterator[Batch]:
        asked, run = self._settings.surveys[survey], state["run"]
        terms, full = asked.model_dump_json(), run["full"] or bool(place.get("all"))
        if place.get("terms") != terms or (full and place.get("read") != run["began"]):
            found = asks(survey, self._pages.details(survey, "responses"), asked)
            same = place.get("terms") == terms and place.get("asks") == found
            full = full or not same
            place = {**(place if same else {}), "terms": terms, "asks": found, "read": run["began"], "all": full}
        for rows, behind in self._pages.since(survey, place, full=full):
            done = "walk" not in behind
            following = {**behind, "at": run["began"], "all": False} if done else behind
            state["surveys"][survey] = following
            whole = [self._fold(survey, place["asks"], row) for row in rows]
            yield Batch(whole, self._cursor(state), server_time=self._http.server_time)

    def _cursor(self, state: State) -> str:
        return dump({**state, "spent": self._budget.spent()})

    def _fold(self, survey: str, asked: Asks, row: Any) -> Row:
        if not isinstance(row, dict):
            return {"unreadable": row}
        said, chosen = answered(asked, row.get("pages")), self._settings.surveys[survey]
        low, high = asked["low"], asked["high"]
        own = row.get("custom_variables")
        return {
            **row,
            "custom_variables": own if isinstance(own, dict) else {},
            "_survey": chosen.survey,
            "_score": None if said.value is None else chosen.score(said.value, low, high),
            "_scale_min": low,
            "_scale_max": high,
            "_recipient": _recipient(row.get("metadata")),
            "_email": said.email,
            "_comment": said.words,
        }


def _recipient(metadata: object) -> str | None:
    """The address to which the invitation went: `metadata.contact.email`, a text or an object with a `value`."""
    contact = metadata.get("contact") if isinstance(metadata, dict) else None
    email = contact.get("email") if isinstance(contact, dict) else None
    found = email.get("value") if isinstance(email, dict) else email
    return found if isinstance(found, str) else None


def _spare(me: Row) -> Iterator[Finding]:
    """Scopes that the token was granted and nobody needs, where the account's description tells them."""
    scopes = me.get("scopes")
    granted = scopes.get("granted") if isinstance(scopes, dict) else None
    spare = sorted({str(scope) for scope in granted} - USED) if isinstance(granted, list) else []
    if spare:
        message = f"The app was granted scopes that Holdfast never uses: {', '.join(spare)}."
        yield Finding("info", "more_rights", message, "Take them away from the app, and give the token anew.")


def connect(
    name: str,
    settings: Settings,
    *,
    clock: Clock,
    adapter: BaseAdapter | None = None,
    spool: Path | None = None,  # noqa: ARG001 - nothing is spooled here
    own_fields: Sequence[FieldSpec] = (),  # noqa: ARG001 - nothing is written here
    wanted: Mapping[str, Sequence[str]] | None = None,  # noqa: ARG001 - rows come with all their fields
) -> SurveyMonkey:
    """Make the source; nothing is sent yet. Raises `ConfigError` for a base URL the token may not be sent to."""
    token = settings.token.get_secret_value()
    vendor_clock = VendorClock("SurveyMonkey", clock)
    limits: dict[str, str] = {}

    def saw(headers: Mapping[str, str]) -> None:
        vendor_clock.saw(headers)
        limits.clear()
        for part in ("Limit", "Remaining"):
            if f"{DAY_HEADER}-{part}" in headers:
                limits[part] = headers[f"{DAY_HEADER}-{part}"]

    def codes(body: Any) -> Sequence[str]:
        error = body.get("error") if isinstance(body, dict) else None
        code = [str(error["id"])] if isinstance(error, dict) and "id" in error else []
        # The same code tells of a minute and of a day that is used up; the headers beside it tell which.
        return [USED_UP, *code] if limits.get("Remaining") == "0" else code

    http = Http(
        "surveymonkey",
        settings.url(),
        clock=clock,
        auth={"Authorization": f"Bearer {token}"},
        secrets=[token],
        buckets=(Bucket("default", 120, 60.0),),
        rules=RULES,
        adapter=adapter,
        hosts=HOSTS,
        on_headers=saw,
        codes=codes,
    )
    return SurveyMonkey(name, settings, http, vendor_clock, limits)
