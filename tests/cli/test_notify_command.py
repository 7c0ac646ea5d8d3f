"""People are told what changed: once, at the end of a run, whatever becomes of the receivers."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.faults import Fault
from sandbox.model import World
from tests.cli.conftest import Filled, Pulled, Said, Site, fill
from tests.notify.receivers import Web, web

LAX, STRICT = "red_below = 5", "red_below = 80"


@pytest.fixture
def slack() -> Iterator[Web]:
    """Slack, as far as an incoming webhook goes."""
    with web() as server:
        yield server


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory, pulled: Pulled, world: World, card_text: str) -> Filled:
    """Filled with nobody red, by an agent that would have told Slack."""
    more = '[notify.channels.cs]\ntype = "slack"\nurl = { env = "SLACK_WEBHOOK" }\n[guard]\nenabled = false\n'
    with web() as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLACK_WEBHOOK", f"{server.url}/services/T0/B0/canary-webhook")
        filled = fill(tmp_path_factory.mktemp("calm"), pulled, world, card_text.replace(STRICT, LAX), more)
        assert server.got == []
    return filled


@pytest.fixture
def told(
    tmp_path: Path, calm: Filled, slack: Web, run: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    """A site that tells Slack, after its first fill, in which nobody is red."""
    monkeypatch.setenv("SLACK_WEBHOOK", f"{slack.url}/services/T0/B0/canary-webhook")
    with calm.again(tmp_path, run) as site:
        yield site


def card(site: Site, old: str, new: str) -> None:
    """Move the limit of red, so that many bands change."""
    file = site.config.parent / "card.toml"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def titles(slack: Web) -> list[str]:
    return [request.data["blocks"][0]["elements"][0]["elements"][0]["text"] for request in slack.got]


def test_newly_red_and_recovered_are_told_once(told: Site, slack: Web) -> None:
    card(told, LAX, STRICT)
    said = told.run("sync")
    assert said.code == 0, said.text
    assert [title for title in titles(slack) if "newly red" in title]
    assert len(slack.got) == 1
    assert told.run("sync").code == 0
    assert len(slack.got) == 1
    card(told, STRICT, LAX)
    assert told.run("sync").code == 0
    assert len(slack.got) == 2
    assert "not red any more" in titles(slack)[1]


def test_a_plan_that_is_held_is_told_once_with_the_commands_that_release_it(told: Site, slack: Web) -> None:
    told.change("enabled = false", "band_changes = 0\nband_share = 0.0\nworse_share = 0.0")
    card(told, LAX, STRICT)
    assert told.run("sync").code == 5
    assert told.run("sync").code == 5
    assert titles(slack) == ["A plan is held until a person decides"]
    typed = slack.got[0].data["blocks"][0]["elements"][-1]["elements"][0]["text"].splitlines()
    assert [line.split()[1] for line in typed] == ["apply", "approve", "apply"]
    plan = typed[2].split()[2]
    assert told.run("approve", plan, "--by", "Dana").code == 0
    assert told.run("apply", plan).code == 0
    assert len(slack.got) == 2
    assert "newly red" in titles(slack)[1]


def test_a_run_that_cannot_work_is_told_once_and_when_it_works_again(told: Site, slack: Web) -> None:
    told.sandbox.faults.add(Fault("status", vendor="hubspot", status=503, every=1))
    assert told.run("sync").code == 1
    assert told.run("sync").code == 1
    assert titles(slack) == ["A run could not do its work"]
    told.sandbox.faults.clear()
    assert told.run("sync").code == 0
    assert titles(slack)[1:] == ["Runs work again"]


def test_a_dead_receiver_changes_nothing_for_the_run_and_is_told_later(told: Site, slack: Web) -> None:
    slack.answer = 404
    card(told, LAX, STRICT)
    said = told.run("sync")
    assert said.code == 0
    assert "notify.channels.cs: it answered 404. The next run tries again." in said.err
    assert "notify.channels.cs" in told.run("status").out
    slack.answer = 200
    assert told.run("notify").code == 0
    assert len(slack.got) == 2
    assert slack.got[0].body == slack.got[1].body
    assert told.run("notify", "--dry-run").out.strip() == "Nothing waits to be sent."


def test_after_a_day_of_trying_it_is_given_up_and_status_says_so(told: Site, slack: Web) -> None:
    slack.answer = 500
    card(told, LAX, STRICT)
    assert told.run("sync").code == 0
    told.sandbox.clock.sleep(25 * 3600)
    assert "will not be tried again" in told.run("notify").err
    assert len(slack.got) == 1
    assert "given up" in told.run("status").out


def test_a_dry_run_tells_nobody(told: Site, slack: Web) -> None:
    card(told, LAX, STRICT)
    assert told.run("sync", "--dry-run").code == 0
    assert slack.got == []


def test_a_test_message_reaches_every_channel(told: Site, slack: Web) -> None:
    assert told.run("notify", "--test").out == "notify.channels.cs: sent\n"
    assert titles(slack) == ["This is a test"]
    slack.answer = 403
    said = told.run("notify", "--test")
    assert said.code == 1
    assert "it answered 403" in said.err


def test_without_a_channel_there_is_nothing_to_test(site: Site) -> None:
    said = site.run("notify", "--test")
    assert said.code == 2
    assert "docs/notifications.md" in said.err
