"""docs/adding-a-connector.md: its blocks are put into a copy of this project, and the connector is tested there."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.pages.blocks import ROOT, Block, blocks

PAGE = "docs/adding-a-connector.md"
PARTS = (
    "cli",
    "conformance",
    "connectors",
    "mapping",
    "notify",
    "report",
    "sandbox",
    "scoring",
    "sync",
    "tests/conformance",
)
FILES = ("agent.py", "pyproject.toml")
NEW = {
    "config.toml",
    "connectors/plaindesk.py",
    "connectors/plaindesk_settings.py",
    "mapping/plaindesk.toml",
    "sandbox/plaindesk.py",
    "tests/conformance/rigs/plaindesk.py",
}
OUTSIDE = {
    f"outside/{name}"
    for name in (
        "config.toml",
        "conftest.py",
        "guestbook.py",
        "guestbook_entry.py",
        "pyproject.toml",
        "test_guestbook.py",
    )
}
"""The second example, beside the project."""
CHANGED = {"cli/init_ask.py", "connectors/registry.py", "sandbox/core.py", "tests/conformance/rigs/known.py"}

LIVE = """
import json, os, sys
from pathlib import Path
import agent
from cli.trial import write_trial_config
from sandbox.core import Sandbox
from sandbox.plaindesk import TOKEN
from sandbox.serve import serve
from sandbox.world import make_world
from datetime import UTC, datetime

world = make_world(seed=3, accounts=24, people_per_account=3, months=3, now=datetime(2026, 11, 22, tzinfo=UTC))
box = Sandbox(world, vendors=("hubspot", "zendesk", "mixpanel", "plaindesk"))
os.environ["PLAINDESK_TOKEN"] = TOKEN
with serve(box) as running:
    config = write_trial_config(Path("trial"), running.base_urls)
    own = Path("config.toml").read_text("utf-8") + f'base_url = "{running.base_urls["plaindesk"]}"\\n'
    with config.open("a", encoding="utf-8") as file:
        file.write("\\n" + own)
    for words in (["check"], ["sync", "--dry-run"], ["feedback"]):
        words += ["--json", "--config", str(config)]
        agent.cli.main(words, prog_name="holdfast", standalone_mode=False, obj=box.clock)
"""
"""The commands that an admin begins with, over HTTP on loopback."""


OUTSIDE_READ = """
import os, sys
from pathlib import Path
os.environ |= {"HUBSPOT_TOKEN": "t", "GUESTBOOK_TOKEN": "t"}
from cli.app import wire
for name in ("config.toml", "package.toml"):
    _, (source, fields) = wire(Path("outside") / name).sources
    print(source.name, *fields.streams)
    sys.path.append("outside")
"""


def place(folder: Path, block: Block) -> str:
    """Put a block where its first line says; gives that file."""
    said, _, text = block.text.partition("\n")
    found = re.fullmatch(r"# ([\w/.]+)(?:, (?:in (\w+)|(among the imports)))?", said)
    assert found is not None, f"{block}: the first line must say where it belongs"
    file, table, imports = found.groups()
    path = folder / str(file)
    path.parent.mkdir(exist_ok=True)
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    assert bool(old) == bool(table or imports), f"{block}: {file}"
    if table:
        (line,) = re.finditer(rf"^{table}\b.*= \{{\n", old, re.MULTILINE)
        spot = line.end()
    else:
        spot = next((line.start() for line in re.finditer(r"^from .*\n", old, re.MULTILINE) if line[0] > text), 0)
    path.write_text(old[:spot] + text + old[spot:], encoding="utf-8")
    return str(file)


def run(folder: Path, *words: str) -> str:
    """A Python program in the copy, which must end well; gives what it printed."""
    done = subprocess.run([sys.executable, *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The parts of this project that a connector has to do with, and the page's blocks in them."""
    folder = tmp_path_factory.mktemp("project")
    for part in PARTS:
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for file in FILES:
        shutil.copy(ROOT / file, folder / file)
    placed = [place(folder, block) for block in blocks(page=PAGE) if block.language in {"python", "toml"}]
    assert set(placed) == NEW | CHANGED | OUTSIDE
    return folder


def test_the_example_is_written_as_the_rest_is(copy: Path) -> None:
    sources = sorted(file for file in NEW | CHANGED if file.endswith(".py"))
    run(copy, "-m", "ruff", "check", "--no-cache", *sources)
    run(copy, "-m", "ruff", "format", "--check", "--no-cache", *sorted(set(sources) & NEW))


def test_the_example_passes_what_every_connector_must(copy: Path) -> None:
    (block,) = blocks("sh", PAGE)
    assert block.text.split() == [".venv/bin/python", "-m", "pytest", "tests/conformance", "-k", "plaindesk"]
    said = run(copy, "-m", "pytest", "tests/conformance", "-k", "plaindesk", "-q", "-n", "0", "-p", "no:cacheprovider")
    passed, skipped = (int(number) for number in re.search(r"(\d+) passed, (\d+) skipped", said).groups())  # type: ignore[union-attr]
    assert passed > 60
    assert skipped == 4, "merged, and vanished"


def test_the_example_is_read_by_a_run(copy: Path) -> None:
    checked, synced, answers = map(json.loads, run(copy, "-c", LIVE).splitlines()[-3:])
    assert "Acme's desk" in json.dumps(checked)
    assert (synced["failed"], synced["rejected"]) == ([], 0)
    assert synced["pulled"]["plaindesk"]["people"] > 50
    known = [one["account"] is not None for one in answers["answers"] if one["source"] == "plaindesk"]
    assert len(known) == synced["pulled"]["plaindesk"]["answers"] > 10
    assert sum(known) > len(known) / 2, "found by the address of who answered"


def test_a_connector_outside_passes_the_same_suite(copy: Path) -> None:
    run(
        copy,
        "-m",
        "ruff",
        "check",
        "--no-cache",
        "--ignore",
        "INP001",
        "outside/guestbook.py",
        "outside/guestbook_entry.py",
    )
    run(copy, "-m", "ruff", "format", "--check", "--no-cache", "outside")
    options = ("-q", "-n", "0", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", "outside")
    said = run(copy, "-m", "pytest", "outside", *options)
    passed, skipped = (int(number) for number in re.search(r"(\d+) passed, (\d+) skipped", said).groups())  # type: ignore[union-attr]
    assert passed > 35
    assert skipped == 2, "merged, and vanished"


def test_a_connector_outside_is_read_as_a_file_and_as_a_package(copy: Path) -> None:
    folder = copy / "outside"
    package = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))
    entry = package["project"]["entry-points"]["holdfast.connectors"]
    # setuptools guesses nothing where modules lie side by side: it installs those that are named, or refuses.
    modules = {path.stem for path in folder.glob("guestbook*.py")}
    assert set(package["tool"]["setuptools"]["py-modules"]) == modules == {"guestbook", "guestbook_entry"}
    info = folder / "holdfast_guestbook-1.0.dist-info"  # what an installer makes of pyproject.toml
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: holdfast-guestbook\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[holdfast.connectors]\n" + "".join(f"{k} = {v}\n" for k, v in entry.items())
    )
    config = (folder / "config.toml").read_text("utf-8")
    (folder / "package.toml").write_text(config.replace("guestbook.py", "guestbook"))
    printed = run(copy, "-c", OUTSIDE_READ)
    assert printed.split() == ["guestbook", "guests"] * 2
