"""`init`: a config by questions, from a file, or from the sandbox; and what it refuses."""

import io
import os
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli import init_ask, init_write
from cli.config import load
from cli.errors import CommandError
from cli.init import OTHERS
from cli.trial import vendors, write_trial_config
from connectors.errors import MissingPermissionError
from sandbox.core import Sandbox, SandboxClock
from sandbox.model import World
from sandbox.serve import serve
from sandbox.world import make_world
from tests.cli.conftest import SECRETS, Said
from tests.instants import START


@dataclass
class Desk:
    """A served sandbox with its own config, an empty folder, and `init` in it."""

    trial: Path
    folder: Path
    init: Callable[..., Said]
    answer: Callable[..., None]

    @property
    def config(self) -> Path:
        """What init writes."""
        return self.folder / "config.toml"


@pytest.fixture
def crm() -> str:
    """Which CRM there is."""
    return "hubspot"


@pytest.fixture
def desk(
    crm: str,
    tmp_path: Path,
    world: World,
    run: Callable[..., Said],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Desk]:
    sandbox = Sandbox(world, vendors=(crm, "zendesk", "mixpanel"))
    folder = tmp_path / "mine"
    folder.mkdir()

    def init(*args: str) -> Said:
        return run("init", *args, "--config", str(folder / "config.toml"), clock=sandbox.clock)

    def answer(*lines: str) -> None:
        monkeypatch.setattr("cli.init.interactive", lambda: True)
        monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))

    with serve(sandbox) as running:
        write_trial_config(tmp_path / "trial", running.base_urls)
        yield Desk(tmp_path / "trial", folder, init, answer)


def sources(**known: Sequence[str]) -> list[str]:
    """That there are no further sources, then the answers about those that are known."""
    return ["", *(answer for kind in OTHERS for answer in known.get(kind, []))]


@pytest.mark.parametrize("crm", ["hubspot", "salesforce"])
def test_from_the_sandbox_to_a_dry_run(desk: Desk, run: Callable[..., Said]) -> None:
    said = desk.init("--sandbox", str(desk.trial), "--yes", "--json")
    assert said.code == 0, said.err
    assert [Path(name).name for name in said.data["written"]] == ["scorecard.toml", "config.toml"]
    text = desk.config.read_text()
    assert not [secret for secret in SECRETS if secret in text]
    settings, trial = load(desk.config), load(desk.trial / "config.toml")
    assert settings.identity.own_domains == trial.identity.own_domains
    assert settings.crm.settings == trial.crm.settings
    assert {one.name for one in settings.sources} == {"zendesk", "mixpanel"}
    if settings.crm.type == "salesforce":
        found = {stream: set(table) for stream, table in settings.crm.fields.items()}
        assert found["accounts"] >= {"plan", "mrr", "renewal_date", "customer_since", "external_ids"}
        assert settings.crm.fields["accounts"]["external_ids"] == {"product": "Product_Account_Id__c"}
        assert settings.crm.fields["contacts"]["external_ids"] == {"product": "Product_User_Id__c"}
    else:
        assert not settings.crm.fields, "the shipped map reads them already"


def test_answers_on_a_terminal(desk: Desk) -> None:
    others = sources(mixpanel=["", "", "", "", "company_id"], zendesk=["", "", ""])
    desk.answer("sandbox", str(desk.folder), str(desk.trial), "", *others, "small_b2b", "", "1")
    said = desk.init()
    assert f"There is no config.toml in {desk.folder}." in said.out
    assert said.code == 0, said.text
    settings = load(desk.config)
    assert settings.writeback.fallback_owner
    assert "Small" in (desk.folder / "scorecard.toml").read_text().splitlines()[0] or settings.scoring.card


def test_a_wrong_token_can_be_corrected(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WRONG_TOKEN", "pat-wrong")
    answers = desk.folder / "answers.toml"
    text = (desk.trial / "config.toml").read_text().partition("[sources")[0]
    good = f'file = "{desk.trial}/hubspot.token"'
    answers.write_text(text.replace('file = "hubspot.token"', 'env = "WRONG_TOKEN"'))
    refused = desk.init("--answers", str(answers))
    assert refused.code == 3
    assert not desk.config.exists()
    # by hand: the wrong one again, then nonsense, a pasted secret, a variable that is not set, and the right file
    desk.answer(
        "hubspot", "", "again", "change", "pat-na1-00000000-0000-0000", "f3b1" * 8, "NOT_SET_ANYWHERE", "change",
        good.partition('"')[2].rstrip('"'), *sources(), "", "none", "0",
    )  # fmt: skip
    said = desk.init("--answers", str(answers))
    assert said.code == 0, said.text
    assert said.out.count("looks like the secret itself") == 2
    assert "NOT_SET_ANYWHERE is not set" in said.text
    assert "pat-na1" not in desk.config.read_text()
    assert tomllib.loads(desk.config.read_text())["crm"]["token"] == {"file": f"{desk.trial}/hubspot.token"}


def test_sources_are_chosen_by_name_in_one_question(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "drop").mkdir()
    zendesk = ["acme", "admin@holdfast.example", f"{desk.trial}/zendesk.token", "keep"]
    wanted = ["Files, crystal ball", "files, Zendesk, files"]
    desk.answer("hubspot", "NOT_SET_ANYWHERE", "keep", *wanted, str(tmp_path / "drop"), *zendesk, "", "none")
    said = desk.init()
    assert said.code == 0, said.text
    assert said.text.count("Which of these do you have?") == 2
    assert "'crystal ball' is none of them; files, sql or singer read what has no name here." in said.out
    assert "Say under `streams` which files hold what." in said.text
    assert list(tomllib.loads(desk.config.read_text())["sources"]) == ["files", "zendesk"]


def test_a_folder_that_is_not_there_is_said_before_any_question(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="nothing can be written there"):
        init_write.require_writable(tmp_path / "nowhere")


def test_stopping_writes_nothing(desk: Desk) -> None:
    for lines in (("sandbox", str(desk.trial)), ("hubspot", "NOT_SET_ANYWHERE", "stop")):
        desk.answer(*lines)
        said = desk.init()
        assert said.code == 130
        assert "Nothing was written." in said.out
    assert list(desk.folder.iterdir()) == []


def test_kept_untried(desk: Desk) -> None:
    desk.answer("hubspot", "NOT_SET_ANYWHERE", "keep", *sources(), "", "acme.example")
    said = desk.init()
    assert said.code == 0, said.text
    assert tomllib.loads(desk.config.read_text())["crm"]["token"] == {"env": "NOT_SET_ANYWHERE"}
    assert tomllib.loads(desk.config.read_text())["identity"]["own_domains"] == ["acme.example"]


def test_again_from_an_existing_config_keeps_what_it_does_not_ask(desk: Desk) -> None:
    assert desk.init("--sandbox", str(desk.trial), "--yes").code == 0
    first = desk.config.read_text()
    assert desk.init("--yes").code == 2, "there already"
    assert desk.config.read_text() == first
    desk.answer("n")
    assert desk.init().code == 2
    changed = first.replace('[run]\nevery = "1h"', '# ours\n[run]\nevery = "2h"  # for now')
    desk.config.write_text(changed)
    card = (desk.folder / "scorecard.toml").read_text()
    (desk.folder / "scorecard.toml").write_text(f"# mine\n{card}")
    said = desk.init("--yes", "--overwrite")
    assert said.code == 0, said.text
    assert 'every = "2h"  # for now' in desk.config.read_text()
    assert tomllib.loads(desk.config.read_text()) == tomllib.loads(changed)
    assert (desk.folder / "config.toml.bak").read_text() == changed
    assert (desk.folder / "scorecard.toml").read_text().startswith("# mine")


@pytest.mark.parametrize(
    ("answers", "code", "words"),
    [
        ("crm = 3", 2, "must be tables"),
        ("[crm]\ntype = 'hubspot'\n[sources]\nzendesk = 1", 2, "each must be a table"),
        ("[crm", 2, "not valid TOML"),
        ("[crm]\ntype = 'hubspot'\ntoken = 'pat-na1-in-the-file'", 2, "a secret does not belong"),
        ("[crm]\ntype = 'hubspot'\ntoken = 3", 2, "answers.toml: crm.token: "),
        ("[sources.zendesk]\nsubdomain = 'acme'", 2, "answers.toml: crm.type is missing: which CRM, 'hubspot' or "),
        ("", 2, "answers.toml: there is no answer in it; "),
    ],
)
def test_answers_that_cannot_be_used(desk: Desk, answers: str, code: int, words: str) -> None:
    file = desk.folder / "answers.toml"
    file.write_text(answers)
    said = desk.init("--answers", str(file))
    assert (said.code, words in said.err) == (code, True), said.err
    assert "pat-na1" not in said.text
    assert not desk.config.exists()


def test_what_contradicts_itself_or_leads_nowhere(desk: Desk, run: Callable[..., Said]) -> None:
    assert desk.init().code == 2, "nobody to ask"
    assert desk.init("--answers", "a", "--sandbox", "b").code == 2
    none = desk.init("--answers", str(desk.folder / "none.toml"))
    assert (none.code, "no such file of answers" in none.err) == (2, True)
    nowhere = run("init", "--config", str(desk.folder / "none" / "config.toml"))
    assert nowhere.code == 2
    assert "there is no such folder; make it" in nowhere.err


def test_a_config_that_would_lose_something_is_left_alone() -> None:
    odd = 'crm = { type = "hubspot" }\nidentity.own_domains = ["a.example"]\n'
    with pytest.raises(CommandError, match="without losing a part"):
        init_write.config_text({"crm": '[crm]\ntype = "hubspot"\n'}, dict.fromkeys(
            ("own_domains", "card", "fallback_owner", "state"), '"x"'), odd)  # fmt: skip


def test_a_failure_while_writing_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "config.toml"
    old.write_text("old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        init_write.write_all({tmp_path / "scorecard.toml": "new", old: "new"})
    assert [path.name for path in tmp_path.iterdir()] == ["config.toml"]
    assert old.read_text() == "old"


@pytest.mark.parametrize("item", [True, 7, 1.5, 'a"b\\c\n\x7fü', ["a", "b"], {"env": "X", "a b": [1]}])
def test_values_read_back_as_they_were(item: object) -> None:
    assert tomllib.loads(f"x = {init_write.value(item)}")["x"] == item


def test_every_vendor_has_its_questions() -> None:
    from connectors.registry import VENDORS

    assert set(init_ask.QUESTIONS) == set(VENDORS)
    for kind, questions in init_ask.QUESTIONS.items():
        fields = VENDORS[kind].load().Settings.model_fields
        assert {one.key for one in questions} <= set(fields)
        required = {name for name, info in fields.items() if info.is_required()}
        assert required <= {one.key for one in questions}


def test_what_cannot_be_looked_at_is_left_to_the_person(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(*_: object) -> None:
        raise MissingPermissionError("the token may not.", vendor="it")

    monkeypatch.setattr("cli.init.init_fields.look", closed)
    monkeypatch.setattr("cli.init.init_fields.account_key", closed)
    said = desk.init("--sandbox", str(desk.trial), "--yes")
    assert said.code == 0, said.text
    assert "what its fields mean could not be looked at: " in said.text
    assert "which property names the customer could not be looked at: " in said.text
    assert load(desk.config).crm.type == "hubspot"


def test_every_kind_of_source_is_written_to_be_read_by_people(tmp_path: Path, run: Callable[..., Said]) -> None:
    world = make_world(seed=2, accounts=4, people_per_account=3, months=2, now=START)
    sandbox = Sandbox(world, SandboxClock(START), vendors("hubspot", everything=True))
    new = tmp_path / "new" / "config.toml"
    new.parent.mkdir()
    with serve(sandbox) as running:
        trial = write_trial_config(tmp_path / "trial", running.base_urls, shelf=(world, START))
        said = run("init", "--sandbox", str(trial.parent), "--yes", "--config", str(new), clock=sandbox.clock)
        assert said.code == 0, said.text
        before, after = tomllib.loads(trial.read_text()), tomllib.loads(new.read_text())
        for name, table in before["sources"].items():
            mine = after["sources"][name]
            for key in table.keys() & {"streams", "forms", "surveys", "command"}:
                assert mine[key] == table[key]
        assert "Files: visits" in said.out
        assert "It can be read: the folder" in said.out
        assert "SQL knows us" not in said.out
        assert "[sources.visits.streams.answers.fields]" in new.read_text()
        assert max(map(len, new.read_text().splitlines())) < 200
        good = run("check", "--json", "--config", str(new), clock=sandbox.clock)
        assert not [one for found in good.data.values() for one in found if one["severity"] == "error"]
        again = new.read_text()
        assert run("init", "--yes", "--overwrite", "--config", str(new), clock=sandbox.clock).code == 0
        assert tomllib.loads(new.read_text()) == tomllib.loads(again)
