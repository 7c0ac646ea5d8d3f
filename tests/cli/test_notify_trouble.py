"""Telling people when things go wrong: a damaged state file, channels of every kind, and telling that fails itself."""

import json
from collections.abc import Iterator

import pytest

from cli.telling import Teller
from tests.cli.conftest import FILL, Site
from tests.notify.receivers import Web, mail, web

HOOK = '[notify.channels.hook]\ntype = "webhook"\nurl = { env = "HOOK" }\nsecret = { env = "HOOK_SECRET" }\n'


@pytest.fixture
def hook(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """A receiver of the site's webhook."""
    with web() as server:
        monkeypatch.setenv("HOOK", f"{server.url}/canary-path")
        monkeypatch.setenv("HOOK_SECRET", "canary-secret-of-the-hook")
        site.add(HOOK)
        yield server


def test_a_damaged_state_is_told_once_and_when_it_works_again(site: Site, hook: Web) -> None:
    file = site.state / "state.db"
    whole = file.read_bytes()
    file.write_bytes(b"no database" * 500)
    hook.answer = 404
    assert "it answered 404" in site.run("sync", "--dry-run").err
    hook.answer = 200
    assert site.run("sync", "--dry-run").code == 1
    assert site.run("sync", "--dry-run").code == 1
    assert [request.data["title"] for request in hook.got[1:]] == ["A run could not begin"]
    file.write_bytes(whole)
    assert site.run(*FILL).code == 0
    assert [request.data["title"] for request in hook.got[2:]] == ["Runs work again"]


def test_telling_that_fails_does_not_fail_the_run(site: Site, hook: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(teller: Teller, stands: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Teller, "note", broken)
    said = site.run(*FILL)
    assert said.code == 0
    assert "telling people did not work: the system: No space left on device." in said.err
    assert hook.got == []


def test_a_digest_comes_by_mail_and_a_program_gets_the_same(site: Site, hook: Web) -> None:
    with mail() as box:
        site.change(HOOK, f'{HOOK}digest = "daily"\n')
        site.add(
            f'[notify.channels.mail]\ntype = "email"\nhost = "127.0.0.1"\nport = {box.port}\nsecurity = "none"\n'
            'sender = "holdfast@acme.example"\nto = ["dana@acme.example"]\ndigest = "daily"\n'
        )
        assert site.run(*FILL).code == 0
        assert not box.got
        assert not hook.got
        site.sandbox.clock.sleep(86400)
        assert site.run("sync").code in {0, 4}
    assert [str(one["Subject"]) for one in box.got if "Today" in str(one["Subject"])]
    digests = [request.data for request in hook.got if request.data["kind"] == "digest"]
    assert len(digests) == 1
    assert digests[0]["lines"][1].startswith("Health of ")


def test_a_full_disk_loses_the_log_and_nothing_else(site: Site) -> None:
    site.add('[log]\nfile = "/dev/full"\n')
    assert site.run("sync", "--dry-run").code == 0


def test_a_log_on_standard_error_is_lines_of_json(site: Site) -> None:
    site.add('[log]\nfile = "stderr"\n')
    said = site.run("sync", "--dry-run", "--json")
    events = [json.loads(line)["event"] for line in said.err.splitlines() if line.startswith("{")]
    assert events[0] == "run_started"
    assert events[-1] == "run_ended"
