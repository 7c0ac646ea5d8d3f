import json
from typing import Any

import pytest
import requests
from werkzeug.wrappers import Response

from sandbox.core import Sandbox
from sandbox.faults import Fault

ROOT = "http://127.0.0.1:8642"
URL = f"{ROOT}/echo/v3/things"


def outcomes(session: requests.Session, count: int, url: str = URL) -> list[int]:
    return [session.get(url).status_code for _ in range(count)]


def test_once_is_the_default(echo_sandbox: Sandbox, echo_session: requests.Session) -> None:
    echo_sandbox.faults.add(Fault("status", status=503))
    assert outcomes(echo_session, 3) == [503, 200, 200]
    assert echo_sandbox.echo.done == ["GET /v3/things"] * 2
    assert [entry.fault for entry in echo_sandbox.journal] == ["status", None, None]


@pytest.mark.parametrize(
    ("rule", "struck"),
    [
        ({"nth": 2}, [2]),
        ({"nth": range(2, 5)}, [2, 3, 4]),
        ({"nth": [1, 6]}, [1, 6]),
        ({"nth": range(2, 6), "times": 2}, [2, 3]),
        ({"every": 3}, [3, 6]),
        ({"times": 4}, [1, 2, 3, 4]),
        ({"probability": 1.0}, [1, 2, 3, 4, 5, 6]),
        ({"probability": 0.0}, []),
    ],
)
def test_when_a_rule_strikes(
    echo_sandbox: Sandbox, echo_session: requests.Session, rule: dict[str, Any], struck: list[int]
) -> None:
    echo_sandbox.faults.add(Fault("status", status=500, **rule))
    assert [n for n, status in enumerate(outcomes(echo_session, 6), 1) if status == 500] == struck


def test_chance_is_repeatable(echo_sandbox: Sandbox, echo_session: requests.Session) -> None:
    runs = []
    for _ in range(2):
        echo_sandbox.faults.clear()
        echo_sandbox.faults.add(Fault("status", status=500, probability=0.5, seed=4))
        runs.append(outcomes(echo_session, 20))
    assert runs[0] == runs[1]
    assert set(runs[0]) == {200, 500}


@pytest.mark.parametrize(
    ("rule", "status"),
    [
        ({"vendor": "echo"}, 500),
        ({"vendor": "zendesk"}, 200),
        ({"method": "get"}, 500),
        ({"method": "POST"}, 200),
        ({"path": r"^/v3/things\?page=2"}, 500),
        ({"path": r"^/echo"}, 200),
    ],
)
def test_which_requests_a_rule_meets(
    echo_sandbox: Sandbox, echo_session: requests.Session, rule: dict[str, Any], status: int
) -> None:
    echo_sandbox.faults.add(Fault("status", status=500, **rule))
    assert outcomes(echo_session, 1, f"{URL}?page=2") == [status]


def test_the_first_rule_wins_and_the_second_keeps_its_turn(
    echo_sandbox: Sandbox, echo_session: requests.Session
) -> None:
    echo_sandbox.faults.add(Fault("status", status=500), Fault("status", status=429))
    assert outcomes(echo_session, 3) == [500, 429, 200]
    assert [fired for _, fired in echo_sandbox.faults.items()] == [1, 1]


def test_status_headers_and_body_are_as_given(echo_sandbox: Sandbox, echo_session: requests.Session) -> None:
    echo_sandbox.faults.add(Fault("status", status=429, headers={"Retry-After": "7"}, body={"error": "slow down"}))
    answer = echo_session.get(URL)
    assert (answer.status_code, answer.headers["Retry-After"], answer.json()) == (429, "7", {"error": "slow down"})
    assert answer.headers["Date"] == "Sun, 22 Nov 2026 00:00:00 GMT"


def test_a_gateway_page(echo_sandbox: Sandbox, echo_session: requests.Session) -> None:
    echo_sandbox.faults.add(Fault("html"), Fault("html", status=200, body="<html>login</html>"))
    answers = [echo_session.get(URL) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [502, 200]
    assert all(answer.headers["Content-Type"].startswith("text/html") for answer in answers)
    assert [answer.text[:6] for answer in answers] == ["<!DOCT", "<html>"]


def test_text_that_claims_to_be_json(echo_sandbox: Sandbox, echo_session: requests.Session) -> None:
    echo_sandbox.faults.add(Fault("not_json"))
    answer = echo_session.get(URL)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    with pytest.raises(requests.JSONDecodeError):
        answer.json()


def test_redirects_lead_where_they_say(echo_sandbox: Sandbox, echo_session: requests.Session) -> None:
    echo_sandbox.faults.add(Fault("redirect", location="https://evil.example/x", status=307))
    answer = echo_session.get(URL, allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (307, "https://evil.example/x")


def test_an_effect_may_precede_the_error(echo_sandbox: Sandbox, echo_session: requests.Session) -> None:
    echo_sandbox.faults.add(Fault("html", method="POST", effect=True))
    assert echo_session.post(URL).status_code == 502
    assert echo_sandbox.echo.done == ["POST /v3/things"]


def test_an_empty_page(echo_sandbox: Sandbox, echo_session: requests.Session) -> None:
    echo_sandbox.faults.add(Fault("empty_page"))
    page = echo_session.get(URL).json()
    assert (page["results"], page["path"]) == ([], "/v3/things")


def test_duplicate_rows(echo_sandbox: Sandbox, echo_session: requests.Session) -> None:
    echo_sandbox.faults.add(Fault("duplicate_rows", rows=1), Fault("duplicate_rows"))
    ids = [[row["id"] for row in echo_session.get(URL).json()["results"]] for _ in range(2)]
    assert ids == [[0, 0, 1, 2], [0, 1, 2, 0, 1, 2]]


def test_drift_by_default_adds_an_unknown_key(echo_sandbox: Sandbox, echo_session: requests.Session) -> None:
    echo_sandbox.faults.add(Fault("drift"))
    assert all("sandbox_unknown_key" in row for row in echo_session.get(URL).json()["results"])


def test_drift_sets_nulls_and_other_types(echo_sandbox: Sandbox, echo_session: requests.Session) -> None:
    echo_sandbox.faults.add(Fault("drift", set={"properties.email": None, "id": "one", "new.deep": 1}))
    assert echo_session.get(URL).json()["results"][0] == {
        "id": "one",
        "properties": {"email": None},
        "new": {"deep": 1},
    }


def test_json_lines_are_rewritten_too(echo_sandbox: Sandbox, echo_session: requests.Session) -> None:
    echo_sandbox.faults.add(Fault("duplicate_rows", rows=2), Fault("drift", set={"n": None}))
    lines = echo_session.get(f"{ROOT}/echo/lines").text.splitlines()
    assert [json.loads(line)["n"] for line in lines[:4]] == [0, 1, 0, 1]
    lines = echo_session.get(f"{ROOT}/echo/lines").text.splitlines()
    assert set(lines) == {'{"n": null}'}


def test_rewriting_leaves_compressed_answers_alone(echo_sandbox: Sandbox, echo_session: requests.Session) -> None:
    echo_sandbox.faults.add(Fault("empty_page"))
    assert echo_session.get(f"{ROOT}/echo/zip").json() == {"zip": True}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("[1, 2]", "[1, 2, 1, 2]"),
        ('{"total": 3}', '{"total": 3}'),
        ("7", "7"),
        ("no json", "no json"),
        ('{"n": 1}\n{"n": 2}\n', '{"n": 1}\n{"n": 2}\n{"n": 1}\n{"n": 2}\n'),
        ('{"n": 1}\nterminated early\n', '{"n": 1}\nterminated early\n'),
        ("", ""),
    ],
)
def test_rewriting_finds_the_rows_or_leaves_the_body(
    echo_sandbox: Sandbox,
    echo_session: requests.Session,
    monkeypatch: pytest.MonkeyPatch,
    body: str,
    expected: str,
) -> None:
    monkeypatch.setattr(echo_sandbox.echo, "handle", lambda request: Response(body))
    echo_sandbox.faults.add(Fault("duplicate_rows"))
    assert echo_session.get(URL).text == expected


def test_rewriting_leaves_errors_alone(
    echo_sandbox: Sandbox, echo_session: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(echo_sandbox.echo, "handle", lambda request: Response('{"errors": [1]}', 404))
    echo_sandbox.faults.add(Fault("empty_page"))
    assert echo_session.get(URL).json() == {"errors": [1]}


def test_rules_over_http(echo_sandbox: Sandbox, echo_session: requests.Session) -> None:
    control = f"{ROOT}/_sandbox/faults"
    rules = [{"kind": "status", "status": 500, "nth": [1, 2]}, {"kind": "reset", "path": "nowhere"}]
    assert len(echo_session.post(control, json=rules).json()["faults"]) == 2
    assert outcomes(echo_session, 3) == [500, 500, 200]
    listed = echo_session.get(control).json()["faults"]
    assert [(rule["kind"], rule["fired"], rule["nth"]) for rule in listed] == [
        ("status", 2, [1, 2]),
        ("reset", 0, None),
    ]
    assert [fault.kind for fault in echo_sandbox.faults] == ["status", "reset"]
    assert echo_session.delete(control).json() == {"faults": []}


def test_half_a_list_of_rules_is_not_taken(echo_sandbox: Sandbox, echo_session: requests.Session) -> None:
    answer = echo_session.post(f"{ROOT}/_sandbox/faults", json=[{"kind": "reset"}, {"kind": "no"}])
    assert answer.status_code == 400
    assert list(echo_sandbox.faults) == []


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({"kind": "status"}, "needs a status"),
        ({"kind": "reset", "path": "("}, "no regular expression"),
        ({"kind": "reset", "nth": "2"}, "nth is a number or a list of numbers, got '2'"),
        ({"kind": "reset", "nth": [1, "2"]}, "nth is a number"),
        ({}, "needs a kind: status, html"),
    ],
)
def test_rules_that_mean_nothing_are_refused(rule: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Fault.from_json(rule)
