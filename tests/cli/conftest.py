"""A served sandbox, a config for it, and a way to run commands as a person would.

One small world serves every test; pulling it is done once, and each test that wants to start from there gets a copy of
that state. So is the first fill, and each test that wants to start after it finds the CRM put back to how it was then.
The card of these tests finds nearly every customer in trouble, so that there are tasks to create.
"""

import io
import json
import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

import agent
from cli.errors import exit_code
from cli.trial import write_trial_config
from sandbox.core import SALESFORCE_SECRET, Sandbox, SandboxClock
from sandbox.model import World
from sandbox.serve import serve
from sandbox.snapshot import Snapshot
from sandbox.world import make_world
from scoring.card import Scorecard

NOW = datetime(2026, 11, 1, tzinfo=UTC)
SECRETS = ("pat-sandbox-full", SALESFORCE_SECRET, "zd-sandbox-token", "mp-sandbox-secret")
"""What no output may ever hold."""

FILL = ("sync", "--initial", "--tasks")
"""The first sync that writes."""


@dataclass
class Said:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """Both streams."""
        return self.out + self.err

    @property
    def data(self) -> dict[str, Any]:
        """The JSON object on the last line of standard output."""
        found: dict[str, Any] = json.loads(self.out.splitlines()[-1])
        return found


@dataclass
class Site:
    """A sandbox on loopback, a config for it, and the command line."""

    sandbox: Sandbox
    config: Path
    run: Callable[..., Said]

    @property
    def state(self) -> Path:
        """The state folder."""
        return self.config.parent / "state"

    def writes(self) -> int:
        """Requests so far that meant to change something."""
        return self.sandbox.journal.writes()

    def change(self, old: str, new: str) -> None:
        """Edit the config."""
        text = self.config.read_text(encoding="utf-8")
        assert old in text
        self.config.write_text(text.replace(old, new), encoding="utf-8")

    def add(self, text: str) -> None:
        """Add lines to the config."""
        with self.config.open("a", encoding="utf-8") as config:
            config.write(text)

    def records(self, kind: str, *names: str) -> dict[str, dict[str, Any]]:
        """What the CRM holds now: id -> the named properties."""
        portal = self.sandbox.hubspot.portal
        table = portal.tables[kind]
        now = portal.now
        return {
            str(table.ids[place]): {name: table.value(place, name, now) for name in names}
            for place in table.living(0, now)
        }


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Callable[..., Said]:
    """Run a command line; `clock` replaces the machine's. Fails when a traceback or a secret shows, also in the log."""
    caplog.set_level(logging.DEBUG)

    def invoke(*args: str, clock: object = None) -> Said:
        capsys.readouterr()
        caplog.clear()
        code = exit_code(
            lambda: agent.cli.main(args=list(args), prog_name="holdfast", standalone_mode=False, obj=clock)
        )
        said = Said(code, *capsys.readouterr())
        everything = said.text + caplog.text
        assert "Traceback" not in said.text
        assert "defect" not in everything
        assert not [secret for secret in SECRETS if secret in everything]
        return said

    return invoke


def quietly(*args: str, clock: object = None) -> Said:
    """Run a command line where no test looks on."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = exit_code(
            lambda: agent.cli.main(args=list(args), prog_name="holdfast", standalone_mode=False, obj=clock)
        )
    return Said(code, out.getvalue(), err.getvalue())


KEPT: dict[bytes, Scorecard] = {}


@contextmanager
def compiling_once() -> Iterator[None]:
    """Keep cards over commands: compiling them takes half as long as all the rest of a small run."""
    load = Scorecard.load.__func__  # type: ignore[attr-defined]  # a class method

    def cached(cls: type[Scorecard], path: Path | None = None, *more: Any, **named: Any) -> Scorecard:
        if path is None or not path.is_file():
            return load(cls, path, *more, **named)  # type: ignore[no-any-return]  # as above
        content = path.read_bytes()
        if content not in KEPT:
            KEPT[content] = load(cls, path, *more, **named)
        return KEPT[content]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Scorecard, "load", classmethod(cached))
        yield


@pytest.fixture(scope="module", autouse=True)
def compiled_once() -> Iterator[None]:
    """See `compiling_once`."""
    with compiling_once():
        yield


@pytest.fixture(scope="session")
def world() -> World:
    """A dozen customers."""
    return make_world(seed=6, accounts=12, people_per_account=5, months=3, now=NOW)


@pytest.fixture(scope="session")
def card_text() -> str:
    """The default card with stricter bands, for which one kind of evidence is enough."""
    text = resources.files("scoring").joinpath("default.toml").read_text("utf-8")
    strict = text.replace("red_below = 40", "red_below = 80\nred_families = 1").replace(
        "green_from = 70", "green_from = 95"
    )
    assert strict != text
    return strict


@contextmanager
def serving(folder: Path, sandbox: Sandbox, card: str, run: Callable[..., Said]) -> Iterator[Site]:
    """A site whose commands run with the sandbox's clock."""
    with serve(sandbox) as running:
        config = write_trial_config(folder, running.base_urls)

        def command(*args: str) -> Said:
            return run(*args, "--config", str(config), clock=sandbox.clock)

        site = Site(sandbox, config, command)
        (folder / "card.toml").write_text(card, encoding="utf-8")
        site.add('[scoring]\ncard = "card.toml"\n')
        yield site


@pytest.fixture
def new_site(tmp_path: Path, world: World, card_text: str, run: Callable[..., Said]) -> Iterator[Site]:
    """Nothing is set up, nothing was ever pulled."""
    with serving(tmp_path, Sandbox(world), card_text, run) as site:
        yield site


@dataclass(frozen=True)
class Pulled:
    """A state folder after a dry run, and when that was."""

    state: Path
    at: datetime


@pytest.fixture(scope="session")
def pulled(tmp_path_factory: pytest.TempPathFactory, world: World, card_text: str) -> Pulled:
    """The state of a site after its first dry run."""
    from cli.app import open_agent

    folder = tmp_path_factory.mktemp("pulled")
    sandbox = Sandbox(world)
    with (
        compiling_once(),
        serving(folder, sandbox, card_text, quietly) as site,
        open_agent(site.config, sandbox.clock) as it,
    ):
        report = it.run(dry_run=True)
        assert not report.blocked
        assert report.plan is not None
        assert len(report.plan.tasks) > 3
    return Pulled(folder / "state", sandbox.clock.now())


@pytest.fixture
def site(tmp_path: Path, world: World, card_text: str, pulled: Pulled, run: Callable[..., Said]) -> Iterator[Site]:
    """The fields are in the CRM, everything has been pulled once, nothing was written."""
    shutil.copytree(pulled.state, tmp_path / "state")
    sandbox = Sandbox(world, SandboxClock(pulled.at))
    with serving(tmp_path, sandbox, card_text, run) as site:
        assert site.run("setup").code == 0
        yield site


@dataclass(frozen=True)
class Filled:
    """A CRM after its first fill, to be put back as it was, and the folder of the agent that filled it."""

    sandbox: Sandbox
    kept: Snapshot
    folder: Path
    card: str
    more: str = ""

    @contextmanager
    def again(self, folder: Path, run: Callable[..., Said]) -> Iterator[Site]:
        """A site that stands there; one at a time."""
        shutil.copytree(self.folder / "state", folder / "state")
        self.kept.restore()
        with serving(folder, self.sandbox, self.card, run) as site:
            site.add(self.more)
            yield site


def fill(folder: Path, pulled: Pulled, world: World, card: str, more: str = "") -> Filled:
    """Fill a CRM; `more` is added to the config."""
    shutil.copytree(pulled.state, folder / "state")
    sandbox = Sandbox(world, SandboxClock(pulled.at))
    with compiling_once(), serving(folder, sandbox, card, quietly) as site:
        site.add(more)
        for command in (("setup",), FILL):
            said = site.run(*command)
            assert said.code == 0, said.text
    return Filled(sandbox, sandbox.snapshot(), folder, card, more)


@pytest.fixture(scope="session")
def filled_once(tmp_path_factory: pytest.TempPathFactory, pulled: Pulled, world: World, card_text: str) -> Filled:
    """Filled with tasks, by the card of these tests."""
    return fill(tmp_path_factory.mktemp("filled"), pulled, world, card_text)


@pytest.fixture
def filled(tmp_path: Path, filled_once: Filled, run: Callable[..., Said]) -> Iterator[Site]:
    """The CRM has its first fill, with tasks; nothing happened since."""
    with filled_once.again(tmp_path, run) as site:
        yield site
