"""What is installed is what was decided on: pinned by hash, from no named place, under licences that go with ours."""

import importlib.metadata
import json
import re
import tomllib
from pathlib import Path

import pytest

from docs.sbom import ROOT, bom, canonical, licences, main, pinned

LOCKS = ("requirements.txt", "requirements-dev.txt")

COMPATIBLE = {
    *("MIT", "MIT-0", "0BSD", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "PSF-2.0", "MPL-2.0", "Zlib", "CC0-1.0"),
    *("GPL-3.0-only", "GPL-3.0-or-later", "LGPL-3.0-only", "LGPL-3.0-or-later"),
}
"""May be combined with, and given on together with, GPL-3.0-or-later, by the FSF's list of licences."""

WORDS = {
    "Apache-2.0": "apache",
    "MIT": "mit",
    "BSD-3-Clause": "bsd",
    "BSD-2-Clause": "bsd",
    "MPL-2.0": "mpl",
    "PSF-2.0": "psf",
    "GPL-3.0-only": "gpl",
    "LGPL-3.0-or-later": "lgpl",
}
UNSAID = {"mixpanel-utils", "click-default-group"}
"""Their metadata name no licence, or only a class of it; the files that they come with do."""


def direct() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {canonical(re.split(r"[^A-Za-z0-9._-]", one, maxsplit=1)[0]) for one in project["dependencies"]}


def test_a_new_dependency_is_a_decision() -> None:
    assert set(pinned()) == set(licences())
    assert direct() <= set(pinned())
    run, develop = (pinned(ROOT / name) for name in LOCKS)
    assert {name: develop.get(name) for name in run} == run, "tests run with what is run"


@pytest.mark.parametrize("lock", LOCKS)
def test_everything_is_pinned_by_hash_and_from_no_named_place(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert all(hashes for _, hashes in pinned(ROOT / lock).values())
    assert len(re.findall(r"^[A-Za-z0-9]", text, re.MULTILINE)) == len(pinned(ROOT / lock))
    for line in text.splitlines():
        assert re.fullmatch(
            r"\s*(#.*)?|[A-Za-z0-9._-]+==\S+( ; [^\\]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?", line
        ), line
    assert not re.search(r"://|@ |--(index|extra|find|trusted|editable)|^-e", text, re.MULTILINE)


def test_no_file_names_a_place_to_install_from() -> None:
    for name in (*LOCKS, "requirements.in", "requirements-dev.in", "pyproject.toml", "Makefile"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert not re.search(r"--(extra-)?index-url[ =]\S|--find-links[ =]|--trusted-host[ =]|git\+|https?://", text), (
            name
        )


def test_licences_go_with_ours() -> None:
    for name, terms in licences().items():
        parts = re.split(r" (?:AND|OR) ", terms)
        assert set(parts) <= COMPATIBLE, name


def test_licences_are_those_that_the_installed_say() -> None:
    for name, terms in licences().items():
        try:
            about = importlib.metadata.metadata(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # for another kind of machine
        said = " ".join(
            str(one)
            for key in ("License-Expression", "License", "Classifier")
            for one in about.get_all(key) or []
            if key != "Classifier" or str(one).startswith("License")
        ).lower()
        word = WORDS.get(re.split(r" (?:AND|OR) ", terms)[0].removesuffix("-0"), terms.lower())
        assert name in UNSAID or word in said, (name, terms, said[:200])


def test_the_list_of_parts(tmp_path: Path) -> None:
    target = tmp_path / "new" / "sbom.json"
    main(target)
    first = target.read_bytes()
    main(target)
    assert target.read_bytes() == first
    made = json.loads(first)
    assert made == bom()
    assert (made["bomFormat"], made["specVersion"]) == ("CycloneDX", "1.6")
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", made["serialNumber"])
    parts = {part["name"]: part for part in made["components"]}
    assert set(parts) == set(pinned())
    refs = {part["bom-ref"] for part in made["components"]} | {made["metadata"]["component"]["bom-ref"]}
    assert len(refs) == len(parts) + 1
    for edge in made["dependencies"]:
        assert {edge["ref"], *edge["dependsOn"]} <= refs
    needs = {edge["ref"]: edge["dependsOn"] for edge in made["dependencies"]}
    assert parts["urllib3"]["purl"] in needs[parts["requests"]["purl"]]
