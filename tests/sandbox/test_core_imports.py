"""The simulators must not share a bug with what they test: they import nothing of ours but each other."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "sandbox"
OURS = {"agent", "cli", "connectors", "mapping", "scoring", "sync", "report", "notify"}
CLIENTS = {"hubspot", "zenpy", "mixpanel_utils", "simple_salesforce"}


def imported(path: Path) -> set[str]:
    """Top-level names of everything a file imports, at whatever depth it does so."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add("." if node.level else (node.module or "").partition(".")[0])
    return names


def test_the_sandbox_imports_nothing_of_ours() -> None:
    found = {path.name: imported(path) & (OURS | CLIENTS | {"."}) for path in sorted(PACKAGE.rglob("*.py"))}
    assert len(found) > 100
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


def test_the_check_sees_imports_inside_functions(tmp_path: Path) -> None:
    source = tmp_path / "bad.py"
    source.write_text(
        "def f() -> None:\n    from connectors.base import Row\n    import sync.store\n    from . import x\n"
    )
    assert imported(source) == {"connectors", "sync", "."}
