"""Charts as SVG, drawn by pygal when the report is made.

Why pygal: the drawing is finished when the file is written, so that the page needs no chart script, no `eval` and no
network; it is 60 kB to download with one dependency, where plotly and Bokeh put 1 to 5 MB of script into every report,
Vega needs `eval` or an interpreter of its own, and matplotlib writes colours into `style` attributes, which the page's
policy stops and which no dark scheme can change. pygal names everything by class. Its own style sheet, its script and
its tooltips are taken out here; report.css gives the classes colours for both schemes and for paper, and each bar says
its value in a `title`, which screen readers and pointers show.

What is drawn once per account (sparklines, a score's history) is a single line each and is drawn by report.js when it
is looked at: ten thousand drawings would be 20 MB.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

import pygal
from markupsafe import Markup
from pygal.style import Style

# pygal puts a finder for its maps, which we do not draw, into all imports: an old one, of which Python 3.11 warns.
sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, pygal.PluginImportFixer)]

_SVG = "{http://www.w3.org/2000/svg}"
_DROPPED = {f"{_SVG}defs", f"{_SVG}desc", f"{_SVG}title"}
_OVERLAYS = {"tooltip-overlay", "text-overlay", "overlay", "titles"}
_STYLE = Style(font_family="inherit", label_font_size=12, major_label_font_size=12, value_font_size=12)


def stacked(labels: Sequence[str], series: Mapping[str, Sequence[int]], *, what: str, every: int = 1) -> Markup:
    """One stacked bar per label.

    Args:
        labels: What stands below the bars.
        series: Name -> a number per label; the name is also the CSS class. The first lies at the bottom.
        what: What the whole shows, for those who cannot see it.
        every: Only each so-manieth label is written, counted from the last.
    """
    chart = pygal.StackedBar(**_common(height=250), show_minor_x_labels=every == 1)
    chart.x_labels = list(labels)
    if every > 1:
        chart.x_labels_major = list(labels)[::-1][::every]
    for name, numbers in series.items():
        chart.add(name, list(numbers))
    return _svg(chart, what, list(series))


def ranking(rows: Sequence[tuple[str, float]], *, what: str, unit: str) -> Markup:
    """Horizontal bars, the first at the top."""
    chart = pygal.HorizontalBar(**_common(height=44 + 34 * len(rows)), show_y_guides=False)
    chart.x_labels = [name for name, _ in reversed(rows)]
    chart.add(unit, [number for _, number in reversed(rows)])
    return _svg(chart, what, ["value"])


def _common(*, height: int) -> dict[str, Any]:
    return {
        "js": [],
        "css": [],
        "style": _STYLE,
        "width": 720,
        "height": height,
        "show_legend": False,
        "disable_xml_declaration": True,
        "no_prefix": True,
        "margin": 8,
        "spacing": 6,
        "max_scale": 6,
        "truncate_label": 24,
        "formatter": lambda value: f"{value:,.0f}",
    }


def _svg(chart: Any, what: str, classes: Sequence[str]) -> Markup:
    """What pygal drew, without its style sheet, script and tooltips, with classes and words of ours."""
    root = ET.fromstring(chart.render(is_unicode=True))  # noqa: S314 - what pygal has just written
    parents = {child: parent for parent in root.iter() for child in parent}
    for group in root.iter(f"{_SVG}g"):
        words = group.get("class", "").split()
        if "series" in words:
            group.set("class", f"{group.get('class')} {classes[_number(words)]}")
    said = {bar: _said(bar) for bar in root.iter(f"{_SVG}g") if bar.get("class") == "bar"}
    for element in list(root.iter()):
        if element.tag in _DROPPED or set(element.get("class", "").split()) & _OVERLAYS:
            parents[element].remove(element)
    for bar, text in said.items():
        title = ET.Element(f"{_SVG}title")
        title.text = text
        bar.append(title)
    root.attrib.pop("id", None)
    root.set("role", "img")
    root.set("aria-label", what)
    ET.register_namespace("", _SVG.strip("{}"))
    return Markup(ET.tostring(root, encoding="unicode"))  # noqa: S704 - escaped by ElementTree


def _number(words: Sequence[str]) -> int:
    return next(int(word.removeprefix("serie-")) for word in words if word.startswith("serie-"))


def _said(bar: ET.Element) -> str:
    """What a pointer shows of a bar: its label and its value."""
    notes = {note.get("class"): note.text or "" for note in bar.iter(f"{_SVG}desc")}
    return f"{notes.get('x_label', '')}: {notes.get('value', '')}".lstrip(": ")
