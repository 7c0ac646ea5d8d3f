"""SurveyMonkey: 500 calls a day, answers that are ids, edits, previews, and other data centres."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.errors import ConfigError, MissingPermissionError, NotFoundError, QuotaError, ShapeError
from connectors.place import instant
from connectors.surveymonkey_budget import list_every, look_every
from connectors.surveymonkey_questions import answered, asks
from connectors.surveymonkey_settings import Settings, Survey
from mapping.schema import SurveyResponse
from sandbox.surveymonkey import ELSEWHERE, NO_DETAILS, WIDE
from sandbox.surveymonkey_surveys import CES, CSAT, GRID, NPS, TEN
from tests.connectors.survey_accounts import Account
from tests.contracts import contract

TWO: dict[str, Any] = {"surveys": {CSAT: {"survey": "csat"}, CES: {"survey": "ces"}}}
BULK = "responses/bulk"


@pytest.fixture
def surveys() -> Account:
    return Account("surveymonkey", TWO)


def made(rows: list[Any], surveys: Account) -> dict[str, SurveyResponse]:
    mapped = surveys.mapped(rows)
    assert not mapped.rejects
    assert not mapped.warnings
    return {one.source_id: one for one in mapped.records if isinstance(one, SurveyResponse)}


def test_settings_take_surveys_in_several_ways() -> None:
    for given in ("17, 18", [17, "18"], {"17": {}, "18": {"scores": {"Happy": 5}}}):
        assert list(Settings(token="t", surveys=given).surveys) == ["17", "18"]
    assert Settings(token="t", surveys="1", region="ca").url() == "https://api.surveymonkey.ca"
    for wrong in ("", {}, "abc", {"1": {"survey": "poll"}}):
        with pytest.raises(ValidationError):
            Settings(token="t", surveys=wrong)


def test_a_first_pull_and_a_quiet_hour_cost_the_least(surveys: Account) -> None:
    assert surveys.rows()
    assert sum(surveys.source.calls.values()) == 4, "each survey's details, and its answers"
    surveys.wait(hours=1)
    surveys.pull()
    assert sum(surveys.source.calls.values()) == 2, "details are known for a day"
    surveys.wait(hours=24)
    assert surveys.pull()[-1].full
    assert sum(surveys.source.calls.values()) == 4


@pytest.mark.parametrize("count", [1, 10, 18, 40])
def test_hourly_runs_never_need_more_than_the_day_has(count: int) -> None:
    names = (CSAT, CES, NPS)
    given = {names[0]: {"survey": "csat"}, names[1]: {"survey": "ces"}, names[2]: {}}
    surveys = Account("surveymonkey", {"surveys": dict(list(given.items())[: min(count, 3)])})
    many = surveys.settings["surveys"] | {f"9{n:08d}": {} for n in range(count - 3)}
    detail = surveys.connect()._http.json("GET", f"/v3/surveys/{NPS}/details", purpose="x")
    surveys.fault("status", r"/9\d{8}/details", status=200, body=detail, times=10**6)
    empty = {"data": [], "total": 0, "page": 1, "per_page": 100, "links": {}}
    surveys.fault("status", r"/9\d{8}/responses", status=200, body=empty, times=10**6)
    surveys.settings = {"surveys": many}
    asked: list[int] = []
    for _ in range(48):
        surveys.box.journal.clear()
        surveys.pull()
        asked.append(len(surveys.box.journal))
        surveys.wait(hours=1)
    assert sum(asked[:12]) <= 450, "the rest of the first day"
    assert sum(asked[12:36]) <= 450, "the second"
    polls = asked[13:36]
    assert sum(1 for calls in polls if calls) >= (23 if count <= 10 else 7)


def test_few_calls_are_shared_out() -> None:
    assert look_every(450, 1, 1).total_seconds() < 3600
    assert look_every(450, 40, 40).total_seconds() > 2 * 3600
    assert [list_every(450, pages).days for pages in (1, 90, 91, 1000)] == [1, 1, 2, 12]
    surveys = Account("surveymonkey", {"surveys": {str(n): {} for n in range(1, 60)}})
    ((severity, words),) = surveys.findings("quota")
    assert severity == "warning"
    assert "each of 59 surveys every 4" in words
    assert surveys.findings("quota", surveys=NPS, daily_calls=9000)[0][0] == "warning"
    assert surveys.findings("quota", surveys=NPS)[0] == ("info", "433 of 500 calls left today. ")


def test_a_used_up_day_is_said_once_and_costs_nothing(surveys: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.surveymonkey_pages.PAGE", 5)
    pulling = surveys.source.pull(surveys.source.streams[0], None)
    held = next(pulling)
    surveys.act("use_up")
    surveys.box.journal.clear()
    with pytest.raises(QuotaError, match="goes on tomorrow") as caught:
        next(pulling)
    assert len(surveys.box.journal) == 1, "waiting a minute would not help"
    assert "1040" in str(caught.value.detail)
    surveys.cursor = held.cursor
    surveys.wait(hours=13)
    ids = {row["id"] for row in (*held.rows, *surveys.rows())}
    shown = surveys.box.surveymonkey.shown
    assert ids == {one.id for name in (CSAT, CES) for one in shown(name) if one.status == "completed"}


def test_a_limit_of_ours_is_kept_over_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.surveymonkey_pages.PAGE", 2)
    surveys = Account("surveymonkey", {**TWO, "daily_calls": 24}, per_minute=10_000)
    with pytest.raises(QuotaError, match="24 calls that daily_calls allows") as caught:
        surveys.pull()
    assert caught.value.retry_after == 12 * 3600
    assert json.loads(str(surveys.cursor))["spent"] == {"date": "2026-11-22", "calls": 24}
    with pytest.raises(QuotaError):
        surveys.pull()
    assert not surveys.source.calls
    for _ in range(9):
        surveys.wait(hours=24)
        try:
            surveys.pull()
        except QuotaError:
            continue
        break
    assert json.loads(str(surveys.cursor))["listed"]


def test_a_passing_limit_is_waited_out(surveys: Account) -> None:
    surveys.box.mutate("surveymonkey", "options", per_minute=2)
    before = surveys.box.clock.monotonic()
    assert surveys.rows()
    assert surveys.box.clock.monotonic() - before >= 60


def test_what_an_answer_says(surveys: Account) -> None:
    own = {"account_id": "8000000017", "contact_id": "50000013", "email": "Ann@acme.example"}
    first = surveys.act("answer", survey=CSAT, scores={"csat": 2}, custom_variables=own, comment="It crashes.")["id"]
    asked = surveys.act("answer", survey=CES, scores={"ces": 7}, email="bob@beta.example")["id"]
    none = surveys.act("answer", survey=CSAT, scores={"csat": -1})["id"]
    rows = {row["id"]: row for row in surveys.rows()}
    assert "text" not in str(rows[first]["pages"][0]["questions"][0]), "ids only"
    found = made(list(rows.values()), surveys)
    one, other = found[first], found[asked]
    assert (one.survey, one.score, one.scale_min, one.scale_max, one.satisfied) == ("csat", 2, 1, 5, False)
    assert (one.account_ref, one.contact_ref, one.email) == ("8000000017", "50000013", "ann@acme.example")
    assert {"bugs", "complaint"} <= set(one.themes)
    assert (other.survey, other.score, other.scale_max, other.satisfied) == ("ces", 7, 7, True)
    assert (other.email, other.contact_ref) == ("bob@beta.example", "bob@beta.example")
    assert none not in found
    invited = [row["_recipient"] for row in rows.values() if row["_recipient"]]
    assert invited, "some are known by the invitation"


def test_previews_and_unfinished_ones_count_for_nothing(surveys: Account) -> None:
    preview = surveys.act("answer", survey=CSAT, scores={"csat": 1}, mode="survey_preview")["id"]
    partial = surveys.act("answer", survey=CSAT, scores={"csat": 1}, status="partial")["id"]
    rows = surveys.rows()
    assert partial not in {row["id"] for row in rows}
    found = made(rows, surveys)
    assert preview not in found
    modes = {row["id"]: row["collection_mode"] for row in rows}
    assert {modes[key] for key in found} == {"default"}


def test_an_edit_is_found_and_an_answer_taken_back_is_gone(surveys: Account) -> None:
    key = surveys.act("answer", survey=CSAT, scores={"csat": 5}, minutes_ago=9000)["id"]
    before = made(surveys.rows(), surveys)[key]
    surveys.wait(hours=5)
    surveys.act("edit", id=key, scores={"csat": 1})
    surveys.wait(hours=1)
    after = made(surveys.rows(), surveys)[key]
    assert (before.score, after.score) == (5, 1)
    assert after.responded_at == before.responded_at
    assert after.updated_at is not None
    assert before.updated_at is not None
    assert after.updated_at > before.updated_at
    surveys.act("edit", id=key, scores={})
    surveys.wait(hours=1)
    assert key in surveys.mapped(surveys.rows()).deleted


def test_no_row_is_missed_while_pages_shift(surveys: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.surveymonkey_pages.PAGE", 4)
    pulling = surveys.source.pull(surveys.source.streams[0], None)
    rows = list(next(pulling).rows)
    for row in rows:
        surveys.act("edit", id=row["id"], scores={"csat": 3})
    ids = {row["id"] for batch in pulling for row in batch.rows}
    shown = {one.id for one in surveys.box.surveymonkey.shown(CSAT) if one.status == "completed"}
    assert shown <= ids
    assert {query["sort_by"] for query in surveys.queries(BULK)} == {"date_modified"}


@pytest.mark.parametrize(
    ("survey", "asked", "words"),
    [
        (TEN, {}, "has a scale from 1 to 10, and NPS is asked from 0 to 10"),
        (CSAT, {}, "has a scale from 1 to 5, and NPS is asked from 0 to 10"),
        (GRID, {"survey": "csat"}, "has 2 rows, and a score needs a question with one."),
        (NPS, {"question": "77"}, "has no question '77'; there are 3001000031 ('How likely are you to"),
        (NPS, {"question": f"{NPS}8"}, "are no numbers in a row."),
        (NPS, {"comments": ["1"]}, "has no question '1'"),
        ("123", {}, "There is no survey 123 to be seen."),
    ],
)
def test_what_is_wrong_with_a_survey_is_said(survey: str, asked: dict[str, Any], words: str) -> None:
    surveys = Account("surveymonkey", {"surveys": {survey: asked, CES: {"survey": "ces"}}})
    (found,) = [one for one in surveys.check() if one.severity == "error"]
    assert words in found.message
    with pytest.raises((ConfigError, NotFoundError)):
        surveys.pull()
    assert surveys.cursor is not None
    assert json.loads(surveys.cursor)["surveys"].keys() == {CES}, "the other one was read"


def _survey(*questions: dict[str, Any]) -> dict[str, Any]:
    return {"pages": [{"id": "1", "questions": list(questions)}]}


def _choices(number: str, *texts: str, **more: Any) -> dict[str, Any]:
    listed = [{"id": f"{number}{n}", "text": text} for n, text in enumerate(texts)]
    return {"id": number, "family": "single_choice", "answers": {"choices": listed}, **more}


def test_what_choices_mean() -> None:
    words = _choices("7", "Very bad", "Bad", "Good")
    with pytest.raises(ConfigError, match="no question that CSAT could be; its scales are: none"):
        asks("1", _survey(words), Survey(survey="csat"))
    found = asks("1", _survey(words), Survey(survey="csat", scores={"Very bad": 1, "Bad": 2, "Good": 3}))
    assert found["choices"] == {"70": 1, "71": 2, "72": 3}
    two = _survey(
        _choices("7", "1", "2", "3"), _choices("8", "1 - hard", "2", "3 - easy", headings=[{"heading": "Effort"}])
    )
    with pytest.raises(ConfigError, match=r"several questions that CES could be; .*8 \('Effort', 1 to 3\)"):
        asks("1", two, Survey(survey="ces"))
    assert asks("1", two, Survey(survey="ces", question="8"))["question"] == "8"
    email = {"id": "9", "family": "open_ended", "validation": {"type": "email"}}
    known = asks("1", _survey(_choices("7", "1", "2"), email), Survey(survey="ces"))
    pages = [
        {
            "questions": [
                {"id": "9", "answers": [{"text": "a@b.example"}, 7]},
                {"id": "7", "answers": [{"choice_id": "71"}]},
            ]
        }
    ]
    said = answered(known, pages)
    assert (said.value, said.email, said.words) == (2, "a@b.example", None)
    assert answered(known, None).value is None
    for wrong in ({}, {"pages": 7}):
        with pytest.raises(ShapeError):
            asks("1", wrong, Survey())


def test_nps_is_read_from_the_text_of_its_choices() -> None:
    surveys = Account("surveymonkey", {"surveys": {NPS: {"reverse": False}}})
    scores = [surveys.act("answer", survey=NPS, scores={"nps": value})["id"] for value in (0, 7, 10)]
    found = made(surveys.rows(), surveys)
    assert [(found[key].score, found[key].satisfied) for key in scores] == [(0, False), (7, None), (10, True)]


def test_rights_and_data_centres_are_named(surveys: Account) -> None:
    source = surveys.connect(token=ELSEWHERE)
    with pytest.raises(ConfigError, match="access_url") as caught:
        list(source.check())
    assert caught.value.code == "1018"
    with pytest.raises(ConfigError, match="access_url"):
        list(source.pull(source.streams[0], None))
    assert surveys.findings("missing_scope", token=NO_DETAILS)[0][0] == "error"
    source = surveys.connect(token=NO_DETAILS)
    with pytest.raises(MissingPermissionError, match="View Response Details"):
        list(source.pull(source.streams[0], None))
    with pytest.raises(ValueError, match="no stream"):
        surveys.source.pull(type(source.streams[0])("answers", "survey_response"), None)
    surveys.fault("status", "details", status=404, body={"error": {"id": "1018"}}, times=9)
    with pytest.raises(ConfigError, match="access_url"):
        list(surveys.connect().check())


def test_odd_answers_of_the_vendor(surveys: Account) -> None:
    surveys.fault("status", "users/me", status=200, body={"id": None}, times=1)
    with pytest.raises(ShapeError, match="who we are"):
        surveys.source.environment()
    surveys.fault("status", "details", status=200, body=[1], times=1)
    with pytest.raises(ShapeError, match="not an object"):
        surveys.pull()
    surveys.fault("status", BULK, status=200, body={"data": [], "total": 3, "links": {}}, times=5)
    with pytest.raises(ShapeError, match="time and again"):
        surveys.pull()
    surveys.box.faults.clear()
    rows = [
        {"id": "1", "date_modified": "late", "metadata": {"contact": {"email": "a@b.example"}}, "custom_variables": 7}
    ]
    surveys.fault("status", BULK, status=200, body={"data": rows, "total": 1, "links": {}}, times=1)
    (odd,) = [row for row in surveys.rows() if row["id"] == "1"]
    assert (odd["_recipient"], odd["custom_variables"]) == ("a@b.example", {})
    assert instant("2026-01-01T00:00:00") is not None


@pytest.mark.parametrize("of", ["page", "row", "error"])
def test_the_simulator_answers_as_the_vendor_describes(surveys: Account, of: str) -> None:
    from werkzeug.test import Client

    client, head = Client(surveys.box), {"Authorization": "Bearer sm-sandbox-token"}
    page = client.get(f"/surveymonkey/v3/surveys/{CES}/{BULK}?per_page=2", headers=head)
    described = contract("surveys", "surveymonkey-responses-bulk.example.json")
    if of == "page":
        assert described.keys() == page.get_json().keys()
        assert described["links"].keys() <= page.get_json()["links"].keys()
        for period, limit in (("Day", "500"), ("Minute", "120")):
            assert page.headers[f"X-Ratelimit-App-Global-{period}-Limit"] == limit
            assert int(page.headers[f"X-Ratelimit-App-Global-{period}-Remaining"]) == int(limit) - 1
            assert int(page.headers[f"X-Ratelimit-App-Global-{period}-Reset"]) > 0
    elif of == "row":
        (row, other) = page.get_json()["data"]
        assert described["data"][0].keys() <= row.keys()
        assert row["date_modified"] >= other["date_modified"], "the newest first, unless asked otherwise"
        told = described["data"][0]["pages"][0]
        assert told.keys() == row["pages"][0].keys()
        assert told["questions"][0].keys() == row["pages"][0]["questions"][0].keys()
    else:
        told = contract("surveys", "surveymonkey-error.example.json")["error"]
        for path, status in (("surveys/1/details", 404), (f"surveys/{CES}/{BULK}?per_page=101", 400), ("x", 404)):
            said = client.get(f"/surveymonkey/v3/{path}", headers=head)
            assert said.status_code == status == said.get_json()["error"]["http_status_code"]
            assert told.keys() == said.get_json()["error"].keys()
        late = client.get(f"/surveymonkey/v3/surveys/{CES}/{BULK}?start_modified_at=x", headers=head)
        assert late.status_code == 400
        with pytest.raises(ValueError, match="no action"):
            surveys.act("explode")


def test_an_app_with_more_scopes_than_needed(surveys: Account) -> None:
    assert surveys.findings("more_rights") == []
    ((severity, words),) = surveys.findings("more_rights", token=WIDE)
    assert (severity, "collectors_read, responses_write, surveys_write" in words) == ("info", True)
    surveys.fault("status", "users/me", status=200, body={"id": "1", "scopes": "all"}, times=1)
    assert surveys.findings("more_rights", token=WIDE) == [], "an account that does not tell"
