"""Bulk 2.0 query jobs: their CSV, page by page, whatever the network and Salesforce do to it."""

import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
import responses
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.errors import (
    CursorExpiredError,
    MissingPermissionError,
    ShapeError,
    TransientError,
)
from connectors.salesforce import STREAMS, Settings, connect
from connectors.salesforce_api import Api
from connectors.salesforce_bulk import BLOCK, LAST, PATIENCE, Bulk, Columns, UnsuitableError, csv_rows
from connectors.salesforce_settings import Keys

BASE = "https://acme.my.salesforce.com"
JOBS = f"{BASE}/services/data/v64.0/jobs/query"
RESULTS = f"{JOBS}/750A/results"
COLUMNS = Columns(("Id", "Name"), {"id": "id", "name": "string"})


@pytest.fixture
def bulk(clock: Any) -> Bulk:
    return Bulk(Api("salesforce", BASE, "64.0", Keys("session", "acme.my", session_id="00D!x"), clock=clock))


def page(web: responses.RequestsMock, text: str, locator: str = LAST, count: int | None = None, **more: Any) -> None:
    headers = {"Sforce-Locator": locator}
    if count is not None:
        headers["Sforce-NumberOfRecords"] = str(count)
    web.get(RESULTS, body=text, content_type="text/csv", headers=headers, **more)


def rows(bulk: Bulk, columns: Columns = COLUMNS, locator: str | None = None) -> list[Any]:
    return [row for part, _ in bulk.rows("750A", columns, locator, purpose="accounts") for row in part]


# -- CSV ---------------------------------------------------------------------------------------------------------------

NASTY = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.lists(NASTY, min_size=2, max_size=2), max_size=5), st.integers(1, 9))
def test_any_text_survives_a_csv_file_that_arrives_in_pieces(table: list[list[str]], size: int) -> None:
    text = "".join(",".join('"' + cell.replace('"', '""') + '"' for cell in line) + "\n" for line in table)
    data = text.encode()
    assert list(csv_rows(data[at : at + size] for at in range(0, len(data), size))) == table


def test_line_ends_of_other_systems_and_a_byte_order_mark_are_no_part_of_a_value() -> None:
    assert list(csv_rows([b"\xef\xbb\xbf", b'"Id"\r\n"1"\r\n'])) == [["Id"], ["1"]]


def test_rows_have_the_shape_and_types_that_rest_gives() -> None:
    types = {
        "active": "boolean",
        "amount": "currency",
        "share": "percent",
        "number": "double",
        "staff": "int",
        "made": "datetime",
        "day": "date",
        "code": "string",
    }
    names = ("Active", "Amount", "Share", "Number", "Staff", "Made", "Day", "Code", "Owner.Name", "Owner.Email")
    read = Columns(names, types).reader(names)
    cells = ["true", "1440.0", "12.5", "-3", "7", "2026-01-02T03:04:05.000Z", "2026-01-02", "007", "", "a@b.example"]
    found = read(cells)
    assert found == {
        "Active": True,
        "Amount": 1440.0,
        "Share": 12.5,
        "Number": -3.0,
        "Staff": 7,
        "Made": "2026-01-02T03:04:05.000+0000",
        "Day": "2026-01-02",
        "Code": "007",
        "Owner": {"Name": None, "Email": "a@b.example"},
    }
    assert [type(found[name]) for name in ("Amount", "Number", "Staff")] == [float, float, int]
    nothing = read([""] * len(names))
    assert nothing == {**dict.fromkeys(names[:8]), "Owner": None}


@pytest.mark.parametrize("cell", ["NaN", "inf", "1_0", "0x1", "abc", "1,5", "٣"])
def test_a_cell_that_is_no_number_stays_text_for_the_mapping_to_judge(cell: str) -> None:
    read = Columns(("A", "B", "C"), {"a": "double", "b": "int", "c": "boolean"}).reader(("A", "B", "C"))
    assert read([cell, cell, cell]) == {"A": cell, "B": cell, "C": cell}


# -- pages -------------------------------------------------------------------------------------------------------------


def test_pages_are_followed_by_their_locator_to_the_word_null(bulk: Bulk, web: responses.RequestsMock) -> None:
    page(web, '"Id","Name"\n"1","A"\n', "MTAw", 1)
    page(web, '"Id","Name"\n"2",""\n', "null", 1)
    assert rows(bulk) == [{"Id": "1", "Name": "A"}, {"Id": "2", "Name": None}]
    assert [call.request.url for call in web.calls] == [
        f"{RESULTS}?maxRecords=50000",
        f"{RESULTS}?maxRecords=50000&locator=MTAw",
    ]


def test_an_empty_result_is_one_empty_part(bulk: Bulk, web: responses.RequestsMock) -> None:
    page(web, '"Id","Name"\n', "null", 0)
    assert list(bulk.rows("750A", COLUMNS, None, purpose="accounts")) == [([], LAST)]


def test_a_long_page_comes_in_blocks_and_only_its_end_has_a_locator(bulk: Bulk, web: responses.RequestsMock) -> None:
    many = 2 * BLOCK + 1
    page(web, '"Id","Name"\n' + '"1","A"\n' * many, "MTAw", many)
    page(web, '"Id","Name"\n"2","B"\n', "null", 1)
    parts = [(len(part), after) for part, after in bulk.rows("750A", COLUMNS, None, purpose="accounts")]
    assert parts == [(BLOCK, None), (BLOCK, None), (1, "MTAw"), (1, LAST)]


def test_a_page_of_any_length_takes_the_memory_of_a_few_blocks(bulk: Bulk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.salesforce_bulk.BLOCK", 200)

    def lines() -> Iterator[bytes]:
        yield b'"Id","Name"\n'
        for number in range(8_000):
            yield f'"{number}","{"x" * 200}"\n'.encode()

    class Long:
        headers = {"Sforce-Locator": "null", "Sforce-NumberOfRecords": "8000"}  # noqa: RUF012 - never changed

        def iter_content(self, size: int) -> Iterator[bytes]:
            return lines()

        def close(self) -> None: ...

    monkeypatch.setattr(bulk.api, "raw", lambda *args, **kwargs: Long())
    tracemalloc.start()
    count = sum(len(part) for part, _ in bulk.rows("750A", COLUMNS, None, purpose="accounts"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 8_000
    assert peak < 1e6, "8,000 rows at once take 4.5 MB"


def test_a_list_of_many_pages_is_never_held_whole(clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.salesforce_bulk.BLOCK", 200)
    crm = connect("salesforce", Settings(domain="acme.my", session_id="00D!x"), clock=clock, wanted={"contacts": ["A"]})
    names = ("Id", "SystemModstamp", "IsDeleted", "MasterRecordId", "A")
    pages, most = 10, 1_000

    class Page:
        def __init__(self, number: int) -> None:
            self.first = number * most
            self.headers = {"Sforce-Locator": str(number + 1) if number + 1 < pages else LAST}

        def iter_content(self, size: int) -> Iterator[bytes]:
            yield (",".join(names) + "\n").encode()
            for number in range(self.first, self.first + most):
                yield f"003Hf{number:010d}AAA,2026-01-01T00:00:00.000Z,false,,{'x' * 200}\n".encode()

        def close(self) -> None: ...

    def answer(method: str, rest: str, **more: Any) -> Any:
        return {"id": "750A", "state": "JobComplete", "numberRecordsProcessed": pages * most, "fields": []}

    api: Any = crm._api
    monkeypatch.setattr(api, "raw", lambda method, rest, **more: Page(int(more["params"].get("locator", 0))))
    monkeypatch.setattr(api, "json", answer)
    monkeypatch.setattr(api, "learn", lambda objects: None)
    monkeypatch.setattr(api, "describe", lambda obj, **more: {name: {"type": "string"} for name in names})
    monkeypatch.setattr(api, "record_counts", lambda objects: {"Contact": pages * most})
    tracemalloc.start()
    sizes = [len(batch.rows) for batch in crm.pull(next(one for one in STREAMS if one.name == "contacts"), None)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (sum(sizes), max(sizes)) == (pages * most, 200)
    assert peak < 2e6, "10,000 rows at once take 7 MB"


@pytest.mark.parametrize(
    "text",
    ['"Id","Name"\n"1","A"\n', '"Id","Name"\n"1","A"\n"2","B', '"Id","Name"\n"1","A"\n"2"\n', "\xff\n"],
    ids=["too few", "in a cell", "half a line", "no text"],
)
def test_a_page_that_is_not_whole_is_read_again(bulk: Bulk, web: responses.RequestsMock, text: str) -> None:
    broken = text.encode("latin-1")
    web.get(RESULTS, body=broken, headers={"Sforce-Locator": "null", "Sforce-NumberOfRecords": "2"})
    page(web, '"Id","Name"\n"1","A"\n"2","B"\n', "null", 2)
    assert [row["Id"] for row in rows(bulk)][-2:] == ["1", "2"]


def test_a_page_that_breaks_off_each_time_is_given_up_for_now(bulk: Bulk, web: responses.RequestsMock) -> None:
    page(web, '"Id","Name"\n"1","A"\n', "null", 2)
    with pytest.raises(TransientError, match=r"broke off \(1 rows of 2\)"):
        rows(bulk)
    assert len(web.calls) == 3


def test_a_line_without_an_end_is_not_held_in_memory_for_ever(bulk: Bulk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.salesforce_bulk.LONGEST_LINE", 1000)
    with responses.RequestsMock() as web:
        page(web, '"Id","Name"\n"' + "x" * 5000)
        with pytest.raises(TransientError, match="a line that does not end"):
            rows(bulk)


def test_paging_in_circles_and_a_page_without_a_locator_are_noticed(bulk: Bulk) -> None:
    with responses.RequestsMock() as web:
        page(web, '"Id","Name"\n"1","A"\n', "MTAw")
        with pytest.raises(ShapeError, match="do not come to an end"):
            rows(bulk)
    with responses.RequestsMock() as web:
        web.get(RESULTS, body='"Id","Name"\n')
        with pytest.raises(ShapeError, match="no locator"):
            rows(bulk)


def test_results_of_another_question_or_gone_ones_are_no_results(bulk: Bulk) -> None:
    with responses.RequestsMock() as web:
        page(web, '"Id"\n"1"\n')
        with pytest.raises(CursorExpiredError, match="lack Name"):
            rows(bulk)
    with responses.RequestsMock() as web:
        web.get(RESULTS, status=404, json=[{"errorCode": "NOT_FOUND", "message": "gone"}])
        with pytest.raises(CursorExpiredError, match="no longer kept"):
            rows(bulk)


# -- jobs --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("all_rows", [True, False])
def test_a_job_asks_for_deleted_rows_where_there_are_any(
    bulk: Bulk,
    web: responses.RequestsMock,
    all_rows: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    web.post(JOBS, json={"id": "750A", "state": "UploadComplete"})
    assert bulk.create("SELECT Id FROM Account", purpose="accounts", all_rows=all_rows) == "750A"
    body = web.calls[0].request.body
    assert isinstance(body, bytes)
    assert (b'"queryAll"' in body) is all_rows


def test_an_object_that_bulk_jobs_cannot_read_is_told_from_one_that_is_not_there(bulk: Bulk) -> None:
    refusals: list[tuple[str, type[Exception]]] = [
        ("INVALIDENTITY", UnsuitableError),
        ("INVALID_FIELD", MissingPermissionError),
        ("INVALID_TYPE", MissingPermissionError),
    ]
    for code, error in refusals:
        with responses.RequestsMock() as web:
            web.post(JOBS, status=400, json=[{"errorCode": code, "message": "no"}])
            with pytest.raises(error):
                bulk.create("SELECT Id FROM CaseStatus", purpose="x", all_rows=True)


@pytest.mark.parametrize("answer", [{}, [], {"id": "../../x"}, {"id": 7}])
def test_a_job_without_a_sane_id_is_no_job(bulk: Bulk, web: responses.RequestsMock, answer: Any) -> None:
    web.post(JOBS, json=answer)
    with pytest.raises(ShapeError, match="without an id"):
        bulk.create("SELECT Id FROM Account", purpose="x", all_rows=True)


def states(web: responses.RequestsMock, *told: dict[str, Any]) -> None:
    for one in told:
        web.get(f"{JOBS}/750A", json={"id": "750A", **one})


def test_a_job_is_waited_for_ever_more_patiently(bulk: Bulk, web: responses.RequestsMock, clock: Any) -> None:
    running = {"state": "InProgress"}
    states(web, {"state": "UploadComplete"}, *[running] * 6, {"state": "JobComplete", "numberRecordsProcessed": 7})
    assert bulk.wait("750A", purpose="x", rows=0) == 7
    assert clock.sleeps == [2, 2, 4, 8, 16, 32, 64, 120]


def test_a_finished_job_is_not_waited_for_and_may_not_say_how_much_it_found(
    bulk: Bulk, web: responses.RequestsMock, clock: Any
) -> None:
    states(web, {"state": "JobComplete"})
    assert bulk.wait("750A", purpose="x", rows=None) is None
    assert clock.sleeps == []


def test_a_job_that_takes_too_long_is_left_to_the_next_pull(
    bulk: Bulk, web: responses.RequestsMock, clock: Any
) -> None:
    states(web, {"state": "InProgress"})
    with pytest.raises(TransientError, match="still under way after 30 minutes"):
        bulk.wait("750A", purpose="x", rows=0)
    assert sum(clock.sleeps) <= PATIENCE + 2
    assert len(web.calls) < 25


def test_other_ends_of_a_job_say_what_to_do_next(bulk: Bulk) -> None:
    ends: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"state": "Failed", "errorMessage": "InternalServerError"}, UnsuitableError, "InternalServerError"),
        ({"state": "Aborted"}, UnsuitableError, "Aborted"),
        ({"state": None}, ShapeError, "does not say"),
    ]
    for told, error, words in ends:
        with responses.RequestsMock() as web:
            states(web, told)
            with pytest.raises(error, match=words):
                bulk.wait("750A", purpose="x", rows=None)
    with responses.RequestsMock() as web:
        web.get(f"{JOBS}/750A", status=404, json=[{"errorCode": "NOT_FOUND", "message": "gone"}])
        with pytest.raises(CursorExpiredError):
            bulk.wait("750A", purpose="x", rows=None)
