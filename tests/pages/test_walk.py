"""The shell blocks of the pages are run from top to bottom, as a newcomer would, against the sandbox."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner

import agent
from cli.errors import exit_code
from cli.trial import vendors, write_trial_config
from sandbox.core import Sandbox
from sandbox.serve import serve
from sandbox.world import make_world
from tests.cli.conftest import compiled_once as compiled_once  # noqa: PLC0414  # a fixture for every test here
from tests.pages.blocks import ROOT, blocks, holdfast, shell

NOW = datetime(2026, 11, 22, tzinfo=UTC)

STAND_INS = {
    ("init",): ["--sandbox", "trial", "--yes"],  # nobody is there to answer
    ("run", "--every", "1h"): ["--times", "1"],  # nor to stop it
    ("demo",): ["--accounts", "20"],  # and it is in a hurry
}
"""How a command begins -> what is added to it here."""

REFUSED = {("edits", "release"): "is not parked"}
"""How a command begins for which nothing is there to do -> what it says to that."""

NAME = "SELECT account_name FROM v_account ORDER BY account_id DESC LIMIT 1"
RUN = "SELECT MAX(run_id) FROM v_change"
EXAMPLES = {"explain": NAME, "override": NAME, "--account": NAME, "undo": RUN, "--run": RUN}
"""The word before an example -> how to find what there is in its place: an account, the newest run that wrote."""

RECORD = "0015g00000AbCdE"
"""Stands for a record of which somebody changed a field of ours."""

FIRST = ("README.md", "docs/start.md")
LATER = ("docs/data.md", "docs/report.md", "docs/segments.md", "docs/stability.md", "docs/undo.md")
"""Pages that begin with nothing, and those that are read once everything is set up."""


class Walker:
    """Somebody in an empty folder who types what the pages say.

    Args:
        stack: What is served is ended with it.

    Attributes:
        edited: CRM id of an account of which a colleague changed a field of ours.
    """

    def __init__(self, stack: ExitStack) -> None:
        self.stack = stack
        self.edited = ""
        self.sandbox = self.serve("trial")

    def serve(self, folder: str, crm: str = "hubspot") -> Sandbox:
        """What `holdfast sandbox serve` does, with fewer customers and a clock that stands still."""
        world = make_world(seed=6, accounts=12, people_per_account=5, months=3, now=NOW)
        self.sandbox = Sandbox(world, vendors=vendors(crm))
        write_trial_config(Path(folder), self.stack.enter_context(serve(self.sandbox)).base_urls)
        return self.sandbox

    def walk(self, page: str) -> int:
        """Type every block of a page; gives how many commands of ours that were."""
        typed = 0
        for block in blocks("sh", page):
            if block.runs:
                for words in shell(block):
                    meant = [self.meant(*pair) for pair in pairwise(["", *words])]
                    typed += self.type(meant, str(block))
        return typed

    def meant(self, before: str, word: str) -> str:
        """What stands for a page's example here, by the word before it."""
        if word == RECORD:
            return self.edited
        return self.asked(EXAMPLES[before]) if before in EXAMPLES and not word.startswith("-") else word

    @staticmethod
    def asked(statement: str) -> str:
        """The one value that a statement finds in the state file that was used last."""
        file = max(Path.cwd().rglob("state.db"), key=lambda path: path.stat().st_mtime_ns)
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
            (value,) = db.execute(statement).fetchone()
        return str(value)

    def type(self, words: list[str], where: str) -> bool:
        """Run one command; gives whether it was one of ours."""
        rest = holdfast(words)
        if rest is None:
            self.other(words, where)
        elif rest[:2] == ["sandbox", "serve"]:
            self.serve(rest[rest.index("--write-config") + 1])
        else:
            extra = next((more for begin, more in STAND_INS.items() if tuple(rest[: len(begin)]) == begin), [])
            self.run([*rest, *extra], where)
        return rest is not None

    def run(self, words: list[str], where: str) -> str:
        """Run one of our commands in this process; gives what it said."""
        runner = CliRunner()
        result = runner.invoke(agent.cli, words, obj=self.sandbox.clock, standalone_mode=False, prog_name="holdfast")
        for begin, said in REFUSED.items():
            if tuple(words[: len(begin)]) == begin:
                assert said in str(result.exception), f"{where}: holdfast {' '.join(words)}"
                return result.output
        code = result.return_value if result.exception is None else exit_code(lambda: _raise(result.exception))
        assert code == 0, (
            f"{where}: holdfast {' '.join(words)}: exit code {code}\n{result.output}\n{result.exception!r}"
        )
        return result.output

    @staticmethod
    def other(words: list[str], where: str) -> None:
        """Another program: only those that are stood in for here."""
        match words:
            case ["make", target]:
                makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
                assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{where}: make {target}"
            case ["sqlite3", "-readonly", file, statement]:
                with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
                    assert db.execute(statement).description
            case _:
                pytest.fail(f"{where}: nothing stands in for {words[0]}; say no-run")


def _raise(error: BaseException | None) -> int:
    assert error is not None
    raise error


@pytest.fixture
def walker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Walker]:
    monkeypatch.chdir(tmp_path)
    with ExitStack() as stack:
        yield Walker(stack)


def test_every_page_with_commands_is_followed() -> None:
    """But the one whose commands tests/pages/test_example_connector.py runs."""
    pages = {block.page for block in blocks("sh") if block.runs}
    assert pages == {*FIRST, *LATER, "docs/adding-a-connector.md"}


def test_the_readme_can_be_followed(walker: Walker) -> None:
    assert walker.walk("README.md") >= 20


def test_the_first_page_can_be_followed(walker: Walker) -> None:
    assert walker.walk("docs/start.md") >= 10


def test_the_pages_for_later_can_be_followed(walker: Walker) -> None:
    """In a portal that is filled, and where colleagues have changed what was written."""
    config = Path("trial/config.toml").read_text(encoding="utf-8").replace('file = "', 'file = "trial/')
    Path("config.toml").write_text(f'{config}\n[writeback.edits]\n"account.health_band" = "ask"\n', encoding="utf-8")
    for words in (["setup"], ["sync", "--initial", "--tasks"]):
        walker.run(words, "before")
    others = "FROM v_account WHERE band <> 'red' AND account_id < (SELECT MAX(account_id) FROM v_account)"
    for place in (0, 1):
        account = walker.asked(f"SELECT account_id {others} LIMIT 1 OFFSET {place}")
        change = {"holdfast_health_band": "red"}
        walker.sandbox.mutate("hubspot", "edit", object="companies", id=account, properties=change)
        walker.edited = walker.edited or account
    walker.sandbox.clock.advance(timedelta(hours=1))
    walker.run(["sync"], "before")
    for page in LATER:
        assert walker.walk(page), page
