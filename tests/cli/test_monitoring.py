"""Numbers, health and logs of the job; nothing in them tells of a person or a customer."""

import json
import re
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from cli.config import load
from cli.errors import CommandError
from cli.listening import Address, listening
from cli.output import Output
from sandbox.core import SandboxClock
from sandbox.faults import Fault
from sync.store import Store
from tests.cli.conftest import FILL, SECRETS, Site

WORD = re.compile(r"[\w.@+-]+")


def numbers(text: str) -> dict[tuple[str, ...], float]:
    """Metric and label values -> value, as Prometheus reads them."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def get(port: int | None, path: str) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def world_words(site: Site) -> set[str]:
    """Names, addresses and ids of everybody and every customer in the sandbox."""
    found: set[str] = set()
    for kind, names in (("companies", ("name", "domain")), ("contacts", ("email", "firstname", "lastname"))):
        for record_id, values in site.records(kind, *names).items():
            found |= {record_id, *(str(value) for value in values.values() if value)}
    return {word for word in found if len(word) > 3}


def test_numbers_health_and_log_of_a_job(site: Site, tmp_path: Path) -> None:
    site.add(f'[log]\nfile = "{tmp_path}/log.jsonl"\n')
    settings, clock = load(site.config), site.sandbox.clock
    with listening("127.0.0.1:0", settings, clock, Output(), 3600) as port:
        assert get(port, "/healthz") == (503, "no run has ended yet\n")
        assert site.run(*FILL).code == 0
        assert get(port, "/healthz") == (200, "ok\n")
        status, text = get(port, "/metrics")
        assert status == 200
        assert get(port, "/elsewhere")[0] == 404
        site.sandbox.faults.add(Fault("status", vendor="hubspot", status=503, every=1))
        assert site.run("sync").code == 1
        assert get(port, "/healthz") == (503, "run 3 ended as blocked\n")
        site.sandbox.faults.clear()
        assert site.run("sync").code in {0, 4}
        clock.sleep(4 * 3600)
        status, why = get(port, "/healthz")
        assert status == 503
        assert "seconds ago" in why
    found = numbers(text)
    assert found["holdfast_last_run_ok",] == 1
    assert found["holdfast_runs", "apply", "done"] == 1
    assert sum(value for key, value in found.items() if key[0] == "holdfast_accounts") > 5
    assert found["holdfast_source_records", "hubspot", "companies"] > 5
    assert found["holdfast_last_run_calls", "hubspot"] > 0
    assert found["holdfast_operations", "confirmed"] > 5
    assert found["holdfast_plan_held",] == 0
    written = tmp_path / "holdfast.prom"
    assert site.run("metrics", "--out", str(written)).out == ""
    later = numbers(written.read_text(encoding="utf-8"))
    assert later["holdfast_ledger_findings",] == 0
    assert later["holdfast_runs", "apply", "blocked"] == 1
    assert site.run("metrics", "--json").data["ill"].startswith("the last run ended")
    _check_log(site, (tmp_path / "log.jsonl").read_text(encoding="utf-8"))
    said = {word for key in (*found, *later) for word in key}
    assert not said & world_words(site)


def _check_log(site: Site, log: str) -> None:
    lines = [json.loads(line) for line in log.splitlines()]
    assert [line["run"] for line in lines if line["event"] == "run_started"] == [2, 3, 4]
    ends = {line["run"]: line for line in lines if line["event"] == "run_ended"}
    assert (ends[2]["status"], ends[2]["level"]) == ("done", "info")
    assert (ends[3]["status"], ends[3]["level"]) == ("blocked", "error")
    events = {line["event"] for line in lines}
    assert {"phase_ended", "pulled", "requests", "outcome"} <= events
    assert all({"time", "level", "run", "event"} <= line.keys() for line in lines)
    assert not set(WORD.findall(log)) & world_words(site)
    assert not [name for name in world_words(site) if " " in name and name in log]
    assert not [secret for secret in SECRETS if secret in log]


@pytest.mark.parametrize("text", ["9464", "127.0.0.1:", "127.0.0.1:99999", "host:port"])
def test_an_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(CommandError, match=r"127\.0\.0\.1:9464"):
        Address.read(text)


def test_without_a_host_it_is_loopback() -> None:
    assert Address.read(":9464") == Address("127.0.0.1", 9464)
    assert Address.read("[::1]:1") == Address("::1", 1)


def test_what_is_left_of_the_day_is_of_the_newest_run_that_was_told(site: Site) -> None:
    assert site.run(*FILL).code == 0
    told, quiet = json.dumps({"hubspot": [650000, 640000]}), json.dumps({"hubspot": [None, None]})
    say = "UPDATE run SET counts = json_set(counts, '$.quota', json(?)) WHERE run_id = (SELECT max(run_id) FROM run)"
    for words in (told, quiet):
        with closing(Store.open(load(site.config).state_dir)) as store, store.transaction() as conn:
            conn.execute(say, (words,))
        if words == told:
            site.sandbox.clock.sleep(7200)
            assert site.run("sync").code == 0
    assert "; hubspot had 640,000 of 650,000 a day left 2 h ago" in site.run("status").out
    numbers_now = numbers(site.run("metrics").out)
    assert numbers_now["holdfast_quota_limit", "hubspot"] == 650_000
    assert numbers_now["holdfast_quota_remaining", "hubspot"] == 640_000
    site.sandbox.clock.sleep(86400)
    assert "a day left" not in site.run("status").out
    assert ("holdfast_quota_remaining", "hubspot") not in numbers(site.run("metrics").out)


def test_an_address_in_use_is_told_and_one_for_others_warned_of(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    settings, clock = load(site.config), SandboxClock(site.sandbox.clock.now())
    with listening("127.0.0.1:0", settings, clock, Output(), 3600) as port:
        assert site.run("run", "--times", "1", "--listen", f"127.0.0.1:{port}").code == 2
    with listening("0.0.0.0:0", settings, clock, Output(), 3600):
        assert "whoever reaches it" in capsys.readouterr().err
    with listening("", settings, clock, Output(), 3600) as nothing:
        assert nothing is None


def test_a_state_that_cannot_be_read_is_no_health_and_ends_nothing(site: Site) -> None:
    settings, clock = load(site.config), site.sandbox.clock
    for file in ("state.db-wal", "state.db-shm"):
        (site.state / file).unlink(missing_ok=True)
    (site.state / "state.db").write_bytes(b"not a database" * 1000)
    with listening("127.0.0.1:0", settings, clock, Output(), 3600) as port:
        for path in ("/healthz", "/metrics", "/healthz"):
            assert get(port, path) == (503, "the state file cannot be read\n")


def test_a_file_that_cannot_be_replaced_leaves_nothing_behind(site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "taken"
    (folder / "holdfast.prom").mkdir(parents=True)
    assert site.run("metrics", "--out", str(folder / "holdfast.prom")).code == 1
    assert [path.name for path in folder.iterdir()] == ["holdfast.prom"]
