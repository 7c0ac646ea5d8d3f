"""How Sphinx makes the site out of these pages; `make docs` runs it.

Nothing is loaded from elsewhere, neither while building nor while reading: Furo uses the fonts of the machine, and the
search is a file of the site.
"""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = "Holdfast"
version = release = _PROJECT["version"]
project_copyright = "the Holdfast contributors; GPL-3.0-or-later"
extensions = ["myst_parser"]
exclude_patterns = ["*.py", "*.txt"]
nitpicky = True

myst_heading_anchors = 4
"""Headings down to this level can be linked to, by the names that GitHub gives them."""

html_theme = "furo"
html_title = f"Holdfast {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_domain_indices = False
html_use_index = False
pygments_style = "friendly"
pygments_dark_style = "monokai"
