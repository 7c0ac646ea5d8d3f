"""The files under deploy/, checked by the tools of those who read them where there are such, and held to the page."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from agent import cli
from cli.config import load

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
PAGE = (ROOT / "docs" / "running.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


def understood(words: list[str]) -> None:
    """Let click take the words of a command, without running it."""
    context = cli.make_context("holdfast", list(words))
    assert isinstance(cli, click.Group)
    _, command, rest = cli.resolve_command(context, list(words))
    assert command is not None
    command.make_context(words[0], rest, parent=context)


# -- systemd ----------------------------------------------------------------------------------------------------------


def service() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in (DEPLOY / "systemd" / "holdfast.service").read_text(encoding="utf-8").splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units beside each other, with a program that exists here."""
    for file in (DEPLOY / "systemd").iterdir():
        text = file.read_text(encoding="utf-8").replace("/usr/local/bin/holdfast", "/bin/true")
        (tmp_path / file.name).write_text(text, encoding="utf-8")
    return tmp_path


@needs_systemd
def test_systemd_understands_the_units(units: Path) -> None:
    files = sorted(map(str, units.iterdir()))
    done = subprocess.run(["systemd-analyze", "verify", *files], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@needs_systemd
def test_the_service_is_as_little_exposed_as_the_page_says(units: Path) -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(units / "holdfast.service")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    level = re.search(r"exposure level for holdfast.service: ([\d.]+)", done.stdout)
    assert level is not None
    assert float(level[1]) <= 2.0
    assert "`systemd-analyze security`: 1.2 of 10" in PAGE


def test_the_unit_starts_a_command_that_exists_and_holds_no_secret() -> None:
    unit = service()
    program, *words = unit["ExecStart"][0].split()
    assert program == "/usr/local/bin/holdfast"
    understood(words)
    assert unit["User"] == ["holdfast"]
    assert "Environment" not in unit
    names = [line.partition(":")[0] for line in unit["LoadCredential"]]
    assert names == ["crm_token", "zendesk_token", "mixpanel_secret"]
    assert f"/run/credentials/holdfast.service/{names[0]}" in PAGE


# -- cron -------------------------------------------------------------------------------------------------------------


def test_the_cron_line_is_hourly_for_our_user_and_understood() -> None:
    lines = (DEPLOY / "cron" / "holdfast").read_text(encoding="utf-8").splitlines()
    jobs = [line for line in lines if line[:1].isdigit()]
    assert len(jobs) == 1
    minute, hour, day, month, weekday, user, command = jobs[0].split(maxsplit=6)
    assert (hour, day, month, weekday, user) == ("*", "*", "*", "*", "holdfast")
    assert 0 < int(minute) < 60
    assert "%" not in command  # cron takes it for the end of the line
    found = re.search(r"\{ holdfast ([^;]*);", command)
    assert found is not None
    understood(found[1].split())
    subprocess.run(["sh", "-n", "-c", command], check=True)


# -- container --------------------------------------------------------------------------------------------------------


def instructions() -> list[tuple[str, str]]:
    text = (DEPLOY / "container" / "Containerfile").read_text(encoding="utf-8")
    joined = re.sub(r"\\\n\s*", "", "".join(line + "\n" for line in text.splitlines() if not line.startswith("#")))
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line.strip())]


def test_the_image_has_two_stages_no_root_and_asks_for_its_health() -> None:
    found = instructions()
    stages = [rest for word, rest in found if word == "FROM"]
    assert stages == ["python:3.13-slim AS build", "python:3.13-slim"]
    last = dict(found[[word for word, _ in found].index("FROM", 1) :])
    assert last["USER"] == "10001:10001"
    assert last["ENTRYPOINT"] == '["holdfast"]'
    assert "/healthz" in last["HEALTHCHECK"]
    understood(yaml.safe_load(last["CMD"]))
    assert not [rest for word, rest in found if word in {"ADD", "ARG"} or ("http://" in rest and word != "HEALTHCHECK")]
    assert any("--require-hashes -r requirements.txt" in rest for _, rest in found)


def test_only_what_the_wheel_is_built_of_gets_into_the_image() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    let_in = {line[1:] for line in lines if line.startswith("!")}
    assert lines[1] == "*"
    packages = {name.partition(".")[0] for name in PROJECT["tool"]["setuptools"]["packages"]}
    files = {"LICENSE", "README.md", "agent.py", "pyproject.toml", "requirements.txt"}
    assert let_in == packages | files


# -- Kubernetes -------------------------------------------------------------------------------------------------------


def objects() -> dict[str, Any]:
    text = (DEPLOY / "kubernetes" / "cronjob.yaml").read_text(encoding="utf-8")
    return {one["kind"]: one for one in yaml.safe_load_all(text)}


def test_the_job_runs_alone_without_rights_on_a_read_only_root() -> None:
    found = objects()
    assert set(found) == {"ServiceAccount", "PersistentVolumeClaim", "ConfigMap", "CronJob"}  # and no Secret
    assert found["CronJob"]["apiVersion"] == "batch/v1"
    job = found["CronJob"]["spec"]
    assert job["concurrencyPolicy"] == "Forbid"
    assert job["jobTemplate"]["spec"]["backoffLimit"] == 0
    pod = job["jobTemplate"]["spec"]["template"]["spec"]
    assert (pod["restartPolicy"], pod["automountServiceAccountToken"]) == ("Never", False)
    assert pod["securityContext"]["runAsNonRoot"] is True
    (container,) = pod["containers"]
    rights = container["securityContext"]
    assert (rights["allowPrivilegeEscalation"], rights["readOnlyRootFilesystem"]) == (False, True)
    assert rights["capabilities"] == {"drop": ["ALL"]}
    assert f"{pod['securityContext']['runAsUser']}:" in dict(instructions())["USER"]
    understood(container["args"])
    assert container["image"] == f"holdfast:{PROJECT['project']['version']}"
    assert {one["name"] for one in container["volumeMounts"]} == {one["name"] for one in pod["volumes"]}
    claims = [one["persistentVolumeClaim"]["claimName"] for one in pod["volumes"] if "persistentVolumeClaim" in one]
    assert claims == [found["PersistentVolumeClaim"]["metadata"]["name"]]
    assert found["PersistentVolumeClaim"]["spec"]["accessModes"] == ["ReadWriteOncePod"]
    assert all("secretKeyRef" in one["valueFrom"] for one in container["env"])
    for one in container["env"]:
        assert f"--from-file={one['valueFrom']['secretKeyRef']['key']}" in PAGE


def test_the_config_of_the_job_is_one_that_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = objects()
    pod = found["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    for one in pod["containers"][0]["env"]:
        monkeypatch.setenv(one["name"], "made-up")
    file = tmp_path / "config.toml"
    file.write_text(found["ConfigMap"]["data"]["config.toml"], encoding="utf-8")
    config = load(file)
    mounts = [one["mountPath"] for one in pod["containers"][0]["volumeMounts"] if one["name"] == "state"]
    assert config.state_dir.is_relative_to(mounts[0])


# -- the wheel --------------------------------------------------------------------------------------------------------


def test_the_wheel_has_every_module_and_every_file_beside_it() -> None:
    settings = PROJECT["tool"]["setuptools"]
    packages = settings["packages"]
    assert settings["py-modules"] == ["agent"]
    rooms = {name.partition(".")[0] for name in packages}
    for room in sorted(rooms):
        for file in (ROOT / room).rglob("*"):
            if file.is_dir() or "__pycache__" in file.parts:
                continue
            package = ".".join(file.parent.relative_to(ROOT).parts)
            if file.suffix == ".py":
                assert package in packages, f"{file} is in no package"
            else:
                assert _data(file, packages, settings["package-data"]), f"{file} is left out of the wheel"


def _data(file: Path, packages: list[str], data: dict[str, list[str]]) -> bool:
    """Whether a file is data of the nearest package above it."""
    for folder in file.parents:
        package = ".".join(folder.relative_to(ROOT).parts)
        if package in packages:
            return any(file in folder.glob(pattern) for pattern in data.get(package, ()))
    return False


def test_the_wheel_says_what_it_is() -> None:
    project = PROJECT["project"]
    assert not [url for url in project.get("urls", {}).values() if "example" in url]
    assert "Environment :: Console" in project["classifiers"]
    assert all(f"Programming Language :: Python :: 3.{minor}" in project["classifiers"] for minor in (11, 12, 13))
    assert not [one for one in project["classifiers"] if one.startswith("License")]  # the SPDX expression says it
