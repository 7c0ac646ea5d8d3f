"""What is shown of a plan: by account, the worst first, and what somebody chose; never what is written."""

import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.bars import lasting
from cli.output import Output, _Console
from cli.plan_choice import chosen_numbers
from cli.plan_view import show_plan
from cli.progress import Watch
from sync.apply import Applied
from sync.plan import FieldChange, HumanEdit, Plan, RecordChange, TaskChange
from sync.plan_groups import Choice, Group, Place, Places, chosen, groups
from tests.cli.conftest import Said, Site

ROOT = Path(__file__).parent.parent.parent
NOW = datetime(2026, 11, 1, tzinfo=UTC)


def record(obj: str, at: str, name: str, severity: int, *fields: str) -> RecordChange:
    changes = tuple(FieldChange(field, 1, 2) for field in fields)
    return RecordChange(obj, at, name, changes, f"{name} is why", severity)  # type: ignore[arg-type]  # both objects


PLAN = Plan(
    NOW,
    "hubspot:STANDARD:1",
    "hash",
    (
        record("account", "1", "Acme", 10, "holdfast_score", "holdfast_band"),
        record("account", "2", "Brix", 60, "holdfast_score"),
        record("contact", "1", "ann@brix.test", 5, "holdfast_engagement"),
        record("contact", "9", "zoe@nowhere.test", 90, "holdfast_engagement"),
    ),
    (TaskChange("k", "1", "Acme", "rescue", "Call Acme", "", NOW, "high", "7", "Dana Reyes", "red", severity=80),),
    (HumanEdit("account", "2", "Brix", "holdfast_band", "red", "green", "yellow"),),
    3,
)
PLACES = Places(
    {
        "1": Place("1", "Acme", "Dana Reyes", "red", ("at_risk",)),
        "2": Place("2", "Brix", "Kim Adler", "yellow", ("at_risk", "power")),
    },
    {"1": "2"},
)


def names(found: list[Group]) -> list[str]:
    return [group.place.name for group in found]


def said(choice: Choice | None = None, *, width: int | None = None) -> str:
    out, screen = Output(), io.StringIO()
    terminal = width is not None
    out.console = _Console(
        file=screen, force_terminal=terminal, width=width or 100, soft_wrap=True, highlight=False, no_color=True
    )
    show_plan(out, PLAN, full=True, places=PLACES, choice=choice)
    return re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue())


def test_the_worst_change_comes_first_and_a_contact_stands_below_its_account() -> None:
    found = groups(PLAN, PLACES)
    assert names(found) == ["zoe@nowhere.test", "Acme", "Brix"]
    assert [one.record_id for one in found[2].contacts] == ["1"]  # not the account of the same number
    assert found[1].contacts == ()
    assert found[2].kept == PLAN.kept
    assert sum(len(group.records) for group in found) == len(PLAN.records)


@pytest.mark.parametrize(
    ("choice", "left"),
    [
        (Choice(), ["zoe@nowhere.test", "Acme", "Brix"]),
        (Choice(account=("acm",)), ["Acme"]),
        (Choice(account=("2", "acme")), ["Acme", "Brix"]),
        (Choice(owner=("dana",)), ["Acme"]),
        (Choice(segment=("POWER",)), ["Brix"]),
        (Choice(band=("red", "yellow")), ["Acme", "Brix"]),
        (Choice(band=("yellow",), segment=("at_risk",)), ["Brix"]),
        (Choice(band=("red",), segment=("power",)), []),
        (Choice(field=("engagement",)), ["zoe@nowhere.test", "Brix"]),
        (Choice(field=("band",)), ["Acme", "Brix"]),
    ],
)
def test_each_choice(choice: Choice, left: list[str]) -> None:
    assert names(chosen(groups(PLAN, PLACES), choice)) == left


def test_a_choice_of_fields_leaves_only_these() -> None:
    brix = chosen(groups(PLAN, PLACES), Choice(field=("band",)))[1]
    assert (brix.records, [edit.field for edit in brix.kept]) == ((), ["holdfast_band"])


def test_what_is_left_out_is_counted_and_the_totals_are_of_the_whole_plan() -> None:
    text = said(Choice(owner=("kim",)))
    assert "Acme" not in text
    assert "Shown by --owner kim: 1 of 3 accounts." in text
    assert "5 fields on 2 accounts and 2 contacts, 1 new task" in text
    assert "Shown by" not in said()
    nothing = said(Choice(segment=("nowhere",)))
    assert "0 of 3 accounts" in nothing
    assert "segment in this plan: at_risk, power" in nothing


def test_json_holds_what_was_chosen_and_says_so() -> None:
    choice = Choice(account=("Acme",))
    told = chosen_numbers(chosen(groups(PLAN, PLACES), choice), choice)
    assert told["shown"] == {"by": "--account Acme", "accounts": 1}
    assert [type(change).__name__ for change in told["changes"]] == ["RecordChange", "TaskChange"]
    assert chosen_numbers([], Choice()) == {}


@pytest.mark.parametrize("width", [80, 120])
def test_a_long_line_goes_on_below_set_in(width: int) -> None:
    lines = said(width=width).splitlines()
    folded = [line for line in lines if line.startswith("      ") and not line.strip().startswith("why")]
    assert max(map(len, lines[:12])) <= width
    assert bool(folded) == (width == 80)
    assert next(line for line in said().splitlines() if line.startswith("  + task Call Acme")).endswith(
        "(risk 80 x value 1)"
    )


def test_a_choice_is_refused_where_something_is_written(site: Site) -> None:
    for command in (["sync"], ["apply", "some.plan"]):
        refused = site.run(*command, "--account", "Acme")
        assert refused.code == 2
        assert "--account Acme: this chooses what is shown" in refused.err


def test_how_long_the_rest_takes() -> None:
    assert [lasting(s) for s in (4.6, 125, 4800)] == ["5 s", "2 min 5 s", "1 h 20 min"]


def test_elsewhere_than_on_a_terminal_a_long_writing_is_told_by_tenths(capsys: pytest.CaptureFixture[str]) -> None:
    watch = Watch(Output(), None)
    for _ in range(2000):
        watch.applied(Applied(PLAN.records[0], "confirmed"), 2000)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10
    assert lines[-1] == "  2,000 of 2,000 written"


def completed(words: str, at: str, shell: str) -> str:
    env = os.environ | {"_HOLDFAST_COMPLETE": f"{shell}_complete", "COMP_WORDS": words, "COMP_CWORD": at}
    code = (
        "import sys, agent\ntry: agent.main()\nfinally:\n"
        "  heavy = {'pydantic', 'duckdb', 'requests', 'sqlglot', 'cli.sync', 'cli.look'} & set(sys.modules)\n"
        "  assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, cwd=ROOT, check=False)
    assert "AssertionError" not in done.stderr, done.stderr
    return done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_completes_commands_without_importing_them(shell: str) -> None:
    offered = completed("holdfast sta", "sta" if shell == "fish" else "1", shell)
    assert re.findall(r"\bstat\w+", offered)[:1] == ["status"]
    assert "sync" not in offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell_is_what_the_shell_itself_takes(run: Callable[..., Said], shell: str) -> None:
    script = run("completion", shell)
    assert script.code == 0
    assert f"_HOLDFAST_COMPLETE={shell}_complete" in script.out
    if shutil.which(shell):
        done = subprocess.run([shell, "-n"], input=script.out, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
    assert run("completion", shell, "--json").data == {"shell": shell, "script": script.out.removesuffix("\n")}


def test_the_shell_is_offered_accounts_and_never_an_error(site: Site, tmp_path: Path) -> None:
    from click import Context

    from cli.completion import accounts
    from cli.explain import explain

    row = site.run("score", "--json").data["rows"][0]
    context = Context(explain)
    context.params["config"] = site.config
    (parameter, *_) = explain.params
    by_name = accounts(context, parameter, row["name"][:3].upper())
    assert row["crm_id"] in {item.value for item in by_name}
    assert accounts(context, parameter, "100%") == []
    context.params["config"] = tmp_path / "none.toml"
    assert accounts(context, parameter, "") == []
