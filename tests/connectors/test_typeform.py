"""Typeform: which question, how often, what is late, and who answered."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.errors import ConfigError, MissingPermissionError, NotFoundError, RequestError, ShapeError
from connectors.survey_settings import Asked
from connectors.typeform_forms import question
from connectors.typeform_settings import Settings
from mapping.schema import SurveyResponse
from sandbox.typeform import NPS_FORM, OLD_FORM, PLACEHOLDER, READ_ONLY, SCALE_FORM, TEXT_FORM
from tests.connectors.survey_accounts import Account
from tests.contracts import contract

TWO: dict[str, Any] = {"forms": {NPS_FORM: {}, SCALE_FORM: {"question": "recommend"}}}


@pytest.fixture
def forms() -> Account:
    return Account("typeform", TWO)


def test_settings_take_forms_in_several_ways() -> None:
    for given in ("aB1, c-2", ["aB1", "c-2"], {"aB1": {}, "c-2": {"survey": "csat"}}):
        assert list(Settings(token="t", forms=given).forms) == ["aB1", "c-2"]
    assert Settings(token="t", forms="a", region="eu").url() == "https://api.eu.typeform.com"
    for wrong in ("", {}, "https://acme.typeform.com/to/x", 7, {"a": {"survey": "poll"}}):
        with pytest.raises(ValidationError):
            Settings(token="t", forms=wrong)


def test_a_first_pull_and_a_quiet_hour_cost_the_least(forms: Account) -> None:
    rows = forms.rows()
    assert {row["_form"] for row in rows} == {NPS_FORM, SCALE_FORM}
    assert sum(forms.source.calls.values()) == 4, "each form's questions, and its answers"
    forms.wait(hours=1)
    forms.pull()
    assert sum(forms.source.calls.values()) == 2
    forms.wait(hours=24)
    assert [batch.full for batch in forms.pull()] == [False, False, True]
    assert sum(forms.source.calls.values()) == 4, "once a day everything, since deleted answers vanish"


def test_an_answer_that_comes_late_is_found_and_none_twice(forms: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.typeform_pages.PAGE", 7)
    first = {row["token"] for row in forms.rows()}
    assert len(first) == len(forms.box.typeform.shown(NPS_FORM)) + len(forms.box.typeform.shown(SCALE_FORM))
    asked = forms.queries("/responses")
    assert all({"before", "sort"} - query.keys() for query in asked)
    assert "sort" not in str(asked)
    assert {query["response_type"] for query in asked} == {"completed"}
    late = forms.act("answer", form=NPS_FORM, score=2, seen_after=30)["token"]
    forms.wait(minutes=20)
    seen = forms.act("answer", form=NPS_FORM, score=9)["token"]
    forms.wait(minutes=1)
    assert seen in {row["token"] for row in forms.rows()}
    forms.wait(minutes=30)
    assert late in {row["token"] for row in forms.rows()}, "two hours are asked for once more"
    forms.wait(hours=3)
    fresh = [row["token"] for row in forms.rows() if row["_form"] == NPS_FORM]
    assert {late, seen} <= set(fresh)
    assert len(fresh) == len(set(fresh)) < len(first)


def test_a_walk_whose_mark_was_deleted_begins_again(forms: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.typeform_pages.PAGE", 5)
    pulling = forms.source.pull(forms.source.streams[0], None)
    first = next(pulling)
    pulling.close()
    forms.cursor = first.cursor
    gone = first.rows[-1]["token"]
    forms.act("delete", token=gone)
    found = {row["token"] for row in forms.rows()}
    assert found == {one.token for form in (NPS_FORM, SCALE_FORM) for one in forms.box.typeform.shown(form)}
    forms.fault("status", f"{NPS_FORM}/responses", status=400, body={"code": "VALIDATION_ERROR"}, times=9)
    with pytest.raises(RequestError):
        forms.pull()


def test_a_page_that_stays_empty_is_an_error(forms: Account) -> None:
    body = {"items": [], "total_items": 9, "page_count": 1}
    forms.fault("status", "/responses", status=200, body=body, times=99)
    with pytest.raises(ShapeError, match="same page twice"):
        forms.pull()
    assert len(forms.queries("/responses")) == 3


def test_what_an_answer_says(forms: Account) -> None:
    own = {"account_id": "8000000017", "contact_id": "50000013", "email": "Ann@acme.example"}
    full = forms.act("answer", form=NPS_FORM, score=3, hidden=own, comment="It is slow and expensive.")["token"]
    asked = forms.act("answer", form=SCALE_FORM, score=10, email="Bob@beta.example")["token"]
    empty = forms.act("answer", form=NPS_FORM)["token"]
    rows = {row["token"]: row for row in forms.rows()}
    assert "answers" not in rows[empty]
    assert rows[asked]["hidden"]["account_id"] == PLACEHOLDER
    mapped = forms.mapped([rows[full], rows[asked], rows[empty]])
    assert not mapped.rejects
    assert not mapped.warnings
    one, other = mapped.records
    assert isinstance(one, SurveyResponse)
    assert isinstance(other, SurveyResponse)
    assert (one.score, one.satisfied, one.account_ref, one.contact_ref) == (3, False, "8000000017", "50000013")
    assert {"price", "speed", "complaint"} <= set(one.themes)
    assert one.email == "ann@acme.example"
    assert (other.score, other.satisfied, other.account_ref) == (10, True, None)
    assert (other.email, other.contact_ref) == ("bob@beta.example", "bob@beta.example")


def test_a_scale_from_one_is_no_nps_and_does_not_stop_the_others() -> None:
    forms = Account("typeform", {"forms": {OLD_FORM: {"question": "recommend"}, NPS_FORM: {}}})
    (bad, good) = forms.findings("question")
    assert bad[0] == "error"
    assert "scale from 1 to 10, and NPS is asked from 0 to 10" in bad[1]
    assert good == ("ok", f"Form {NPS_FORM} asks for NPS, from 0 to 10. ")
    with pytest.raises(ConfigError, match="from 1 to 10"):
        forms.pull()
    assert forms.cursor is not None
    assert json.loads(forms.cursor)["forms"].keys() == {NPS_FORM}
    forms.settings = {"forms": {OLD_FORM: {"question": "recommend", "survey": "csat", "reverse": True}, NPS_FORM: {}}}
    forms.act("answer", form=OLD_FORM, score=2)
    (row,) = [row for row in forms.rows() if row["_form"] == OLD_FORM]
    assert row["_score"] is None, "the first scale of the form was answered, and that is another question"


@pytest.mark.parametrize(
    ("form", "asked", "words"),
    [
        (OLD_FORM, {}, "several questions of type nps; its scales are: 'recommend', 'again', 'third'."),
        (SCALE_FORM, {}, "no question of type nps; its scales are: 'recommend', 'stars'."),
        (SCALE_FORM, {"survey": "csat"}, "several questions of type nps or opinion_scale or rating"),
        (TEXT_FORM, {"survey": "ces"}, "no question of type nps or opinion_scale or rating; its scales are: none."),
        (NPS_FORM, {"question": "why"}, "'why' of form HFnps01 is of type long_text; read are nps, opinion_scale"),
        (NPS_FORM, {"question": "wy"}, "has no question 'wy'; there are 'recommend', 'why', 'your_email'."),
        (NPS_FORM, {"comments": ["x"]}, "has no question 'x'"),
        (SCALE_FORM, {"question": "stars"}, "scale from 1 to 5"),
        ("HFgone1", {}, "There is no form HFgone1 to be seen."),
    ],
)
def test_what_is_wrong_with_a_form_is_said(form: str, asked: dict[str, Any], words: str) -> None:
    forms = Account("typeform", {"forms": {form: asked}})
    (found,) = [one for one in forms.check() if one.severity == "error"]
    assert words in found.message
    with pytest.raises((ConfigError, NotFoundError)):
        forms.pull()


def test_other_scales(forms: Account) -> None:
    forms.settings = {"forms": {SCALE_FORM: {"survey": "csat", "question": "stars", "comments": ["why"]}}}
    assert forms.findings("question") == [("ok", f"Form {SCALE_FORM} asks for CSAT, from 1 to 5. ")]
    assert Asked(survey="ces", reverse=True).score(1, 1, 7) == 7
    for fields in (None, [{"id": "a", "type": "rating", "properties": {"steps": "many"}}]):
        with pytest.raises(ShapeError):
            question("x", {"fields": fields}, Asked(survey="csat"))


def test_another_question_means_reading_all_again(forms: Account) -> None:
    before = len(forms.rows())
    forms.wait(hours=1)
    forms.settings = {"forms": {NPS_FORM: {"comments": ["why"]}, SCALE_FORM: {"question": "recommend"}}}
    rows = forms.rows()
    shown = forms.box.typeform.shown(NPS_FORM)
    assert {row["token"] for row in rows if row["_form"] == NPS_FORM} == {one.token for one in shown}
    assert len(rows) < before
    forms.settings = {"forms": {NPS_FORM: {"comments": ["why"]}}}
    forms.pull()
    assert json.loads(str(forms.cursor))["forms"].keys() == {NPS_FORM}, "what the config no longer names is forgotten"


def test_rights_and_regions_are_named(forms: Account) -> None:
    assert forms.findings("missing_scope", token=READ_ONLY)[0][0] == "error"
    source = forms.connect(token=READ_ONLY)
    with pytest.raises(MissingPermissionError, match="forms:read and responses:read"):
        list(source.pull(source.streams[0], None))
    assert "acme.typeform.com" in forms.findings("identity")[0][1]
    assert "2 calls a second" in forms.findings("quota")[0][1]
    with pytest.raises(ValueError, match="no stream"):
        list(source.pull(type(source.streams[0])("answers", "survey_response"), None))
    with pytest.raises(ConfigError):
        forms.connect(base_url="https://typeform.example")
    forms.fault("status", "/forms", status=410, times=9)
    with pytest.raises(ConfigError, match="410"):
        forms.pull()


def test_odd_answers_of_the_vendor(forms: Account) -> None:
    forms.fault("status", f"forms/{NPS_FORM}.?$", status=200, body=[1], times=1)
    with pytest.raises(ShapeError, match="not an object"):
        forms.pull()
    odd = {
        "token": "t",
        "submitted_at": "never",
        "answers": [1, {"field": None}, {"type": "email", "email": "a@b.example"}],
    }
    forms.fault("status", f"{NPS_FORM}/responses", status=200, body={"items": [odd, {**odd, "answers": 7}]}, times=1)
    rows = [row for row in forms.rows() if row["token"] == "t"]
    assert [row["_email"] for row in rows] == ["a@b.example", None]


@pytest.mark.parametrize("key", ["items", "answers", "field"])
def test_the_simulator_answers_as_the_vendor_describes(forms: Account, key: str) -> None:
    described = contract("surveys", "typeform-responses.example.json")
    forms.act("answer", form=NPS_FORM, score=1, comment="x", email="a@b.example")
    row = next(row for row in forms.rows() if len(row.get("answers", ())) == 3)
    if key == "items":
        assert described["items"][0].keys() <= row.keys()
        assert described["items"][0]["metadata"].keys() == row["metadata"].keys()
    elif key == "answers":
        told = {one["type"] for one in described["items"][0]["answers"]}
        assert {one["type"] for one in row["answers"]} <= told
        for one in row["answers"]:
            assert one.keys() == {"field", "type", one["type"]}
    else:
        assert all(one["field"].keys() == {"id", "type", "ref"} for one in row["answers"])


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("page_size=1001", 400),
        ("page_size=x", 400),
        ("before=x&sort=y", 400),
        ("before=nothing", 400),
        ("since=x", 400),
        ("since=1700000000&until=2023-11-15T00:00:00Z", 200),
        ("response_type=partial", 200),
    ],
)
def test_the_simulator_is_as_strict_as_the_vendor(forms: Account, query: str, status: int) -> None:
    from werkzeug.test import Client

    client = Client(forms.box)
    said = client.get(f"/typeform/forms/{NPS_FORM}/responses?{query}", headers={"Authorization": "Bearer tfp_sandbox"})
    assert said.status_code == status
    if status == 200:
        assert said.get_json()["items"] == []
    assert client.post("/typeform/forms").status_code == 403
    forms.wait(seconds=5)
    paths = ("/typeform/me", f"/typeform/forms/{NPS_FORM}/webhooks")
    assert [client.get(path, headers={"Authorization": "Bearer tfp_sandbox"}).status_code for path in paths] == [
        404,
        404,
    ]
    slow = [client.get("/typeform/forms", headers={"Authorization": "Bearer tfp_sandbox"}) for _ in range(3)][-1]
    assert (slow.status_code, slow.headers["Retry-After"], slow.headers["X-Rate-Limit-Problem"]) == (
        429,
        "1",
        "account",
    )
    with pytest.raises(ValueError, match="no action"):
        forms.act("explode")
    forms.act("options", per_second=9)
