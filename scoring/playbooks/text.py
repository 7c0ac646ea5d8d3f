"""Templates of tasks: what they may ask for, and which words are fit for a customer's eyes."""

import re
from collections.abc import Mapping

from scoring.signals import PLACEHOLDER

WORDS = ("account", "band", "drivers", "link")
"""What a task's text may ask for."""
LINK_WORDS = ("account_id",)
"""What a link may ask for."""

_SURVEILLANCE = (
    (
        re.compile(
            r"\d+\s*(%|percent\b|days?\b|hours?\b|times\b|log-?ins?\b|sessions?\b|clicks?\b|views?\b|visits?\b|events?\b"
            r"|users?\b|people\b|tickets?\b|points?\b)",
            re.IGNORECASE,
        ),
        "a figure",
    ),
    (re.compile(r"https?://|www\.|(?:^|\s)/\w|\w\.(?:html?|php|aspx?)\b", re.IGNORECASE), "an address"),
    (re.compile(r"\b\w+ (?:page|screen|button|url)s?\b", re.IGNORECASE), "the name of a page"),
)
"""What shows a customer how closely they are watched, and what it is called."""


def checked(text: str, words: tuple[str, ...] = WORDS) -> str:
    """The template as it is.

    Raises:
        ValueError: For a placeholder that is not allowed, and for a brace without its partner.
    """
    for found in PLACEHOLDER.finditer(text):
        if found[1] not in words:
            raise ValueError(f"unknown placeholder {found[0]}; allowed are {', '.join(f'{{{w}}}' for w in words)}")
    if "{" in PLACEHOLDER.sub("", text) or "}" in PLACEHOLDER.sub("", text):
        raise ValueError("a brace without its partner")
    return text


def customer_safe(text: str) -> str:
    """The template as it is.

    Raises:
        ValueError: When it names figures, addresses or pages: a customer may read it, over a shoulder or in a forwarded
            mail, and must not find how closely they are watched.
    """
    for pattern, what in _SURVEILLANCE:
        if found := pattern.search(text):
            raise ValueError(f"{found[0].strip()!r} is {what}; a customer may read it: say it by a class of behaviour")
    return checked(text)


def fill(template: str, words: Mapping[str, str]) -> str:
    """Replace `{name}` by its word, in one pass: braces inside a word stay what they are."""
    return PLACEHOLDER.sub(lambda found: words[found[1]], template)
