"""Errors have a kind with a heading in docs/errors.md, a cause and a remedy."""

import ast
import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from agent import main
from cli.error_words import ERRORS, kind_named, kind_of
from cli.errors import CommandError, failure

ROOT = Path(__file__).parents[2]
ROOMS = ("cli", "connectors", "mapping", "notify", "report", "scoring", "sync")
HIDDEN = {
    "connectors.amplitude_export.TooWideError": "a shorter range is asked for",
    "connectors.files_read.BadFileError": "the file goes to failed/, with this beside it",
    "connectors.stripe_money.UnknownPriceError": "the subscription's recurring revenue is not known",
    "connectors.address.UnsafeAddressError": "caught by the transport, which says it as a vendor that is not reached",
    "connectors.errors.ConnectorError": "only made as one of its kinds",
    "connectors.retry.Failed": "one try of several",
    "connectors.salesforce_bulk._BrokenError": "the job is begun anew",
    "connectors.salesforce_walk._ShortError": "a smaller page is asked for",
    "mapping.convert.UnreadableError": "the value is left out, and counted with its reason",
    "mapping.paths.PathError": "said as an error of the field map",
    "sync.forget.UnknownPersonError": "said as an error of the command",
    "sync.owned.OwnedFieldError": "said as an error of the config, or of the command",
}
"""Errors of ours that no person meets under their own name -> what becomes of them."""


def error_classes() -> Iterator[str]:
    """Every exception class of the product by its dotted name."""
    for room in ROOMS:
        for file in (ROOT / room).rglob("*.py"):
            module = ".".join(file.relative_to(ROOT).with_suffix("").parts)
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef) and any(ast.unparse(base).endswith(ENDS) for base in node.bases):
                    yield f"{module}.{node.name}"


ENDS = ("Error", "Exception")


def load(name: str) -> type[BaseException]:
    module, _, attribute = name.rpartition(".")
    found = getattr(import_module(module), attribute)
    assert isinstance(found, type)
    assert issubclass(found, BaseException)
    return found


def test_every_error_of_ours_has_a_meaning_of_its_own_or_that_of_its_kin() -> None:
    found = sorted(error_classes())
    assert len(found) > 35
    unexplained = [name for name in found if kind_of(load(name)) in {"defect", "system"}]
    assert sorted(set(unexplained) - set(HIDDEN)) == []
    assert not sorted(set(HIDDEN) - set(unexplained)), "no longer needed"


def test_a_kind_is_that_of_the_nearest_class() -> None:
    assert kind_of(load("connectors.errors.NotFoundError")) == "refused"
    assert kind_of(load("sync.budget.BudgetError")) == "quota"
    assert kind_of(load("sync.lock.FencedError")) == "fenced"
    assert kind_of(load("sqlite3.OperationalError")) == "state_file"
    assert kind_of(FileNotFoundError) == "system"
    assert kind_of(ZeroDivisionError) == "defect"
    assert kind_of(KeyboardInterrupt) == "stopped"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("QuotaError", "quota"),
        ("NotFoundError", "refused"),
        ("DoubtError", "doubt"),
        ("UnclearError", "unclear"),
        ("KeyError", "defect"),
    ],
)
def test_the_kind_of_a_class_of_which_only_the_name_was_kept(name: str, kind: str) -> None:
    load("sync.doubt.DoubtError")
    assert kind_named(name) == kind


def test_every_kind_has_a_heading() -> None:
    lines = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8").splitlines()
    assert [line.removeprefix("## ") for line in lines if line.startswith("## ")] == sorted(
        {one.kind for one in ERRORS.values()}
    )


def test_json_says_the_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["status", "--json", "--config", str(tmp_path / "none.toml")])
    said = json.loads(capsys.readouterr().out)
    assert (said["kind"], said["exit_code"], left.value.code) == ("config", 2, 2)
    assert failure(CommandError("no", 4)) == {"error": "no", "exit_code": 4, "kind": "command"}
