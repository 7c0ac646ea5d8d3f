"""What an account does since a release, and the task for support that follows."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from scoring.engine import score
from scoring.playbooks import Situation, Team
from tests.scoring.player import Player, card_with
from tests.scoring.rows import score_row
from tests.scoring.worlds import NOW, TODAY, account, empty, feeds, store

ON = card_with("[triggers.after_release]\nenabled = true")


@pytest.mark.requirement("R39")
def test_use_and_tickets_are_joined_to_the_release_of_each_account(tmp_path: Path) -> None:
    world = empty()
    world["account"] = [account(key, lifecycle="customer") for key in range(1, 5)]
    world["usage_group"] = [{"grp": key, "account": key} for key in range(1, 5)]
    world["usage_person"] = [{"person": key, "contact": None, "account": None} for key in range(1, 13)]
    # Each account has three people who work from Monday to Friday; in accounts 1 and 4 one of them does since day 7.
    world["usage"] = [
        (TODAY - age, person, 1 + (person - 1) // 3, "open", 1)
        for age in range(1, 70)
        for person in range(1, 13)
        if (TODAY - age + 3) % 7 < 5 and not (age <= 7 and person in (2, 3, 11, 12))
    ]
    early, late = TODAY - 60, TODAY - 7
    world["release"] = [
        *({"account": key, "first_day": late, "last_day": TODAY} for key in (1, 2)),
        {"account": 1, "first_day": TODAY - 20, "last_day": TODAY + 9},  # the newest counts
        {"account": 3, "first_day": TODAY - 9, "last_day": TODAY - 1},  # over
        {"account": 4, "first_day": early, "last_day": TODAY},  # too long ago to compare
    ]
    world["ticket"] = [
        {"account": 2, "status": "open", "created_at": day * 86400 + 60, "priority": None} for day in (late - 1, late)
    ]
    world["feed"] = feeds("usage", "ticket")
    card = card_with(
        "[triggers.after_release]\nenabled = true\n"
        '[account.segments.hit]\nlabel = "Hit"\nrule = "use_since_release <= -60"\n'
        '[account.rules.hit]\nwhen = "use_since_release <= -60"\nband = "yellow"\n'
        'reason = "{days_since_release} since a release, days of use {use_since_release}"\ncustomer = "less use"'
    )
    rows = {row.key: row for row in score(card, store(world, tmp_path), levels=["account"])}
    names = ("days_since_release", "use_since_release", "tickets_since_release")
    assert {key: tuple(row.features[name] for name in names) for key, row in rows.items()} == {
        1: (7, -67, 0),
        2: (7, 0, 1),
        3: (None, None, None),
        4: (60, None, 0),
    }
    assert [key for key, row in rows.items() if "hit" in row.segments] == [1]
    assert (rows[1].rule, rows[1].band) == ("hit", "yellow")
    assert "7 days since a release, days of use down 67 %" in rows[1].reason
    assert datetime.fromtimestamp(NOW, UTC).isoweekday() == 7  # so that the week above is one


def row(day: int | None, use: int | None, tickets: int | None = 0, **more: Any) -> Any:
    features = {"days_since_release": day, "use_since_release": use, "tickets_since_release": tickets}
    return score_row("A1", "green", features={**features, "ticket_trend": 0, **more})


@pytest.mark.requirement("R39")
def test_support_gets_one_task_an_episode_and_it_goes_when_use_is_back() -> None:
    team = Team(roles={"support": ("S1", "S2")})
    player = Player(ON, Situation(team=team, fallback_owner="BOSS"))
    assert player.run(0, row(None, None, None)) == []
    assert player.run(1, row(2, -80)) == []  # two days say nothing yet
    (task,) = player.run(2, row(3, -30))
    assert (task.playbook, task.owner_id, task.why.split(" (")[0]) == (
        "after_release",
        "S1",
        "use has dropped, or questions have come in, since a release",
    )
    assert player.run(3, row(4, -35)) == []
    assert [one.playbook for one in player.run(7.5, row(8, -35))] == ["after_release!late"]
    assert list(player.look(9, row(10, None)).clear) == []  # unknown is not back
    assert [one.key for one in player.look(10, row(11, -5)).clear][:1] == [task.key]
    assert player.run(10, row(11, -5)) == []
    assert player.run(11, row(12, -31)) == []  # within the cool-down: the same episode
    # The next release, and tickets this time; the other person of the two has less to do.
    assert player.run(30, row(1, None, 3, ticket_trend=1)) == []
    (again,) = player.run(32, row(3, None, 3, ticket_trend=1))
    assert again.key != task.key
    # Where it is noticed late, support is told at first sight.
    assert [one.playbook for one in Player(ON).run(0, row(9, -50))] == ["after_release"]
