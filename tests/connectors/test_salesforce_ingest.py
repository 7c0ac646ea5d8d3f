"""Bulk jobs: whatever happens to one, each of its records is told apart, and what nobody knows is in doubt."""

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from requests.adapters import BaseAdapter

from connectors.base import Value
from connectors.errors import ConnectorError, CredentialsError, QuotaError, RequestError, ShapeError, UnclearError
from connectors.salesforce_api import Api
from connectors.salesforce_ingest import DEADLINE, Ingest, Told, Update, files
from connectors.salesforce_outcomes import Refusal, from_text
from connectors.salesforce_settings import Keys
from tests.connectors.salesforce_orgs import published

ONE, TWO, THREE = (f"0015e00000AAAA{letter}AA5" for letter in "ABC")
EMPTY = '"sf__Id","sf__Error","Id"\n'
Answer = tuple[int, Any] | type[Exception]


class Jobs(BaseAdapter):
    """Answers as Salesforce's guide says, unless a test says otherwise for one "METHOD end-of-path"."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.uploads: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.odd: dict[str, list[Answer]] = {}
        self.states = ["InProgress", "JobComplete"]
        self.words = ""
        self.results = {"successfulResults": "", "failedResults": EMPTY, "unprocessedrecords": EMPTY}
        self.made = 0

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        path = (request.url or "").partition("/services/data/v64.0/jobs/ingest")[2]
        body = request.body or b""
        data = body.encode() if isinstance(body, str) else bytes(body)
        state = json.loads(data)["state"] if request.method == "PATCH" else ""
        what = f"{request.method} {state or path.rpartition('/')[2] or 'make'}"
        if what.startswith(("GET 750", "DELETE 750")):
            what = what.partition(" ")[0]
        self.asked.append(what)
        self.headers.append(dict(request.headers))
        if what == "PUT batches":
            self.uploads.append(data)
        answer = self.odd[what].pop(0) if self.odd.get(what) else self.usual(what, state)
        if not isinstance(answer, tuple):
            raise answer
        return self.response(request, *answer)

    def usual(self, what: str, state: str) -> tuple[int, Any]:
        if what == "POST make":
            self.made += 1
            return 200, {"id": f"750HfJ{self.made:09}AAA", "state": "Open"}
        if what == "PUT batches":
            return 201, ""
        if what == "DELETE":
            return 204, ""
        if what == "GET":
            now = self.states.pop(0) if len(self.states) > 1 else self.states[0]
            return 200, {"state": now, "errorMessage": self.words}
        if state:
            return 200, {"state": state}
        return 200, self.results[what.removeprefix("GET ")]

    def response(self, request: requests.PreparedRequest, status: int, body: Any) -> requests.Response:
        text = body if isinstance(body, str | bytes) else json.dumps(body)
        made = requests.Response()
        made.status_code = status
        made.url = request.url or ""
        made.request = request
        made.headers["Content-Type"] = "application/json" if text and not isinstance(body, str | bytes) else "text/csv"
        made.raw = io.BytesIO(text.encode() if isinstance(text, str) else text)
        return made

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def jobs() -> Jobs:
    return Jobs()


@pytest.fixture
def ingest(jobs: Jobs, clock: Any) -> Ingest:
    keys = Keys("session", "acme.my", session_id="00D!secret")
    return Ingest(Api("salesforce", "https://acme.my.salesforce.com", "64.0", keys, clock=clock, adapter=jobs))


def score(record_id: str, value: Value = 50) -> Update:
    return Update(record_id, {"Score__c": value})


def done(*ids: str) -> str:
    return "".join(['"sf__Id","sf__Created","Id","Score__c"\n', *(f'"{one}","false","{one}","50"\n' for one in ids)])


def failed(record_id: str, error: str) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(
        [["sf__Id", "sf__Error", "Id", "Score__c"], ["", error, record_id, "50"]]
    )
    return text.getvalue()


def short(*ids: str) -> set[str]:
    return {one[:15] for one in ids}


LOCK = "UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record or 1 records: 0015e00000AAAAAAA2:--"


def test_a_job_is_made_filled_closed_watched_and_read_in_eight_calls(ingest: Ingest, jobs: Jobs, clock: Any) -> None:
    jobs.results = {
        "successfulResults": done(ONE),
        "failedResults": failed(TWO, LOCK),
        "unprocessedrecords": f'"Id","Score__c"\n"{THREE}","50"\n',
    }
    told = ingest.update("Account", [score(ONE), score(TWO), score(THREE)])
    assert jobs.asked == [
        "POST make",
        "PUT batches",
        "PATCH UploadComplete",
        "GET",
        "GET",
        "GET successfulResults",
        "GET failedResults",
        "GET unprocessedrecords",
    ]
    assert (told.done, told.untouched) == (short(ONE), short(THREE))
    words = "unable to obtain exclusive access to this record or 1 records: 0015e00000AAAAAAA2"
    assert told.refused == {TWO[:15]: Refusal("UNABLE_TO_LOCK_ROW", words)}
    assert clock.sleeps == [5.0, 10.0]
    assert sum(ingest.api.calls.values()) == 8


def test_published_results_are_understood(ingest: Ingest, jobs: Jobs) -> None:
    jobs.results["successfulResults"] = published("bulk2_successful_results")["body_text"]
    jobs.results["failedResults"] = published("bulk2_failed_results")["body_text"]
    made, ended = published("bulk2_ingest_job")["body"], published("bulk2_ingest_job_failed")["body"]
    jobs.odd = {"POST make": [(200, made)], "GET": [(200, ended)]}
    told = ingest.update("Account", [score("0015e00000AAAAAAA1")])
    # The published example has one record succeed and, by its first 15 characters, fail as well.
    assert (told.done, [refusal.code for refusal in told.refused.values()]) == (short(ONE), ["UNABLE_TO_LOCK_ROW"])
    assert told.words.endswith("Failed: InvalidBatch : Field name not found : Health_Score__c.")


def test_the_file_says_the_same_whatever_the_order_of_fields_and_leaves_or_empties_what_it_should() -> None:
    at = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
    updates = [
        Update(ONE, {"Band__c": None, "Why__c": 'two\nlines, "quoted"', "At__c": at}),
        Update(TWO, {"Segments__c": ("b", "a"), "Flag__c": False, "Band__c": ""}),
    ]
    (data,) = files(updates)
    assert data.decode() == (
        "Id,At__c,Band__c,Flag__c,Segments__c,Why__c\n"
        f'{ONE},2026-11-22T08:00:00.000Z,#N/A,,,"two\nlines, ""quoted"""\n'
        f"{TWO},,#N/A,false,a;b,\n"
    )


def test_the_file_is_sent_as_csv(ingest: Ingest, jobs: Jobs) -> None:
    ingest.update("Account", [score(ONE)])
    assert jobs.headers[1]["Content-Type"].startswith("text/csv")
    assert jobs.uploads == [f"Id,Score__c\n{ONE},50\n".encode()]


def test_a_file_that_is_too_large_becomes_several_jobs(
    ingest: Ingest, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.salesforce_ingest.MOST_BYTES", 60)
    ingest.update("Account", [score(ONE), score(TWO), score(THREE)])
    assert [data.count(b"\n") - 1 for data in jobs.uploads] == [1, 2]
    assert jobs.made == 2


def test_results_may_hold_line_breaks_marks_and_long_texts(ingest: Ingest, jobs: Jobs) -> None:
    error = 'FIELD_CUSTOM_VALIDATION_EXCEPTION:Score: "why"\nand how, please:Score__c,Band__c --'
    long_text = "x" * 200_000
    row = failed(ONE, error).replace('"50"', f'"{long_text}"')
    jobs.results["failedResults"] = "\ufeff" + row
    told = ingest.update("Account", [score(ONE)])
    expected = Refusal("FIELD_CUSTOM_VALIDATION_EXCEPTION", 'Score: "why" and how, please', ("Score__c", "Band__c"))
    assert told.refused == {ONE[:15]: expected}


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("STRING_TOO_LONG:Why: too large: max 5", Refusal("STRING_TOO_LONG", "Why: too large: max 5")),
        ("DUPLICATE_VALUE:duplicate value found: x:--", Refusal("DUPLICATE_VALUE", "duplicate value found: x")),
        (
            "REQUIRED_FIELD_MISSING:missing: [Name]:Name --",
            Refusal("REQUIRED_FIELD_MISSING", "missing: [Name]", ("Name",)),
        ),
        ("no code", None),
        ("Error : no code", None),
    ],
)
def test_what_a_failed_row_says_is_taken_apart(text: str, refusal: Refusal | None) -> None:
    assert from_text(text) == refusal


def test_no_updates_are_no_job(ingest: Ingest, jobs: Jobs) -> None:
    assert ingest.update("Account", []) == Told()
    assert jobs.asked == []


def test_an_error_without_a_code_is_told_as_it_is(ingest: Ingest, jobs: Jobs) -> None:
    jobs.results["failedResults"] = failed(ONE, "InvalidBatch : no idea")
    assert ingest.update("Account", [score(ONE)]).refused == {ONE[:15]: Refusal("", "InvalidBatch : no idea")}


def test_rows_of_results_without_an_id_are_about_nobody(ingest: Ingest, jobs: Jobs) -> None:
    jobs.results = {
        "successfulResults": done("nobody"),
        "failedResults": failed("", LOCK),
        "unprocessedrecords": '"Name"\n"Acme"\n',
    }
    told = ingest.update("Account", [score(ONE)])
    assert (told.done, told.refused, told.untouched) == (set(), {}, set())


@pytest.mark.parametrize("state", ["Failed", "Aborted"])
def test_a_job_that_failed_is_told_by_its_results_all_the_same(ingest: Ingest, jobs: Jobs, state: str) -> None:
    jobs.states = [state]
    jobs.words = "InvalidBatch : Field name not found : Score__c"
    jobs.results["successfulResults"] = done(ONE)
    jobs.results["unprocessedrecords"] = f'"Id"\n"{TWO}"\n'
    told = ingest.update("Account", [score(ONE), score(TWO)])
    assert (told.done, told.untouched) == (short(ONE), short(TWO))
    assert told.words == f"The bulk job ended as {state}: InvalidBatch : Field name not found : Score__c."


def timed_out() -> Any:
    return requests.ReadTimeout("Read timed out.")


UNAVAILABLE = (503, [{"errorCode": "SERVER_UNAVAILABLE", "message": "Server is unavailable"}])
LIMIT = (403, [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests Limit exceeded."}])
EXPIRED = (401, [{"errorCode": "INVALID_SESSION_ID", "message": "This session is not valid for use with the REST API"}])
BAD = (400, [{"errorCode": "INVALIDJOBSTATE", "message": "Closing already closed job not allowed"}])


def test_a_job_that_cannot_be_filled_is_taken_back_and_another_one_made(ingest: Ingest, jobs: Jobs) -> None:
    jobs.odd = {"PUT batches": [timed_out()]}
    jobs.results["successfulResults"] = done(ONE)
    assert ingest.update("Account", [score(ONE)]).done == short(ONE)
    assert jobs.asked[:5] == ["POST make", "PUT batches", "PATCH Aborted", "DELETE", "POST make"]


@pytest.mark.parametrize(
    ("answers", "error", "made"),
    [
        ([UNAVAILABLE] * 2, UnclearError, 2),
        ([(200, {})] * 2, ShapeError, 2),
        ([BAD], RequestError, 1),
        ([LIMIT], QuotaError, 1),
        ([EXPIRED], CredentialsError, 1),
    ],
)
def test_a_job_that_cannot_be_filled_at_all_leaves_nothing_behind(
    ingest: Ingest, jobs: Jobs, answers: list[Answer], error: type[ConnectorError], made: int
) -> None:
    jobs.odd = {"PUT batches": answers}
    with pytest.raises(error):
        ingest.update("Account", [score(ONE)])
    assert jobs.made == made
    assert jobs.asked[-2:] == ["PATCH Aborted", "DELETE"]
    assert "PATCH UploadComplete" not in jobs.asked


def test_a_job_that_cannot_be_aborted_is_left_to_salesforce(ingest: Ingest, jobs: Jobs) -> None:
    jobs.odd = {"PUT batches": [BAD], "PATCH Aborted": [LIMIT]}
    with pytest.raises(RequestError):
        ingest.update("Account", [score(ONE)])
    assert jobs.asked[-1] == "PATCH Aborted"


@pytest.mark.parametrize("body", [{}, [], {"id": None}, {"id": "../1"}])
def test_a_job_without_an_id_is_no_job(ingest: Ingest, jobs: Jobs, body: Any) -> None:
    jobs.odd = {"POST make": [(200, body)]}
    with pytest.raises(ShapeError):
        ingest.update("Account", [score(ONE)])


def test_making_a_job_may_be_repeated(ingest: Ingest, jobs: Jobs) -> None:
    jobs.odd = {"POST make": [timed_out(), UNAVAILABLE]}
    jobs.results["successfulResults"] = done(ONE)
    assert ingest.update("Account", [score(ONE)]).done == short(ONE)


def test_a_job_that_certainly_was_not_closed_is_taken_back(ingest: Ingest, jobs: Jobs) -> None:
    jobs.odd = {"PATCH UploadComplete": [LIMIT]}
    with pytest.raises(QuotaError):
        ingest.update("Account", [score(ONE)])
    assert jobs.asked[-2:] == ["PATCH Aborted", "DELETE"]


@pytest.mark.parametrize(("states", "closes"), [(["InProgress", "JobComplete"], 1), (["Open", "JobComplete"], 2)])
def test_a_job_that_may_have_been_closed_is_asked_and_closed_when_it_was_not(
    ingest: Ingest, jobs: Jobs, states: list[str], closes: int
) -> None:
    jobs.odd = {"PATCH UploadComplete": [timed_out(), BAD]}
    jobs.states = states
    jobs.results["successfulResults"] = done(ONE)
    assert ingest.update("Account", [score(ONE)]).done == short(ONE)
    assert jobs.asked.count("PATCH UploadComplete") == closes


def test_looking_at_a_job_goes_on_through_bad_weather(ingest: Ingest, jobs: Jobs) -> None:
    jobs.odd = {"GET": [(200, "<html>"), *[UNAVAILABLE] * 9, (200, [])]}
    jobs.results["successfulResults"] = done(ONE)
    assert ingest.update("Account", [score(ONE)]).done == short(ONE)


@pytest.mark.parametrize("answer", [LIMIT, EXPIRED, (404, [{"errorCode": "NOT_FOUND", "message": "gone"}])])
def test_when_a_job_can_no_longer_be_looked_at_everything_is_in_doubt(
    ingest: Ingest, jobs: Jobs, answer: Answer
) -> None:
    jobs.odd = {"GET": [answer]}
    told = ingest.update("Account", [score(ONE)])
    assert (told.done, told.refused, told.untouched) == (set(), {}, set())
    assert told.words
    assert jobs.asked[-1] == "GET"


def test_a_job_that_does_not_end_is_aborted_so_that_it_never_overwrites_a_later_run(
    ingest: Ingest, jobs: Jobs, clock: Any
) -> None:
    jobs.states = ["InProgress"]
    jobs.results["successfulResults"] = done(ONE)
    told = ingest.update("Account", [score(ONE), score(TWO)])
    assert DEADLINE <= sum(clock.sleeps) <= DEADLINE + 60
    assert max(clock.sleeps) == 60.0
    assert "PATCH Aborted" in jobs.asked
    assert told.done == short(ONE)
    assert told.words == "The bulk job did not end within 30 minutes."
    assert jobs.asked.count("GET") < 40


def test_a_job_that_neither_ends_nor_can_be_aborted_tells_nothing(ingest: Ingest, jobs: Jobs) -> None:
    jobs.states = ["InProgress"]
    jobs.odd = {"PATCH Aborted": [BAD]}
    told = ingest.update("Account", [score(ONE)])
    assert told == Told(words=told.words)
    assert "GET successfulResults" not in jobs.asked


@pytest.mark.parametrize("answer", [LIMIT, (200, b'"sf__Id","Id"\n"\xff"\n'), (200, b'"Id"\n"' + b"x" * 1_100_000)])
def test_a_result_that_cannot_be_read_leaves_the_others_standing(ingest: Ingest, jobs: Jobs, answer: Answer) -> None:
    jobs.odd = {"GET failedResults": [answer]}
    jobs.results["successfulResults"] = done(ONE)
    jobs.results["unprocessedrecords"] = f'"Id"\n"{THREE}"\n'
    told = ingest.update("Account", [score(ONE), score(TWO), score(THREE)])
    assert (told.done, told.refused, told.untouched) == (short(ONE), {}, short(THREE))


def test_a_second_job_that_cannot_begin_leaves_the_first_one_s_results(
    ingest: Ingest, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.salesforce_ingest.MOST_BYTES", 60)
    usual: Callable[[str, str], tuple[int, Any]] = jobs.usual
    monkeypatch.setattr(
        jobs, "usual", lambda what, state: LIMIT if what == "POST make" and jobs.made else usual(what, state)
    )
    jobs.results["successfulResults"] = done(ONE)
    told = ingest.update("Account", [score(ONE), score(TWO), score(THREE)])
    assert (told.done, told.untouched) == (short(ONE), short(TWO, THREE))
    assert "Limit" in told.words
