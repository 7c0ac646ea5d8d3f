"""What `make docs` looks at in a built site, what it is built with, and hand-written tables against the code."""

import re
from pathlib import Path

import pytest

from docs.site import problems
from sync.notices import ALERTS

ROOT = Path(__file__).parent.parent
PAGE = '<!doctype html><html><head><link rel="stylesheet" href="a.css"></head><body id="top">{}</body></html>'


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('<a href="other.html#there">x</a> <a href="#top">x</a> <a href="a.css?v=1">x</a>', []),
        ('<a href="https://example.com/">x</a> <a href="mailto:a@example.com">x</a>', []),
        ('<a href="none.html">x</a>', ["none.html does not exist"]),
        ('<a href="other.html#here">x</a>', ["other.html#here has no such place"]),
        ('<a href="#none">x</a>', ["#none has no such place"]),
        ('<script src="https://cdn.example/x.js"></script>', ["loads https://cdn.example/x.js"]),
        ('<img src="//cdn.example/x.png">', ["loads //cdn.example/x.png"]),
        ('<img src="none.png">', ["none.png does not exist"]),
    ],
)
def test_a_built_site_is_looked_at(body: str, words: list[str], tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(PAGE.format(body), encoding="utf-8")
    (tmp_path / "other.html").write_text('<p id="there">x</p>', encoding="utf-8")
    (tmp_path / "a.css").write_text("", encoding="utf-8")
    assert list(problems(tmp_path)) == [f"index.html: {text}" for text in words]


@pytest.mark.parametrize(
    "css", ["@import url(https://fonts.example/x.css);", "a { background: url('//cdn.example/x.png') }"]
)
def test_style_sheets_load_nothing_from_elsewhere(css: str, tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text(css, encoding="utf-8")
    assert len(list(problems(tmp_path))) == 1
    (tmp_path / "a.css").write_text("a { background: url(x.png) }", encoding="utf-8")
    assert not list(problems(tmp_path))


def test_what_builds_the_site_is_pinned_by_hash_and_names_no_host() -> None:
    text = (ROOT / "requirements-docs.txt").read_text(encoding="utf-8")
    parts = re.split(r"\n(?=\S)", text.strip())
    assert not [
        part for part in parts if not re.match(r"[a-z0-9.-]+==\S+ \\\n(\s+--hash=sha256:[0-9a-f]{64}( \\\n)?)+", part)
    ]
    assert "://" not in text
    pinned = dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", text, re.MULTILINE))
    assert {"sphinx", "myst-parser", "furo"} <= set(pinned)
    for other in ("requirements.txt", "requirements-dev.txt"):
        known = dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", (ROOT / other).read_text(encoding="utf-8"), re.MULTILINE))
        assert {name: known[name] for name in pinned if name in known} == {n: pinned[n] for n in pinned if n in known}


def test_every_metric_is_told() -> None:
    code = (ROOT / "cli" / "metrics_text.py").read_text(encoding="utf-8")
    made = set(re.findall(r'"(holdfast_[a-z_]+)"', code)) | {"holdfast_quota_limit", "holdfast_quota_remaining"}
    told = set(re.findall(r"`(holdfast_[a-z_]+)`", (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")))
    assert len(made) > 10
    assert made == told


def test_every_kind_of_notice_is_told() -> None:
    text = (ROOT / "docs" / "notifications.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \|", text.partition("## What is told")[2].partition("\n## ")[0], re.MULTILINE)
    assert sorted(rows) == sorted(ALERTS)
