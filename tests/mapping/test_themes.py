"""What people write counts: themes by lists of words, kept by name; the text is kept nowhere."""

import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from mapping.fields import FieldMap, vendors
from mapping.schema import SurveyResponse
from mapping.themes import COMPLAINT, Settings, Theme, Themes, shipped, shipped_lists
from scoring.sources import THEMES

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
SECRET = "Unmistakable-private-words-0471"

pytestmark = pytest.mark.requirement("R67")


@pytest.mark.parametrize(
    ("text", "themes"),
    [
        ("Way too EXPENSIVE for us", ("complaint", "price")),
        ("The export is broken, and it's slow.", ("bugs", "complaint", "speed")),
        ("It doesn\N{RIGHT SINGLE QUOTATION MARK}t\n  work", ("bugs", "complaint")),
        ("<p>does <b>not</b> work</p>", ("bugs", "complaint")),
        ("slowly but surely", ("complaint", "speed")),
        ("We are switching to somebody else", ("complaint", "leaving")),
        ("Quick and friendly, thank you!", ("praise",)),
        ("No bugs so far", None),
        ("slow support", ("complaint", "support")),
        ("debugger and errorless", None),
        ("It would be great if it had an export", ("complaint", "missing")),
        ("nothing special", None),
        ("   ", None),
        (None, None),
        (7, None),
        ({"a": "broken"}, None),
        (["fine", None, "but broken"], ("bugs", "complaint")),
    ],
)
def test_a_text_speaks_of_what_its_words_say(text: Any, themes: tuple[str, ...] | None) -> None:
    assert shipped().tags(text) == themes


def test_words_of_ones_own_in_any_language_come_on_top() -> None:
    own = {
        "price": Theme(words=("teuer", "Preiserhöhung*")),
        "umzug": Theme(words=("Umzug", "*migration"), complaint=False),
        "hope": Theme(words=("*価格*",), complaint=True),
    }
    themes = Themes.of(Settings(lists=own))
    assert themes.tags("Viel zu TEUER") == ("complaint", "price")
    assert themes.tags("die Preiserhöhungen") == ("complaint", "price")
    assert themes.tags("teuerste") is None
    assert themes.tags("nach der Datenmigration") == ("umzug",)
    assert themes.tags("この価格は") == ("complaint", "hope")
    assert themes.tags("expensive") == ("complaint", "price")
    alone = Themes.of(Settings(shipped=False, lists=own))
    assert set(alone.lists) == set(own)
    assert alone.tags("expensive") is None
    assert alone.tags("teuer") == ("price",)


def test_a_theme_can_be_told_what_to_overlook() -> None:
    themes = Themes.of(Settings(lists={"bugs": Theme(but_not=("broken record",))}))
    assert themes.tags("We sound like a broken record") is None
    assert themes.tags("like a broken record: it is broken") == ("bugs", "complaint")


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"lists": {"complaint": {"words": ["bad"]}}}, "no theme can be called 'complaint'"),
        ({"lists": {"price": {}}}, "the theme 'price' has no words"),
        ({"lists": {"price": {"words": ["to*day"]}}}, "only at the ends"),
        ({"lists": {"price": {"words": ["**"]}}}, "at least two letters"),
        ({"lists": {"Price": {"words": ["dear"]}}}, "should match"),
        ({"lists": {"price": {"word": ["dear"]}}}, "Extra inputs"),
    ],
)
def test_a_list_that_cannot_work_is_refused(table: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says.replace("*", r"\*")):
        Settings.model_validate(table)


def test_every_shipped_list_is_a_feature_and_every_word_of_it_is_found() -> None:
    assert tuple(sorted(shipped_lists())) == THEMES
    for name, theme in shipped_lists().items():
        alone = Themes({name: Theme(words=theme.words, complaint=theme.complaint)})
        for word in theme.words:
            expected = (COMPLAINT, name) if theme.complaint else (name,)
            assert alone.tags(f"so: {word.strip('*')}!") == tuple(sorted(expected)), word
    assert "themes" not in vendors()


def test_the_docs_tell_every_theme_and_their_config_loads() -> None:
    text = (Path(__file__).parents[2] / "docs" / "feedback.md").read_text("utf-8")
    told = dict(re.findall(r"^\| `(\w+)` \| (yes|no) \|", text, re.MULTILINE))
    assert told == {name: "yes" if theme.complaint else "no" for name, theme in shipped_lists().items()}
    (block,) = re.findall(r"```text\n(\[themes.*?)```", text, re.DOTALL)
    themes = Themes.of(Settings.model_validate(tomllib.loads(block)["themes"]))
    assert themes.tags("Die Preiserhöhungen beim Umzug") == ("complaint", "migration", "price")


def test_a_very_long_text_takes_no_time_and_is_cut() -> None:
    assert shipped().tags("a" * 10**6 + " broken") is None
    assert shipped().tags("<" * 10**5) is None


ANSWERS: list[tuple[str, str, dict[str, Any]]] = [
    (
        "zendesk",
        "satisfaction_ratings",
        {"id": 1, "score": "bad", "comment": f"broken {SECRET}", "updated_at": "2026-11-20T10:00:00Z", "ticket_id": 4},
    ),
    (
        "zendesk",
        "survey_responses",
        {
            "id": "s1",
            "responder_id": 5,
            "answers": [
                {"type": "open_ended", "value": f"fine {SECRET}"},
                {"type": "open_ended", "value": "but broken"},
                {
                    "question": {"sub_type": "customer_satisfaction"},
                    "rating": 2,
                    "rating_category": "bad",
                    "created_at": "2026-11-20T10:00:00Z",
                    "updated_at": "2026-11-20T10:00:00Z",
                },
            ],
        },
    ),
    (
        "hubspot",
        "feedback_submissions",
        {
            "id": "9",
            "updatedAt": "2026-11-20T10:00:00Z",
            "properties": {
                "hs_survey_type": "NPS",
                "hs_value": "3",
                "hs_response_group": "DETRACTOR",
                "hs_submission_timestamp": "2026-11-20T10:00:00Z",
                "hs_content": f"it is broken {SECRET}",
            },
        },
    ),
]


@pytest.mark.parametrize(("vendor", "stream", "row"), ANSWERS, ids=[stream for _, stream, _ in ANSWERS])
def test_of_an_answers_text_the_themes_are_kept_and_nothing_else(vendor: str, stream: str, row: dict[str, Any]) -> None:
    mapped = FieldMap.load(vendor).apply("source", stream, [row], NOW)
    (record,) = mapped.records
    assert isinstance(record, SurveyResponse)
    assert record.themes == ("bugs", "complaint")
    assert SECRET not in repr(mapped)
    own = Themes.of(Settings(shipped=False, lists={"mine": Theme(words=("broken",))}))
    (record,) = FieldMap.load(vendor, themes=own).apply("source", stream, [row], NOW).records
    assert isinstance(record, SurveyResponse)
    assert record.themes == ("mine",)


@pytest.mark.parametrize(("vendor", "stream", "row"), ANSWERS, ids=[stream for _, stream, _ in ANSWERS])
def test_the_text_of_a_refused_answer_is_not_kept_either(vendor: str, stream: str, row: dict[str, Any]) -> None:
    (reject,) = FieldMap.load(vendor).apply("source", stream, [{**row, "id": None}], NOW).rejects
    assert SECRET not in reject.row
    assert "2026-11-20" in reject.row
