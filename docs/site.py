"""Builds the site out of docs/ with Sphinx and looks at what came out: `python -m docs.site FOLDER`, or `make docs`.

A warning is an error, as are links within the site that lead nowhere and pages that would load anything from another
host. Links for people to follow may lead anywhere; nobody asks whether they do: building needs no network.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

DOCS = Path(__file__).parent
_URL = re.compile(r"""(?:url\(|@import)\s*["']?([^"')\s;]+)""")
LOADS = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "audio": "src",
    "video": "src",
    "link": "href",
}
"""Element -> the attribute that a browser loads by itself."""


class _Page(HTMLParser):
    """What a page links to, what it loads and what can be linked to in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note one element."""
        known = dict(attrs)
        self.ids |= {value for key in ("id", "name") if (value := known.get(key))}
        if target := known.get(LOADS.get(tag, "")):
            self.loads.append(target)
        if tag == "a" and (target := known.get("href")):
            self.links.append(target)


def problems(folder: Path) -> Iterator[str]:
    """A line for everything that is wrong with a built site."""
    pages = {path.resolve(): _Page(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.html"))}
    for path, page in pages.items():
        name = path.relative_to(folder.resolve()).as_posix()
        for target in page.loads:
            if "//" in target:
                yield f"{name}: loads {target}"
        yield from (f"{name}: {text}" for target in (*page.links, *page.loads) if (text := _wrong(pages, path, target)))
    for path in sorted(folder.rglob("*.css")):
        for target in _URL.findall(path.read_text(encoding="utf-8")):
            if "//" in target and not target.startswith("data:"):
                yield f"{path.relative_to(folder).as_posix()}: loads {target}"


def _wrong(pages: Mapping[Path, _Page], path: Path, target: str) -> str:
    """What is wrong with a link within the site; "" when nothing is, or when it leads elsewhere."""
    if "//" in target or target.startswith(("mailto:", "data:")):
        return ""
    file, anchor = urldefrag(target)
    found = (path.parent / unquote(file.partition("?")[0])).resolve() if file else path
    if not found.is_file():
        return f"{target} does not exist"
    missing = anchor and found in pages and unquote(anchor) not in pages[found].ids
    return f"{target} has no such place" if missing else ""


def build(folder: Path) -> int:
    """Build the site and look at it; 0 when all is well, else the problems were printed."""
    from sphinx.cmd.build import build_main

    ending: int = build_main(
        ["-b", "html", "-W", "--keep-going", "-q", "-d", f"{folder}.doctrees", str(DOCS), str(folder)]
    )
    if ending:
        return ending
    found = list(dict.fromkeys(problems(folder)))
    for problem in found:
        sys.stderr.write(f"{problem}\n")
    if not found:
        sys.stdout.write(f"{len(list(folder.rglob('*.html')))} pages in {folder}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(build(Path(sys.argv[1])))
