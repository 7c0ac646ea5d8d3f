from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from scoring.card import Scorecard
from scoring.inputs import Band, ScoreRow
from scoring.playbooks import BandState, DesiredTask, desired_tasks, fill, next_states, task_key
from tests.scoring.rows import score_row

CARD = Scorecard.load()
START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


class Agent:
    """Runs the playbooks day by day and remembers what it must."""

    def __init__(self) -> None:
        self.states: dict[str, BandState] = {}
        self.keys: list[str] = []

    def run(self, day: float, *rows: ScoreRow) -> list[DesiredTask]:
        """Tasks of this run that were not made before."""
        now = START + timedelta(days=day)
        tasks = desired_tasks(CARD, rows, self.states, now)
        self.states = next_states(CARD, rows, self.states, now)
        assert desired_tasks(CARD, rows, self.states, now + timedelta(hours=1)) == tasks
        new = [task for task in tasks if task.key not in self.keys]
        self.keys += [task.key for task in new]
        return new

    def bands(self, *bands: Band) -> list[tuple[int, str]]:
        """One account through these bands, a day each: (day, playbook) of the tasks made."""
        return [(day, t.playbook) for day, band in enumerate(bands) for t in self.run(day, score_row("A1", band))]


def test_the_first_run_makes_tasks_for_red_only() -> None:
    rows = [score_row(band, band) for band in ("red", "yellow", "green", "unknown")]
    tasks = Agent().run(0, *rows)
    assert [(task.crm_id, task.playbook) for task in tasks] == [("red", "rescue")]


def test_entering_a_band_makes_one_task_however_often_it_runs() -> None:
    assert Agent().bands("green", "yellow", "yellow", "red", "red", "red") == [(1, "check_in"), (3, "rescue")]


def test_unknown_neither_starts_nor_ends_an_episode() -> None:
    assert Agent().bands("red", "unknown", "red", "unknown", "unknown") == [(0, "rescue")]
    assert Agent().bands("unknown", "unknown") == []


def test_coming_back_within_the_cooldown_goes_on_with_the_episode() -> None:
    assert Agent().bands("red", "yellow", "red", "yellow", "red") == [(0, "rescue"), (1, "check_in")]


def test_coming_back_after_the_cooldown_is_a_new_episode() -> None:
    agent = Agent()
    assert agent.run(0, score_row("A1", "red"))
    assert agent.run(1, score_row("A1", "green")) == []
    assert agent.run(29.9, score_row("A1", "red")) == []
    assert agent.run(30, score_row("A1", "green")) == []
    assert [task.playbook for task in agent.run(31, score_row("A1", "red"))] == ["rescue"]


def test_a_task_says_who_what_and_by_when() -> None:
    (task,) = Agent().run(0, score_row("A1", "red", name="Acme {drivers} \\1", reason="20: no login for 41 days"))
    assert task.subject == "Call Acme {drivers} \\1: needs attention"
    assert task.body.startswith("Acme {drivers} \\1 would profit from a conversation now.")
    assert "nothing in particular" in task.body
    assert (task.due, task.episode) == (START + timedelta(days=2), START)
    assert (task.priority, task.owner_id) == ("high", "O1")
    assert task.why == "20: no login for 41 days"
    assert task.key == task_key("A1", "rescue", START)
    assert len(task.key) == 32


def test_an_account_without_a_name_goes_by_its_id() -> None:
    (task,) = Agent().run(0, score_row("A1", "red", name=None))
    assert task.subject == "Call A1: needs attention"


def test_the_owner_is_one_who_can_take_tasks() -> None:
    def owner(row: ScoreRow, **more: object) -> str | None:
        return desired_tasks(CARD, [row], {}, START, fallback_owner="F", **more)[0].owner_id  # type: ignore[arg-type]  # keywords passed on

    assert owner(score_row("A1", "red")) == "O1"
    assert owner(score_row("A1", "red"), active_owners={"O1"}) == "O1"
    assert owner(score_row("A1", "red"), active_owners={"O2"}) == "F"
    assert owner(score_row("A1", "red", owner_id=None)) == "F"
    assert desired_tasks(CARD, [score_row("A1", "red", owner_id=None)], {}, START)[0].owner_id is None


def test_contacts_get_no_tasks_and_missing_accounts_keep_their_state() -> None:
    agent = Agent()
    assert agent.run(0, score_row("C1", "red", level="contact")) == []
    agent.run(0, score_row("A1", "red"))
    agent.run(1)
    assert set(agent.states) == {"A1"}


def test_words_are_filled_in_once() -> None:
    assert fill("{a} {b} {a}", {"a": "{b}", "b": "$0 \\g<0>"}) == "{b} $0 \\g<0> {b}"


@given(st.lists(st.sampled_from(["red", "yellow", "green", "unknown"]), min_size=1, max_size=30))
def test_tasks_are_never_doubled_nor_lost(bands: list[Band]) -> None:
    """Whoever is in red has had its task, and no two tasks of a playbook lie closer than its cool-down."""
    agent, made = Agent(), dict[str, list[int]]()
    for day, band in enumerate(bands):
        for task in agent.run(day, score_row("A1", band)):
            made.setdefault(task.playbook, []).append(day)
        assert band != "red" or made["rescue"]
        assert band not in ("green", "unknown") or not desired_tasks(
            CARD, [score_row("A1", band)], agent.states, START + timedelta(days=day)
        )
    for days in made.values():
        assert len(days) <= 1
