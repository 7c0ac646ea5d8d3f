"""What an agent leaves behind: no secret in anything it says or writes, and nothing that others may read.

The walk goes through the commands as an admin would, under a lax umask, with vendors that answer errors in which they
repeat the credentials they were sent. Logging is at DEBUG throughout, and `run` looks through output and log each time.
"""

import base64
import logging
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest

from cli.app import open_agent
from cli.trial import vendors
from connectors.redact import REDACTOR
from sandbox.core import CREDENTIALS, ZENDESK_EMAIL, Sandbox
from sandbox.faults import Fault
from sandbox.model import World
from sync import approval
from tests.cli.conftest import FILL, SECRETS, Said, Site, serving
from tests.security.vendors import CANARY

SECRET_FILES = ("hubspot.token", "salesforce.secret", "zendesk.token", "mixpanel.secret")


PAIRS = (
    f"{ZENDESK_EMAIL}/token:{CREDENTIALS['zendesk']['token']}",
    f"{CREDENTIALS['mixpanel']['username']}:{CREDENTIALS['mixpanel']['secret']}",
)
"""What basic authentication sends."""


def coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


FORMS = [*SECRETS, *(quote(one, safe="") for one in SECRETS), *map(coded, SECRETS), *map(coded, PAIRS)]
"""Secrets as they may turn up: plain, in a URL, as basic authentication."""
PARTS = [form[at : at + 10].encode() for form in FORMS for at in (0, 4)]
"""Pieces of them: a secret that was cut is half a secret."""


def holding(folder: Path) -> list[str]:
    """Files that hold a secret, besides those that are there for it."""
    return [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and path.name not in SECRET_FILES and any(part in path.read_bytes() for part in PARTS)
    ]


def open_to_others(folder: Path) -> list[str]:
    """Files and folders of a state folder that more than their owner may use."""
    found = []
    for path in (folder, *folder.rglob("*")):
        with suppress(FileNotFoundError):
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode & 0o077:
                found.append(f"{path.relative_to(folder)} {mode:o}")
    return found


@pytest.fixture(autouse=True)
def lax() -> Iterator[None]:
    """Every file is everybody's unless the program sees to it."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture(params=["hubspot", "salesforce"])
def place(
    request: pytest.FixtureRequest, tmp_path: Path, world: World, card_text: str, run: Callable[..., Said]
) -> Iterator[Site]:
    """Nothing was ever pulled; with each CRM."""
    sandbox = Sandbox(world, vendors=vendors(request.param))
    with serving(tmp_path, sandbox, card_text, run) as site:
        yield site


def echoes(crm: str) -> list[Fault]:
    """Each vendor refuses, then breaks, and says the credentials back; each time once for each kind of answer."""
    others = SECRETS[1] if crm == "hubspot" else SECRETS[0]  # which this agent never had, and cannot know
    words = "x" * 40 + " ".join(form for form in FORMS if form not in (others, quote(others), coded(others))) * 2
    kinds = [(401, {"message": words, "error": words}), (400, {"message": words}), (500, words)]
    return [
        Fault("status", vendor, nth=number, status=status, body=body)
        for vendor in vendors(crm)
        for number, (status, body) in enumerate(kinds, 3)
    ]


def test_no_secret_is_left_anywhere_and_everything_is_its_owners(place: Site, tmp_path: Path) -> None:
    crm = "hubspot" if "hubspot" in place.sandbox.base_urls() else "salesforce"
    plan = tmp_path / "state" / "mine.plan"

    def walk(*words: str) -> Said:
        said = place.run(*words)
        assert not open_to_others(place.state) if place.state.exists() else True, words
        return said

    walk("setup")
    walk("check", "--json")
    for command in (("check",), ("sync", "--dry-run"), ("plan", "--out", str(plan), "--json")):
        place.sandbox.faults.add(*echoes(crm))
        walk(*command)
        place.sandbox.faults.clear()
        place.sandbox.clock.sleep(3600)
    assert walk(*FILL, "--json").code in {0, 4}
    place.sandbox.clock.sleep(3600)
    place.sandbox.faults.add(*echoes(crm))
    walk("sync", "--json")
    place.sandbox.faults.clear()
    sheet = tmp_path / "state" / "mine.csv"
    assert walk("plan", "--out", str(plan), "--csv", str(sheet)).code in {0, 4}
    last = place.run("history", "--json").data["runs"][0]["run"]
    rest = [("approve", str(plan), "--by", "Dana"), ("apply", str(plan)), ("status", "--json"), ("history",)]
    rest += [("undo", str(last), "--dry-run"), ("edits",), ("state", "backup"), ("state", "check"), ("score",)]
    for words in rest:
        walk(*words)
    kinds = {path.suffix or path.name for path in place.state.rglob("*") if path.is_file()}
    assert {".db", ".plan", ".csv", "key", ".parquet"} <= kinds, "there was something to look through"
    assert holding(tmp_path) == []


def test_files_that_lie_there_open_are_closed(site: Site) -> None:
    assert site.run(*FILL).code in {0, 4}
    approval.key(site.state)
    for path in (site.state, site.state / "key", *site.state.glob("state.db*")):
        path.chmod(0o777 if path.is_dir() else 0o666)
    assert site.run("sync").code in {0, 4}
    assert site.run("plan").code in {0, 4}
    assert open_to_others(site.state) == [". 755"], "others may look into a folder that was made by somebody, not write"


@pytest.mark.parametrize(
    ("mode", "fine"), [(0o600, True), (0o400, True), (0o640, False), (0o644, False), (0o604, False)]
)
def test_a_secret_file_is_its_owners_alone(site: Site, mode: int, fine: bool) -> None:  # noqa: FBT001 - a table's column
    (site.config.parent / "hubspot.token").chmod(mode)
    said = site.run("check")
    assert (said.code == 0) == fine, said.text
    assert fine or "chmod 600" in said.err


@pytest.mark.parametrize("key", ["token", "oauth_token"])
@pytest.mark.parametrize(
    "value", [f'"{CANARY}"', f'["{CANARY}"]', f'{{ value = "{CANARY}" }}', f'{{ env = 5, x = "{CANARY}" }}']
)
def test_a_secret_in_the_config_is_refused_and_not_repeated(site: Site, key: str, value: str) -> None:
    site.change('token = { file = "zendesk.token" }', f"{key} = {value}")
    said = site.run("sync")
    assert said.code == 2
    assert f"sources.zendesk.{key}: a secret does not belong into the config" in said.err
    assert CANARY not in said.text


def test_a_traceback_in_the_log_is_masked_with_all_that_led_to_it(caplog: pytest.LogCaptureFixture) -> None:
    REDACTOR.add([CANARY])
    caplog.set_level(logging.DEBUG)

    def refuse() -> None:
        raise ConnectionError(f"https://user:{CANARY}@host.example/?token={CANARY}")

    def fail() -> None:
        try:
            refuse()
        except ConnectionError as error:
            raise ValueError(f"no answer for {quote(CANARY)}") from error

    for name in ("holdfast", "sync.pull", "connectors.retry", "connectors.http", "urllib3.connectionpool"):
        try:
            fail()
        except ValueError:
            logging.getLogger(name).exception("unexpected %s", CANARY)
    assert caplog.text.count("ConnectionError: https") == 5
    assert CANARY not in caplog.text


def test_a_defect_in_a_vendors_stream_says_no_secret(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    from connectors.zendesk import Zendesk

    def pull(*_: object) -> Iterator[object]:
        raise KeyError(f"https://x.example/?key={SECRETS[2]}")

    monkeypatch.setattr(Zendesk, "pull", pull)
    with open_agent(site.config, site.sandbox.clock) as agent, caplog.at_level(logging.DEBUG):
        report = agent.run(dry_run=True)
    said = capsys.readouterr()
    assert report.failed
    assert SECRETS[2] not in caplog.text + said.out + said.err + repr(report)
    assert holding(site.config.parent) == []
