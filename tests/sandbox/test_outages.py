"""Sources that say 200 and have nothing, zeros, one page of many, or what was true some days ago."""

import gzip
import json
from typing import Any

import pytest
import requests
from werkzeug.wrappers import Response

from sandbox.core import (
    HUBSPOT_TOKEN,
    MIXPANEL_PROJECT,
    MIXPANEL_SECRET,
    MIXPANEL_USER,
    ZENDESK_EMAIL,
    ZENDESK_TOKEN,
    Sandbox,
)
from sandbox.faults import Fault
from sandbox.model import World
from sandbox.mount import SandboxAdapter
from sandbox.outages import Outage, outage

ROOT = "http://127.0.0.1:8642"
SEARCH = "/crm/v3/objects/contacts/search"
CONTACTS = "/crm/v3/objects/contacts"


def rows_of(text: str) -> list[dict[str, Any]]:
    # Texts in it hold characters that `splitlines` would take for line ends.
    return [json.loads(line) for line in text.split("\n") if line]


class Sources:
    """Plain reads of every source."""

    def __init__(self, world: World) -> None:
        self.sandbox = Sandbox(world)
        self.session = requests.Session()
        self.session.mount("http://", SandboxAdapter(self.sandbox))

    def hubspot(self, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {HUBSPOT_TOKEN}"}
        return self.session.request(
            "GET" if body is None else "POST", f"{ROOT}/hubspot{path}", json=body, headers=headers
        ).json()

    def zendesk(self, path: str) -> Any:
        return self.session.get(f"{ROOT}/zendesk/api/v2/{path}", auth=(f"{ZENDESK_EMAIL}/token", ZENDESK_TOKEN)).json()

    def export(self) -> list[dict[str, Any]]:
        text = self.mixpanel("api/2.0/export", from_date="2026-11-18", to_date="2026-11-21").text
        return rows_of(text)

    def mixpanel(self, path: str, **params: Any) -> requests.Response:
        auth = (MIXPANEL_USER, MIXPANEL_SECRET)
        return self.session.get(f"{ROOT}/mixpanel/{path}", params={"project_id": MIXPANEL_PROJECT, **params}, auth=auth)

    def fail(self, kind: str, vendor: str, path: str = "", **more: Any) -> None:
        self.sandbox.faults.clear()
        self.sandbox.faults.add(Fault.from_json({"kind": kind, "vendor": vendor, "path": path, **more}))


@pytest.fixture
def sources(small_world: World) -> Sources:
    return Sources(small_world)


def test_empty_means_no_rows_no_totals_and_no_further_page(sources: Sources) -> None:
    assert sources.hubspot(f"{CONTACTS}?limit=2").keys() == {"results", "paging"}
    sources.fail("empty", "hubspot", "contacts")
    assert sources.hubspot(f"{CONTACTS}?limit=2") == {"results": []}
    assert sources.hubspot(SEARCH, {}) == {"total": 0, "results": []}
    # It lasts until the rule is gone, and spares other paths.
    assert sources.hubspot("/crm/v3/objects/companies")["results"]
    sources.sandbox.faults.clear()
    assert sources.hubspot(SEARCH, {})["total"] > 0


def test_empty_at_the_help_desk_and_in_the_product(sources: Sources) -> None:
    assert sources.zendesk("organizations")["count"] > 0
    sources.fail("empty", "zendesk")
    assert sources.zendesk("organizations") == {
        "organizations": [], "next_page": None, "previous_page": None, "count": 0,
    }  # fmt: skip
    export = sources.zendesk("incremental/tickets/cursor?start_time=0")
    assert (export["tickets"], export["end_of_stream"]) == ([], True)
    assert sources.export()
    sources.fail("empty", "mixpanel")
    assert sources.export() == []
    profiles = sources.mixpanel("api/query/engage").json()
    assert (profiles["results"], profiles["total"]) == ([], 0)


def test_one_page_of_many(sources: Sources) -> None:
    sources.fail("first_page", "hubspot")
    page = sources.hubspot(f"{CONTACTS}?limit=5")
    assert len(page["results"]) == 5
    assert "paging" not in page
    sources.fail("first_page", "zendesk", rows=3)
    offset = sources.zendesk("organizations?per_page=10")
    assert (len(offset["organizations"]), offset["next_page"]) == (3, None)
    cursor = sources.zendesk("organizations?page[size]=10")
    assert (len(cursor["organizations"]), cursor["meta"]["has_more"], cursor["links"]["next"]) == (3, False, None)
    everything = len(sources.export())
    sources.fail("first_page", "mixpanel")
    assert len(sources.export()) == everything // 2
    sources.fail("first_page", "mixpanel", rows=7)
    assert len(sources.export()) == 7


def test_pages_that_the_client_numbers_end_after_the_first() -> None:
    body = {"page": 1, "page_size": 2, "total": 3, "results": [{"a": 1}]}
    assert changed("first_page", body)["results"] == []
    assert changed("first_page", {**body, "page": 0})["results"] == [{"a": 1}]


def test_counts_of_zero(sources: Sources) -> None:
    sources.fail("zero_counts", "hubspot", "search")
    answer = sources.hubspot(SEARCH, {"limit": 3})
    assert (answer["total"], len(answer["results"])) == (0, 3)
    before = sources.export()
    sources.fail("zero_counts", "mixpanel")
    zeroed = sources.export()
    assert [row["properties"]["time"] for row in zeroed] == [row["properties"]["time"] for row in before]
    sources.fail("zero_counts", "hubspot", "companies", keys="^mrr$|revenue|seats|hs_object_id")
    row = sources.hubspot("/crm/v3/objects/companies?limit=1&properties=hs_object_id")["results"][0]
    assert row["properties"]["hs_object_id"] == "0"
    assert row["id"] != "0"


def test_a_stale_copy_is_what_was_true_then(sources: Sources) -> None:
    def people() -> int:
        total: int = sources.hubspot(SEARCH, {"limit": 1})["total"]
        return total

    now = people()
    sources.fail("stale", "hubspot", seconds=90 * 86400)
    assert people() < now
    sources.fail("stale", "hubspot", as_of="2026-11-22T00:00:00+00:00")
    assert people() == now
    sources.sandbox.faults.clear()
    assert people() == now


def test_a_stale_copy_of_usage_and_tickets_ends_at_its_instant(sources: Sources) -> None:
    fresh = max(row["properties"]["time"] for row in sources.export())
    tickets = sources.zendesk("incremental/tickets/cursor?start_time=0")["tickets"]
    sources.fail("stale", "*", as_of="2026-11-20T12:00:00+00:00")
    stale = sources.mixpanel("api/2.0/export", from_date="2026-11-18", to_date="2026-11-20").text
    newest = max(row["properties"]["time"] for row in rows_of(stale))
    # Mixpanel's instants carry the project's zone as if it were UTC.
    assert newest < fresh - 86_400
    old = sources.zendesk("incremental/tickets/cursor?start_time=0")["tickets"]
    assert len(old) <= len(tickets)
    assert all(row["updated_at"] <= "2026-11-20T12:00:00Z" for row in old)
    assert sources.sandbox.clock.now().isoformat() == "2026-11-22T00:00:00+00:00"


def test_a_time_without_a_zone_or_a_bad_pattern_is_refused() -> None:
    with pytest.raises(ValueError, match="as_of needs a time zone"):
        Fault("stale", as_of="2026-11-20T12:00:00")
    with pytest.raises(ValueError, match=r"keys '\(' is no regular expression"):
        Fault("zero_counts", keys="(")
    assert Fault("empty", nth=2).limit == 1
    assert Fault("empty", times=3).limit == 3
    assert Fault("empty").limit == float("inf")


# ---- answers by themselves -------------------------------------------------------------------------------------------


def changed(kind: Outage, body: Any, **more: Any) -> Any:
    return json.loads(outage(kind, Response(json.dumps(body), content_type="application/json"), **more).get_data())


def test_salesforce_answers() -> None:
    page = {"totalSize": 9, "done": False, "nextRecordsUrl": "/x", "records": [{"Id": "a", "expr0": 4, "Rank": 2.5}]}
    assert changed("empty", page) == {"totalSize": 0, "done": True, "records": []}
    assert changed("first_page", page) == {"totalSize": 9, "done": True, "records": page["records"]}
    rows = changed("zero_counts", page)["records"]
    assert rows == [{"Id": "a", "expr0": 0, "Rank": 0}]


def test_lists_counts_and_flags() -> None:
    assert changed("empty", [1, 2]) == []
    assert changed("empty", "text") == "text"
    assert changed("empty", {"count": {"value": 7, "refreshed_at": "x"}}) == {
        "count": {"value": 0, "refreshed_at": "x"}
    }
    assert changed("empty", {"count": {"other": 7}}) == {"count": {"other": 7}}
    assert changed("first_page", [1, 2, 3], rows=2) == [1, 2]
    assert changed("first_page", "text") == "text"
    assert changed("first_page", {"a": 1}) == {"a": 1}
    kept = {"user_id": 4, "createdAt": 5, "page": 2, "open": True, "note": "12"}
    assert changed("zero_counts", kept) == kept
    assert changed("zero_counts", {"n": "12", "m": 3}, keys="^n$") == {"n": "0", "m": 3}


def test_bulk_pages_and_their_headers() -> None:
    csv = "Id,N\n1,2\n3,4\n"
    headers = {"Sforce-Locator": "abc", "Sforce-NumberOfRecords": "2"}
    cases: list[tuple[Outage, int | None, str]] = [
        ("empty", None, "Id,N\n"),
        ("first_page", 1, "Id,N\n1,2\n"),
        ("first_page", None, csv),
    ]
    for kind, rows, left in cases:
        answer = outage(kind, Response(csv, headers=headers, content_type="text/csv"), rows=rows)
        assert answer.get_data(as_text=True) == left
        assert answer.headers["Sforce-Locator"] == "null"
        assert answer.headers["Sforce-NumberOfRecords"] == str(left.count("\n") - 1)


def test_errors_other_texts_and_compressed_streams() -> None:
    refused = Response('{"results": [1]}', status=500)
    assert outage("empty", refused).get_data() == b'{"results": [1]}'
    assert outage("zero_counts", Response("no rows here")).get_data() == b"no rows here"
    assert outage("empty", Response("no rows here")).get_data() == b"no rows here"
    packed = Response(gzip.compress(b'{"n": 1}\n{"n": 2}\n'), headers={"Content-Encoding": "gzip"})
    plain = outage("zero_counts", packed)
    assert plain.get_data() == b'{"n": 0}\n{"n": 0}\n'
    assert "Content-Encoding" not in plain.headers
