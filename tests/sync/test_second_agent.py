"""A second agent, a flow that takes back what we write, and rules for fields, in whole runs beside simulated CRMs."""

from datetime import timedelta
from pathlib import Path

import pytest

from sync.heartbeat import SecondAgentError, take_over
from sync.plan import HumanEdit
from sync.policy import Policy
from tests.sync.people_desk import CRMS, PeopleDesk


@pytest.fixture(params=CRMS)
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> PeopleDesk:
    """Filled by a first run."""
    made = PeopleDesk(tmp_path / "state", request.param)
    made.run()
    return made


def test_a_second_agent_stops_the_first_until_somebody_decides(desk: PeopleDesk, tmp_path: Path) -> None:
    first, second, *_ = desk.scores
    desk.box.clock.advance(timedelta(hours=1))
    desk.scores[first] = 20
    other = tmp_path / "other"
    desk.run(other)
    assert desk.says(first, "health_score") == "20"
    desk.scores[second] = 33
    writes = desk.box.journal.writes()
    with pytest.raises(SecondAgentError, match=r"1 account that this one wrote .* since 2026-11-02 11:00 UTC"):
        desk.run()
    assert desk.box.journal.writes() == writes, "nothing was written"
    desk.edit(second, "health_reason", "Theirs")
    with desk.agent() as agent:
        take_over(agent.store, desk.box.clock.now())
    desk.scores[first] = 44
    report = desk.run()
    assert report.plan is not None
    assert (desk.says(first, "health_score"), desk.says(second, "health_score")) == ("44", "33")
    assert [(edit.field, edit.why) for edit in report.plan.kept] == [(desk.name("health_reason"), "human")]
    desk.scores[first] = 45
    with pytest.raises(SecondAgentError):
        desk.run(other)


def test_a_flow_that_empties_is_parked_and_the_rest_goes_on(desk: PeopleDesk) -> None:
    desk.flow("health_score", "health_reason", "")
    first, *_ = desk.scores
    kept: tuple[HumanEdit, ...] = ()
    for score in (80, 79, 78, 77, 76, 75):
        desk.scores[first] = score
        report = desk.run()
        assert report.plan is not None
        kept = report.plan.kept
    assert [(edit.field, edit.why) for edit in kept] == [(desk.name("health_reason"), "parked")]
    assert desk.says(first, "health_score") == "75"


def test_the_policy_of_a_field_in_the_real_flow(tmp_path: Path) -> None:
    policy = Policy(
        contacts=False,
        budget_share=0.9,
        edits={"account.health_band": "ask", "account.health_score": "overwrite"},
    )
    desk = PeopleDesk(tmp_path / "state", "hubspot", policy)
    desk.run()
    first, *_ = desk.scores
    desk.edit(first, "health_band", "yellow")
    desk.edit(first, "health_score", 1)
    desk.edit(first, "health_reason", "Theirs")
    report = desk.run()
    assert report.plan is not None
    assert {(edit.field, edit.why) for edit in report.plan.kept} == {
        ("holdfast_health_band", "ask"),
        ("holdfast_health_reason", "human"),
    }
    assert desk.says(first, "health_score") == "90"
