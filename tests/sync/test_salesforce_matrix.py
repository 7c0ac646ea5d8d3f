"""Whatever happens to any one request of a run's writing to Salesforce, the next runs put it right, each effect once.

Each case disturbs one request of the writing. The next run, after the hold-off, is left in peace. Then every field says
what it should, unless somebody edited it or the record is gone; every task is there exactly once; nothing that is not
ours has changed; nothing is open; and the run after that finds nothing to do. By default each kind of disturbance meets
the requests that write, and the others in turn; with HOLDFAST_MATRIX=all every kind meets every request.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sync import budget
from sync.ledger import HOLD_OFF
from tests.sync.salesforce_desk import NOW, Crash, Desk, copied

EVERYTHING = os.environ.get("HOLDFAST_MATRIX") == "all"
RECEIPT = "GET sobjects/Holdfast_Receipt__c/describe"
OPENING = (*(f"GET sobjects/{name}/describe" for name in ("Account", "Contact", "Task")), RECEIPT)
UPDATE = "PATCH composite/sobjects"
CREATE = "POST composite/sobjects"
TASKS = ("GET queryAll", CREATE)
FIRST_TASKS = ("GET queryAll", RECEIPT, CREATE)
"""Whether an org has receipts is looked up once more before the first task is made without them."""
JOB = (
    "POST jobs/ingest",
    "PUT jobs/ingest/ID/batches",
    "PATCH jobs/ingest/ID",
    "GET jobs/ingest/ID",
    "GET jobs/ingest/ID/successfulResults",
    "GET jobs/ingest/ID/failedResults",
    "GET jobs/ingest/ID/unprocessedrecords",
)
COLLECTIONS = (*OPENING, f"{CREATE}/Account", UPDATE, f"{CREATE}/Contact", UPDATE, *FIRST_TASKS)
"""The requests of an undisturbed run's writing."""
JOBS = (*OPENING, f"{CREATE}/Account", *JOB, f"{CREATE}/Contact", *JOB, *FIRST_TASKS, *TASKS)
"""Those of one that writes by bulk jobs."""
WRITES = frozenset({UPDATE, CREATE, *JOB[:4]})
SCORE = "Holdfast_Health_Score__c"
LIMIT = [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests Limit exceeded."}]
BUSY = [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "ConcurrentPerOrgLongTxn Limit exceeded."}]
EXPIRED = [{"errorCode": "INVALID_SESSION_ID", "message": "Session expired or invalid"}]
UNSURE = [{"errorCode": "UNKNOWN_EXCEPTION", "message": "An unexpected error occurred."}]


@dataclass
class Case:
    """What is disturbed: a desk, and the number of a request of its writing."""

    desk: Desk
    number: int

    def fault(self, kind: Any, **rule: Any) -> None:
        self.desk.fault(self.number, kind, **rule)

    def before(self, act: Callable[[], Any]) -> None:
        self.desk.wire.before[self.number] = act

    def after(self, act: Callable[[], Any]) -> None:
        self.desk.wire.after[self.number] = act

    def account(self, place: int) -> str:
        """An account that is to be changed; those at odd places get a task."""
        return self.desk.rows[place].crm_id


def crash() -> None:
    raise Crash


def status(number: int, body: Any = "", *, effect: bool = False) -> Callable[[Case], None]:
    return lambda case: case.fault("status", status=number, body=body, effect=effect)


def fault(kind: str, **rule: Any) -> Callable[[Case], None]:
    return lambda case: case.fault(kind, **rule)


def human(action: str, **args: Any) -> Callable[[Case], None]:
    """Somebody does something to account 1 right before the request."""
    return lambda case: case.before(lambda: case.desk.do(action, id=case.account(1), **args))


def merged(case: Case) -> None:
    case.before(lambda: case.desk.do("merge", winner=case.account(2), loser=case.account(1)))


def gone(case: Case) -> None:
    owner = case.desk.records("account", "OwnerId")[case.account(1)]["OwnerId"]
    case.before(lambda: case.desk.do("deactivate_user", id=owner))


def obstacle(action: str, kind: str = "Account") -> Callable[[Case], None]:
    message = "Legal: has closed, this account"
    return lambda case: case.before(lambda: case.desk.do(action, object=kind, id=case.account(1), message=message))


DISTURBANCES: dict[str, Callable[[Case], None]] = {
    "limit": status(403, LIMIT),
    "busy": status(403, BUSY),
    "too_many": status(429),
    "expired": status(401, EXPIRED),
    "error": status(500, UNSURE),
    "error_after": status(500, UNSURE, effect=True),
    "unavailable": status(503),
    "unavailable_after": status(503, effect=True),
    "no_answer": fault("timeout_before"),
    "no_answer_after": fault("timeout_after"),
    "reset": fault("reset"),
    "reset_after": fault("reset", effect=True),
    "half_a_body": fault("cut"),
    "web_page": fault("html", status=200),
    "web_page_after": fault("html", status=200, effect=True),
    "not_json": fault("not_json"),
    "too_few": fault("empty_page"),
    "too_many_rows": fault("duplicate_rows", rows=1),
    "locked": human("lock", tries=2),
    "long_locked": human("lock", tries=40),
    "rule": obstacle("rule"),
    "trigger": obstacle("trigger"),
    "owner_left": gone,
    "edited": human("edit", values={SCORE: 99.0}),
    "emptied": human("edit", values={SCORE: None}),
    "deleted": human("delete"),
    "merged": merged,
    "job_fails": lambda case: case.before(lambda: case.desk.do("options", bulk_fail="InternalServerError : no")),
    "crash_before": lambda case: case.before(crash),
    "crash_after": lambda case: case.after(crash),
}


def cases(requests: tuple[str, ...], *, both: bool = True) -> list[Any]:
    """Kind, and number of the request: by default for each kind one of the writes in turn, and one of the others.

    Without `both` every other kind meets a write only, and the rest one of the others only.
    """
    numbers = range(1, len(requests) + 1)
    writes = [number for number in numbers if requests[number - 1] in WRITES]
    reads = [number for number in numbers if number not in writes]
    found = []
    for turn, kind in enumerate(DISTURBANCES):
        one, other = writes[turn % len(writes)], reads[turn % len(reads)]
        chosen = numbers if EVERYTHING else (one, other) if both else (one if turn % 2 else other,)
        found += [pytest.param(kind, number, id=f"{kind}-{number}") for number in chosen]
    return found


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of an agent that has read everything and written nothing."""
    desk = Desk(tmp_path_factory.mktemp("matrix"))
    report = desk.preview()
    assert report.plan is not None
    assert len(report.plan.records) == len(desk.rows)
    assert sum(desk.wanted_tasks().values()) == len(report.plan.tasks) > 4
    return desk.folder


def test_an_undisturbed_run_makes_these_requests(start: Path, tmp_path: Path) -> None:
    desk = copied(start, tmp_path, NOW)
    desk.run()
    assert tuple(desk.wire.log) == COLLECTIONS
    assert not desk.wrong()
    assert desk.tasks() == desk.wanted_tasks()


@pytest.mark.parametrize(("kind", "number"), cases(COLLECTIONS))
def test_one_request_goes_wrong(start: Path, tmp_path: Path, kind: str, number: int) -> None:
    settles(copied(start, tmp_path, NOW), kind, number)


def settles(desk: Desk, kind: str, number: int) -> None:
    """Disturb a request of a run; the next run puts it right, and the one after that has nothing to do."""
    case = Case(desk, number)
    before = desk.others()
    one = case.account(1)
    desk.run(lambda: DISTURBANCES[kind](case))
    assert desk.wire.sent >= number, "the disturbance met nothing"
    desk.box.faults.clear()
    desk.do("clear_obstacles")
    desk.do("options", bulk_fail="")
    desk.box.clock.sleep(HOLD_OFF.total_seconds())
    second = desk.run()
    assert second is not None
    assert second.halted is None
    assert set(second.endings) <= {"confirmed", "already", "gone"}, second.endings
    assert not desk.open_operations()

    wrong = desk.wrong()
    if kind == "edited" and one in wrong:
        assert wrong.pop(one) == {SCORE: (99.0, desk.rows[1].score)}
    assert not wrong
    tasks = desk.tasks()
    if kind == "merged":
        assert tasks.pop(case.account(2), 1) == 1, "a task goes where its account goes"
    assert tasks == desk.wanted_tasks()
    after = desk.others()
    assert {key: row for key, row in before.items() if key in after and kind != "merged"} == {
        key: row for key, row in after.items() if kind != "merged"
    }
    desk.box.clock.advance(timedelta(hours=1))
    writes = desk.box.journal.writes()
    third = desk.run()
    assert third is not None
    assert third.plan is not None
    assert third.plan.empty, third.plan
    assert desk.box.journal.writes() == writes


@pytest.fixture
def by_bulk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bulk jobs for some accounts, where the share is small; tasks take two requests."""
    for module in ("salesforce", "salesforce_write", "salesforce_send"):
        monkeypatch.setattr(f"connectors.{module}.BATCH", 4)
    monkeypatch.setattr(budget, "BULK_JOB_CALLS", 2)
    monkeypatch.setattr(budget.Budget, "check", lambda _: None)
    monkeypatch.setattr(budget, "fitting", lambda whole, *_, **__: (whole, ()))


@pytest.fixture
def bulk(start: Path, tmp_path: Path, by_bulk: None) -> Desk:
    """A desk whose updates go by bulk jobs."""
    return copied(start, tmp_path, NOW, share=0.0001)


def test_an_undisturbed_run_by_bulk_jobs_makes_these_requests(bulk: Desk) -> None:
    bulk.run()
    assert tuple(re.sub(r"/750\w+", "/ID", request) for request in bulk.wire.log) == JOBS
    assert not bulk.wrong()
    assert bulk.tasks() == bulk.wanted_tasks()


@pytest.mark.parametrize(("kind", "number"), cases(JOBS, both=False))
def test_one_request_of_a_run_by_bulk_jobs_goes_wrong(bulk: Desk, kind: str, number: int) -> None:
    settles(bulk, kind, number)


def window(desk: Callable[[int], Desk], requests: tuple[str, ...]) -> list[str]:
    """The requests before which somebody's edit of an account is lost: we write over it."""
    lost = []
    for number, request in enumerate(requests, 1):
        here = desk(number)
        case = Case(here, number)
        here.run(lambda case=case: DISTURBANCES["edited"](case))  # type: ignore[misc]  # a lambda's default
        score = here.records("account", SCORE)[case.account(1)][SCORE]
        assert score in {99, here.rows[1].score}
        if score != 99:
            lost.append(request)
    return lost


def test_an_edit_is_lost_only_between_the_second_look_and_the_write(start: Path, tmp_path: Path) -> None:
    requests = COLLECTIONS[:8]
    assert window(lambda number: copied(start, tmp_path / str(number), NOW), requests) == [UPDATE]


def test_a_bulk_job_leaves_more_time_for_that(start: Path, tmp_path: Path, by_bulk: None) -> None:
    requests = JOBS[:13]
    assert window(lambda number: copied(start, tmp_path / str(number), NOW, share=0.0001), requests) == list(JOB[:3])


def test_a_job_that_fails_in_the_middle(bulk: Desk) -> None:
    settles(bulk, "job_fails", 1)
