"""Typeform: answers to NPS, CSAT and CES surveys.

Rows are responses as the vendor sends them, with this folded in:

- `_form`, `_survey`: which form, and what it asks by the config;
- `_score`, `_scale_min`, `_scale_max`: the answer to the question that holds the score, the best on top; no score where
  it was not answered;
- `_hidden`: the hidden fields that the link filled in, without the vendor's placeholder "xxxxx";
- `_email`: an address given in the form; `_comment`: what was written in the fields for words.

What it costs: an hour takes a call for each form, and once a day each form is listed in full, 1,000 responses a call,
since deleted responses vanish; that takes one more call a form, for its questions. A first pull is such a listing.

Facts about the vendor: Typeform developer documentation, "Retrieve responses" (answers of the last half hour may be
missing; `before` goes with no `sort`), "Retrieve form"; two requests a second and account.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from requests.adapters import BaseAdapter

from connectors.base import Batch, Clock, Environment, FieldSpec, Finding, Row, Stream
from connectors.errors import ConfigError, CredentialsError, MissingPermissionError, NotFoundError
from connectors.http import Bucket, Http, Rule
from connectors.place import State, dump, instant, load
from connectors.typeform_forms import Question, question
from connectors.typeform_pages import Pages
from connectors.typeform_settings import Settings
from connectors.vendor_clock import VendorClock

HOSTS = ("typeform.com", "typeform.eu")
A_DAY = timedelta(hours=23)
"""An hour less, so that what hourly runs do daily stays at its hour though no run begins on the second."""
PLACEHOLDER = "x"
"""Hidden fields of a link that was copied as Typeform shows it hold nothing but this letter."""

SCOPES = "Give the token the scopes forms:read and responses:read."
RULES = (
    Rule((401,), CredentialsError, harmless=True, advice='Check the token; is the account in Europe (region = "eu")?'),
    Rule((403,), MissingPermissionError, harmless=True, advice=SCOPES),
    Rule((404,), NotFoundError, harmless=True, advice="Check the form's id, and that the token's owner can see it."),
)

__all__ = ["Settings", "connect"]


class Typeform:
    """Forms of a Typeform account as a source."""

    streams = (Stream("responses", "survey_response"),)

    def __init__(self, name: str, settings: Settings, http: Http, clock: VendorClock) -> None:
        self.name = name
        self.settings = settings
        self._http = http
        self._clock = clock
        self._pages = Pages(http)

    @property
    def calls(self) -> Mapping[str, int]:
        """Requests sent so far, by stream name and "check"."""
        return self._http.calls

    def environment(self) -> Environment:
        """Which account the forms belong to, by the first form's public address. Costs one call."""
        return self._environment(self._pages.definition(next(iter(self.settings.forms)), "check"))

    def check(self) -> Iterator[Finding]:
        """Yield identity, what each form asks, rights, limits and clock. A call for each form and one more."""
        found: list[Finding] = []
        where: Environment | None = None
        for form, asked in self.settings.forms.items():
            try:
                definition = self._pages.definition(form, "check")
                where = where or self._environment(definition)
                asks = question(form, definition, asked)
            except NotFoundError as error:
                found.append(Finding("error", "form", f"There is no form {form} to be seen.", error.advice))
            except ConfigError as error:
                found.append(Finding("error", "question", error.message, error.advice))
            else:
                scale = f"from {asks.low} to {asks.high}"
                found.append(Finding("ok", "question", f"Form {form} asks for {asked.survey.upper()}, {scale}."))
        label = "Signed in." if where is None else f"Signed in to {where.label}."
        yield Finding("ok", "identity", label)
        yield from found
        yield from self._check_right()
        yield Finding("info", "quota", "Typeform allows 2 calls a second and has no daily limit.")
        yield from self._clock.check()

    def pull(self, stream: Stream, cursor: str | None) -> Iterator[Batch]:
        """Yield what was answered since `cursor`, see `Source.pull`.

        A form that cannot be read does not keep the others from being read; its error comes after them.
        """
        if stream.name != "responses":
            raise ValueError(f"typeform has no stream {stream.name!r}")
        state = load(cursor, "typeform")
        resumed = "run" in state
        if resumed:
            yield from self._run(state, whole=False)
        began = self._clock.now()
        full = _due(state, "listed", began)
        state["run"] = {"began": began.isoformat(), "full": full, "todo": list(self.settings.forms)}
        yield from self._run(state, whole=full)

    def _run(self, state: State, *, whole: bool) -> Iterator[Batch]:
        """Read the forms that are left of a run, then end it."""
        places = state.setdefault("forms", {})
        run, problem = state["run"], None
        for form in [name for name in run["todo"] if name in self.settings.forms]:
            try:
                yield from self._form(state, form, places.get(form, {}), full=run["full"])
            except (ConfigError, NotFoundError) as error:
                if error.status not in {None, 404}:
                    raise
                problem, whole = problem or error, False
            run["todo"].remove(form)
        del state["run"]
        state["forms"] = {form: place for form, place in places.items() if form in self.settings.forms}
        if run["full"]:
            state["listed"] = run["began"]
        yield Batch(cursor=dump(state), server_time=self._http.server_time, full=whole)
        if problem is not None:
            raise problem

    def _form(self, state: State, form: str, place: State, *, full: bool) -> Iterator[Batch]:
        """The responses of one form: since the newest we have, or all of them where it was not read so before."""
        asked = self.settings.forms[form]
        terms = asked.model_dump_json()
        if full or place.get("terms") != terms:
            definition = self._pages.definition(form, "responses")
            saved = question(form, definition, asked).saved()
            same = place.get("terms") == terms and place.get("question") == saved
            place = {**(place if same else {}), "terms": terms, "question": saved, "all": True}
        asks = Question.load(place["question"])
        for rows, following in self._pages.since(form, place):
            state["forms"][form] = following
            whole = [self._fold(form, asks, row) if isinstance(row, dict) else {"unreadable": row} for row in rows]
            yield Batch(whole, dump(state), server_time=self._http.server_time)

    def _fold(self, form: str, asks: Question, row: Row) -> Row:
        listed = row.get("answers")
        answers = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
        asked, score = self.settings.forms[form], None
        words, email = [], None
        for answer in answers:
            field = answer.get("field")
            field_id = str(field.get("id")) if isinstance(field, dict) else ""
            number = answer.get("number")
            if field_id == asks.field and isinstance(number, int) and not isinstance(number, bool):
                score = asked.score(number, asks.low, asks.high)
            elif field_id in asks.texts and isinstance(answer.get("text"), str):
                words.append(answer["text"])
            if answer.get("type") == "email":
                email = email or answer.get("email")
        hidden = row.get("hidden")
        given = {key: text for key, text in hidden.items() if _filled(text)} if isinstance(hidden, dict) else {}
        return {
            **row,
            "_form": form,
            "_survey": asked.survey,
            "_score": score,
            "_scale_min": asks.low,
            "_scale_max": asks.high,
            "_hidden": given,
            "_email": email,
            "_comment": "\n".join(words) or None,
        }

    def _environment(self, definition: Mapping[str, Any]) -> Environment:
        links = definition.get("_links")
        shown = links.get("display") if isinstance(links, dict) else None
        host = urlsplit(str(shown or "")).hostname or str(definition.get("id"))
        return Environment("typeform", host, host, self.settings.region)

    def _check_right(self) -> Iterator[Finding]:
        try:
            self._pages.probe(next(iter(self.settings.forms)))
        except MissingPermissionError:
            yield Finding("error", "missing_scope", "The token may not read responses.", SCOPES)
        except NotFoundError:
            return  # said of the form already


def _filled(text: object) -> bool:
    """Whether a hidden field says something."""
    return isinstance(text, str) and bool(text.strip().strip(PLACEHOLDER))


def _due(state: State, name: str, now: datetime) -> bool:
    """Whether something that is done once a day is to be done."""
    last = instant(state.get(name))
    return last is None or not timedelta() <= now - last < A_DAY


def connect(
    name: str,
    settings: Settings,
    *,
    clock: Clock,
    adapter: BaseAdapter | None = None,
    spool: Path | None = None,  # noqa: ARG001 - nothing is spooled here
    own_fields: Sequence[FieldSpec] = (),  # noqa: ARG001 - nothing is written here
    wanted: Mapping[str, Sequence[str]] | None = None,  # noqa: ARG001 - rows come with all their fields
) -> Typeform:
    """Make the source; nothing is sent yet. Raises `ConfigError` for a base URL the token may not be sent to."""
    token = settings.token.get_secret_value()
    vendor_clock = VendorClock("Typeform", clock)
    http = Http(
        "typeform",
        settings.url(),
        clock=clock,
        auth={"Authorization": f"Bearer {token}"},
        secrets=[token],
        buckets=(Bucket("default", 2, 1.0),),
        rules=RULES,
        adapter=adapter,
        hosts=HOSTS,
        on_headers=vendor_clock.saw,
    )
    return Typeform(name, settings, http, vendor_clock)
