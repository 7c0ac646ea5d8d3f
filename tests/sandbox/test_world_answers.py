"""What customers answer to surveys: by health, by everybody's own keys, and apart from the rest of the world."""

from datetime import UTC, datetime
from statistics import correlation

import pytest

from sandbox.core import Sandbox
from sandbox.model_answers import SurveyAnswer
from sandbox.surveymonkey import response_id
from sandbox.typeform import token
from sandbox.world import SeededWorld, make_world
from sandbox.world_answers import SCALES, answers_of

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture(scope="module")
def world() -> SeededWorld:
    return make_world(seed=5, accounts=60, people_per_account=6, months=9, now=NOW)


@pytest.fixture(scope="module")
def answers(world: SeededWorld) -> list[SurveyAnswer]:
    return answers_of(world)


def test_answers_follow_health(world: SeededWorld, answers: list[SurveyAnswer]) -> None:
    for survey, (low, high) in SCALES.items():
        mine = [one for one in answers if one.survey == survey]
        assert len(mine) > 30
        assert all(low <= one.score <= high for one in mine)
        health = [world.health(one.company_id, one.at.date()) for one in mine]
        assert correlation(health, [float(one.score) for one in mine]) > 0.6
        assert min(health) > 0, "nobody answers after they left"


def test_a_realistic_share_tells_nobody_who_it_was(world: SeededWorld, answers: list[SurveyAnswer]) -> None:
    shares = {key: sum(one.key == key for one in answers) / len(answers) for key in ("crm", "product", "email", "none")}
    assert 0.08 < shares["none"] < 0.25
    assert shares["crm"] > shares["product"] > 0.05
    assert shares["email"] > 0.05
    for one in answers:
        person = world.people[one.person_id - 1]
        assert person.company_id == one.company_id
        assert person.kind == "person"
        assert one.key != "product" or person.product_user_id
        assert one.key != "crm" or person.in_crm


def test_answers_are_the_same_each_time_and_change_nothing_else(
    world: SeededWorld, answers: list[SurveyAnswer]
) -> None:
    again = make_world(seed=5, accounts=60, people_per_account=6, months=9, now=NOW)
    before = again.digest()
    assert answers_of(again) == answers
    assert again.digest() == before == world.digest()
    assert [one.id for one in answers] == list(range(1, len(answers) + 1))
    assert [one.at for one in answers] == sorted(one.at for one in answers)


def test_the_vendors_know_the_truth(world: SeededWorld, answers: list[SurveyAnswer]) -> None:
    box = Sandbox(world, vendors=("salesforce", "typeform", "surveymonkey"))
    forms, surveys = box.truth()["typeform"], box.truth()["surveymonkey"]
    past = [one for one in answers if one.at < NOW]
    for one in past[:-5]:
        key, known = (token(one.id), forms) if one.survey == "nps" else (response_id(one.id), surveys)
        assert known["survey_response"][key] == one.company_id
    assert any(key.startswith("003") for key in forms["contact"]), "ids of the CRM that is there"
    assert any(key.startswith("001") for key in surveys["account"])
    assert any("@" in key for key in forms["contact"])
