"""One self-contained HTML file: its styles, scripts and data inside, and a policy that allows nothing else.

The policy (Content Security Policy, level 3, in a `meta` element because a file has no headers) names every style and
script by its SHA-256. What somebody managed to put into a name is therefore neither run nor fetched, even if it were to
get past the escaping: no inline handler, no `style` attribute, no image, no request. `frame-ancestors`, `sandbox` and
`report-uri` do not work in a `meta` element and are left out.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

_HERE = Path(__file__).parent
DATA_ID = "data"
"""The element that holds the data: `JSON.parse(document.getElementById("data").textContent)`."""
STYLE = "page.css"
"""The style of every page: colours of both schemes, type, tables, print."""
TABLE_SCRIPTS = ("rows.js", "table.js")
"""What `holdfast.table` takes, in the order in which they run; it wants the style table.css."""


@cache
def asset(name: str) -> str:
    """The text of a file in report/assets."""
    return (_HERE / "assets" / name).read_text(encoding="utf-8")


@cache
def _templates() -> Environment:
    found = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.policies["json.dumps_kwargs"] = {"sort_keys": False}
    return found


def render(template: str, **values: Any) -> Markup:
    """A template of report/templates as markup; every value in it is escaped unless it is `Markup` itself."""
    return Markup(_templates().get_template(template).render(**values))  # noqa: S704 - the template escapes


def page(title: str, body: Markup, data: object, *, scripts: Sequence[str], styles: Sequence[str] = (STYLE,)) -> str:
    """A whole page as one file.

    Args:
        title: What the window is called; plain text.
        body: What stands in `body`. `Markup`, so that nobody hands over plain text by accident: `render` makes it.
        data: What the scripts read, as JSON; see `DATA_ID`. None: there is no data.
        scripts: Files of report/assets, in the order in which they run, once the body is there.
        styles: Files of report/assets.
    """
    script_texts, style_texts = [asset(name) for name in scripts], [asset(name) for name in styles]
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src {_hashes(script_texts)}",
            f"style-src {_hashes(style_texts)}",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    return render(
        "page.html",
        title=title,
        body=Markup(body),  # noqa: S704 - it is Markup by its type already
        policy=policy,
        data=None if data is None else embedded(data),
        scripts=[Markup(text) for text in script_texts],  # noqa: S704 - files of this package
        styles=[Markup(text) for text in style_texts],  # noqa: S704 - files of this package
    )


def embedded(data: object) -> Markup:
    """Data as JSON that can stand inside a `script` element.

    An end tag or a comment would end or change the element, and both begin with `<`; U+2028 and U+2029 are line ends to
    old readers. JSON allows to write any of them as an escape, so the value read back is the same.
    """
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for mark in "<>&\u2028\u2029":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return Markup(text)  # noqa: S704 - nothing in it can open or close an element


def _hashes(texts: Sequence[str]) -> str:
    return " ".join(f"'sha256-{_digest(text)}'" for text in texts) or "'none'"


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
