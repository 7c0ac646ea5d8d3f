"""Every link within the documentation, and every page that the program names, is there: file and heading."""

import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
ROOMS = ("cli", "connectors", "deploy", "mapping", "notify", "report", "scoring", "sync")
FENCE = re.compile(r"^(```+|~~~+)[^\n]*\n.*?^\1\s*$", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)|^\[[^\]]+\]:\s*(\S+)", re.MULTILINE)
MENTION = re.compile(r"docs/[\w/-]+\.(?:md|txt)(?:#[\w-]+)?")


def prose(text: str) -> str:
    """A page without what is shown as code."""
    return CODE.sub("", FENCE.sub("", text))


def links(text: str) -> list[str]:
    """Targets of a page's links that stay in the checkout."""
    found = [first or second for first, second in LINK.findall(prose(text))]
    return [target for target in found if not re.match(r"[a-z]+:", target)]


def slug(heading: str) -> str:
    """What GitHub, and MyST after it, call a heading in links."""
    shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", shown.strip().lower()).replace(" ", "-")


def anchors(text: str) -> set[str]:
    """Every place of a page that can be linked to."""
    found: set[str] = set(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", text))
    seen: Counter[str] = Counter()
    for heading in re.findall(r"^#{1,6} +(.+?)(?: +#+)?$", FENCE.sub("", text), re.MULTILINE):
        name = slug(heading)
        found.add(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return found


@cache
def anchors_of(page: Path) -> set[str]:
    return anchors(page.read_text(encoding="utf-8"))


def trouble(page: Path, target: str) -> str:
    """What is wrong with a link, "" when nothing is."""
    file, _, anchor = target.partition("#")
    there = (page.parent / file).resolve() if file else page
    if not there.exists():
        return f"{target}: there is no such file"
    if ROOT.resolve() not in (there, *there.parents):
        return f"{target}: leads out of the checkout"
    if anchor and (there.suffix != ".md" or anchor not in anchors_of(there)):
        return f"{target}: there is no such heading"
    return ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_a_file_and_a_heading(page: Path) -> None:
    found = links(page.read_text(encoding="utf-8"))
    assert not [text for target in found if (text := trouble(page, target))]


def test_pages_that_the_program_names_exist() -> None:
    files = [
        ROOT / "agent.py",
        *(f for room in ROOMS for f in (ROOT / room).rglob("*") if f.suffix in {".py", ".toml"}),
    ]
    named = {(file, name) for file in files for name in MENTION.findall(file.read_text(encoding="utf-8"))}
    assert len(named) > 20
    # The names of findings and errors are filled in while running: "docs/check.md#{code}"; other tests look at these.
    assert not [f"{file.name}: {text}" for file, name in sorted(named) if (text := trouble(ROOT / "README.md", name))]


def test_the_site_shows_every_page_once() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    trees = re.findall(r"```\{toctree\}\n(.*?)```", index, re.DOTALL)
    shown = Counter(name for tree in trees for name in re.findall(r"^[a-z][\w/-]*$", tree, re.MULTILINE))
    pages = {page.relative_to(ROOT / "docs").with_suffix("").as_posix() for page in PAGES[1:]} - {"index"}
    assert shown == dict.fromkeys(sorted(pages), 1)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("[a](b.md#c)", ["b.md#c"]),
        ('[a](b.md#c) and ![d](e.png "f")', ["b.md#c", "e.png"]),
        ("[a](https://example.com/x.md) [m](mailto:a@example.com)", []),
        ("`[a](b.md)` and\n\n```sh\n[a](c.md)\n```\n", []),
        ("[a][b]\n\n[b]: c.md#d\n", ["c.md#d"]),
    ],
)
def test_links_are_found(text: str, wanted: list[str]) -> None:
    assert links(text) == wanted


def test_headings_are_named_as_github_names_them() -> None:
    text = "# The `a`: b, c!\n\n## [run]\n\n## [[events]]\n\n## A person's word\n\n## run\n\n```\n# none\n```\n"
    assert anchors(text) == {"the-a-b-c", "run", "events", "a-persons-word", "run-1"}


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("none.md", "no such file"),
        ("docs/guard.md#none", "no such heading"),
        ("LICENSE#x", "no such heading"),
        ("../../etc", "o such file|leads out"),
        ("docs/guard.md", ""),
        ("#more", ""),
    ],
)
def test_a_broken_link_is_told(target: str, words: str) -> None:
    said = trouble(ROOT / "README.md", target)
    assert re.search(words, said) if words else not said
