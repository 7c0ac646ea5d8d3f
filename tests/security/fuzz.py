"""Each kind of text that people or vendors give us, put where it ends up, and read again by somebody else's rules.

A fuzzer gives the payloads that escaped: none, unless we have a defect. The readers here share no code with it.
"""

import csv
import io
import os
import re
import unicodedata
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

from cli.cells import table
from cli.output import clean
from connectors.errors import ConnectorError, RequestError
from connectors.hubspot_tasks import marked, shown_body, task_body
from connectors.origin import Origin
from connectors.salesforce_soql import is_id, one_of, quoted, select
from tests.security.payloads import payloads

KEY = "00112233445566778899aabbccddeeff"


def volume(short: int) -> int:
    """Payloads for a fuzzer: what HOLDFAST_FUZZ says, else `short`."""
    return int(os.environ.get("HOLDFAST_FUZZ", short))


# -- spreadsheets ------------------------------------------------------------------------------------------------------


def cells(count: int, seed: int = 1) -> list[str]:
    """Cells of a table that a spreadsheet would run, whichever separator it expects."""
    escaped = []
    for text in payloads(count, seed):
        content = table(("a", "b", "c"), [("left", text, "right"), (text, text, text)])
        rows = list(csv.reader(io.StringIO(content, newline=""), strict=True))
        shape = [len(row) for row in rows] == [3, 3, 3] and (rows[1][0], rows[1][2]) == ("left", "right")
        seen = [one for row in rows for one in row]
        for separator in ";\t|":
            seen += [one for row in csv.reader(io.StringIO(content, newline=""), delimiter=separator) for one in row]
        seen += content.splitlines()  # as text, by whoever knows no quotes: every line begins with one
        if not shape or any(runs(one) for one in seen):
            escaped.append(text)
    return escaped


def runs(cell: str) -> bool:
    """Whether a careless spreadsheet would take a cell for a formula: blanks and quotes before it do not count."""
    if not cell.strip(' \t\r\n"'):
        return False
    if cell[0] in "\t\r":
        return True
    for sign in unicodedata.normalize("NFKC", cell):
        unseen = sign.isspace() or not sign.isprintable() or unicodedata.combining(sign)
        if not unseen and sign not in '"\u115f\u1160\u2800\ufe0f\u034f':
            return sign in "=+-@\u2212"
    return False


# -- SOQL --------------------------------------------------------------------------------------------------------------

_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", '"': '"', "'": "'", "\\": "\\"}


def literal(text: str, start: int) -> tuple[str, int]:
    """The value of the literal that begins at a place, and the place behind it; by Salesforce's list of escapes."""
    assert text[start] == "'"
    found, at = [], start + 1
    while text[at] != "'":
        if text[at] == "\\":
            found.append(_ESCAPED[text[at + 1]])
            at += 2
        else:
            assert text[at] not in "\r\n", "a literal ends on its line"
            found.append(text[at])
            at += 1
    return "".join(found), at + 1


def soql(count: int, seed: int = 2) -> list[str]:
    """Values that are not one literal, and names that get into a query."""
    escaped = []
    for text in payloads(count, seed):
        head, tail = "SELECT Id FROM Account WHERE Name = ", " AND Id != null"
        query = f"{head}{quoted(text)}{tail}"
        if not _holds(query, len(head), text, tail):
            escaped.append(text)
        listed = one_of("Name", (text, "next"))
        if not _holds(listed, len("Name IN ("), text, ", 'next')"):
            escaped.append(text)
        plain = re.fullmatch(r"[A-Za-z0-9_.]+", text) is not None
        if (is_id(text) and not text.isalnum()) or (_selects(text) and not plain):
            escaped.append(text)
    return escaped


def _holds(query: str, start: int, text: str, tail: str) -> bool:
    try:
        value, end = literal(query, start)
    except (AssertionError, IndexError, KeyError):
        return False
    return value == text and query[end:] == tail


def _selects(name: str) -> bool:
    try:
        select("Account", ["Id", name])
    except RequestError:
        return False
    return True


# -- HTML --------------------------------------------------------------------------------------------------------------


class _Elements(HTMLParser):
    """Counts what a browser would build."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.other = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_comment(self, data: str) -> None:
        self.other += 1

    def handle_decl(self, decl: str) -> None:
        self.other += 1

    def handle_pi(self, data: str) -> None:
        self.other += 1

    def unknown_decl(self, data: str) -> None:
        self.other += 1


def markup(count: int, seed: int = 3) -> list[str]:
    """Texts that become elements of a task's body in HubSpot, or another task's key, or do not come back."""
    escaped = []
    for text in payloads(count, seed):
        body = task_body(text, KEY)
        seen = _Elements()
        seen.feed(body)
        seen.close()
        lines = ["br"] * text.count("\n")
        right = seen.tags == ["p", *lines, "p", "span"] and seen.attributes == [("style", "font-size: 8px;")]
        key = marked({"properties": {"hs_task_body": body}})
        if not right or seen.other or key != KEY or shown_body(body).removeprefix("\n") not in (text, text[1:]):
            escaped.append(text)
    return escaped


# -- terminals ---------------------------------------------------------------------------------------------------------


def screen(count: int, seed: int = 4) -> list[str]:
    """Texts that move the cursor, change colours, end the line or turn the reading direction of a terminal."""
    escaped = []
    for text in payloads(count, seed):
        shown = clean(text)
        categories = {unicodedata.category(sign) for sign in shown}
        bidi = {unicodedata.bidirectional(sign) for sign in shown} & {"LRE", "RLE", "LRO", "RLO", "LRI", "RLI", "FSI"}
        if categories & {"Cc", "Cs", "Zl", "Zp"} or bidi:
            escaped.append(text)
    return escaped


# -- links -------------------------------------------------------------------------------------------------------------

_TEMPLATES = (
    "https://api.hubapi.com{}",
    "https://api.hubapi.com/{}",
    "https://{}api.hubapi.com/crm",
    "https://api.hubapi.com@{}/crm",
    "//{}",
    "{}",
    "https:{}",
    "http://api.hubapi.com/{}",
    "https://api.hubapi.com:{}/crm",
    "https://api.hubapi.com/crm/{}/next?after={}",
)


def links(count: int, seed: int = 5) -> list[str]:
    """Paging links by which a token would leave its host, as Python's own reader of URLs understands them."""
    origin = Origin("hubspot", "https://api.hubapi.com", ("hubapi.com",))
    escaped = []
    for number, text in enumerate(payloads(count, seed)):
        link = _TEMPLATES[number % len(_TEMPLATES)].replace("{}", text)
        try:
            url = origin.url(link)
        except ConnectorError:
            continue
        if not _at_home(url):
            escaped.append(link)
    return escaped


def _at_home(url: str) -> bool:
    """Two readers besides ours: Python's, and one that takes a browser's view of backslashes."""
    for view in (url, url.replace("\\", "/")):
        try:
            parts = urlsplit(view)
            port = parts.port
        except ValueError:
            return False
        there = (parts.scheme, (parts.hostname or "").lower(), port or 443, parts.username)
        if there != ("https", "api.hubapi.com", 443, None):
            return False
    return True


FUZZERS: Mapping[str, Callable[[int], list[Any]]] = {
    "cells of a table": cells,
    "SOQL literals and names": soql,
    "HTML bodies of tasks": markup,
    "lines on a terminal": screen,
    "links of a vendor": links,
}
