"""The walls of the house: who may import whom, what heavy libraries may be touched where, how large a file may be."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("conformance", "connectors", "mapping", "scoring", "sync", "report", "notify", "sandbox", "cli")

ALLOWED = {
    "conformance": {"conformance", "connectors", "mapping", "sandbox"},
    "connectors": {"connectors"},
    "mapping": {"mapping"},
    "sandbox": {"sandbox"},
    "scoring": {"scoring", "mapping"},
    "sync": {"sync", "connectors", "mapping", "scoring"},
    "report": {"report", "sync", "scoring", "mapping"},
    "notify": {"notify", "sync"},
    "cli": set(ROOMS) - {"conformance"},
}

ONLY_IN = {
    "click": ("agent.py", "cli/"),
    "duckdb": ("scoring/", "sync/usage", "sync/export_parquet", "connectors/files_read"),
    "sqlglot": ("scoring/",),
    "hubspot": ("connectors/hubspot",),
    "simple_salesforce": ("connectors/salesforce",),
    "zenpy": ("connectors/zendesk",),
    "sqlalchemy": ("connectors/sql",),
    "psycopg": ("connectors/sql",),
    "mixpanel_utils": ("connectors/mixpanel",),
    "werkzeug": ("conformance/", "sandbox/"),
    "numpy": ("sandbox/",),
    "rich": ("cli/",),
    "jinja2": ("report/",),
    "markupsafe": ("report/",),
    "pygal": ("report/",),
    "prometheus_client": ("cli/metrics",),
    "smtplib": ("notify/mail",),
}

FILES = sorted([ROOT / "agent.py", *(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))])


def imports(path: Path) -> set[str]:
    """Names of every module that a file imports, wherever the import stands."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
    return found


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def imported() -> dict[str, set[str]]:
    """File -> what it imports."""
    return {name(path): imports(path) for path in FILES}


def may_import(file: str, module: str) -> bool:
    room, other = file.partition("/")[0], module.partition(".")[0]
    if room == "agent.py" or other not in {*ROOMS, "agent"}:
        return True
    if (room, other) == ("scoring", "mapping"):
        return module == "mapping.schema"
    return other in ALLOWED[room]


def test_imports_go_one_way(imported: dict[str, set[str]]) -> None:
    assert len(imported) > 300
    wrong = [f"{file} imports {one}" for file, found in imported.items() for one in found if not may_import(file, one)]
    assert wrong == []


def test_heavy_libraries_stay_in_their_rooms(imported: dict[str, set[str]]) -> None:
    used = {(file, module.partition(".")[0]) for file, found in imported.items() for module in found}
    wrong = [f"{file} imports {one}" for file, one in used if one in ONLY_IN and not file.startswith(ONLY_IN[one])]
    assert wrong == []


ASSETS = sorted(path for path in (ROOT / "report").glob("*/*") if path.suffix in {".js", ".css", ".html"})


def test_files_stay_short() -> None:
    lengths = {name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in [*FILES, *ASSETS]}
    assert {file: length for file, length in lengths.items() if length > 400} == {}


def test_help_is_quick_because_it_imports_nothing_heavy() -> None:
    code = (
        "import sys, agent\n"
        "try: agent.main(['--help'])\n"
        "except SystemExit as done: assert done.code == 0, done.code\n"
        "print(','.join(sorted({m.partition('.')[0] for m in sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    loaded = set(done.stdout.splitlines()[-1].split(","))
    heavy = {"duckdb", "sqlglot", "hubspot", "simple_salesforce", "zenpy", "mixpanel_utils", "numpy", "werkzeug"}
    assert not loaded & (heavy | {"requests", "pydantic", "sqlite_utils", "tldextract", "rich"})


def test_settings_of_every_vendor_are_read_without_an_http_library() -> None:
    code = (
        "import sys\n"
        "from connectors.registry import VENDORS\n"
        "for vendor in VENDORS.values(): vendor.settings()\n"
        "print(','.join({'requests', 'urllib3', 'http.client'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == "\n"


def test_the_package_list_names_every_room_and_the_packages_in_it() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = {str(path.parent.relative_to(ROOT)).replace("/", ".") for path in FILES if path.name == "__init__.py"}
    assert set(ROOMS) <= packages
    assert project["tool"]["setuptools"]["packages"] == sorted(packages)


def test_dependencies_are_pinned_with_hashes_and_name_no_host() -> None:
    for file in ("requirements.txt", "requirements-dev.txt"):
        text = (ROOT / file).read_text(encoding="utf-8")
        assert "://" not in text
        assert "--index-url" not in text
        pins = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
        assert all("==" in line and line.endswith("\\") for line in pins), file
        assert text.count("--hash=sha256:") >= len(pins)


def test_no_world_of_a_test_begins_today() -> None:
    """What a test expects must not depend on the day on which it runs."""
    undated = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        if path.name != "test_world.py"  # which tests that today is the default
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).endswith("make_world")
        and not any(keyword.arg == "now" for keyword in node.keywords)
    ]
    assert undated == []
