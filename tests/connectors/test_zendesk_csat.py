"""Both satisfaction systems of Zendesk, and finding out which of them runs."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest

from connectors.base import Batch, Row
from connectors.errors import MissingPermissionError
from connectors.zendesk import Settings, Zendesk, connect
from sandbox.core import ZENDESK_EMAIL, ZENDESK_TOKEN, Sandbox, SandboxClock
from sandbox.faults import Fault
from sandbox.model import World
from sandbox.mount import SandboxAdapter
from sandbox.world import make_world

NOW = datetime(2026, 11, 22, tzinfo=UTC)
SURVEYS, LEGACY = "survey_responses", "satisfaction_ratings"


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(seed=3, accounts=40, people_per_account=10, months=6, now=NOW)


class Desk:
    """A simulated account and a source that lives as long as one run."""

    def __init__(self, world: World, **options: Any) -> None:
        self.sandbox = Sandbox(world, vendors=("zendesk",), options={"zendesk": options})
        self.cursors: dict[str, str | None] = {}
        self.source: Zendesk = self.restart()

    def restart(self, ahead: timedelta = timedelta()) -> Zendesk:
        """As a new process would, with a clock that may be wrong."""
        clock = SandboxClock(self.sandbox.clock.now() + ahead)
        settings = Settings(
            subdomain="acme",
            email=ZENDESK_EMAIL,
            token=ZENDESK_TOKEN,
            base_url=self.sandbox.base_urls()["zendesk"],
        )
        self.source = connect("zendesk", settings, clock=clock, adapter=SandboxAdapter(self.sandbox))
        return self.source

    def next(self, *names: str) -> list[Row]:
        """Pull streams from where they were and give the rows of the last one."""
        got: list[Batch] = []
        for name in names:
            stream = next(stream for stream in self.source.streams if stream.name == name)
            got = list(self.source.pull(stream, self.cursors.get(name)))
            assert got[-1].cursor is not None
            self.cursors[name] = got[-1].cursor
        return [row for batch in got for row in batch.rows]

    def wait(self, **span: float) -> None:
        self.sandbox.clock.advance(timedelta(**span))
        self.restart()

    def act(self, action: str, **args: Any) -> Any:
        return self.sandbox.mutate("zendesk", action, **args)

    def queries(self, path: str) -> list[dict[str, str]]:
        return [dict(parse_qsl(entry.query)) for entry in self.sandbox.journal.entries() if path in entry.path]


@pytest.fixture
def make(world: World) -> Callable[..., Desk]:
    def made(**options: Any) -> Desk:
        return Desk(world, **options)

    return made


def answered(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row["answers"]]


def of_ticket(rows: list[Row], ticket: int) -> list[Row]:
    return [row for row in rows if row["subject_zrns"] == [f"zen:ticket:{ticket}"]]


def rating(row: Row) -> int:
    (found,) = (a["rating"] for a in row["answers"] if a["question"].get("sub_type") == "customer_satisfaction")
    assert isinstance(found, int)
    return found


def solved(desk: Desk) -> list[Row]:
    return [row for row in desk.next("tickets") if row["status"] in {"solved", "closed"}]


def test_the_first_pull_reads_every_answer_of_the_running_system(make: Callable[..., Desk], world: World) -> None:
    desk = make()
    rows = answered(desk.next(SURVEYS))
    expected = [t for t in world.tickets if t.csat and t.csat_at and t.csat_at < NOW and not t.deleted_at]
    assert len(rows) == len(expected)
    assert desk.queries(SURVEYS)[0]["filter[created_at_start]"] == "0"


def test_a_late_answer_to_an_old_survey_comes_with_its_ticket(make: Callable[..., Desk]) -> None:
    desk = make()
    ticket = solved(desk)[0]["id"]
    desk.next(SURVEYS)
    desk.act("answer_survey", ticket_id=ticket, rating=2)
    desk.wait(hours=1)
    rows = desk.next("tickets", SURVEYS)
    assert rating(of_ticket(rows, ticket)[-1]) == 2
    desk.wait(hours=1)
    assert of_ticket(desk.next("tickets", SURVEYS), ticket) == []


def test_many_changed_tickets_are_followed_a_hundred_at_a_time(
    make: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = make()
    desk.next("tickets", SURVEYS)
    desk.act("touch", count=150)
    desk.wait(hours=1)
    before = desk.source.calls[SURVEYS]
    desk.next("tickets", SURVEYS)
    followed = [q["filter[subject_zrns]"].split(",") for q in desk.queries(SURVEYS) if "filter[subject_zrns]" in q]
    assert len(followed[0]) == 100
    assert len(followed) == 2
    assert desk.source.calls[SURVEYS] - before == 2


def test_a_quiet_hour_costs_no_call_when_the_tickets_are_known(make: Callable[..., Desk]) -> None:
    desk = make()
    desk.next("tickets", SURVEYS)
    kept = desk.cursors[SURVEYS]
    asked = len(desk.queries(SURVEYS))
    desk.wait(minutes=1)
    desk.next("tickets", SURVEYS)
    assert len(desk.queries(SURVEYS)) == asked
    assert desk.cursors[SURVEYS] == kept
    desk.next(SURVEYS)
    assert len(desk.queries(SURVEYS)) == asked + 1


def test_tickets_that_could_not_be_read_make_us_ask_for_the_list(make: Callable[..., Desk]) -> None:
    desk = make()
    desk.next("tickets", SURVEYS)
    desk.wait(hours=1)
    desk.sandbox.faults.add(Fault("status", path="tickets", status=403, body={}))
    with pytest.raises(MissingPermissionError):
        desk.next("tickets")
    desk.next(SURVEYS)
    assert "filter[created_at_start]" in desk.queries(SURVEYS)[-1]


def test_open_tickets_are_not_followed(make: Callable[..., Desk]) -> None:
    desk = make()
    opened = [row for row in desk.next("tickets") if row["status"] in {"new", "open", "pending", "hold"}]
    desk.next(SURVEYS)
    desk.act("touch", ids=[opened[0]["id"]])
    desk.wait(hours=1)
    desk.next("tickets", SURVEYS)
    assert not any("filter[subject_zrns]" in query for query in desk.queries(SURVEYS))


def test_an_answer_whose_ticket_was_missed_comes_with_the_daily_sweep(make: Callable[..., Desk]) -> None:
    desk = make()
    recent = [row for row in desk.next(SURVEYS) if row["expires_at"] > "2026-12-05"]
    ticket = int(recent[0]["subjects"][0]["id"])
    desk.act("answer_survey", ticket_id=ticket, rating=1)
    desk.wait(hours=1)
    assert of_ticket(desk.next(SURVEYS), ticket) == []
    desk.wait(hours=23)
    assert rating(of_ticket(desk.next(SURVEYS), ticket)[0]) == 1
    since = int(desk.queries(SURVEYS)[-1]["filter[created_at_start]"]) / 1000
    assert datetime.fromtimestamp(since, UTC) == NOW + timedelta(hours=24) - timedelta(days=30)


def test_the_hourly_question_overlaps_the_last_one(make: Callable[..., Desk]) -> None:
    desk = make()
    desk.next(SURVEYS)
    desk.wait(hours=1)
    desk.next(SURVEYS)
    since = int(desk.queries(SURVEYS)[-1]["filter[created_at_start]"]) / 1000
    assert datetime.fromtimestamp(since, UTC) == NOW - timedelta(minutes=10)


@pytest.mark.parametrize("ahead", [timedelta(hours=3), timedelta(hours=-3)])
def test_the_place_is_taken_from_the_vendors_clock(make: Callable[..., Desk], ahead: timedelta) -> None:
    desk = make()
    desk.restart(ahead)
    desk.next(SURVEYS)
    assert json.loads(desk.cursors[SURVEYS] or "")["until"] == NOW.isoformat()


def test_an_interrupted_listing_goes_on_where_it_was(make: Callable[..., Desk]) -> None:
    desk = make()
    stream = next(stream for stream in desk.source.streams if stream.name == SURVEYS)
    batches = list(desk.source.pull(stream, None))
    assert len(batches) > 2
    rest = list(desk.restart().pull(stream, batches[0].cursor))
    assert [batch.rows for batch in rest] == [batch.rows for batch in batches[1:]]
    assert json.loads(rest[-1].cursor or "") == json.loads(batches[-1].cursor or "")


def test_legacy_ratings_leave_offers_out(make: Callable[..., Desk], world: World) -> None:
    desk = make(csat="legacy")
    rows = desk.next(LEGACY)
    assert {row["score"] for row in rows} == {"good", "bad"}
    assert len(rows) == sum(bool(t.csat and t.csat_at and t.csat_at < NOW and not t.deleted_at) for t in world.tickets)
    assert desk.queries(LEGACY)[0]["score"] == "received"


def test_a_new_legacy_rating_comes_within_the_hour(make: Callable[..., Desk]) -> None:
    desk = make(csat="legacy")
    ticket = solved(desk)[0]["id"]
    desk.next(LEGACY)
    desk.act("answer_survey", ticket_id=ticket, rating=1)
    desk.wait(hours=1)
    (row,) = desk.next(LEGACY)
    assert (row["ticket_id"], row["score"]) == (ticket, "bad")


@pytest.mark.parametrize(("runs", "off"), [("survey", LEGACY), ("legacy", SURVEYS)])
def test_the_system_that_is_off_is_quiet_and_asked_again_the_next_day(
    make: Callable[..., Desk], runs: str, off: str
) -> None:
    desk = make(csat=runs)
    assert desk.next(off) == []
    asked = len(desk.queries(off))
    desk.wait(hours=1)
    assert desk.next(off) == []
    assert len(desk.queries(off)) == asked == 1
    desk.wait(hours=23)
    desk.next(off)
    assert len(desk.queries(off)) == 2


def test_an_account_that_changes_systems_is_read_from_both(make: Callable[..., Desk]) -> None:
    desk = make(csat="legacy")
    desk.next(LEGACY, SURVEYS)
    body = {"error": {"title": "Forbidden", "message": "You do not have access to this page."}}
    desk.sandbox.faults.add(Fault("status", path=LEGACY, status=404, body=body, times=99))
    desk.sandbox.faults.add(
        Fault("status", path=SURVEYS, status=200, body={SURVEYS: [{"id": "X"}], "meta": {"has_more": False}}, times=99)
    )
    desk.wait(hours=24)
    assert desk.next(LEGACY) == []
    assert desk.next(SURVEYS) == [{"id": "X"}]


def test_an_empty_inactive_system_is_simply_empty(make: Callable[..., Desk]) -> None:
    desk = make(csat="survey", inactive_csat="empty")
    assert desk.next(LEGACY) == []
    assert "off" not in json.loads(desk.cursors[LEGACY] or "")


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize("name", [SURVEYS, LEGACY])
def test_neither_system_is_a_missing_permission(make: Callable[..., Desk], name: str, status: int) -> None:
    desk = make()
    for path in (SURVEYS, LEGACY):
        desk.sandbox.faults.add(Fault("status", path=path, status=status, body={"error": "Forbidden"}, times=9))
    with pytest.raises(MissingPermissionError, match="both closed"):
        desk.next(name)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"csat": "survey"}, "from survey_responses"),
        ({"csat": "survey", "inactive_csat": "empty"}, "from survey_responses"),
        ({"csat": "legacy"}, "legacy satisfaction_ratings"),
        ({"csat": "legacy", "inactive_csat": "empty"}, "legacy satisfaction_ratings"),
    ],
)
def test_check_says_which_system_runs(make: Callable[..., Desk], options: dict[str, str], word: str) -> None:
    (finding,) = (f for f in make(**options).source.check() if f.code == "csat")
    assert finding.severity == "ok"
    assert word in finding.message


def test_check_says_when_neither_runs(make: Callable[..., Desk]) -> None:
    desk = make()
    desk.sandbox.faults.add(Fault("status", path=SURVEYS, status=403, body={"error": "Forbidden"}))
    (finding,) = (f for f in desk.source.check() if f.code == "csat")
    assert finding.severity == "warning"
    assert finding.advice
