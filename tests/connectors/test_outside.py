"""Connectors from outside: found by a package's entry point or by the path of a file, or refused in words."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.app import wire
from cli.config import InvalidConfigError, load
from cli.field_maps import field_map_of
from connectors import outside
from connectors.errors import ConfigError
from connectors.registry import VENDORS
from mapping.fields import FieldMapError

CRM = '[crm]\ntype = "hubspot"\ntoken = { env = "HUBSPOT_TOKEN" }\n'
MODULE = '''
from pydantic import BaseModel, SecretStr
from connectors.base import Batch, Environment, Finding, Stream

API = 1
FIELD_MAP = """
[people]
record = "contact"
[people.fields]
source_id = "id"
email = "mail"
"""

class Settings(BaseModel, extra="forbid"):
    token: SecretStr

class Desk:
    streams = (Stream("people", "contact"),)
    calls = {}
    def __init__(self, name): self.name = name
    def environment(self): return Environment("desk", "1", "Desk", "desk")
    def check(self): yield Finding("ok", "identity", "Desk.")
    def pull(self, stream, cursor): yield Batch([{"id": "1", "mail": "a@b.example"}], "1")

def connect(name, settings, *, clock, adapter=None, spool=None, own_fields=(), wanted=None):
    return Desk(name)
'''
"""A connector as small as can be."""


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("HUBSPOT_TOKEN", "pat-1")
    monkeypatch.setenv("DESK_TOKEN", "desk-canary")
    before = set(sys.modules)
    yield
    for name in {one for one in sys.modules if one.startswith(("holdfast_file_", "acme_"))} - before:
        del sys.modules[name]


def config(folder: Path, kind: str, more: str = "") -> Path:
    path = folder / "config.toml"
    text = f'{CRM}[sources.desk]\ntype = "{kind}"\ntoken = {{ env = "DESK_TOKEN" }}\n{more}'
    path.write_text(text, encoding="utf-8")
    return path


def package(folder: Path, monkeypatch: pytest.MonkeyPatch, points: str, **modules: str) -> None:
    """An installed package: modules, and the metadata that an installer writes."""
    info = folder / "acme_desk-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-desk\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[holdfast.connectors]\n{points}\n")
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(folder))


PATHS = {"PYTHONPATH": os.pathsep.join(sys.path)}
VENDOR = 'from connectors.registry import Vendor\nVENDOR = Vendor("Acme Desk", "acme_desk", "acme_desk")\n'


def said(path: Path) -> str:
    with pytest.raises(InvalidConfigError) as caught:
        wire(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: sources.desk")
    assert "desk-canary" not in text
    return text


def test_a_package_is_found_by_its_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package(tmp_path / "site", monkeypatch, "acme = acme_entry:VENDOR", acme_entry=VENDOR, acme_desk=MODULE)
    (_, (source, fields)) = wire(config(tmp_path, "acme", '[sources.desk.fields.people]\nemail = "post"\n')).sources
    assert (source.name, fields.streams) == ("desk", ("people",))
    assert fields.paths("people") == ["id", "post"]
    assert "Did you mean 'acme'? Allowed: acme, " in said(config(tmp_path, "acmee"))


def test_what_is_installed_is_looked_for_only_when_the_config_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.outside.installed", lambda: pytest.fail("looked"))
    assert outside.vendor_of("zendesk") is VENDORS["zendesk"]
    code = "import sys, connectors.outside; print({'requests', 'urllib3', 'importlib.metadata'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, env=PATHS, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(
    ("points", "entry", "text"),
    [
        (
            "zendesk = acme_entry:VENDOR",
            VENDOR,
            "the package acme-desk brings a connector named 'zendesk', and so does Hold",
        ),
        ("acme = acme_entry:NONE", VENDOR, "the package acme-desk cannot be loaded: AttributeError"),
        ("acme = acme_entry:VENDOR", "import acme_missing", "cannot be loaded: ModuleNotFoundError: No module named"),
        (
            "acme = acme_entry:VENDOR",
            "VENDOR = 7",
            "must give a connectors.registry.Vendor at acme_entry:VENDOR, not a int",
        ),
        ("acme = acme_entry:VENDOR", VENDOR.replace('"acme_desk")', '"acme_no")'), "Acme Desk cannot be loaded"),
        ("acme = acme_entry:VENDOR", VENDOR.replace('"acme_desk",', '"acme_no",'), "acme cannot be loaded"),
        ("mine.py = acme_entry:VENDOR", VENDOR, "names a connector 'mine.py'; only files end so"),
    ],
)
def test_a_package_that_cannot_be_used_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, points: str, entry: str, text: str
) -> None:
    package(tmp_path / "site", monkeypatch, points, acme_entry=entry, acme_desk=MODULE)
    assert text in said(config(tmp_path, "acme"))


def test_two_packages_with_one_name_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in ("one", "two"):
        package(tmp_path / number, monkeypatch, "acme = acme_entry:VENDOR", acme_entry=VENDOR)
        info = tmp_path / number / "acme_desk-1.0.dist-info"
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: acme-{number}\nVersion: 1.0\n")
        info.rename(info.with_name(f"acme_{number}-1.0.dist-info"))
    assert "the package acme-two brings a connector named 'acme', and so does acme-one" in said(
        config(tmp_path, "acme")
    )


def test_a_file_beside_the_config_is_a_connector(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MODULE)
    wiring = wire(config(tmp_path, "mine.py"))
    (_, (source, fields)) = wiring.sources
    assert (source.name, fields.vendor) == ("desk", "mine.py")
    assert wiring.config.sources[0].type == str(tmp_path / "mine.py")
    (tmp_path / "mine.py").write_text(MODULE.replace('Stream("people"', 'Stream("persons"'))
    assert wire(config(tmp_path, "mine.py")).sources[1][0].streams[0].name == "persons", "what was loaded is stale"


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("API = 1", "API = 2", "mine.py was written for 2: this Holdfast has API = 1"),
        ("API = 1", "", "mine.py does not say which one it was written for"),
        ("API = 1", "API = 1 +", "mine.py cannot be loaded: SyntaxError: invalid syntax, line 5"),
        ("API = 1", "\0", "source code string cannot contain null bytes."),
        ("API = 1", "raise OSError('a\\nb')", "mine.py cannot be loaded: OSError: a b, mine.py line 5"),
        ("API = 1", "raise SystemExit(0)", "mine.py cannot be loaded: SystemExit: 0, mine.py line 5"),
        ("API = 1", "API = 1 / 0", "mine.py cannot be loaded: ZeroDivisionError: division by zero, mine.py line 5"),
        ("class Settings(BaseModel, ", "class Other(BaseModel, ", "mine.py needs `Settings`, a pydantic model"),
        ("FIELD_MAP = ", "MAP = ", "mine.py needs `FIELD_MAP`, the text of a field map"),
        ('record = "contact"', "record = ", "FIELD_MAP of mine.py is not valid TOML"),
        ("def connect", "def other", "the connector has no function `connect`"),
        ("return Desk(name)", "return 7", "gave something that is no source: it lacks name, streams, calls"),
        (
            "return Desk(name)",
            "raise ValueError(settings.token.get_secret_value()[:5])",
            "its `connect` failed: ValueError",
        ),
        ("    token: SecretStr", "    url: str", "sources.desk.url: is missing"),
    ],
)
def test_a_file_that_is_no_connector_is_explained(tmp_path: Path, old: str, new: str, text: str) -> None:
    assert old in MODULE
    (tmp_path / "mine.py").write_text(MODULE.replace(old, new))
    assert text in said(config(tmp_path, "mine.py"))


def test_errors_of_a_connector_stay_what_they_are(tmp_path: Path) -> None:
    raising = 'from connectors.errors import ConfigError; raise ConfigError("no such desk.")'
    (tmp_path / "mine.py").write_text(MODULE.replace("return Desk(name)", raising))
    assert said(config(tmp_path, "mine.py")).endswith("sources.desk: no such desk.")
    (tmp_path / "mine.py").write_text(MODULE.replace('email = "mail"', 'emial = "mail"'))
    vendor = load(config(tmp_path, "mine.py")).sources[0]
    with pytest.raises(FieldMapError, match="Did you mean 'email'"):
        field_map_of(vendor, "config.toml", "sources.desk")


def test_a_file_that_others_can_change_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = tmp_path / "mine.py"
    path = config(tmp_path, "mine.py")
    assert "mine.py cannot be read: No such file or directory" in said(path)
    mine.write_text(MODULE)
    mine.chmod(0o664)
    assert f"{mine} can be changed by others, who could change what is run; run: chmod go-w {mine}" in said(path)
    mine.chmod(0o644)
    tmp_path.chmod(0o777)
    assert f"run: chmod go-w {tmp_path}" in said(path)
    tmp_path.chmod(0o755)
    with monkeypatch.context() as other:
        if os.geteuid() == 0:
            os.chown(mine, 4711, -1)
        else:
            other.setattr("connectors.outside.os.geteuid", lambda: 4711)
        assert "belongs to somebody else" in said(path)
    os.chown(mine, os.geteuid(), -1)
    mine.write_text("#" * (outside.MAX_FILE + 1))
    assert "is larger than 1024 KiB" in said(path)


def test_a_package_may_be_gone_by_now() -> None:
    with pytest.raises(ConfigError, match="the package that brought 'acme-gone' is no longer installed"):
        outside.known_vendor("acme-gone")


def test_a_crm_is_never_a_file(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[crm]\ntype = "mine.py"\n')
    with pytest.raises(
        InvalidConfigError, match=r"crm.type = 'mine.py': no such vendor. Allowed: hubspot, salesforce\."
    ):
        load(path)
