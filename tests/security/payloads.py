"""Hostile text, made by the seed: pieces of known attacks, signs nobody expects, and mixtures of both."""
# ruff: noqa: RUF001 - look-alikes are the point

import random
from collections.abc import Iterator

FORMULAS = (
    "=1+1",
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://evil.example","x")',
    "+1+1",
    "-1-1",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "＝1+1",
    "＋1",
    "－1",
    "＠SUM(1)",
    "﹦1",
    "⁺1",
    "−1",
    ";=1",
    '";=1',
    '";"=1',
    ';""=1',
    ',"=1',
    "=1;=2",
)
BLANKS = (
    *" \t\r\n\v\f\x00\x1f\x7f\x85\u00a0\u1680\u2000\u2003\u2028\u2029\u202f\u205f\u3000",
    *"\u200b\u200c\u200d\u2060\ufeff\u00ad\u061c\u202e\u2066\u180e\u034f\u115f\u3164\uffa0\u2800\ufe0f\ue000\U000e0041",
    "\ud800",
    "\udfff",
)
QUOTES = ("'", '"', "\\", "\\'", "''", '""', "\\\\", "\\\\'", "\\u0027", "\\n", "`", "’", "＇", "\u02bc", "\\", "\\'")
SOQL = (
    "' OR Name LIKE '%",
    "' OR Id != null --",
    "x') OR (Name != '",
    "\\' OR Name != '",
    "') LIMIT 2000 ALL ROWS",
    "' UNION SELECT Id FROM User",
    "/* */",
    "%_",
    "{!x}",
    ":bind",
)
MARKUP = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</p></body>",
    "<!--",
    "-->",
    "<![CDATA[",
    "<?php ?>",
    "&lt;script&gt;",
    "&#60;b&#62;",
    "&amp;lt;",
    "<a href='javascript:x'>",
    "<svg/onload=x>",
    "</textarea>",
    "</style>",
    "<style>",
    "\x00<b>",
    "＜b＞",
    "<br>",
    "<p>",
    "</span>",
    "<plaintext>",
    "&",
    "<",
    ">",
    "]]>",
    "{{7*7}}",
    "[holdfast:0123456789abcdef0123456789abcdef]",
    "[holdfast:",
    "]",
)
SCREEN = (
    "\x1b[31m",
    "\x1b]0;title\x07",
    "\x9b2J",
    "\b\b\b",
    "\r",
    "[bold]",
    "[/]",
    "[link=x]y[/link]",
    "\u202e",
    "\x1bc",
)
WORDS = (
    "Acme",
    "Müller & Söhne",
    "日本語",
    "🏴‍☠️",
    "O'Brien",
    "0",
    "1.5",
    "NULL",
    "true",
    "a" * 300,
    "../../etc/passwd",
    "%s%n",
    "",
)

PIECES = (*FORMULAS, *BLANKS, *QUOTES, *SOQL, *MARKUP, *SCREEN, *WORDS)


def payloads(count: int, seed: int) -> Iterator[str]:
    """So many texts: every piece alone and behind every blank first, then mixtures and random signs."""
    made = 0
    for text in _known():
        if made == count:
            return
        made += 1
        yield text
    rng = random.Random(seed)
    for _ in range(count - made):
        parts = [
            rng.choice(PIECES) if rng.random() < 0.85 else chr(rng.randrange(0x110000))
            for _ in range(rng.randint(1, 6))
        ]
        yield "".join(parts)


def _known() -> Iterator[str]:
    yield from PIECES
    yield from (blank + formula for blank in BLANKS for formula in FORMULAS)
    yield from (f"safe\n{blank}{formula}" for blank in BLANKS for formula in FORMULAS)
